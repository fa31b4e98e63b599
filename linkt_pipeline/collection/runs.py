"""Runs started elsewhere (Linkt schedules, the dashboard), and ours whose landing was interrupted.

They spend the same credits, and the list of runs is the only way to see them. Two facts shape this:
list statuses may be stale, so terminality is confirmed by the single-run read; and ``updated_at`` is the only
cursor, so every look overlaps the last one and runs seen unfinished are remembered until they end.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from linkt_pipeline.api import (
    BodyTooLargeError,
    InvalidIdError,
    LinktApiError,
    LinktClient,
    MalformedBodyError,
    NotFoundError,
    ReplyLostError,
    Run,
    ServerError,
)
from linkt_pipeline.api.errors import NAMELESS
from linkt_pipeline.collection.changed_runs import ChangedRuns
from linkt_pipeline.collection.cursor import OVERLAP, Cursor
from linkt_pipeline.collection.land_runs import keep_unusable_runs, land_runs
from linkt_pipeline.collection.organization import Organization
from linkt_pipeline.collection.seen_run import SeenRun, see_run
from linkt_pipeline.collection.unknown import sift
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.owed_outcomes import runs_at_rest
from linkt_pipeline.warehouse.queries import rejected_runs, unlanded_run_ids
from linkt_pipeline.warehouse.warehouse import Warehouse

_BATCH = 50
_FAILURES_TO_STOP = 3


@dataclass
class Collected:
    """What one collection did.

    Attributes:
        landed: runs that were landed, or landed again because they changed.
        unfinished: runs that are not terminal yet, or can't be read for now; the next collection looks at them again.
        gone: remembered runs that Linkt no longer knows.
        rejected: runs that can't be used, kept as rejects with what arrived and the reason.
        failures: those that can't be read for now, with the reason.
    """

    landed: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _failed_in_a_row: int = 0

    def fail(self, run_id: str, error: LinktApiError) -> None:
        """Note that a run can't be read, after all retries. One such run must not hold up the others.

        Raises:
            LinktApiError: so many in a row are an outage.
        """
        self.unfinished.append(run_id)
        self.failures.append(f"{run_id}: {error}")
        self._failed_in_a_row += not isinstance(error, MalformedBodyError)
        if self._failed_in_a_row >= _FAILURES_TO_STOP:
            raise error

    def confirm(self) -> None:
        """Note that a run was read."""
        self._failed_in_a_row = 0


async def collect_runs(
    client: LinktClient,
    warehouse: Warehouse,
    *,
    since: datetime | None = None,
    retry_rejected: bool = False,
    log: Callable[[str], None] = lambda _: None,
) -> Collected:
    """Land every terminal run that is not landed yet.

    Progress is remembered after every batch, so an interrupted history backfill goes on where it stopped.

    Args:
        client: the API.
        warehouse: where runs land.
        since: go back to runs updated since this moment, or to where the last collection stopped if that is longer
            ago; default: where the last collection stopped, or 30 days on the first one.
        retry_rejected: ask again for runs that were rejected before.
        log: called with one line per batch.

    Raises:
        OtherOrganizationError: the key shows nothing of what the warehouse knows; nothing is forgotten or landed.
        LinktApiError: so many runs in a row can't be read that it is an outage.
    """
    return await _Collection(client, warehouse, log).run(since, retry_rejected)


class _Collection:
    def __init__(self, client: LinktClient, warehouse: Warehouse, log: Callable[[str], None]) -> None:
        self.client, self.warehouse, self.log = client, warehouse, log
        self.organization = Organization(client, warehouse)
        self.begun = datetime.now(UTC)
        self.done = Collected()

    async def run(self, since: datetime | None, retry_rejected: bool) -> Collected:
        with self.warehouse.read() as con:
            cursor = Cursor.read(con)
        after = cursor.start(self.begun) if cursor.updated_after or since is None else since
        if since is not None and since <= after:
            # Remembered before the first page: a backfill that is interrupted is gone on with by any later collection.
            after, cursor = since, Cursor(since + OVERLAP, cursor.unfinished)
            self._keep(cursor)
        await self._look_again(cursor.unfinished, retry_rejected)

        listed = ChangedRuns(self.client, after)
        batch: list[Run] = []
        async for run in listed:
            batch.append(run)
            if len(batch) == _BATCH:
                await self._take(batch)
                self._remember(cursor, listed)
                reached = f", up to {run.updated_at:%Y-%m-%d %H:%M}" if run.updated_at else ""
                self.log(f"{len(self.done.landed)} runs landed so far{reached}")
                batch = []
        await self._take(batch)
        await self._take_unreadable(listed.unreadable.values())
        self._remember(cursor, listed)
        return self.done

    def _remember(self, before: Cursor, listed: ChangedRuns) -> None:
        self.done.unfinished = list(dict.fromkeys(self.done.unfinished))
        self._keep(before.moved(listed.reached, self.begun, self.done.unfinished))

    def _keep(self, cursor: Cursor) -> None:
        with self.warehouse.write(news=False) as con:
            cursor.write(con)

    async def _look_again(self, unfinished: Collection[str], retry_rejected: bool) -> None:
        """Runs remembered as unfinished, and those of executions that nobody else lands or closes."""
        with ledger_of(self.warehouse).read() as rows:
            owed = [*unlanded_run_ids(rows.con, rows.in_warehouse), *runs_at_rest(rows)]
            rejected = rejected_runs(rows.con) if retry_rejected else {}
        named = [run_id for run_id in rejected if not run_id.startswith(NAMELESS)]
        for run_id in dict.fromkeys([*unfinished, *owed, *named]):
            confirmed = await self._confirmed([run_id])
            if confirmed:
                self.organization.confirm()
            self._land_or_remember(confirmed)
        if self.done.gone:
            await self.organization.require(self.done.gone[0])

    async def _take(self, listed: Sequence[Run]) -> None:
        """Confirm what looks terminal and is new, and land it in one transaction."""
        if not listed:
            return
        sifted = sift(self.warehouse, listed)
        if sifted.landed:
            self.organization.confirm()
        await self.organization.require()
        seen_just_now = {*self.done.landed, *self.done.unfinished, *self.done.rejected}
        changed = [run.id for run in sifted.unknown if run.id not in seen_just_now]
        self._land_or_remember(await self._confirmed(changed))

    async def _take_unreadable(self, rows: Collection[MalformedBodyError]) -> None:
        """For rows of the list that can't be read: read the run by itself, and if that fails too, keep a reject."""
        named = {error.object_id for error in rows if error.object_id is not None}
        nameless = [(error.subject, error) for error in rows if error.object_id is None]
        with self.warehouse.read() as con:
            settled = {*rejected_runs(con), *self.done.landed, *self.done.unfinished, *self.done.rejected}
        if ids := named - settled:
            await self.organization.require()
            self._land_or_remember(await self._confirmed(sorted(ids)))
        if fresh := [(name, error) for name, error in nameless if name not in settled]:
            self._reject(fresh)

    def _reject(self, unusable: list[tuple[str, MalformedBodyError]]) -> None:
        keep_unusable_runs(self.warehouse, unusable)
        self.done.rejected += [run_id for run_id, _ in unusable]

    async def _confirmed(self, run_ids: Collection[str]) -> list[SeenRun]:
        """The runs as their single reads show them."""
        confirmed = []
        for run_id in run_ids:
            try:
                confirmed.append(await see_run(self.client, run_id))
                self.done.confirm()
            except NotFoundError:
                self.done.gone.append(run_id)
            except BodyTooLargeError as error:  # another look brings no less
                self._reject([(run_id, error)])
            except MalformedBodyError as error:  # kept for a person to see, and looked at again next time
                keep_unusable_runs(self.warehouse, [(run_id, error)])
                self.done.fail(run_id, error)
            except (ServerError, ReplyLostError, InvalidIdError) as error:
                self.done.fail(run_id, error)
        return confirmed

    def _land_or_remember(self, seen: Collection[SeenRun]) -> None:
        terminal = [each for each in seen if each.run.status.is_terminal]
        self.done.unfinished += [each.run.id for each in seen if not each.run.status.is_terminal]
        if terminal:
            unstorable = land_runs(self.warehouse, terminal)
            self.done.landed += [each.run.id for each in terminal if each.run.id not in unstorable]
            self.done.rejected += unstorable
