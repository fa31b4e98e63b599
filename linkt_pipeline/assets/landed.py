"""The free assets over the API: runs and what they name, entities, signals, reference data.

Each does whatever is pending: it can be run at any time, any number of times, and never costs a credit.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import duckdb
from pydantic import Field

from linkt_pipeline.assets.checks import check_spec, checked, note_red_checks
from linkt_pipeline.assets.failures import fails_in_plain_words
from linkt_pipeline.assets.metadata import KINDS, Landed, bounded, count_rows, landed_metadata
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.previews import rows_markdown
from linkt_pipeline.assets.refresh import refresh
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.collection.fetch import fetch_pending
from linkt_pipeline.collection.field_news import note_fields
from linkt_pipeline.collection.lander import Fetched
from linkt_pipeline.collection.reference import ReferenceCounts, refresh_reference_data
from linkt_pipeline.collection.resources import ENTITIES, SIGNALS, Resource
from linkt_pipeline.collection.runs import Collected, collect_runs
from linkt_pipeline.executions.events import Observer
from linkt_pipeline.transform import Check, ModelKey
from linkt_pipeline.warehouse.completion import begin_sync
from linkt_pipeline.warehouse.warehouse import Warehouse

Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]

RecordSettings = Callable[[Warehouse], None]

RUN_TABLES = {
    "runs": "**Free.** Every Linkt run that has ended, with its status and cost: those started here, and those that "
    "Linkt schedules or the dashboard started.",
    "run_costs": "What each run cost, when and for which task: the one reading that the credit limit, `status` and the "
    "marts share.",
    "run_credits": "Credits of each run by action type, as the run breaks them down. Failed runs cost credits as well.",
    "run_resources": "Every id that a run names, and what became of it: *pending*, *landed*, *missing* (Linkt answers "
    "404) or *rejected* (unusable, kept in `linkt.rejects`).",
    "run_queue_counts": "Candidates of each run by state (queued, processing, completed, discarded), as last seen in "
    "its queue while it was waited for.",
    "ingest_rows": "The rows of files that were ingested (`linkt-pipeline ingest`).",
    "run_candidates": "What the run of an ingested file looked at, with the reason of each discard.",
}
REFERENCE_TABLES = {
    "tasks": "**Free.** The Linkt tasks of the organization, so that names can be shown instead of ids.",
    "icps": "The ideal customer profiles of the organization.",
    "sheets": "The sheets that hold entities, with their schemas.",
    "task_entries": "What tasks.yaml says of each task: whose days and months count, the limit of its "
    "credits, and how long its run may take.",
    "settings": "What tasks.yaml says of the whole deployment: its time zone.",
}


class CollectConfig(dg.Config):
    """Which runs to collect."""

    since: str | None = Field(
        default=None,
        description="Go back to runs updated since this date (ISO 8601, UTC). Default: where the last collection "
        "stopped, or 30 days on the first one.",
    )
    retry_rejected: bool = Field(default=False, description="Ask again for runs that were rejected before.")

    def moment(self) -> datetime | None:
        """The date as an aware time.

        Raises:
            dagster.Failure: it is no date.
        """
        if self.since is None:
            return None
        try:
            moment = datetime.fromisoformat(self.since)
        except ValueError:
            raise dg.Failure(f"since: {self.since!r} is not a date such as 2026-01-31", allow_retries=False) from None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


class FetchConfig(dg.Config):
    """How to fetch what is pending."""

    retry_missing: bool = Field(
        default=False, description="Ask again for ids that were missing (404) or rejected before."
    )
    refresh: bool = Field(
        default=False,
        description="Entities: read the known ICPs again, to see what was changed or deleted in Linkt itself. Signals "
        "never change, so for them it does nothing.",
    )


def build_landed_assets(
    placement: Placement,
    backend: Backend,
    sources: Landed,
    checks: list[Check],
    record_settings: RecordSettings,
    observer: Observer | None = None,
    *,
    tells_fields: bool = False,
) -> list[dg.AssetsDefinition]:
    """The assets that land what the API gives.

    Args:
        placement: where they stand.
        backend: their API and warehouse.
        sources: the tables of schema ``linkt``.
        checks: checks on any table; those on these tables are run with their assets.
        record_settings: brings up to date what is kept of tasks.yaml.
        observer: receives the progress of fetching.
        tells_fields: an alert channel wants events about data fields that are new or have vanished.
    """
    return [
        _runs(placement, backend, sources, checks),
        _fetched(placement, backend, ENTITIES, "entities", sources, checks, observer, tells_fields=tells_fields),
        _fetched(placement, backend, SIGNALS, "signals", sources, checks, observer),
        _reference(placement, backend, sources, checks, record_settings),
    ]


def _spec(placement: Placement, table: str, description: str, sources: Landed, *deps: dg.AssetKey) -> dg.AssetSpec:
    key = ModelKey("linkt", table)
    return dg.AssetSpec(
        placement.asset_key(key),
        deps=[*deps],
        group_name=placement.group("linkt"),
        description=description,
        kinds={"linkt", *KINDS},
        owners=[*placement.owners],
        metadata=landed_metadata(sources[key]),
        automation_condition=placement.condition,
    )


def _checks_on(tables: Mapping[str, str] | list[str], checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.model.schema == "linkt" and check.model.name in tables]


def _runs(placement: Placement, backend: Backend, sources: Landed, checks: list[Check]) -> dg.AssetsDefinition:
    own = _checks_on(RUN_TABLES, checks)

    @dg.multi_asset(
        name=placement.op("runs"),
        specs=[_spec(placement, table, text, sources, *placement.paid) for table, text in RUN_TABLES.items()],
        check_specs=[check_spec(placement, check) for check in own],
        pool=placement.pool,
    )
    @fails_in_plain_words
    def runs(context: dg.AssetExecutionContext, config: CollectConfig) -> Results:
        async def collect() -> Collected:
            async with backend.client() as client:
                return await collect_runs(
                    client,
                    store,
                    since=config.moment(),
                    retry_rejected=config.retry_rejected,
                    log=context.log.info,
                )

        store = backend.warehouse
        begin_sync(store, context.run.run_id)
        collected = asyncio.run(collect())
        context.log.info(
            f"{len(collected.landed)} runs landed, {len(collected.unfinished)} still going, {len(collected.gone)} gone"
        )
        for run_id in collected.rejected:
            context.log.warning(f"run {run_id} can't be used; what arrived is kept in linkt.rejects with the reason")
        for failure in collected.failures:
            context.log.warning(f"a run can't be read for now; the next collection reads it again: {failure}")
        own_metadata = {
            "landed": len(collected.landed),
            "unfinished": len(collected.unfinished),
            "gone": len(collected.gone),
            "rejected": len(collected.rejected),
        }
        yield from _results(placement, store, RUN_TABLES, own, {"runs": own_metadata}, context.run.run_id)

    return runs


def _fetched(
    placement: Placement,
    backend: Backend,
    resource: Resource,
    table: str,
    sources: Landed,
    checks: list[Check],
    observer: Observer | None,
    *,
    tells_fields: bool = False,
) -> dg.AssetsDefinition:
    own = _checks_on([table, f"{resource.kind}_versions"], checks)
    named = placement.asset_key(ModelKey("linkt", "run_resources"))
    tables = {
        "entities": {
            "entities": "**Free.** Every company, person or other entity that a run named or a refresh found, fetched "
            "from Linkt and kept in its newest version, with `deleted_at` once it is deleted there.",
            "entity_versions": "Every version of an entity that was seen: one row per real change, append-only.",
        },
        "signals": {
            "signals": "**Free.** Every business event that a run found, fetched from Linkt. Signals never change."
        },
    }[table]

    @dg.multi_asset(
        name=placement.op(table),
        specs=[_spec(placement, name, text, sources, named) for name, text in tables.items()],
        check_specs=[check_spec(placement, check) for check in own],
        pool=placement.pool,
    )
    @fails_in_plain_words
    def fetched(context: dg.AssetExecutionContext, config: FetchConfig) -> Results:
        def progress(done: Fetched) -> None:
            context.log.info(f"{table}: {done.text}")
            if observer:
                observer.on_fetch(resource.kind, done)

        async def fetch() -> Fetched:
            async with backend.client() as client:
                return await fetch_pending(
                    client, store, resource, progress=progress, retry_settled=config.retry_missing
                )

        store = backend.warehouse
        done = asyncio.run(fetch())
        context.log.info(
            f"{done.landed} landed ({done.inserted} new, {done.updated} changed, {done.unchanged} unchanged), "
            f"{done.missing} missing, {done.rejected} rejected, with {done.pages + done.reads} requests"
        )
        for failure in done.failures:
            context.log.warning(f"can't be read for now and stays pending: {failure}")
        if tells_fields and done.inserted + done.updated:
            note_fields(store)
        own_metadata = {
            "landed": done.landed,
            "missing": done.missing,
            "rejected": done.rejected,
            "inserted": done.inserted,
            "updated": done.updated,
            "versions": done.versions,
            "requests": done.pages + done.reads,
        }
        if config.refresh and resource is ENTITIES:
            own_metadata |= refresh(context, backend).counts
        yield from _results(placement, store, tables, own, {table: own_metadata}, context.run.run_id)

    return fetched


def _reference(
    placement: Placement, backend: Backend, sources: Landed, checks: list[Check], record_settings: RecordSettings
) -> dg.AssetsDefinition:
    own = _checks_on(REFERENCE_TABLES, checks)
    new_runs = placement.asset_key(ModelKey("linkt", "runs"))  # a new run may speak of a new task

    @dg.multi_asset(
        name=placement.op("reference_data"),
        specs=[_spec(placement, table, text, sources, new_runs) for table, text in REFERENCE_TABLES.items()],
        check_specs=[check_spec(placement, check) for check in own],
        pool=placement.pool,
    )
    @fails_in_plain_words
    def reference_data(context: dg.AssetExecutionContext) -> Results:
        async def refresh() -> ReferenceCounts:
            async with backend.client() as client:
                return await refresh_reference_data(client, store)

        store = backend.warehouse
        record_settings(store)  # first, because it asks nobody
        counts = asyncio.run(refresh())
        context.log.info(f"{counts.tasks} tasks, {counts.icps} ICPs and {counts.sheets} sheets are known")
        for failure in counts.failures:
            context.log.warning(f"a list can't be read for now, so its earlier rows stay: {failure}")
        if counts.rejected:
            context.log.warning(f"{counts.rejected} of the rows can't be used; they are kept in linkt.rejects")
        yield from _results(placement, store, REFERENCE_TABLES, own, {}, context.run.run_id)

    return reference_data


def _results(
    placement: Placement,
    warehouse: Warehouse,
    tables: Mapping[str, str],
    checks: list[Check],
    metadata: Mapping[str, Mapping[str, Any]],
    dagster_run_id: str,
) -> Results:
    with warehouse.read() as con:
        rows = {table: count_rows(con, f"linkt.{table}") for table in tables}
        shown = {table: rows_of(con, table) for table in tables}
        found = [checked(placement, con, check) for check in checks]
    note_red_checks(warehouse, checks, found, dagster_run_id)
    for table in tables:
        key = placement.asset_key(ModelKey("linkt", table))
        yield dg.MaterializeResult(
            asset_key=key,
            metadata=bounded({"dagster/row_count": rows[table], **metadata.get(table, {}), **shown[table]}),
            check_results=[each for each in found if each.asset_key == key],
        )


_SHOWN = {
    "runs": (
        "newest_runs",
        "select created_at, run_id, task_type, coalesce(status_normalised, status) as status, credits, "
        "run_time_seconds as seconds, error_kind "
        "from linkt.runs join linkt.run_costs using (run_id) order by spent_at desc, run_id desc limit 10",
    ),
    "run_resources": (
        "by_state",
        "select resource_type, state, count(*) as ids from linkt.run_resources group by all order by all",
    ),
    "entities": (
        "rejected_rows",
        "select resource_id, reason, received_at from linkt.rejects where resource_type = 'entity' "
        "order by received_at desc limit 10",
    ),
    "signals": (
        "rejected_rows",
        "select resource_id, reason, received_at from linkt.rejects where resource_type = 'signal' "
        "order by received_at desc limit 10",
    ),
}


def rows_of(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, dg.MarkdownMetadataValue]:
    """The few rows of a landed table that a person looks for, if there are any."""
    if table not in _SHOWN:
        return {}
    name, sql = _SHOWN[table]
    cursor = con.execute(sql)
    columns, rows = [column[0] for column in cursor.description or ()], cursor.fetchall()
    return {name: dg.MetadataValue.md(rows_markdown(columns, rows))} if rows else {}
