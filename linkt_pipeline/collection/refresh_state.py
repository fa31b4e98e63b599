"""Where the refresh has come to, as one JSON row of ``linkt.sync_state``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import duckdb
import orjson

from linkt_pipeline.warehouse.state import read_state, write_state

_NAME = "refresh"


@dataclass(frozen=True)
class Place:
    """Where the refresh of an ICP has come to.

    Attributes:
        icp_id: the ICP.
        page: of its list, the next to read; None once the list is read.
        unseen: entities of the warehouse that none of its pages has shown so far; left out before the first page.
    """

    icp_id: str
    page: int | None = 1
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefreshState:
    """What is remembered between two refreshes.

    Attributes:
        done: ICPs that the round has behind it; empty when a round is over.
        place: where it stopped in the middle of an ICP.
        asked_up_to: by ICP whose list leaves out entities that are there, the last that was asked for.
        asked_again_up_to: by ICP with many deleted entities, the last of them that was asked for again.
        finished_at: when a round was last over.
    """

    done: tuple[str, ...] = ()
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
        place, finished_at = value["place"], value["finished_at"]
        return cls(
            tuple(value["done"]),
            Place(place["icp_id"], place["page"], tuple(place["unseen"])) if place else None,
            value["asked_up_to"],
            value.get("asked_again_up_to", {}),
            datetime.fromisoformat(finished_at) if finished_at else None,
        )

    def write(self, con: duckdb.DuckDBPyConnection) -> None:
        """Keep it, in the caller's transaction."""
        write_state(con, _NAME, orjson.dumps(self).decode())

    def left(self, icp_ids: Iterable[str]) -> list[str]:
        """The ICPs that the round has before it, the one it stopped at first."""
        left = sorted(set(icp_ids) - set(self.done))
        begun = self.place.icp_id if self.place else None
        return sorted(left, key=lambda icp_id: icp_id != begun)

    def stopped_at(self, place: Place) -> "RefreshState":
        """The refresh ended in the middle of an ICP."""
        return replace(self, place=place)

    def passed(self, icp_id: str, asked_up_to: str | None, asked_again_up_to: str | None) -> "RefreshState":
        """An ICP was refreshed.

        Args:
            icp_id: the ICP.
            asked_up_to: the last entity asked for, where others are left for another time.
            asked_again_up_to: the same of deleted ones.
        """
        return replace(
            self,
            done=(*self.done, icp_id),
            place=None,
            asked_up_to=_with(self.asked_up_to, icp_id, asked_up_to),
            asked_again_up_to=_with(self.asked_again_up_to, icp_id, asked_again_up_to),
        )

    def finished(self, now: datetime) -> "RefreshState":
        """Every ICP was refreshed."""
        return replace(self, done=(), place=None, finished_at=now)

    def in_turn(self, icp_id: str, entity_ids: Iterable[str]) -> Sequence[str]:
        """Entities in the order in which they are asked for: from where the last refresh stopped asking."""
        return _from(self.asked_up_to.get(icp_id, ""), entity_ids)

    def again_in_turn(self, icp_id: str, entity_ids: Iterable[str]) -> Sequence[str]:
        """The same of deleted entities."""
        return _from(self.asked_again_up_to.get(icp_id, ""), entity_ids)


def _with(last_of: Mapping[str, str], icp_id: str, last: str | None) -> dict[str, str]:
    others = {each: kept for each, kept in last_of.items() if each != icp_id}
    return {**others, icp_id: last} if last else others


def _from(last: str, entity_ids: Iterable[str]) -> list[str]:
    return sorted(entity_ids, key=lambda entity_id: (entity_id <= last, entity_id))
