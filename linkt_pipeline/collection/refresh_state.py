"""Where the refresh has come to, as one JSON row of ``linkt.sync_state``."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import orjson

from linkt_pipeline.warehouse.state import read_state, write_state

_NAME = "refresh"
_GOES_ON_FOR = timedelta(hours=1)  # what was read longer ago is read again: it may have changed since
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """Where the refresh of an ICP has come to.

    Attributes:
        icp_id: the ICP.
        page: of its list, the next to read; None once the list is read.
        unseen: entities of the warehouse that none of its pages has shown so far; left out before the first page.
        at: when its list, or what was left of it, began to be read.
        is_paused: the requests ran out. The next refresh goes on there, however late it comes; otherwise a list with
            more pages than a day has requests would never be read to its end.
    """

    icp_id: str
    page: int | None = 1
    unseen: tuple[str, ...] = ()
    at: datetime = _NEVER
    is_paused: bool = False


@dataclass(frozen=True)
class RefreshState:
    """What is remembered between two refreshes.

    Attributes:
        done: ICPs that a refresh has read before it ended early, with when it began to read each; empty when one came
            to its end.
        place: where it stopped in the middle of an ICP.
        asked_up_to: for each ICP whose list leaves out existing entities, the last of these that was read.
        asked_again_up_to: for each ICP with many deleted entities, the last of these that was read again.
        finished_at: when a refresh last came to its end.
    """

    done: Mapping[str, datetime] = field(default_factory=dict)
    place: Place | None = None
    asked_up_to: Mapping[str, str] = field(default_factory=dict)
    asked_again_up_to: Mapping[str, str] = field(default_factory=dict)
    finished_at: datetime | None = None

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection) -> "RefreshState":
        """As it was written last."""
        stored = read_state(con, _NAME)
        if stored is None:
            return cls()
        value = orjson.loads(stored)
        done, place, finished_at = value["done"], value["place"], value["finished_at"]
        return cls(
            # Before there were times it was a list.
            {icp_id: datetime.fromisoformat(at) for icp_id, at in done.items()} if isinstance(done, dict) else {},
            _place(place) if place and "at" in place else None,
            value["asked_up_to"],
            value.get("asked_again_up_to", {}),
            datetime.fromisoformat(finished_at) if finished_at else None,
        )

    def write(self, con: duckdb.DuckDBPyConnection) -> None:
        """Keep it, in the caller's transaction."""
        write_state(con, _NAME, orjson.dumps(self).decode())

    def resumed(self, now: datetime) -> "RefreshState":
        """Where a refresh that begins now goes on: where the last one paused, or broke off a short while ago."""
        goes_on = self.place and (self.place.is_paused or _is_recent(self.place.at, now))
        return self if goes_on else replace(self, place=None)

    def left(self, icp_ids: Collection[str], now: datetime) -> list[str]:
        """The ICPs to read, the one it stopped at first, then those whose reading is the oldest.

        Those read a short while ago are left out, unless nothing else is left.
        """
        left = [icp_id for icp_id in icp_ids if not _is_recent(self.done.get(icp_id, _NEVER), now)] or icp_ids
        begun = self.place.icp_id if self.place else None
        return sorted(left, key=lambda icp_id: (icp_id != begun, self.done.get(icp_id, _NEVER), icp_id))

    def stopped_at(self, place: Place) -> "RefreshState":
        """The refresh ended in the middle of an ICP."""
        return replace(self, place=place)

    def passed(
        self, icp_id: str, at: datetime, asked_up_to: str | None, asked_again_up_to: str | None
    ) -> "RefreshState":
        """An ICP was refreshed.

        Args:
            icp_id: the ICP.
            at: when it began to be read.
            asked_up_to: the last entity asked for, where others are left for another time.
            asked_again_up_to: the same of deleted ones.
        """
        return replace(
            self,
            done={**self.done, icp_id: at},
            place=None,
            asked_up_to=_with(self.asked_up_to, icp_id, asked_up_to),
            asked_again_up_to=_with(self.asked_again_up_to, icp_id, asked_again_up_to),
        )

    def finished(self, now: datetime) -> "RefreshState":
        """Every ICP was refreshed."""
        return replace(self, done={}, place=None, finished_at=now)

    def in_turn(self, icp_id: str, entity_ids: Iterable[str]) -> Sequence[str]:
        """Entities in the order in which they are asked for: from where the last refresh stopped asking."""
        return _from(self.asked_up_to.get(icp_id, ""), entity_ids)

    def again_in_turn(self, icp_id: str, entity_ids: Iterable[str]) -> Sequence[str]:
        """The same of deleted entities."""
        return _from(self.asked_again_up_to.get(icp_id, ""), entity_ids)


def _place(value: Mapping[str, Any]) -> Place:
    at = datetime.fromisoformat(value["at"])
    return Place(value["icp_id"], value["page"], tuple(value["unseen"]), at, value["is_paused"])


def _is_recent(at: datetime, now: datetime) -> bool:
    return timedelta(0) <= now - at < _GOES_ON_FOR


def _with(last_of: Mapping[str, str], icp_id: str, last: str | None) -> dict[str, str]:
    others = {each: kept for each, kept in last_of.items() if each != icp_id}
    return {**others, icp_id: last} if last else others


def _from(last: str, entity_ids: Iterable[str]) -> list[str]:
    return sorted(entity_ids, key=lambda entity_id: (entity_id <= last, entity_id))
