"""Everything of a deployment as one set of Dagster definitions."""

import warnings
from collections.abc import Collection, Mapping

import dagster as dg

from linkt_pipeline.assets.automation import build_automation
from linkt_pipeline.assets.executions import build_executions
from linkt_pipeline.assets.housekeeping import build_housekeeping, retention_of
from linkt_pipeline.assets.landed import build_landed_assets
from linkt_pipeline.assets.landing_checks import landing_checks
from linkt_pipeline.assets.models import build_models_asset
from linkt_pipeline.assets.resources import WarehouseResource, linkt_resource
from linkt_pipeline.assets.snapshot import build_snapshot
from linkt_pipeline.code_mark import mark_of_code
from linkt_pipeline.executions.events import Observer
from linkt_pipeline.settings import Settings
from linkt_pipeline.tasks import TaskSpec
from linkt_pipeline.tasks_yaml import load_timezone
from linkt_pipeline.transform import ModelKey, load_project
from linkt_pipeline.warehouse.catalog import read_catalog
from linkt_pipeline.warehouse.file import Warehouse
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.task_settings import record_settings

# Single-run backfills and pools are marked beta; their use here is deliberate, and their version is pinned.
warnings.filterwarnings("ignore", category=dg.BetaWarning)


def build_definitions(
    settings: Settings,
    tasks: Mapping[str, TaskSpec],
    *,
    observer: Observer | None = None,
    entries: Collection[str] | None = None,
) -> dg.Definitions:
    """The code location. A file of sql/ that can't be used takes out what is built from it, and nothing else.

    Args:
        settings: the environment.
        tasks: the entries of tasks.yaml.
        observer: told what happens besides Dagster's log, such as the command's live display.
        entries: every name in tasks.yaml, where ``tasks`` are only some of them.
    """

    def mark_now() -> str:
        return mark_of_code(settings.sql_dirs, settings.active_tasks_file)

    code = mark_now()  # before sql/ is read: a file that is changed meanwhile is not taken for built
    with empty_warehouse() as con:
        landed = {ModelKey(table.schema, table.name): table for table in read_catalog(con) if table.schema == "linkt"}
    project = load_project(
        settings.sql_dirs,
        {str(key): {column.name: column.type for column in table.columns} for key, table in landed.items()},
    )
    checks = [*landing_checks(tasks), *project.checks]
    timezone = load_timezone(settings.active_tasks_file)

    def record(warehouse: Warehouse) -> None:
        record_settings(warehouse, timezone, tasks.values(), entries)

    sandbox_dir = settings.root if settings.sandbox else None
    executions = landed[ModelKey("linkt", "executions")]
    assets = [
        build_executions(tasks, executions, checks, observer, sandbox_dir=sandbox_dir, entries=entries),
        *build_landed_assets(landed, checks, record, observer),
        build_models_asset(project, code),
        build_snapshot(project.graph, settings.published_dir, settings.published_for),
    ]
    return dg.Definitions.merge(
        build_automation(tasks, mark_now),
        build_housekeeping(retention_of(settings, assets)),
        dg.Definitions(
            assets=assets,
            resources={
                "linkt": linkt_resource(settings),
                "warehouse": WarehouseResource(path=str(settings.warehouse_path)),
            },
            # One Dagster run is one process: a further one costs two seconds, 190 MB, and rivals for the DuckDB file.
            executor=dg.in_process_executor,
            metadata={
                "mode": "sandbox (made-up data)" if settings.sandbox else "live",
                "data_folder": dg.MetadataValue.path(str(settings.root)),
                "tasks_file": dg.MetadataValue.path(str(settings.active_tasks_file)),
                "api": "stand-in on this machine" if settings.sandbox else settings.base_url,
            },
        ),
    )
