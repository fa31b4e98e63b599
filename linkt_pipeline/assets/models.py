"""One asset per file of sql/: one subsettable multi-asset, so that all models cost one step and no further process."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from linkt_pipeline.assets.checks import check_result, check_spec
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


def asset_key(key: ModelKey) -> dg.AssetKey:
    """The asset of a table: schema and name."""
    return dg.AssetKey([key.schema, key.name])


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
        specs=[_spec(model, graph, described.get(model.key, {})) for model in graph.models.values()],
        check_specs=[check_spec(check, asset_key(check.model)) for check in own_checks],
        can_subset=True,
        pool=POOL,
        group_name=None,
    )
    def sql_models(
        context: dg.AssetExecutionContext, config: ModelsConfig, warehouse: WarehouseResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        wanted = [model for model in graph.models.values() if asset_key(model.key) in context.selected_asset_keys]
        yield from _build_all(context, warehouse.warehouse, graph, wanted, own_checks, config.full_refresh)

    return sql_models


def _spec(model: SqlModel, graph: ModelGraph, columns: Columns) -> dg.AssetSpec:
    return dg.AssetSpec(
        asset_key(model.key),
        deps=[asset_key(parent) for parent in model.depends_on],
        group_name=model.schema,
        description=f"{model.description}\n\n**Grain:** {model.grain}\n\n```sql\n{model.sql.strip()}\n```",
        code_version=model.code_version,
        kinds={"sql", *KINDS},
        owners=OWNERS,
        metadata={
            **table_metadata(str(model.key), columns, model.column_descriptions),
            "dagster/column_lineage": _lineage(model, graph, columns),
            "materialized": str(model.materialization),
            "file": f"sql/{model.schema}/{model.name}.sql",
        },
        automation_condition=dg.AutomationCondition.eager(),
    )


def _build_all(
    context: dg.AssetExecutionContext,
    warehouse: Warehouse,
    graph: ModelGraph,
    wanted: list[SqlModel],
    checks: list[Check],
    full_refresh: bool,
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Each model in a transaction of its own: a failure keeps the former table, skips its children, spares the rest."""
    failed: dict[ModelKey, str] = {}
    for model in wanted:
        broken = next((parent for parent in model.depends_on if parent in failed), None)
        if broken is not None:
            failed[model.key] = f"skipped, because {broken} failed"
            continue
        try:
            with warehouse.write() as con:
                result = build_model(con, model, full_refresh=full_refresh)
                preview = preview_markdown(con, str(model.key)) if model.schema == "marts" else None
                found = [run_check(con, check) for check in checks if check.model == model.key]
        except ModelError as error:
            failed[model.key] = str(error)
            context.log.error(f"{model.key}: {error}")
            continue
        context.log.info(
            f"{model.key}: {result.mode}, {result.rows} rows, {result.written} written, {result.seconds:.2f} s"
        )
        yield dg.MaterializeResult(
            asset_key=asset_key(model.key),
            metadata=_metadata(model, result, preview),
            check_results=[
                check_result(each)
                for each in found
                if dg.AssetCheckKey(asset_key(model.key), each.check.name) in context.selected_asset_check_keys
            ],
        )
    if failed:
        raise dg.Failure(
            description="\n".join(f"{key}: {reason}" for key, reason in failed.items()), allow_retries=False
        )


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


def _lineage(model: SqlModel, graph: ModelGraph, columns: Columns) -> dg.TableColumnLineage:
    lineage = column_lineage(model, graph)
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=dg.AssetKey([schema, table]), column_name=name)
                for schema, table, name in parents
            ]
            for column, parents in lineage.items()
            if parents and column in columns
        }
    )
