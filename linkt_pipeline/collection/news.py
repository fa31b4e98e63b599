"""Whether Linkt has anything to land: the other half of the question whether a sync has anything to do.

One request asks for the list of runs. Because the list lags, each run that may have ended since is read by itself.
Nothing is landed here. The only thing that is written: runs that go on are remembered, so that the next look reads them
again.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from linkt_pipeline.api import LinktClient, MalformedBodyError, NotFoundError, Run
from linkt_pipeline.collection.changed_runs import ChangedRuns
from linkt_pipeline.collection.cursor import Cursor
from linkt_pipeline.collection.organization import Organization
from linkt_pipeline.collection.unknown import sift, unsettled_rows
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.owed_outcomes import runs_at_rest
from linkt_pipeline.warehouse.queries import rejected_runs
from linkt_pipeline.warehouse.warehouse import Warehouse

_BATCH = 100


async def look_for_news(client: LinktClient, warehouse: Warehouse) -> str | None:
    """What there is to land, in words; None if there is nothing.

    Raises:
        OtherOrganizationError: the key shows nothing of what the warehouse knows.
        LinktApiError: a list or a run can't be read, so there may be something to land.
    """
    return await _Look(client, warehouse).run()


class _Look:
    def __init__(self, client: LinktClient, warehouse: Warehouse) -> None:
        self.client, self.warehouse = client, warehouse
        self.organization = Organization(client, warehouse)
        self.begun = datetime.now(UTC)
        with ledger_of(warehouse).read() as rows:
            self.cursor = Cursor.read(rows.con)
            self.at_rest = runs_at_rest(rows)

    async def run(self) -> str | None:
        listed = ChangedRuns(self.client, self.cursor.start(self.begun))
        changed = await self._changed(listed)
        if not listed.is_whole:
            return "the list of runs ends early or is out of order"
        if unreadable := unsettled_rows(self.warehouse, list(listed.unreadable.values())):
            return f"the list of runs has a row that can't be read ({unreadable[0].subject})"
        fresh = [run_id for run_id in changed if run_id not in self.cursor.unfinished]
        if fresh:
            await self.organization.require()
        for run_id in dict.fromkeys([*fresh, *self.cursor.unfinished, *self.at_rest]):
            if news := await self._news_of(run_id, is_listed=run_id in changed):
                return news
        if fresh:
            self._remember(listed, [*self.cursor.unfinished, *fresh])
        return None

    async def _changed(self, listed: ChangedRuns) -> list[str]:
        """Runs of the list that are not landed as it shows them."""
        changed: list[str] = []
        batch: list[Run] = []
        async for run in listed:
            batch.append(run)
            if len(batch) == _BATCH:
                changed += self._sifted(batch)
                batch = []
        return [*changed, *self._sifted(batch)]

    def _sifted(self, batch: list[Run]) -> list[str]:
        if not batch:
            return []
        sifted = sift(self.warehouse, batch)
        if sifted.landed:
            self.organization.confirm()
        return [run.id for run in sifted.unknown]

    async def _news_of(self, run_id: str, *, is_listed: bool) -> str | None:
        """What the run itself shows. The list may be behind it or ahead of it."""
        try:
            run = await self.client.get_run(run_id)
        except NotFoundError:
            # Listed all the same, it is remembered and asked for again. Whether a run that an execution of ours waits
            # for is gone, the next start of its task decides.
            return None if is_listed or run_id in self.at_rest else f"run {run_id} no longer exists"
        except MalformedBodyError:
            if self._is_kept(run_id):  # what can't be read is known already
                return None
            raise
        if not run.status.is_terminal or not sift(self.warehouse, [run]).unknown:
            return None
        return f"run {run_id} has ended ({run.raw_status})"

    def _is_kept(self, run_id: str) -> bool:
        with self.warehouse.read() as con:
            return run_id in rejected_runs(con, [run_id])

    def _remember(self, listed: ChangedRuns, going: Iterable[str]) -> None:
        with self.warehouse.write(news=False) as con:
            self.cursor.moved(listed.reached, self.begun, going).write(con)
