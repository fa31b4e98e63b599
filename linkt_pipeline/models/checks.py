"""Checks on models: a query each, whose rows are the offenders; no rows is a pass.

Some are written by hand in sql/checks, the others come from the headers (``unique``, ``not_null``, ``references``).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from linkt_pipeline.models.columns import relation
from linkt_pipeline.models.errors import ModelBuildError, ModelFileError
from linkt_pipeline.models.graph import CHECKS_FOLDER, ModelGraph
from linkt_pipeline.models.header import parse_check_header
from linkt_pipeline.models.model import ModelKey, Severity, SqlModel
from linkt_pipeline.models.statement import read_select, select_of
from linkt_pipeline.warehouse.catalog import literal, quoted


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: unique within its model.
        model: what it speaks of.
        severity: ``error`` holds back publication, ``warn`` is shown.
        sql: a SELECT of the offending rows.
        description: what a pass means.
        path: the file it comes from (the model's own for a generated check).
    """

    name: str
    model: ModelKey
    severity: Severity
    sql: str
    description: str
    path: Path


@dataclass(frozen=True)
class CheckResult:
    """What a check found: how many rows offend, and the first of them."""

    check: Check
    offending: int
    columns: tuple[str, ...]
    sample: tuple[tuple[Any, ...], ...]

    @property
    def passed(self) -> bool:
        """No row offends."""
        return self.offending == 0


def load_checks(sql_dir: Path, graph: ModelGraph) -> list[Check]:
    """The checks of ``sql_dir/checks`` and those the models' headers ask for, model by model.

    Raises:
        ModelFileError: a check can't be used, or speaks of a table that no model builds and no source holds.
    """
    found = [check for model in graph.models.values() for check in generated_checks(model, graph)]
    con = duckdb.connect()
    try:
        found += [_read_check(con, path, graph) for path in sorted((sql_dir / CHECKS_FOLDER).glob("*.sql"))]
    finally:
        con.close()
    order = {key: place for place, key in enumerate((*graph.sources, *graph.models))}
    return sorted(found, key=lambda check: order[check.model])


def generated_checks(model: SqlModel, graph: ModelGraph) -> list[Check]:
    """The checks that a model's header asks for, ``key`` and ``references``.

    Two at most: the books that Dagster keeps of a check take longer than the check itself.

    Raises:
        ModelFileError: a reference leads to a table that does not exist.
    """
    for reference in model.header.references:
        if reference.target not in graph.models and reference.target not in graph.sources:
            line = next(n for n, text in enumerate(model.sql.splitlines(), 1) if str(reference.target) in text)
            raise ModelFileError(model.path, line, f"unknown table '{reference.target}' in a reference")
    return [check for check in (_key_check(model), _references_check(model)) if check is not None]


def _key_check(model: SqlModel) -> Check | None:
    table, header = relation(model.key), model.header
    queries, told = [], []
    for names in header.unique:
        columns = ", ".join(map(quoted, names))
        shared = f"count(*) || {literal(f' rows share {_and(names)}')} as problem"
        queries.append(f"select {shared}, {columns} from {table} group by {columns} having count(*) > 1")  # noqa: S608
        told.append(f"No two rows share {_and(names)}.")
    if header.not_null:
        empty = ", ".join(f"case when {quoted(name)} is null then {literal(name)} end" for name in header.not_null)
        problem = f"concat_ws(', ', {empty}) || ' empty' as problem"
        condition = " or ".join(f"{quoted(name)} is null" for name in header.not_null)
        # Not every column: a view of a million rows would compute them all, JSON included.
        shown = dict.fromkeys([*(name for key in header.unique for name in key), *header.not_null])
        queries.append(f"select {problem}, {', '.join(map(quoted, shown))} from {table} where {condition}")  # noqa: S608
        told.append(f"Never empty: {', '.join(header.not_null)}.")
    return _generated(model, "key", Severity.ERROR, queries, told)


def _references_check(model: SqlModel) -> Check | None:
    """Parents may be filtered out, deleted or on their way: an orphan is worth a look, not a stop."""
    queries, told = [], []
    for reference in model.header.references:
        child = f"child.{quoted(reference.column)}"
        queries.append(
            f"select distinct {literal(reference.column)} as referring, {child}::varchar as value, "  # noqa: S608
            f"{literal(str(reference.target))} as not_found_in "
            f"from {relation(model.key)} as child anti join {relation(reference.target)} as parent "
            f"on {child} = parent.{quoted(reference.target_column)} where {child} is not null"
        )
        told.append(f"Every {reference.column} is found in {reference.target}.")
    return _generated(model, "references", Severity.WARN, queries, told)


def _and(names: tuple[str, ...]) -> str:
    return " and ".join(names)


def _generated(model: SqlModel, name: str, severity: Severity, queries: list[str], told: list[str]) -> Check | None:
    if not queries:
        return None
    return Check(name, model.key, severity, "\nunion all by name\n".join(queries), " ".join(told), model.path)


def run_check(con: duckdb.DuckDBPyConnection, check: Check, *, sample: int = 20) -> CheckResult:
    """Run a check and keep the first offenders.

    Raises:
        ModelBuildError: its SQL failed.
    """
    try:
        cursor = con.execute(f"select *, count(*) over () from ({check.sql}\n) limit {int(sample)}")  # noqa: S608
        names = tuple(column[0] for column in cursor.description or ())
        rows = cursor.fetchall()
    except duckdb.Error as error:
        raise ModelBuildError(f"{check.model}, check {check.name}", check.path, error) from error
    offending = int(rows[0][-1]) if rows else 0
    return CheckResult(check, offending, names[:-1], tuple(row[:-1] for row in rows))


def _read_check(con: duckdb.DuckDBPyConnection, path: Path, graph: ModelGraph) -> Check:
    text = path.read_text(encoding="utf-8")
    header = parse_check_header(path, text)
    known = {*graph.models, *graph.sources}
    if header.model not in known:
        raise ModelFileError(path, 1, f"unknown model '{header.model}'")
    for read in read_select(con, path, text):
        if read.key not in known:
            raise ModelFileError(path, read.line, f"unknown table '{read.key}'")
    return Check(path.stem, header.model, header.severity, select_of(text), header.description, path)
