"""One asset per file of sql/: one subsettable multi-asset, so that all models cost one step and no further process."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import duckdb
from pydantic import Field

from linkt_pipeline.assets.checks import asset_key, check_result, check_spec, unusable_check_result
from linkt_pipeline.assets.metadata import KINDS, OWNERS, column_schema, table_metadata
from linkt_pipeline.assets.previews import preview_markdown
from linkt_pipeline.assets.resources import WarehouseResource
from linkt_pipeline.models import (
    BuildResult,
    Check,
    Columns,
    ModelError,
    ModelGraph,
    ModelKey,
    SqlModel,
    build_model,
    column_lineage,
    run_check,
)
from linkt_pipeline.warehouse.connection import Warehouse

POOL = "linkt_warehouse"


class ModelsConfig(dg.Config):
    """How to build the SQL models."""

    full_refresh: bool = Field(
        default=False, description="Compute incremental tables anew instead of only the keys that changed."
    )


def build_models_asset(
    graph: ModelGraph, described: Mapping[ModelKey, Columns], checks: list[Check]
) -> dg.AssetsDefinition:
    """The multi-asset of all SQL models.

    Args:
        graph: the models.
        described: their columns.
        checks: checks on models (those on source tables belong to the assets that land them).
    """
    own_checks = [check for check in checks if check.model in graph.models]

    @dg.multi_asset(
        name="sql_models",
        specs=[_spec(model, graph, described) for model in graph.models.values()],
        check_specs=[check_spec(check) for check in own_checks],
        can_subset=True,
        pool=POOL,
        group_name=None,
    )
    def sql_models(
        context: dg.AssetExecutionContext, config: ModelsConfig, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        wanted = [model for model in graph.models.values() if asset_key(model.key) in context.selected_asset_keys]
        store = warehouse.warehouse
        failed: dict[ModelKey, str] = {}
        yield from _build_all(context, store, wanted, failed, full_refresh=config.full_refresh)
        built = {model.key for model in wanted} - set(failed)
        with store.read() as con:
            for check in own_checks:
                if check.model in built and _is_selected(context, check):
                    yield _run(con, check)
        if failed:
            told = "\n".join(f"{key}: {reason}" for key, reason in failed.items())
            raise dg.Failure(description=told, allow_retries=False)

    return sql_models


def _is_selected(context: dg.AssetExecutionContext, check: Check) -> bool:
    return dg.AssetCheckKey(asset_key(check.model), check.name) in context.selected_asset_check_keys


def _run(con: duckdb.DuckDBPyConnection, check: Check) -> dg.AssetCheckResult:
    """A check may speak of a table that was never built, when only some models are selected: that is a failed check."""
    try:
        return check_result(run_check(con, check))
    except ModelError as error:
        return unusable_check_result(check, str(error))


def _spec(model: SqlModel, graph: ModelGraph, columns: Mapping[ModelKey, Columns]) -> dg.AssetSpec:
    return dg.AssetSpec(
        asset_key(model.key),
        deps=[asset_key(parent) for parent in model.depends_on],
        group_name=model.schema,
        description=f"{model.description}\n\n**Grain:** {model.grain}\n\n```sql\n{model.sql.strip()}\n```",
        code_version=model.code_version,
        kinds={"sql", *KINDS},
        owners=OWNERS,
        metadata={
            **table_metadata(str(model.key), columns.get(model.key, {}), model.column_descriptions),
            "dagster/column_lineage": _lineage(model, graph, columns),
            "materialized": str(model.materialization),
            "file": f"sql/{model.schema}/{model.name}.sql",
        },
        automation_condition=dg.AutomationCondition.eager(),
    )


def _build_all(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    wanted: list[SqlModel],
    failed: dict[ModelKey, str],
    *,
    full_refresh: bool,
) -> Iterator[dg.MaterializeResult[None]]:
    """Each model in a transaction of its own: a failure keeps the former table, skips its children, spares the rest."""
    for model in wanted:
        broken = next((parent for parent in model.depends_on if parent in failed), None)
        if broken is not None:
            failed[model.key] = f"skipped, because {broken} failed"
            continue
        try:
            with warehouse.write() as con:
                result = build_model(con, model, full_refresh=full_refresh)
                preview = preview_markdown(con, str(model.key)) if model.schema == "marts" else None
        except ModelError as error:
            failed[model.key] = str(error)
            context.log.error(str(error))
            continue
        told = f"{result.rows} rows, {result.written} written, {result.seconds:.2f} s"
        context.log.info(f"{model.key}: {result.mode}, {told}")
        yield dg.MaterializeResult(asset_key=asset_key(model.key), metadata=_metadata(model, result, preview))


def _metadata(model: SqlModel, result: BuildResult, preview: str | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "dagster/row_count": result.rows,
        "dagster/column_schema": column_schema(result.columns, model.column_descriptions),
        "build": str(result.mode),
        "rows_written": result.written,
        "build_seconds": round(result.seconds, 3),
        "built_at": dg.MetadataValue.timestamp(datetime.now(UTC)),
    }
    if preview:
        metadata["preview"] = dg.MetadataValue.md(preview)
    return metadata


def _lineage(model: SqlModel, graph: ModelGraph, columns: Mapping[ModelKey, Columns]) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=dg.AssetKey([schema, table]), column_name=name)
                for schema, table, name in parents
            ]
            for column, parents in column_lineage(model, graph, columns).items()
            if parents
        }
    )
