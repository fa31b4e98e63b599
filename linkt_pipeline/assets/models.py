"""One asset per file of sql/: one subsettable multi-asset, so that all models cost one step and no further process."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import duckdb
from pydantic import Field

from linkt_pipeline.assets.charts import chart_of
from linkt_pipeline.assets.checks import (
    check_spec,
    checked,
    error_check_names,
    error_checks,
    holds_back,
    kept_check_result,
)
from linkt_pipeline.assets.failures import fails_in_plain_words
from linkt_pipeline.assets.metadata import KINDS, WEEKLY, bounded, model_metadata, model_schema
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.previews import preview_markdown
from linkt_pipeline.assets.quarantine import quarantine_check_results, quarantine_check_specs, quarantined_specs
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.transform import (
    SEEDS_FOLDER,
    BuildResult,
    Built,
    Check,
    Columns,
    Lineage,
    ModelKey,
    NotBuilt,
    Project,
    Retired,
    SqlModel,
    Verdict,
    Verdicts,
    build_each,
    kept_lineage,
    read_verdicts,
    states_of_rows,
    write_verdicts,
)
from linkt_pipeline.transform.columns import relation
from linkt_pipeline.warehouse.completion import all_models_are_built, begin_build, note_checked
from linkt_pipeline.warehouse.outbox_state import forget_checks, tell_checks, tell_stale
from linkt_pipeline.warehouse.state import last_change
from linkt_pipeline.warehouse.warehouse import Warehouse

_PUBLIC_SCHEMA = "marts"
_SEED_LINES = 40


@dataclass(frozen=True)
class _Seen:
    """What a person wants to see of a built model."""

    shown: dict[str, Any]
    lineage: Lineage


class ModelsConfig(dg.Config):
    """How to build the SQL models."""

    full_refresh: bool = Field(
        default=False, description="Compute every table, even if none of its inputs has changed."
    )


def build_models_asset(placement: Placement, backend: Backend, project: Project, code: str) -> dg.AssetsDefinition:
    """The multi-asset of all SQL models, those in quarantine included, which are shown and not built.

    Args:
        placement: where they stand.
        backend: their warehouse.
        project: the models, their columns and their checks (those on source tables belong to the assets that land
            them).
        code: the mark of the code, taken before it was read.
    """
    graph, described = project.graph, project.described
    own_checks = [check for check in project.checks if check.model in graph.models]

    def is_selected(context: dg.AssetExecutionContext, check: Check) -> bool:
        return dg.AssetCheckKey(placement.asset_key(check.model), check.name) in context.selected_asset_check_keys

    def look(con: duckdb.DuckDBPyConnection, model: SqlModel, result: BuildResult) -> _Seen:
        shown = _shown(con, result) if model.schema == _PUBLIC_SCHEMA else {}
        return _Seen(shown, kept_lineage(con, model, graph, described))

    @dg.multi_asset(
        name=placement.op("sql_models"),
        specs=[
            *(_spec(placement, model, described) for model in graph.models.values()),
            *quarantined_specs(placement, graph),
        ],
        check_specs=[
            *(check_spec(placement, check) for check in own_checks),
            *quarantine_check_specs(placement, graph),
        ],
        can_subset=True,
        pool=placement.pool,
        description="Every selected SQL model in one step, parents first.",
    )
    @fails_in_plain_words
    def sql_models(
        context: dg.AssetExecutionContext, config: ModelsConfig
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        selected = context.selected_asset_keys
        wanted = [model for model in graph.models.values() if placement.asset_key(model.key) in selected]
        store = backend.warehouse
        ledger_of(store).mirror()  # what is built, checked and published next shows the executions as they are
        begin_build(store, context.run.run_id)
        with store.read() as con:
            change = last_change(con)
        outcomes = []
        for outcome in build_each(store, project, wanted, look, full_refresh=config.full_refresh):
            outcomes.append(outcome)
            yield from _told(placement, context, outcome)
        built = {outcome.model.key: outcome.result for outcome in outcomes if isinstance(outcome, Built)}
        failed = [outcome for outcome in outcomes if isinstance(outcome, NotBuilt)]
        due = [check for check in own_checks if check.model in built and is_selected(context, check)]
        found, verdicts, seen = check_models(placement, store, project, due, built, change, in_full=config.full_refresh)
        wrong = any(not result.passed and holds_back(check) for check, result in zip(due, found, strict=True))
        with store.write(news=False) as con:
            write_verdicts(con, verdicts)
            tell_checks(con, error_checks(due, found), context.run.run_id)
            forget_checks(con, error_check_names(project.checks))
            tell_stale(con, context.run.run_id)
            if not wrong and set(filter(holds_back, own_checks)) <= set(due):
                note_checked(con, context.run.run_id, seen)
        yield from found
        yield from quarantine_check_results(placement, context, graph)
        if failed:
            raise dg.Failure(description="\n".join(map(str, failed)), allow_retries=False)
        # Seeds are made current with the first model that reads them.
        if not project.problems and all(
            model in wanted or model.schema == SEEDS_FOLDER for model in graph.models.values()
        ):
            all_models_are_built(store, context.run.run_id, change=change, code=code)

    return sql_models


def check_models(
    placement: Placement,
    store: Warehouse,
    project: Project,
    due: Collection[Check],
    built: Mapping[ModelKey, BuildResult],
    change: str | None,
    *,
    in_full: bool,
) -> tuple[list[dg.AssetCheckResult], dict[str, Verdict], str | None]:
    """Run the checks that are due, except those whose last verdict still holds.

    Args:
        placement: where the models stand.
        store: the warehouse.
        project: all models and checks.
        due: the checks that are wanted.
        built: what the session did that has built the models.
        change: the mark of the last change before it.
        in_full: no verdict is kept.

    Returns:
        A result for every check that is due, in order; the verdicts to keep; the mark of the last change of the rows
        that the checks have read.
    """
    found = []
    with store.read() as con:
        # A view shows rows that were landed after its build, and the records of builds do not cover these.
        seen = last_change(con)
        states = states_of_rows(con, project.graph, built) if seen == change else {}
        verdicts = Verdicts({} if in_full else read_verdicts(con), states, built)
        for check in due:
            if verdict := verdicts.holding(check):
                found.append(kept_check_result(placement, check, verdict))
                continue
            found.append(checked(placement, con, check))
            verdicts.note(check, passed=found[-1].passed)
    return found, verdicts.of(project.checks), seen


def _spec(placement: Placement, model: SqlModel, columns: Mapping[ModelKey, Columns]) -> dg.AssetSpec:
    return dg.AssetSpec(
        placement.asset_key(model.key),
        deps=[placement.asset_key(parent) for parent in model.depends_on],
        group_name=placement.group(model.schema),
        description=f"{model.description}\n\n**Grain:** {model.grain}\n\n```sql\n{_select(model)}\n```",
        code_version=model.code_version,
        kinds={"sql", *KINDS},
        owners=[*placement.owners],
        freshness_policy=WEEKLY if model.schema == _PUBLIC_SCHEMA else None,
        metadata={
            **model_metadata(model, columns.get(model.key, {})),
            "materialized": str(model.materialization),
            "file": f"sql/{model.schema}/{model.path.name}",
            "dagster/code_references": dg.CodeReferencesMetadataValue(
                code_references=[
                    dg.LocalFileCodeReference(file_path=str(model.path), line_number=1, label=_language(model))
                ]
            ),
        },
        automation_condition=placement.condition,
    )


def _language(model: SqlModel) -> str:
    return "CSV" if model.schema == SEEDS_FOLDER else "SQL"


def _select(model: SqlModel) -> str:
    """The SELECT without the header, which the UI shows as description and columns; of a seed the first rows."""
    lines = model.sql.strip().splitlines()
    header = next((place for place, line in enumerate(lines) if not line.startswith("--")), 0)
    shown = lines[header:]
    if model.schema == SEEDS_FOLDER and len(shown) > _SEED_LINES:
        shown = [*shown[:_SEED_LINES], f"-- ... {len(shown) - _SEED_LINES} more lines"]
    return "\n".join(shown)


def _told(
    placement: Placement, context: dg.AssetExecutionContext, outcome: Built[_Seen] | NotBuilt | Retired
) -> Iterator[dg.MaterializeResult[None]]:
    """Report an outcome to Dagster: a line of the log, and a materialization if there is one."""
    match outcome:
        case Retired(model):
            context.log.info(f"{model} is dropped, because its file is gone")
        case NotBuilt():
            (context.log.warning if outcome.error is None else context.log.error)(str(outcome))
        case Built(model, result, seen):
            if result.written:  # every line of the log is a row that Dagster commits on its own
                text = f"{result.rows} rows, {result.written} written, {result.seconds:.2f} s"
                context.log.info(f"{model.key}: {result.mode}, {text}")
            yield dg.MaterializeResult(
                asset_key=placement.asset_key(model.key),
                metadata=bounded(
                    {**seen.shown, **_metadata(model, result), **_lineage_metadata(placement, seen.lineage)}
                ),
            )


def _shown(con: duckdb.DuckDBPyConnection, result: BuildResult) -> dict[str, Any]:
    """What a person wants to see of a mart: rows, and a chart where there is one."""
    preview = preview_markdown(con, relation(result.model), result.columns, result.rows)
    chart = chart_of(con, result.model, result.columns)
    return {"preview": dg.MetadataValue.md(preview), **({"chart": dg.MetadataValue.md(chart)} if chart else {})}


def _metadata(model: SqlModel, result: BuildResult) -> dict[str, Any]:
    return {
        "dagster/row_count": result.rows,
        "dagster/column_schema": model_schema(model, result.columns),
        "build": str(result.mode),
        "rows_written": result.written,
        "build_seconds": round(result.seconds, 3),
    }


def _lineage_metadata(placement: Placement, lineage: Lineage) -> dict[str, Any]:
    """Column lineage in Dagster's own form, and as a table for the open-source UI, which does not draw it."""
    known = {column: parents for column, parents in lineage.items() if parents}
    if not known:
        return {}
    deps = {
        column: [
            dg.TableColumnDep(asset_key=placement.asset_key(ModelKey(schema, table)), column_name=name)
            for schema, table, name in parents
        ]
        for column, parents in known.items()
    }
    lines = [f"| `{column}` | {_sources(parents)} |" for column, parents in known.items()]
    return {
        "dagster/column_lineage": dg.TableColumnLineage(deps),
        "columns_made_of": dg.MetadataValue.md("\n".join(["| column | made of |", "|---|---|", *lines])),
    }


def _sources(parents: list[tuple[str, str, str]]) -> str:
    return ", ".join(f"`{schema}.{table}.{column}`" for schema, table, column in parents)
