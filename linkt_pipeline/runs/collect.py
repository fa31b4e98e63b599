"""Runs started elsewhere (Linkt schedules, the dashboard), and ours whose landing was interrupted.

They spend the same credits, and the list of runs is the only way to see them. Two facts shape this:
list statuses may be stale, so terminality is confirmed by the single-run read; and ``updated_at`` is the only
cursor, so every look overlaps the last one and runs seen unfinished are remembered until they end.
"""

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson

from linkt_pipeline.api import (
    InvalidIdError,
    LinktApiError,
    LinktClient,
    MalformedBodyError,
    NotFoundError,
    Page,
    ReplyLostError,
    Run,
    ServerError,
)
from linkt_pipeline.runs.land import land_runs
from linkt_pipeline.warehouse.connection import Warehouse
from linkt_pipeline.warehouse.queries import landed_run_versions, unlanded_run_ids
from linkt_pipeline.warehouse.state import read_state, write_state

OVERLAP = timedelta(minutes=10)
FIRST_LOOK_BACK = timedelta(days=30)
_CURSOR = "runs"
_BATCH = 50
_PAGE_SIZE = 100
_FAILURES_TO_STOP = 3


@dataclass
class Collected:
    """What one collection did.

    Attributes:
        landed: runs landed or landed anew because they changed.
        unfinished: runs that are not terminal yet, or can't be read for now; the next collection looks at them again.
        gone: remembered runs that Linkt no longer knows.
        failures: those that can't be read for now, with the reason.
    """

    landed: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _failed_in_a_row: int = 0

    def fail(self, run_id: str, error: LinktApiError) -> None:
        """Take in that a run can't be read, after all retries; one run must not keep all others from being landed.

        Raises:
            LinktApiError: so many in a row are an outage.
        """
        self.unfinished.append(run_id)
        self.failures.append(f"{run_id}: {error}")
        self._failed_in_a_row += not isinstance(error, MalformedBodyError)
        if self._failed_in_a_row >= _FAILURES_TO_STOP:
            raise error

    def confirm(self) -> None:
        """Take in that a run was read."""
        self._failed_in_a_row = 0


@dataclass(frozen=True)
class _Cursor:
    """What is remembered between two collections, as one JSON row of ``linkt.sync_state``."""

    updated_after: datetime | None = None
    unfinished: tuple[str, ...] = ()

    @classmethod
    def read(cls, warehouse: Warehouse) -> "_Cursor":
        with warehouse.read() as con:
            stored = read_state(con, _CURSOR)
        if stored is None:
            return cls()
        value = orjson.loads(stored)
        after = value["updated_after"]
        return cls(datetime.fromisoformat(after) if after else None, tuple(value["unfinished"]))

    def write(self, warehouse: Warehouse) -> None:
        with warehouse.write() as con:
            write_state(con, _CURSOR, orjson.dumps(self).decode())


async def collect_runs(
    client: LinktClient,
    warehouse: Warehouse,
    *,
    since: datetime | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> Collected:
    """Land every terminal run that is not landed yet.

    Progress is remembered after every batch, so an interrupted history backfill goes on where it stopped.

    Args:
        client: the API.
        warehouse: where runs land.
        since: go back to runs updated since this moment, or to where the last collection stopped if that is longer
            ago; default: where the last collection stopped, or 30 days on the first one.
        log: told one line per batch.
    """
    cursor = _Cursor.read(warehouse)
    begun = datetime.now(UTC)
    after = cursor.updated_after - OVERLAP if cursor.updated_after else since or begun - FIRST_LOOK_BACK
    if since is not None and since <= after:
        # Remembered before the first page: a backfill that is interrupted is gone on with by any later collection.
        after, cursor = since, _Cursor(since + OVERLAP, cursor.unfinished)
        cursor.write(warehouse)
    with warehouse.read() as con:
        owed = unlanded_run_ids(con)
    collected = Collected()
    waiting = dict.fromkeys([*cursor.unfinished, *owed])
    await _look_again(client, warehouse, waiting, collected)

    newest = cursor.updated_after
    batch: list[Run] = []
    async for run in _changed_runs(client, after):
        batch.append(run)
        # A time in the future would hide everything that changes until then.
        newest = max(filter(None, [newest, run.updated_at and min(run.updated_at, begun)]), default=None)
        if len(batch) == _BATCH:
            await _take(client, warehouse, batch, collected)
            _Cursor(newest, tuple(dict.fromkeys(collected.unfinished))).write(warehouse)
            reached = f", up to {newest:%Y-%m-%d %H:%M}" if newest else ""
            log(f"{len(collected.landed)} runs landed so far{reached}")
            batch = []
    await _take(client, warehouse, batch, collected)
    collected.unfinished = list(dict.fromkeys(collected.unfinished))
    _Cursor(newest, tuple(collected.unfinished)).write(warehouse)
    return collected


async def _look_again(client: LinktClient, warehouse: Warehouse, run_ids: Collection[str], into: Collected) -> None:
    """Runs remembered as unfinished, and finished executions whose run is not landed."""
    for run_id in run_ids:
        await _land_or_remember(warehouse, await _confirmed(client, [run_id], into), into)


async def _take(client: LinktClient, warehouse: Warehouse, listed: Collection[Run], into: Collected) -> None:
    """Confirm what looks terminal and is new, and land it in one transaction."""
    with warehouse.read() as con:
        known = landed_run_versions(con, [run.id for run in listed])
    seen_just_now = {*into.landed, *into.unfinished}
    unchanged = {run.id for run in listed if run.id in known and run.updated_at in (None, known[run.id])}
    changed = [run.id for run in listed if run.id not in seen_just_now | unchanged]
    await _land_or_remember(warehouse, await _confirmed(client, changed, into), into)


async def _confirmed(client: LinktClient, run_ids: Collection[str], into: Collected) -> list[Run]:
    """The runs as their single reads show them."""
    confirmed = []
    for run_id in run_ids:
        try:
            confirmed.append(await client.get_run(run_id))
            into.confirm()
        except NotFoundError:
            into.gone.append(run_id)
        except (MalformedBodyError, ServerError, ReplyLostError, InvalidIdError) as error:
            into.fail(run_id, error)
    return confirmed


async def _land_or_remember(warehouse: Warehouse, runs: Collection[Run], into: Collected) -> None:
    terminal = [run for run in runs if run.status.is_terminal]
    into.unfinished += [run.id for run in runs if not run.status.is_terminal]
    if terminal:
        land_runs(warehouse, terminal)
        into.landed += [run.id for run in terminal]


async def _changed_runs(client: LinktClient, after: datetime) -> AsyncIterator[Run]:
    """Every run updated since, oldest change first.

    Runs change while they are listed, so page numbers would skip some. Each request instead starts where the
    last page ended; page numbers serve only inside a group of runs that share one moment.
    """
    seen: set[str] = set()
    page = 1
    while True:
        answer = await client.list_runs_page(
            page=page, page_size=_PAGE_SIZE, updated_after=after, sort_by="updated_at", order=1
        )
        fresh = [run for run in answer.items if run.id not in seen]
        for run in fresh:
            seen.add(run.id)
            yield run
        if not answer.items or (not fresh and page > 1) or _is_last(answer, page):
            return
        # One second back: whether updated_after includes its own moment is not documented.
        newest = max((run.updated_at for run in answer.items if run.updated_at), default=after) - timedelta(seconds=1)
        page, after = (1, newest) if newest > after else (page + 1, after)


def _is_last(answer: Page[Run], page: int) -> bool:
    return answer.total is not None and page * _PAGE_SIZE >= answer.total
