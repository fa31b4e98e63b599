"""From API models to polars frames with explicit schemas: the step between the wire and the warehouse."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import polars as pl

from linkt_pipeline.api import Entity, Icp, Run, RunStatus, Sheet, Signal, Task
from linkt_pipeline.collection.error_kind import classify_error
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.warehouse import schemas
from linkt_pipeline.warehouse.landing.content import content_hash, content_hashes


def runs_frame(seen: Sequence[SeenRun]) -> pl.DataFrame:
    """One row per run; ``status`` as sent and as the state it means, ``error_kind`` as classified."""
    runs = [each.run for each in seen]
    return _frame(
        schemas.RUNS_FRAME,
        runs,
        [each.seen_at for each in seen],
        run_id=[run.id for run in runs],
        status=[run.raw_status for run in runs],
        status_normalised=[None if run.status is RunStatus.UNKNOWN else run.status.value for run in runs],
        error_kind=[error_kind(run) for run in runs],
    )


def error_kind(run: Run) -> str | None:
    """Why a run failed; None for one that did not, and for one that somebody cancelled."""
    failed = run.status.is_terminal and run.status not in (RunStatus.COMPLETED, RunStatus.CANCELED)
    return classify_error(run.error).value if failed else None


def run_credits_frame(runs: Sequence[Run]) -> pl.DataFrame:
    """One row per run and action type."""
    rows = [(run.id, action, amount) for run in runs for action, amount in run.credit_breakdown.items()]
    return pl.DataFrame(rows, schema=schemas.RUN_CREDITS_FRAME, orient="row")


def run_resources_frame(runs: Sequence[Run]) -> pl.DataFrame:
    """One row per id that a run names, in the run's order."""
    rows = [
        (run.id, resource_type, action, resource_id, position)
        for run in runs
        for resource_type, action, ids in (
            ("entity", "created", run.entities_created),
            ("entity", "updated", run.entities_updated),
            ("signal", "created", run.signals_created),
        )
        for position, resource_id in enumerate(ids)
    ]
    return pl.DataFrame(rows, schema=schemas.RUN_RESOURCES_FRAME, orient="row")


def queue_frame(run_id: str, counts: Mapping[str, int], observed_at: datetime) -> pl.DataFrame:
    """One row per state of a run's queue."""
    rows = [(run_id, state, count, observed_at) for state, count in counts.items()]
    return pl.DataFrame(rows, schema=schemas.QUEUE_COUNTS_FRAME, orient="row")


RowValues = tuple[Any, ...]


def entity_row(entity: Entity) -> RowValues:
    """The columns that are landed of an entity. Its ``data`` stays in the payload, and DuckDB reads it from there."""
    return (*_ENTITY_ROW(entity), content_hash(entity.document))


def entities_frame(rows: Sequence[RowValues], fetched_at: datetime) -> pl.DataFrame:
    """One row per entity, each from :func:`entity_row`."""
    return _frame_of_rows(schemas.ENTITIES_FRAME, rows, fetched_at)


def signal_row(signal: Signal) -> RowValues:
    """What is landed of a signal."""
    return (*_SIGNAL_ROW(signal), content_hash(signal.document))


def signals_frame(rows: Sequence[RowValues], fetched_at: datetime) -> pl.DataFrame:
    """One row per signal, each from :func:`signal_row`."""
    return _frame_of_rows(schemas.SIGNALS_FRAME, rows, fetched_at)


def rejects_frame(
    resource_type: str, rejects: Sequence[tuple[str, str, str | None]], received_at: datetime
) -> pl.DataFrame:
    """One row per id, reason and payload of what can't be used."""
    rows = [(resource_type, resource_id, reason, payload, received_at) for resource_id, reason, payload in rejects]
    return pl.DataFrame(rows, schema=schemas.REJECTS_FRAME, orient="row")


def tasks_frame(tasks: Sequence[Task], fetched_at: datetime) -> pl.DataFrame:
    """One row per Linkt task."""
    return _frame(
        schemas.TASKS_FRAME,
        tasks,
        [fetched_at] * len(tasks),
        task_id=[task.id for task in tasks],
    )


def icps_frame(icps: Sequence[Icp], fetched_at: datetime) -> pl.DataFrame:
    """One row per ideal customer profile."""
    return _frame(schemas.ICPS_FRAME, icps, [fetched_at] * len(icps), icp_id=[icp.id for icp in icps])


def sheets_frame(sheets: Sequence[Sheet], fetched_at: datetime) -> pl.DataFrame:
    """One row per sheet."""
    return _frame(
        schemas.SHEETS_FRAME,
        sheets,
        [fetched_at] * len(sheets),
        sheet_id=[sheet.id for sheet in sheets],
    )


def _frame(
    schema: schemas.FrameSchema, models: Sequence[Any], fetched_at: list[datetime], **given: list[Any]
) -> pl.DataFrame:
    """A frame of the schema: the columns given, and the models' attributes of the same name for the others."""
    given["fetched_at"] = fetched_at
    columns = {name: given[name] if name in given else list(map(attrgetter(name), models)) for name in schema}
    return pl.DataFrame(columns, schema=schema)


def _row_of(schema: schemas.FrameSchema, key: str) -> Callable[[Any], RowValues]:
    """Takes a model's attributes for a schema's columns; ``fetched_at`` is known of the batch, not of the model."""
    return attrgetter(*("id" if name == key else name for name in schema if name != "fetched_at"))


_EPOCH, _TICK = datetime.fromtimestamp(0, UTC), timedelta(microseconds=1)
_ENTITY_ROW = _row_of(schemas.ENTITIES_FRAME, "entity_id")
_SIGNAL_ROW = _row_of(schemas.SIGNALS_FRAME, "signal_id")


def _frame_of_rows(schema: schemas.FrameSchema, rows: Sequence[RowValues], fetched_at: datetime) -> pl.DataFrame:
    """A frame of the schema, and ``content_hash``."""
    types = {**{name: kind for name, kind in schema.items() if name != "fetched_at"}, "content_hash": pl.String}
    columns = zip(*rows, strict=True) if rows else ((),) * len(types)
    series = {name: _series(name, column, types[name]) for name, column in zip(types, columns, strict=True)}
    series["content_hash"] = content_hashes(series["payload"], series["content_hash"])
    moments = _series("fetched_at", [fetched_at], schema["fetched_at"]).new_from_index(0, len(rows))
    return pl.DataFrame([*series.values(), moments])


def _series(name: str, values: Sequence[Any], kind: schemas.ColumnType) -> pl.Series:
    if kind != schemas.UTC:
        return pl.Series(name, values, kind)
    # Given the moments themselves, polars takes six times as long, with Python's lock held.
    ticks = [None if moment is None else (moment - _EPOCH) // _TICK for moment in values]
    return pl.Series(name, ticks, pl.Int64).cast(kind)
