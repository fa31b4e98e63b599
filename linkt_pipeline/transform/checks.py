"""Checks on tables: a query each, whose rows are the offenders; no rows is a pass.

Some are written by hand in sql/checks, those of landed tables in sql/checks/linkt; the others come from the headers
(``unique``, ``not_null``, ``references``).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from linkt_pipeline.transform.columns import relation
from linkt_pipeline.transform.errors import ModelBuildError, ModelFileError
from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.header import parse_check_header
from linkt_pipeline.transform.loading import CHECKS_FOLDER, near_tables
from linkt_pipeline.transform.macro import used_macros
from linkt_pipeline.transform.model import ModelKey, Severity, SqlModel
from linkt_pipeline.transform.sql_files import LANDED_CHECKS_FOLDER, find_files, place_of, read_text
from linkt_pipeline.transform.statement import fingerprint, is_repeatable, normalise, read_select, select_of
from linkt_pipeline.warehouse.catalog import literal, quoted

KEY_CHECK = "key"
_REFERENCES_CHECK = "references"
_GENERATED = frozenset({KEY_CHECK, _REFERENCES_CHECK})


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
        problem: why it can't be run; None when it can.
        reads: the tables whose rows decide it.
        version: hash of what it says and of the macros it calls; None if rows alone don't decide it.
        quick: cheaper SELECTs: if and only if ``sql`` gives a row, one of them does. Empty if there is no quicker way.
    """

    name: str
    model: ModelKey
    severity: Severity
    sql: str
    description: str
    path: Path
    problem: ModelFileError | None = None
    reads: tuple[ModelKey, ...] = ()
    version: str | None = None
    quick: tuple[str, ...] = ()


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
    checks, problems = read_checks(find_files(sql_dir).of(CHECKS_FOLDER), graph)
    if problems:
        raise problems[0]
    return checks


def read_checks(paths: Iterable[Path], graph: ModelGraph) -> tuple[list[Check], list[ModelFileError]]:
    """As :func:`load_checks`, with every mistake.

    A check whose header can be read and whose SQL can't is in both results. It fails each time it is due, because
    nobody knows whether it would pass. Checks of quarantined models are left out.
    """
    checks = [check for model in graph.models.values() for check in generated_checks(model, graph)]
    problems: list[ModelFileError] = []
    con = duckdb.connect()
    try:
        for path in paths:
            try:
                check = _read_check(con, path, graph)
            except ModelFileError as error:
                problems.append(error)
                continue
            if check is None:
                continue
            if other := next(
                (other for other in checks if (other.model, other.name) == (check.model, check.name)), None
            ):
                problem = f"{check.model} has a check '{check.name}' in {place_of(other.path)}: rename this file"
                problems.append(ModelFileError(path, 1, problem))
                continue
            checks.append(check)
            problems += [check.problem] if check.problem else []
    finally:
        con.close()
    order = {key: place for place, key in enumerate((*graph.sources, *graph.models))}
    return sorted(checks, key=lambda check: order[check.model]), problems


def bind_checks(con: duckdb.DuckDBPyConnection, checks: Iterable[Check]) -> tuple[list[Check], list[ModelFileError]]:
    """Let DuckDB check the SQL of checks against empty tables.

    Returns:
        All checks, and the mistakes found here; a check with one carries it.
    """
    bound, problems = [], []
    for check in checks:
        if check.problem is None:
            try:
                con.execute(f"explain {check.sql}")
            except duckdb.Error as error:
                problem = ModelFileError(check.path, 1, f"check {check.name}: {str(error).partition(chr(10))[0]}")
                problems.append(problem)
                check = replace(check, problem=problem)
        bound.append(check)
    return bound, problems


def generated_checks(model: SqlModel, graph: ModelGraph) -> list[Check]:
    """The checks that a model's header asks for, ``key`` and ``references``.

    Two at most: Dagster's events for a check take longer than the check itself.
    """
    return [check for check in (_key_check(model), _references_check(model, graph)) if check is not None]


def _key_check(model: SqlModel) -> Check | None:
    table, header = relation(model.key), model.header
    queries, sentences = [], []
    for names in header.unique:
        columns = ", ".join(map(quoted, names))
        shared = f"count(*) || {literal(f' rows share {_and(names)}')} as problem"
        queries.append(f"select {shared}, {columns} from {table} group by {columns} having count(*) > 1")  # noqa: S608
        sentences.append(f"No two rows share {_and(names)}.")
    if header.not_null:
        empty = ", ".join(f"case when {quoted(name)} is null then {literal(name)} end" for name in header.not_null)
        problem = f"concat_ws(', ', {empty}) || ' empty' as problem"
        condition = " or ".join(f"{quoted(name)} is null" for name in header.not_null)
        # Not every column: a view of a million rows would compute them all, JSON included.
        shown = dict.fromkeys([*(name for key in header.unique for name in key), *header.not_null])
        queries.append(f"select {problem}, {', '.join(map(quoted, shown))} from {table} where {condition}")  # noqa: S608
        sentences.append(f"Never empty: {', '.join(header.not_null)}.")
    check = _generated(model, KEY_CHECK, Severity.ERROR, queries, sentences)
    return replace(check, quick=_quick_key_check(model)) if check else None


def _quick_key_check(model: SqlModel) -> tuple[str, ...]:
    """Whether any key is shared or empty, without saying which: a view is computed once and not twice."""
    header = model.header
    queries = []
    for place, names in enumerate(header.unique):
        conditions = ["count(*) > 1"]
        if place == 0:
            # Each query reads the table once, so the first one looks for empty columns too.
            conditions += [
                f"{quoted(name)} is null" if name in names else f"count({quoted(name)}) < count(*)"
                for name in header.not_null
            ]
        columns = ", ".join(map(quoted, names))
        having = " or ".join(conditions)
        queries.append(f"select 1 from {relation(model.key)} group by {columns} having {having}")  # noqa: S608
    return tuple(queries)


def _references_check(model: SqlModel, graph: ModelGraph) -> Check | None:
    """Parents may be filtered out, deleted or on their way: an orphan is worth a look, not a stop."""
    queries, sentences, targets = [], [], []
    for reference in model.header.references:
        if reference.target in graph.quarantined:
            continue
        child = f"child.{quoted(reference.column)}"
        queries.append(
            f"select distinct {literal(reference.column)} as referring, {child}::varchar as value, "  # noqa: S608
            f"{literal(str(reference.target))} as not_found_in "
            f"from {relation(model.key)} as child anti join {relation(reference.target)} as parent "
            f"on {child} = parent.{quoted(reference.target_column)} where {child} is not null"
        )
        sentences.append(f"Every {reference.column} is found in {reference.target}.")
        targets.append(reference.target)
    return _generated(model, _REFERENCES_CHECK, Severity.WARN, queries, sentences, targets)


def _and(names: tuple[str, ...]) -> str:
    return " and ".join(names)


def _generated(
    model: SqlModel,
    name: str,
    severity: Severity,
    queries: list[str],
    sentences: list[str],
    targets: Collection[ModelKey] = (),
) -> Check | None:
    if not queries:
        return None
    # The queries show different columns; by name, each column that a query lacks is null.
    sql = "\nunion all by name\n".join(queries)
    return Check(
        name,
        model.key,
        severity,
        sql,
        " ".join(sentences),
        model.path,
        reads=tuple(sorted({model.key, *targets})),
        version=fingerprint(sql),
    )


def run_check(con: duckdb.DuckDBPyConnection, check: Check, *, sample: int = 20) -> CheckResult:
    """Run a check and keep the first offenders.

    Raises:
        ModelFileError: its file can't be used.
        ModelBuildError: its SQL failed.
    """
    if check.problem:
        raise check.problem
    try:
        # A pass is the usual outcome, and the quick queries show it without finding offenders.
        if check.quick and not any(con.execute(f"{query} limit 1").fetchone() for query in check.quick):
            return CheckResult(check, 0, (), ())
        cursor = con.execute(f"select *, count(*) over () from ({check.sql}\n) limit {int(sample)}")  # noqa: S608
        names = tuple(column[0] for column in cursor.description or ())
        rows = cursor.fetchall()
    except duckdb.Error as error:
        raise ModelBuildError(f"{check.model}, check {check.name}", check.path, error) from error
    offending = int(rows[0][-1]) if rows else 0
    return CheckResult(check, offending, names[:-1], tuple(row[:-1] for row in rows))


def _read_check(con: duckdb.DuckDBPyConnection, path: Path, graph: ModelGraph) -> Check | None:
    """A check of sql/checks; None if it speaks of a model, or reads one, that is quarantined."""
    text = read_text(path)
    header = parse_check_header(path, text)
    known = {*graph.models, *graph.sources, *graph.quarantined}
    if header.model not in known:
        raise ModelFileError(path, 1, f"unknown model '{header.model}'{near_tables(header.model, known)}")
    if place_of(path).startswith(f"sql/{LANDED_CHECKS_FOLDER}/") and header.model not in graph.sources:
        raise ModelFileError(path, 1, f"{header.model} is not landed: move the file to sql/{CHECKS_FOLDER}")
    if path.stem in _GENERATED:
        raise ModelFileError(path, 1, f"'{path.stem}' is the check that a model's header asks for: rename the file")
    problem = version = None
    reads: set[ModelKey] = set()
    try:
        for read in read_select(con, path, text, known):
            reads.add(read.key)
            if read.key not in known:
                raise ModelFileError(path, read.line, f"unknown table '{read.key}'{near_tables(read.key, known)}")
        version = _version(con, path, text, graph)
    except ModelFileError as error:
        problem = error
    if {header.model, *reads} & graph.quarantined.keys():
        return None
    sql = "" if problem else select_of(text)
    return Check(
        path.stem, header.model, header.severity, sql, header.description, path, problem, tuple(sorted(reads)), version
    )


def _version(con: duckdb.DuckDBPyConnection, path: Path, text: str, graph: ModelGraph) -> str | None:
    called = used_macros(con, path, text, graph.macros)
    if not is_repeatable(con, path, text) or not all(macro.is_repeatable for macro in called):
        return None
    return fingerprint(normalise(text), *(macro.version for macro in called))
