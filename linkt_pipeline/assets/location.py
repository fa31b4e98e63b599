"""Everything of a deployment as one set of Dagster definitions."""

import warnings
from collections.abc import Mapping

import dagster as dg

from linkt_pipeline.assets.automation import build_jobs, build_schedules, build_sensors
from linkt_pipeline.assets.executions import build_executions
from linkt_pipeline.assets.landed import build_landed_assets
from linkt_pipeline.assets.landing_checks import landing_checks
from linkt_pipeline.assets.models import build_models_asset
from linkt_pipeline.assets.resources import WarehouseResource, linkt_resource
from linkt_pipeline.assets.snapshot import build_snapshot
from linkt_pipeline.config import PROJECT_ROOT, Settings, TaskSpec
from linkt_pipeline.models import ModelKey, describe_models, load_checks, load_models, warehouse_sources
from linkt_pipeline.runs.events import Observer
from linkt_pipeline.warehouse.migration import empty_warehouse

SQL_DIR = PROJECT_ROOT / "sql"

# Single-run backfills and pools are marked beta; their use here is deliberate, and their version is pinned.
warnings.filterwarnings("ignore", category=dg.BetaWarning)


def build_definitions(
    settings: Settings, tasks: Mapping[str, TaskSpec], *, observer: Observer | None = None
) -> dg.Definitions:
    """The code location.

    Args:
        settings: the environment.
        tasks: the entries of tasks.yaml.
        observer: told what happens besides Dagster's log, such as the command's live display.

    Raises:
        ModelFileError: a file of sql/ can't be used.
    """
    with empty_warehouse() as con:
        sources = warehouse_sources(con)
    graph = load_models(SQL_DIR, sources)
    checks = [*landing_checks(tasks), *load_checks(SQL_DIR, graph)]
    jobs = build_jobs()
    return dg.Definitions(
        assets=[
            build_executions(tasks, graph.sources[ModelKey("linkt", "executions")], checks, observer),
            *build_landed_assets(graph.sources, checks, observer),
            build_models_asset(graph, describe_models(graph), checks),
            build_snapshot(graph, settings.published_dir),
        ],
        jobs=jobs,
        schedules=build_schedules(tasks, jobs),
        sensors=build_sensors(jobs),
        resources={
            "linkt": linkt_resource(settings),
            "warehouse": WarehouseResource(path=str(settings.warehouse_path)),
        },
        # One Dagster run is one process: a further one would cost two seconds, 190 MB and a rival for the DuckDB file.
        executor=dg.in_process_executor,
    )
