"""The clock by which a process measures how long ago something was: it only goes forward, and nobody sets it."""

import time

# It counts the time that the machine sleeps, which time.monotonic() leaves out on Linux. Other systems have no such
# clock, or a CLOCK_MONOTONIC that counts it.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds_since_boot() -> float:
    """The time on that clock, the sleep of the machine included; the same for all processes of a machine."""
    return time.clock_gettime(_CLOCK)
