"""How fast Python's threads take turns while one of them serves sockets and another one lands.

Landing asks for the interpreter's lock some 270 times a batch. Sending and receiving give it up every few microseconds,
but take it back before the landing thread has woken up; and by default a thread asks for it with authority only after
5 ms, so that landing takes longer than reading.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SWITCH_INTERVAL = 5e-5  # seconds

_guard = threading.Lock()
_in_use = 0
_usual = 0.0


@contextmanager
def short_switch_interval() -> Iterator[None]:
    """A short switch interval for the whole process; the last block that ends restores the usual one."""
    global _in_use, _usual
    with _guard:
        if not _in_use:
            _usual = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH_INTERVAL)
        _in_use += 1
    try:
        yield
    finally:
        with _guard:
            _in_use -= 1
            if not _in_use:
                sys.setswitchinterval(_usual)
