"""A deployment in miniature: a served sandbox, its tasks, a warehouse and a Dagster instance in one folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from linkt_pipeline.assets.location import build_location
from linkt_pipeline.sandbox import Sandbox
from linkt_pipeline.settings import Settings, load_settings
from linkt_pipeline.tasks import TaskSpec
from linkt_pipeline.tasks_yaml import load_tasks
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse

API_KEY = "sk-known-to-this-test-alone-8f1e"

TASKS = """
tasks:
  search:
    task_id: 6964b9b45a4d0beef1000031
    icp_id: 6964b8105a4d0beef1000011
    parameters: {num_results: 3}
    poll_interval: 50ms
    max_wait: 30s
    schedule: "0 6 * * 1"
  fair: {task_id: 6964b9f05a4d0beef1000032, icp_id: 6964b84c5a4d0beef1000012, parameters: {input_entities: []},
         poll_interval: 50ms, max_wait: 30s}
  news: {task_id: 6964ba2c5a4d0beef1000033, icp_id: 6964b8885a4d0beef1000013, poll_interval: 50ms, max_wait: 30s}
"""


@dataclass
class Deployment:
    """What a test has at hand; the environment holds its key and folders."""

    sandbox: Sandbox
    folder: Path
    instance: dg.DagsterInstance

    @property
    def settings(self) -> Settings:
        return load_settings()

    @property
    def tasks(self) -> dict[str, TaskSpec]:
        return load_tasks(self.settings.active_tasks_file)

    @property
    def definitions(self) -> dg.Definitions:
        return build_location(self.settings, self.tasks)

    @property
    def warehouse(self) -> Warehouse:
        return FileWarehouse(self.settings.warehouse_path)

    def run(
        self,
        job: str,
        *,
        partitions: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
        assets: Sequence[str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """One Dagster run in this process.

        Args:
            job: its name.
            partitions: first and last of a range, or one.
            config: by op name.
            assets: ``schema/name`` each; all of the job by default.
        """
        names = {}
        if partitions:
            names = {
                "dagster/asset_partition_range_start": partitions[0],
                "dagster/asset_partition_range_end": partitions[-1],
            }
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            tags=names,
            run_config={"ops": {op: {"config": values} for op, values in (config or {}).items()}},
            asset_selection=[dg.AssetKey(name.split("/")) for name in assets] if assets else None,
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as con:
            return con.execute(sql).fetchall()

    def published_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A query on the snapshot, as a BI tool would ask it."""
        con = duckdb.connect()
        try:
            con.execute(f"attach '{self.settings.snapshot_path}' as published (read_only); use published")
            return con.execute(sql).fetchall()
        finally:
            con.close()


def materializations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    """The last one of each asset (and partition: ``linkt/executions:search``)."""
    found = {}
    for event in result.all_events:
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            made = event.step_materialization_data.materialization
            found["/".join(made.asset_key.path) + (f":{made.partition}" if made.partition else "")] = made
    return found


def figures(made: dg.AssetMaterialization) -> dict[str, Any]:
    """Metadata as plain values."""
    return {name: value.value for name, value in made.metadata.items()}


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What each failed step says."""
    found = {}
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            told = data.user_failure_data.description if data.user_failure_data else None
            found[str(event.step_key)] = told or str(data.error)
    return found


def steps_succeeded(result: dg.ExecuteInProcessResult) -> set[str]:
    return {str(event.step_key) for event in result.all_events if event.is_step_success}
