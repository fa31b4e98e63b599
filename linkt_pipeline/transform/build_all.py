"""Builds models one after the other, each in a transaction of its own."""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import duckdb

from linkt_pipeline.transform.build import BuildResult, build_model, prepare_builds
from linkt_pipeline.transform.errors import ModelBuildError, ModelError
from linkt_pipeline.transform.known import Known
from linkt_pipeline.transform.model import ModelKey, SqlModel
from linkt_pipeline.transform.problems import clear_problem, record_problem, record_problems
from linkt_pipeline.transform.project import Project, problem_text
from linkt_pipeline.transform.retired import drop_retired_models
from linkt_pipeline.warehouse.errors import WarehouseError
from linkt_pipeline.warehouse.warehouse import Session, Warehouse

T = TypeVar("T")
Look = Callable[[duckdb.DuckDBPyConnection, SqlModel, BuildResult], T]


@dataclass(frozen=True)
class Built(Generic[T]):
    """A model is up to date.

    Attributes:
        model: which.
        result: what its build did.
        seen: what the caller looked at in the transaction of the build.
    """

    model: SqlModel
    result: BuildResult
    seen: T


@dataclass(frozen=True)
class NotBuilt:
    """A model is not up to date: its table is that of the last good build.

    Attributes:
        model: which.
        reason: why, for a reader who knows which model is meant.
        error: what its SELECT failed with; None if a model it is built from failed.
    """

    model: SqlModel
    reason: str
    error: ModelError | None = None

    def __str__(self) -> str:
        """Why, for a reader who does not know which model is meant."""
        return f"{self.model.key}: {self.reason}" if self.error is None else str(self.error)


@dataclass(frozen=True)
class Retired:
    """A table or view is dropped, because the file of its model is gone."""

    model: ModelKey


def build_each(
    warehouse: Warehouse, project: Project, wanted: Collection[SqlModel], look: Look[T], *, full_refresh: bool = False
) -> Iterator[Built[T] | NotBuilt | Retired]:
    """Bring models up to date. A failure keeps the former table, skips what is built from it and spares the rest.

    Args:
        warehouse: where they stand.
        project: all models.
        wanted: those to build, parents first.
        look: reads what the caller wants to know of a built model, before its transaction ends.
        full_refresh: every table is computed, even if none of its inputs has changed.
    """
    failed: set[ModelKey] = set()
    known = Known()
    with warehouse.session() as session:
        with session.transaction() as con:
            retired = drop_retired_models(con, project.graph)
            record_problems(con, {name: problem_text(problem) for name, problem in project.problems.items()})
            prepare_builds(con, project.graph, wanted)
        yield from map(Retired, retired)
        for model in wanted:
            outcome: Built[T] | NotBuilt
            broken = next((parent for parent in model.depends_on if parent in failed), None)
            if broken is not None:
                outcome = NotBuilt(model, f"skipped, because {broken} failed")
            else:
                outcome = _build(session, model, known, look, full_refresh)
            if isinstance(outcome, NotBuilt):
                failed.add(model.key)
                _record(session, outcome)
            yield outcome


def build_all(warehouse: Warehouse, project: Project) -> dict[ModelKey, str]:
    """Bring every model up to date, without a look at any.

    Returns:
        Why, by model that is not; empty if all are built.
    """
    models = project.graph.models.values()
    outcomes = build_each(warehouse, project, models, lambda _con, _model, _result: None)
    return {outcome.model.key: outcome.reason for outcome in outcomes if isinstance(outcome, NotBuilt)}


def _build(session: Session, model: SqlModel, known: Known, look: Look[T], full_refresh: bool) -> Built[T] | NotBuilt:
    try:
        with session.transaction() as con:
            result = build_model(con, model, full_refresh=full_refresh, known=known)
            clear_problem(con, str(model.key))
            return Built(model, result, look(con, model, result))
    except ModelError as error:
        return NotBuilt(model, error.reason if isinstance(error, ModelBuildError) else str(error), error)


def _record(session: Session, outcome: NotBuilt) -> None:
    """Note that the table of the last good build is stale from now on, unless the warehouse can't be written."""
    with suppress(WarehouseError, duckdb.Error), session.transaction() as con:
        record_problem(con, str(outcome.model.key), outcome.reason)
