"""Tasks, ICPs and sheets: a few rows that turn ids into names."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
import polars as pl

from linkt_pipeline.api import (
    AuthenticationError,
    IncompleteListError,
    LinktClient,
    MalformedBodyError,
    RefusedError,
    ReplyLostError,
    ServerError,
    UnexpectedRedirectError,
)
from linkt_pipeline.collection.frames import icps_frame, rejects_frame, sheets_frame, tasks_frame
from linkt_pipeline.warehouse import landing
from linkt_pipeline.warehouse.warehouse import Warehouse

_OF_ONE_LIST = (
    IncompleteListError,
    MalformedBodyError,
    RefusedError,
    ReplyLostError,
    ServerError,
    UnexpectedRedirectError,
)


@dataclass(frozen=True)
class ReferenceCounts:
    """Rows the API lists today. Rows it lists no more stay in the warehouse: old runs still refer to them.

    Attributes:
        tasks, icps, sheets: rows that can be used.
        rejected: rows that can't; they are kept as rejects until the list is read the next time.
        failures: lists that can't be read for now, with the reason; what was landed of them stays.
    """

    tasks: int
    icps: int
    sheets: int
    rejected: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass
class _List:
    """One list of the API and how it is landed."""

    resource_type: str
    rows: Callable[..., AsyncIterator[Any]]
    frame: Callable[[Sequence[Any], datetime], pl.DataFrame]
    land: Callable[[duckdb.DuckDBPyConnection, pl.DataFrame], landing.LandingCounts]
    read: list[Any] = field(default_factory=list)
    unreadable: list[MalformedBodyError] = field(default_factory=list)


async def refresh_reference_data(client: LinktClient, warehouse: Warehouse) -> ReferenceCounts:
    """Read the lists and merge them, in one transaction.

    A row that can't be used, or a list that can't be read, holds up nothing else. Nor do lists that the key may not
    read, even if it may read none: without names, people see ids.

    Raises:
        LinktApiError: none of the lists can be read for now, or the key is refused.
    """
    lists = [
        _List("task", client.list_tasks, tasks_frame, landing.land_tasks),
        _List("icp", client.list_icps, icps_frame, landing.land_icps),
        _List("sheet", client.list_sheets, sheets_frame, landing.land_sheets),
    ]
    readable, failures = [], []
    for each in lists:
        try:
            each.read = [row async for row in each.rows(on_malformed=each.unreadable.append)]
        except AuthenticationError:
            raise
        except _OF_ONE_LIST as error:
            failures.append(error)
        else:
            readable.append(each)
    # A refusal stays a refusal, and a sync goes on without names; an outage is worth a failed step.
    passing = [error for error in failures if not isinstance(error, RefusedError)]
    if passing and not readable:
        raise passing[0]
    now = datetime.now(UTC)
    with warehouse.write() as con:
        unstorable = sum(_land(con, each, now) for each in readable)
    tasks, icps, sheets = (len(each.read) for each in lists)
    rejected = unstorable + sum(len(each.unreadable) for each in readable)
    return ReferenceCounts(tasks, icps, sheets, rejected, [str(error) for error in failures])


def _land(con: duckdb.DuckDBPyConnection, listed: _List, now: datetime) -> int:
    """Land a list that was read, in place of what was rejected before. Returns how many rows can't be stored."""
    landing.clear_rejects(con, listed.resource_type)
    counts = listed.land(con, listed.frame(listed.read, now))
    rejects = [(error.subject, error.reason, error.payload) for error in listed.unreadable]
    landing.land_rejects(con, rejects_frame(listed.resource_type, rejects, now))
    return len(counts.unstorable)
