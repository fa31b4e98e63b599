"""Everything of a deployment as one set of Dagster definitions."""

import warnings
from collections.abc import Callable, Collection, Mapping

import dagster as dg

from linkt_pipeline.assets.alerting import build_alert_sensor
from linkt_pipeline.assets.automation import Automation, build_automation
from linkt_pipeline.assets.executions import build_executions
from linkt_pipeline.assets.housekeeping import build_housekeeping, retention_of
from linkt_pipeline.assets.ingests import build_ingests
from linkt_pipeline.assets.landed import build_landed_assets
from linkt_pipeline.assets.models import build_models_asset
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.assets.retention import build_retention
from linkt_pipeline.assets.snapshot import build_snapshot
from linkt_pipeline.assets.upkeep import build_upkeep
from linkt_pipeline.code_mark import mark_of_code
from linkt_pipeline.executions.events import Observer
from linkt_pipeline.settings import Settings
from linkt_pipeline.tasks import AlertEvent, CommonSettings, TaskSpec
from linkt_pipeline.tasks_yaml import load_common
from linkt_pipeline.transform import ModelKey, load_kept_project
from linkt_pipeline.warehouse.catalog import read_catalog
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.task_settings import record_settings
from linkt_pipeline.warehouse.warehouse import Warehouse


def build_location(
    settings: Settings,
    tasks: Mapping[str, TaskSpec],
    *,
    observer: Observer | None = None,
    entries: Collection[str] | None = None,
) -> dg.Definitions:
    """The code location of a deployment that has one to itself: what the command and ``ui`` work with.

    Args:
        settings: the environment.
        tasks: the entries of tasks.yaml.
        observer: receives what happens, as Dagster's log does; such as the command's live display.
        entries: every name in tasks.yaml, where ``tasks`` are only some of them.
    """

    def mark_now() -> str:
        return mark_of_code(settings.sql_dirs, settings.active_tasks_file)

    deployment = build_deployment(
        Backend(settings),
        tasks,
        mark_now,
        Placement(),
        common=load_common(settings.active_tasks_file),
        observer=observer,
        entries=entries,
    )
    return dg.Definitions.merge(
        deployment,
        dg.Definitions(
            executor=dg.in_process_executor,  # of what is materialized by hand, without a job of ours
            metadata={
                "mode": "sandbox (made-up data)" if settings.sandbox else "live",
                "data_folder": dg.MetadataValue.path(str(settings.root)),
                "tasks_file": dg.MetadataValue.path(str(settings.active_tasks_file)),
                "api": "stand-in on this machine" if settings.sandbox else settings.base_url,
            },
        ),
    )


def build_deployment(
    backend: Backend,
    tasks: Mapping[str, TaskSpec],
    mark_now: Callable[[], str],
    placement: Placement,
    *,
    common: CommonSettings | None = None,
    automation: Automation = Automation.OWN,
    shared: bool = False,
    observer: Observer | None = None,
    entries: Collection[str] | None = None,
) -> dg.Definitions:
    """The definitions of one deployment: without an executor and resources, which all of a code location share.

    A file of sql/ that can't be used removes what is built from it, and nothing else.

    Args:
        backend: its API and warehouse.
        tasks: the entries of tasks.yaml.
        mark_now: gives the mark of the code as it is now.
        placement: where its assets stand.
        common: what tasks.yaml says of all tasks together.
        automation: what happens by itself.
        shared: others may have definitions in the code location.
        observer: receives what happens, as Dagster's log does.
        entries: every name in tasks.yaml, where ``tasks`` are only some of them.
    """
    settings = backend.settings
    common = common or CommonSettings()
    code = mark_now()  # before sql/ is read: a file that is changed meanwhile is not taken for built
    with empty_warehouse() as con:
        landed = {ModelKey(table.schema, table.name): table for table in read_catalog(con) if table.schema == "linkt"}
    project = load_kept_project(
        settings.sql_dirs,
        {str(key): {column.name: column.type for column in table.columns} for key, table in landed.items()},
        settings.root,
    )
    executions = landed[ModelKey("linkt", "executions")]

    def record(warehouse: Warehouse) -> None:
        record_settings(warehouse, common, tasks.values(), entries)

    with warnings.catch_warnings():
        # Single-run backfills and pools are marked beta; their use here is deliberate.
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = [
            build_executions(placement, backend, tasks, common, executions, project.checks, observer, entries=entries),
            build_ingests(
                placement, backend, tasks, common, landed[ModelKey("linkt", "ingests")], project.checks, observer
            ),
            *build_landed_assets(
                placement,
                backend,
                landed,
                project.checks,
                record,
                observer,
                tells_fields=any(AlertEvent.FIELDS in channel.on for channel in common.alerts),
            ),
            build_models_asset(placement, backend, project, code),
            build_snapshot(placement, backend, project.graph, project.checks),
        ]
        keep = common.retention
        retentions = [build_retention(placement, backend, keep.people, common.timezone, shared=shared)] if keep else []
        keys = [key for asset in assets for key in asset.keys]
        told = common.alerts and automation is not Automation.NONE
        sensors = [build_alert_sensor(placement, backend, common.alerts)] if told else []
        return dg.Definitions.merge(
            build_automation(placement, backend, tasks, keys, mark_now, automation, common.timezone),
            *retentions,
            build_housekeeping(retention_of(placement, backend, assets, shared=shared)),
            build_upkeep(placement, backend, shared=shared),
            dg.Definitions(assets=assets, sensors=sensors),
        )
