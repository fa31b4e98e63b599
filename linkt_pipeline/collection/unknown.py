"""Which of the runs that a list shows are not landed as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from linkt_pipeline.api import MalformedBodyError, Run
from linkt_pipeline.collection.cursor import OVERLAP
from linkt_pipeline.warehouse.queries import landed_run_versions, rejected_runs
from linkt_pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Sifted:
    """The runs of a list beside those in the warehouse.

    Attributes:
        unknown: not in the warehouse, or changed since.
        landed: how many of the listed runs are landed, in whatever version.
    """

    unknown: list[Run]
    landed: int


def sift(warehouse: Warehouse, listed: Sequence[Run]) -> Sifted:
    """Separate the runs of a list that have to be looked at from those that have not changed."""
    ids = [run.id for run in listed]
    with warehouse.read() as con:
        known = landed_run_versions(con, ids)
        rejected = rejected_runs(con, ids)

    def is_unchanged(run: Run) -> bool:
        if run.id in known and run.updated_at in (None, known[run.id]):
            return True
        return run.id in rejected and not _changed_since(run, rejected[run.id])

    return Sifted([run for run in listed if not is_unchanged(run)], len(known))


def unsettled_rows(warehouse: Warehouse, unreadable: Sequence[MalformedBodyError]) -> list[MalformedBodyError]:
    """Rows of a list that can't be read and are not kept as rejects yet."""
    with warehouse.read() as con:
        rejected = rejected_runs(con)
    return [error for error in unreadable if error.subject not in rejected]


def _changed_since(run: Run, rejected_at: datetime) -> bool:
    """Whether a run that was rejected may be another one by now; the clocks of the two sides may differ."""
    return run.updated_at is not None and run.updated_at > rejected_at - OVERLAP
