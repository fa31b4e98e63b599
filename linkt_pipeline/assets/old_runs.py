"""Dagster runs that nobody needs, and how they are deleted.

Runs are deleted through Dagster's public interface, so that any storage works. If Dagster keeps SQLite files,
``instance_files`` removes what that interface leaves behind.

These runs are never deleted: a run that goes on, a run that the ledger still refers to, a run of another code location,
and the run in which an asset was last materialized or a check last evaluated. Without that last one, Dagster would take
the asset for one that was never made, and make it again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice

import dagster as dg

from linkt_pipeline.assets.askers import ASKED_BY_TAG
from linkt_pipeline.assets.automation import EXECUTE_AND_PUBLISH, INGEST_AND_PUBLISH, SYNC_AND_PUBLISH
from linkt_pipeline.assets.instance_files import delete_files
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.refresh import REFRESH_ENTITIES
from linkt_pipeline.assets.retention import ERASE_INACTIVE_PEOPLE
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.owed_outcomes import dagster_runs_of_open_outcomes
from linkt_pipeline.warehouse.warehouse import Warehouse

DELETE_OLD_RUNS = "delete_old_runs"
MAINTAIN_LAKE = "maintain_lake"
PAID_RUNS_ARE_KEPT = timedelta(days=365)
REPOSITORY_TAG = ".dagster/repository"
_FREE_JOBS = (SYNC_AND_PUBLISH, REFRESH_ENTITIES, DELETE_OLD_RUNS, ERASE_INACTIVE_PEOPLE, MAINTAIN_LAKE)
_OUR_JOBS = (*_FREE_JOBS, EXECUTE_AND_PUBLISH, INGEST_AND_PUBLISH)
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_PAGE = 200


@dataclass(frozen=True)
class Retention:
    """Which runs are kept.

    Args:
        placement: where the assets stand.
        assets: what the deployment defines; runs of other assets are not its own.
        warehouse: holds the ledger.
        keep: how long runs of the free part are kept after their end.
        shared: the code location holds assets of others too. A run that made one of those as well is kept.
    """

    placement: Placement
    assets: tuple[dg.AssetsDefinition, ...]
    warehouse: Warehouse
    keep: timedelta
    shared: bool = False

    def find(
        self, instance: dg.DagsterInstance, now: datetime, *, repository: str | None = None, at_most: int | None = None
    ) -> list[str]:
        """Ids of runs to delete, oldest first.

        Args:
            instance: where to look; nothing is written.
            now: the present moment.
            repository: Dagster's tag of the code location; runs with another one are of others. Default: not compared.
            at_most: so many.

        Raises:
            WarehouseError: the ledger can't be read.
        """
        old = (
            record.dagster_run
            for record in _ended_before(instance, now - self.keep)
            if self._is_of_ours(record.dagster_run, repository)
            and (self.is_free(record.dagster_run) or record.update_timestamp < now - PAID_RUNS_ARE_KEPT)
        )
        first = next(old, None)
        if first is None:
            return []  # the usual answer, at the price of one query
        needed = self._needed_by_ledger() | self._latest(instance)
        unneeded = (run.run_id for run in chain([first], old) if _names(run).isdisjoint(needed))
        return list(islice(unneeded, at_most))

    def _is_of_ours(self, run: dg.DagsterRun, repository: str | None) -> bool:
        """Whether the run is of this deployment alone; an instance may serve several, and so may a code location."""
        tagged = run.tags.get(REPOSITORY_TAG)
        if repository and tagged and repository != tagged:
            return False
        if not run.asset_selection:
            return run.job_name in map(self.placement.name, _OUR_JOBS)
        ours = {key for asset in self.assets for key in asset.keys}
        return run.asset_selection <= ours if self.shared else not ours.isdisjoint(run.asset_selection)

    def is_free(self, run: dg.DagsterRun) -> bool:
        """Whether a run certainly did not execute a paid asset."""
        if not run.asset_selection:  # None, or empty where a command made the run: all assets of the job
            return run.job_name in map(self.placement.name, _FREE_JOBS)
        return run.asset_selection.isdisjoint(self.placement.paid)

    def _latest(self, instance: dg.DagsterInstance) -> set[str]:
        """Runs that hold the latest word on an asset, a partition or a check."""
        found: set[str | None] = set()
        for record in instance.get_asset_records([key for asset in self.assets for key in asset.keys]):
            found.add(record.asset_entry.last_run_id)
            if latest := record.asset_entry.last_materialization:
                found.add(latest.run_id)
        checks = [key for asset in self.assets for key in asset.check_keys]
        executions = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
        found |= {execution.run_id for execution in executions.values()}
        made = dg.DagsterEventType.ASSET_MATERIALIZATION
        for paid in self.placement.paid:
            for partition in instance.get_latest_storage_id_by_partition(paid, made):
                filters = dg.AssetRecordsFilter(asset_key=paid, asset_partitions=[partition])
                found |= {record.run_id for record in instance.fetch_materializations(filters, limit=1).records}
        return {run_id for run_id in found if run_id}

    def _needed_by_ledger(self) -> set[str]:
        if not self.warehouse.exists:
            return set()
        with ledger_of(self.warehouse).read() as rows:
            return dagster_runs_of_open_outcomes(rows)


def delete_runs(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> None:
    """Delete runs with their events, logs and files; ``finish_deletions`` ends what is cut short."""
    for run_id in run_ids:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
        delete_files(instance, run_id)


def _ended_before(instance: dg.DagsterInstance, moment: datetime) -> Iterator[dg.RunRecord]:
    """Read runs page by page; the last run of a page must still exist when the next page is asked for."""
    cursor = None
    filters = dg.RunsFilter(statuses=_ENDED, updated_before=moment)
    while records := instance.get_run_records(filters, limit=_PAGE, ascending=True, cursor=cursor):
        yield from records
        cursor = records[-1].dagster_run.run_id


def _names(run: dg.DagsterRun) -> set[str | None]:
    """The ids by which the ledger may know a run: see ``askers``."""
    return {run.run_id, run.root_run_id, run.tags.get(ASKED_BY_TAG)}
