"""Checks on models: a query each, whose rows are the offenders; no rows is a pass.

Some are written by hand in sql/checks, the others come from the headers (``unique``, ``not_null``, ``references``).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from linkt_pipeline.models.columns import quoted, relation
from linkt_pipeline.models.errors import ModelBuildError, ModelFileError
from linkt_pipeline.models.graph import CHECKS_FOLDER, ModelGraph
from linkt_pipeline.models.header import parse_check_header
from linkt_pipeline.models.model import ModelKey, Severity, SqlModel
from linkt_pipeline.models.statement import read_select, select_of


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
    """The checks that a model's header asks for.

    Raises:
        ModelFileError: a reference leads to a table that does not exist.
    """
    table = relation(model.key)
    checks = []
    for names in model.header.unique:
        columns = ", ".join(quoted(name) for name in names)
        sql = f"select {columns}, count(*) as rows from {table} group by {columns} having count(*) > 1"  # noqa: S608
        description = f"No two rows share {' and '.join(names)}."
        checks.append(Check(f"unique_{'_'.join(names)}", model.key, Severity.ERROR, sql, description, model.path))
    if names := model.header.not_null:
        condition = " or ".join(f"{quoted(name)} is null" for name in names)
        # Not every column: a view of a million rows would compute them all, JSON included.
        shown = dict.fromkeys([*(name for key in model.header.unique for name in key), *names])
        columns = ", ".join(quoted(name) for name in shown)
        sql = f"select {columns} from {table} where {condition}"  # noqa: S608
        description = f"Never empty: {', '.join(names)}."
        checks.append(Check("not_null", model.key, Severity.ERROR, sql, description, model.path))
    for reference in model.header.references:
        if reference.target not in graph.models and reference.target not in graph.sources:
            line = next(n for n, text in enumerate(model.sql.splitlines(), 1) if str(reference.target) in text)
            raise ModelFileError(model.path, line, f"unknown table '{reference.target}' in a reference")
        # Parents may be filtered out, deleted or on their way: an orphan is worth a look, not a stop.
        sql = (
            f"select distinct child.{quoted(reference.column)} from {table} as child "  # noqa: S608
            f"anti join {relation(reference.target)} as parent "
            f"on child.{quoted(reference.column)} = parent.{quoted(reference.target_column)} "
            f"where child.{quoted(reference.column)} is not null"
        )
        name = f"references_{reference.target.name}_{reference.column}"
        description = f"Every {reference.column} is found in {reference.target}."
        checks.append(Check(name, model.key, Severity.WARN, sql, description, model.path))
    return checks


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
        raise ModelBuildError(f"{check.model}, check {check.name}", check.path, str(error).strip()) from error
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
