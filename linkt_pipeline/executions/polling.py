"""How often to look at a run: cheap for hours, quick at first.

The documented interval of 10 s would spend 978 requests on the longest search observed (163 minutes), a Free
plan's whole day. Here the interval grows with the run's age, so that the delay in noticing the end stays
about a twentieth of the run's duration and the same run costs about 130 requests.
"""

import random
from dataclasses import dataclass
from datetime import timedelta

_SHARE_OF_AGE = 1 / 20
_LONGEST = timedelta(seconds=120)
_JITTER = 0.1
_QUEUE_EVERY = 30  # polls at the base interval between two looks at the queue


@dataclass(frozen=True)
class PollSchedule:
    """The polling plan of one run.

    Attributes:
        base: the shortest interval (``poll_interval`` of tasks.yaml).
    """

    base: timedelta

    @property
    def queue_interval(self) -> timedelta:
        """Time between two looks at the run's queue, which is progress only and costs a request each."""
        return self.base * _QUEUE_EVERY

    def interval(self, age: timedelta) -> timedelta:
        """Time until the next look at a run of this age, without jitter."""
        return max(self.base, min(age * _SHARE_OF_AGE, _LONGEST))

    def jittered(self, age: timedelta) -> timedelta:
        """The same, spread by up to a tenth so that many runs don't ask in one moment."""
        return self.interval(age) * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311

    def requests_for(self, duration: timedelta) -> int:
        """How many looks (requests) a run of this duration costs, the last one included."""
        age, requests = timedelta(0), 1
        while age < duration:
            age += self.interval(age)
            requests += 1
        return requests
