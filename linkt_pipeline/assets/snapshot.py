"""The published copy that BI tools read."""

from collections.abc import Collection, Iterator
from functools import partial

import dagster as dg
import duckdb

from linkt_pipeline.assets.askers import asker_of
from linkt_pipeline.assets.checks import holds_back
from linkt_pipeline.assets.failures import fails_in_plain_words
from linkt_pipeline.assets.metadata import KINDS, WEEKLY, bounded
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.previews import figures_markdown
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.permissions import secure_folder
from linkt_pipeline.transform import (
    Check,
    ModelError,
    ModelGraph,
    ModelKey,
    drop_retired_models,
    retired_models,
    run_check,
    states_by_name,
)
from linkt_pipeline.warehouse.catalog import read_catalog
from linkt_pipeline.warehouse.completion import all_is_published, is_checked
from linkt_pipeline.warehouse.publish.snapshot import Published, SnapshotError, publish_snapshot
from linkt_pipeline.warehouse.warehouse import Warehouse

MODELS_CURRENT = "models_current"
_CURRENT_MEANS = "Every file of sql/ can be used and every table was built from it; nothing in the snapshot is stale."

_DESCRIPTION = """\
What BI tools and notebooks read: `published/warehouse.duckdb`, a consistent read-only copy of the warehouse moved into
place atomically, one Parquet file per table of `staging` and `marts`, and `catalog.json`. A reader that holds the old
file keeps it; nobody ever sees half a copy. Published only if no error-level check fails. A table whose model can't be
built is published as its last good build left it, and marked as stale.

Point tools at this file, never at the `warehouse.duckdb` that the pipeline writes.
"""
_HOW_TO_READ = """\
```python
import duckdb

con = duckdb.connect({path!r}, read_only=True)
con.sql("from marts.companies limit 10").show()
```
`linkt-pipeline query "from marts.companies limit 10"` asks on the command line, `linkt-pipeline report` makes a page
with charts, docs/bi.md says how BI tools connect.
"""


def build_snapshot(
    placement: Placement, backend: Backend, graph: ModelGraph, checks: Collection[Check]
) -> dg.AssetsDefinition:
    """The asset ``published/snapshot``, downstream of every model.

    Only models that no other model reads are named as its parents: all others lie upstream of them, and an edge from
    each would hide the graph's shape.
    """
    ends = [key for key in graph.models if not graph.children[key]]
    views = graph.published_views
    key, published_dir, readers = placement.snapshot, backend.settings.published_dir, backend.settings.published_for

    @dg.asset(
        key=key,
        deps=[placement.asset_key(end) for end in ends],
        group_name=placement.group("published"),
        description=_DESCRIPTION,
        kinds={"parquet", *KINDS},
        owners=[*placement.owners],
        pool=placement.pool,
        metadata={"dagster/uri": (published_dir / "warehouse.duckdb").as_uri()},
        freshness_policy=WEEKLY,
        automation_condition=placement.condition,
        check_specs=[dg.AssetCheckSpec(MODELS_CURRENT, asset=key, description=_CURRENT_MEANS)],
    )
    @fails_in_plain_words
    def snapshot(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        if note := secure_folder(published_dir.parent, readers):
            context.log.warning(note)
        store, ledger = backend.warehouse, ledger_of(backend.warehouse)
        _drop_retired(store, graph)
        complete = ledger.complete_outcomes()
        published = publish_snapshot(
            store, published_dir, views, partial(states_by_name, graph=graph), partial(require_checked, checks)
        )
        ledger.deliver_published(asker_of(context.run), complete, published.as_of)
        context.log.info(f"published {published.path} ({published.bytes / 1e6:.1f} MB) in {published.seconds:.2f} s")
        yield dg.MaterializeResult(
            check_results=[_is_current(published)],
            metadata=bounded(
                {
                    "path": dg.MetadataValue.path(str(published.path)),
                    "as_of": dg.MetadataValue.timestamp(published.as_of),
                    "tables": published.tables,
                    "rows": sum(published.rows.values()),
                    "dagster/size_bytes": published.bytes,
                    "parquet_mb": round(published.parquet_bytes / 1e6, 2),
                    "seconds": round(published.seconds, 2),
                    "writers_waited_seconds": round(published.locked_seconds, 3),
                    "how_to_read": dg.MetadataValue.md(_HOW_TO_READ.format(path=str(published.path))),
                    "rows_by_table": dg.MetadataValue.md(figures_markdown(("table", "rows"), published.rows)),
                }
            ),
        )
        if not published.stale and not _has_failed(context):
            # The last act of a sync.
            all_is_published(store, context.run.run_id, published.as_of, published_dir)

    return snapshot


def require_checked(checks: Collection[Check], con: duckdb.DuckDBPyConnection) -> None:
    """Run the checks on what another process landed or built after the checks of this Dagster run.

    Raises:
        SnapshotError: a check fails that holds publication back.
    """
    if is_checked(con):
        return
    there = {ModelKey(table.schema, table.name) for table in read_catalog(con)}
    failed = []
    for check in checks:
        if holds_back(check) and check.model in there:
            try:
                offending = run_check(con, check).offending
            except ModelError as error:
                failed.append(f"{check.model}: {check.name}: {error}")
            else:
                failed += [f"{check.model}: {check.name}: {offending} offending rows"] if offending else []
    if failed:
        reasons = "\n".join(failed)
        raise SnapshotError(f"check failed on rows that were landed meanwhile, so nothing was published: {reasons}")


def _drop_retired(store: Warehouse, graph: ModelGraph) -> None:
    """Drop models whose file is gone: such a view may read what is gone too, and then nothing could be published."""
    with store.read() as con:
        retired = retired_models(con, graph)
    if retired:
        with store.write(news=False) as con:
            drop_retired_models(con, graph)


def _has_failed(context: dg.AssetExecutionContext) -> bool:
    """Whether a step of this Dagster run failed, or an error-level check; not all of them hold the snapshot back."""
    events = context.instance.all_logs(
        context.run.run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    )
    return any(entry.dagster_event is not None and _is_failure(entry.dagster_event) for entry in events)


def _is_failure(event: dg.DagsterEvent) -> bool:
    if event.is_step_failure:
        return True
    evaluation = event.asset_check_evaluation_data
    return not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR


def _is_current(published: Published) -> dg.AssetCheckResult:
    stale = [f"{name}: {reason}" for name, reason in published.stale.items()]
    return dg.AssetCheckResult(
        check_name=MODELS_CURRENT,
        passed=not stale,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(["published as they were last built, or not at all:", *stale]) if stale else None,
        metadata={"stale": len(stale)},
    )
