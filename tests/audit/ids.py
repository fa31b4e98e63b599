"""Ids as Linkt makes them: seconds, a machine, and a counter that goes up by one."""

from datetime import datetime


class ObjectIds:
    """Ids in sequence, which differ in a few digits only."""

    def __init__(self, machine: str = "5a4d0beef1", first: int = 0x00FE) -> None:
        self._machine = machine
        self._counter = first

    def made_at(self, moment: datetime) -> str:
        self._counter += 1
        return f"{int(moment.timestamp()):08x}{self._machine}{self._counter:06x}"
