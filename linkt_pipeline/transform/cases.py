"""Tests of macros and models: rows in and rows out, in files beside what they test.

``sql/macros/<name>.cases.csv`` (or ``<name>.<more>.cases.csv``) has a line for each call: columns named like the
parameters hold what goes in, the others what comes out, by field of a struct or as ``result``.
``sql/<schema>/<name>.cases.yaml`` is a list of cases, each with the rows that the tables read have (``given``)
and those that the model then has (``expect``). Everything runs in memory.
"""

import csv
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from linkt_pipeline.transform.binding import describe_models, open_scratch
from linkt_pipeline.transform.columns import relation
from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.macro import MACROS_FOLDER, Macro
from linkt_pipeline.transform.model import Columns, ModelKey, SqlModel
from linkt_pipeline.transform.moments import columns_of, in_utc
from linkt_pipeline.transform.seed import SEEDS_FOLDER
from linkt_pipeline.transform.sql_files import place_of
from linkt_pipeline.warehouse.catalog import quoted

_RESULT = "result"


@dataclass(frozen=True)
class CaseResult:
    """What a file of cases found.

    Attributes:
        path: the file.
        cases: how many it holds.
        failed: how many gave another result.
        failures: a message for each value or row that differs, beginning with ``file:line:``.
    """

    path: Path
    cases: int
    failed: int
    failures: tuple[str, ...]


def run_cases(sql_dir: Path, graph: ModelGraph, skipped: Collection[str] = ()) -> Iterator[CaseResult]:
    """Run every file of cases below ``sql_dir``.

    Args:
        sql_dir: the folder of models.
        graph: its models and macros.
        skipped: files (as readers of sql/ know them) that are not in use, so that their cases prove nothing.

    Raises:
        ModelFileError: a file of cases can't be used, or a model can't.
    """
    for path in sorted((sql_dir / MACROS_FOLDER).glob("*.cases.csv")):
        if _tested(path) in skipped:
            continue
        yield _run_macro_cases(graph, path)
    described = describe_models(graph)
    for path in sorted(sql_dir.glob("*/*.cases.yaml")):
        if _tested(path) not in skipped:
            yield _run_model_cases(graph, described, path)


def _tested(path: Path) -> str:
    return place_of(path.with_name(f"{path.name.partition('.')[0]}.sql"))


def _run_macro_cases(graph: ModelGraph, path: Path) -> CaseResult:
    name = path.name.partition(".")[0]
    if name not in graph.macros:
        raise ModelFileError(path, 1, f"there is no macro {name}.sql beside these cases")
    macro = graph.macros[name]
    columns, rows = _read_csv(path)
    inputs = _inputs(path, macro, columns)
    fields = [column for column in columns if column not in inputs]
    con = open_scratch(graph)
    try:
        names = ", ".join(f"{quoted(column)} varchar" for column in columns)
        con.execute(f"create temp table cases (line integer, {names})")
        marks = ", ".join(["?"] * (len(columns) + 1))
        con.executemany(f"insert into cases values ({marks})", [[line, *row] for line, row in rows])  # noqa: S608
        arguments = ", ".join(f"cast({quoted(column)} as {kind})" for column, kind in inputs.items())
        # Materialized first, so that no expected value can have a part in what is computed.
        con.execute(f"create temp table found as select line, {quoted(name)}({arguments}) as {_RESULT} from cases")  # noqa: S608
        failures = [failure for field in fields for failure in _differences(con, path, macro, inputs, field)]
    except duckdb.Error as error:
        raise ModelFileError(path, 1, str(error).partition("\n")[0]) from None
    finally:
        con.close()
    wrong = {line for line, _ in failures}
    return CaseResult(path, len(rows), len(wrong), tuple(text for _, text in sorted(failures)))


def _inputs(path: Path, macro: Macro, columns: Sequence[str]) -> dict[str, str]:
    """The columns that go in, in the order of the call, with their types: ``value`` or ``value::json``."""
    named = {column.partition("::")[0]: column for column in columns}
    if missing := [parameter for parameter in macro.parameters if parameter not in named]:
        raise ModelFileError(path, 1, f"no column for the parameter '{missing[0]}' of {macro.name}")
    return {named[parameter]: named[parameter].partition("::")[2] or "varchar" for parameter in macro.parameters}


def _differences(
    con: duckdb.DuckDBPyConnection, path: Path, macro: Macro, inputs: Mapping[str, str], field: str
) -> Iterator[tuple[int, str]]:
    actual = f"found.{_RESULT}" if field == _RESULT else f"found.{_RESULT}.{quoted(field)}"
    kind = con.execute(f"select typeof({actual}) from found limit 1").fetchall()  # noqa: S608
    data_type = kind[0][0] if kind else "varchar"
    said = f"cases.{quoted(field)}"
    expected = f"try_cast({said} as {data_type})"
    given = ", ".join(f"cases.{quoted(name)}" for name in inputs)
    rows = con.execute(
        f"select line, {said}, cast({actual} as varchar), {given} from cases join found using (line) "  # noqa: S608
        f"where {actual} is distinct from {expected} or ({expected} is null and {said} is not null)"
    ).fetchall()
    for line, wanted, got, *values in rows:
        call = f"{macro.name}({', '.join(map(repr, values))})"
        yield line, f"{path}:{line}: {call}: {field} is {_shown(got)}, expected {_shown(wanted)}"


def _shown(value: str | None) -> str:
    return "null" if value is None else value


def _read_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str | None]]]]:
    """Column names, and the rows with their lines; an empty cell is null, blanks within one stay."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = next(reader, [])
            rows = [(reader.line_num, [cell or None for cell in row]) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelFileError(path, 1, f"can't be read: {error}") from None
    for line, row in rows:
        if len(row) != len(columns):
            raise ModelFileError(path, line, f"{len(row)} values for {len(columns)} columns ({', '.join(columns)})")
    return columns, rows


def _run_model_cases(graph: ModelGraph, described: Mapping[ModelKey, Columns], path: Path) -> CaseResult:
    key = ModelKey(path.parent.name, path.name.removesuffix(".cases.yaml"))
    if key not in graph.models:
        raise ModelFileError(path, 1, f"there is no model {key.name}.sql beside these cases")
    try:
        cases: Any = YAML(typ="rt").load(path.read_text(encoding="utf-8")) or []
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ModelFileError(path, 1, f"can't be read: {error}") from None
    failures: dict[int, list[str]] = {}
    for place, case in enumerate(cases):
        line = cases.lc.item(place)[0] + 1
        if not isinstance(case, Mapping) or not {"case", "expect"} <= set(case) <= {"case", "given", "expect"}:
            raise ModelFileError(
                path, line, "a case has 'case' (its name), 'given' (rows by table) and 'expect' (rows)"
            )
        for problem in _run_model_case(graph, described, graph.models[key], path, line, case):
            failures.setdefault(line, []).append(f"{path}:{line}: {case['case']}: {problem}")
    texts = tuple(text for problems in failures.values() for text in problems)
    return CaseResult(path, len(cases), len(failures), texts)


def _run_model_case(
    graph: ModelGraph,
    described: Mapping[ModelKey, Columns],
    model: SqlModel,
    path: Path,
    line: int,
    case: Mapping[str, Any],
) -> Iterator[str]:
    """The model over the rows given; a table without rows is empty, a seed has its own."""
    given = {str(table): rows for table, rows in (case.get("given") or {}).items()}
    if strange := sorted(set(given).difference(map(str, model.depends_on))):
        raise ModelFileError(path, line, f"{model.key} does not read {strange[0]}")
    con = open_scratch(graph)
    try:
        for key in model.depends_on:
            con.execute(f"create schema if not exists {quoted(key.schema)}")
            if key.schema == SEEDS_FOLDER and str(key) not in given:
                con.execute(f"create table {relation(key)} as {graph.models[key].sql}")
                continue
            columns = described.get(key) or graph.sources[key]
            _create(con, relation(key), columns)
            _insert(con, relation(key), columns, given.get(str(key)) or [])
        wanted = case["expect"] or []
        names = list(dict.fromkeys(name for row in wanted for name in row)) or list(described[model.key])
        _create(con, "expected", {name: described[model.key][name] for name in names})
        _insert(con, "expected", described[model.key], wanted)
        listed = ", ".join(map(quoted, names))
        select = in_utc(model.sql, columns_of(con, model.sql))
        con.execute(f"create temp table found as select {listed} from ({select}\n)")  # noqa: S608
        for said, query in (
            ("not expected", "select * from found except all select * from expected"),
            ("missing", "select * from expected except all select * from found"),
        ):
            for row in con.execute(query).fetchall():
                yield f"{said}: {dict(zip(names, row, strict=True))}"
    except KeyError as error:
        raise ModelFileError(path, line, f"{model.key} or a table it reads has no column {error}") from None
    except duckdb.Error as error:
        raise ModelFileError(path, line, str(error).partition("\n")[0]) from None
    finally:
        con.close()


def _create(con: duckdb.DuckDBPyConnection, table: str, columns: Columns) -> None:
    con.execute(f"create table {table} ({', '.join(f'{quoted(name)} {kind}' for name, kind in columns.items())})")


def _insert(con: duckdb.DuckDBPyConnection, table: str, columns: Columns, rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        names = ", ".join(map(quoted, row))
        marks = ", ".join(f"cast(? as {columns[name]})" for name in row)
        values = [_plain(value, columns[name]) for name, value in row.items()]
        con.execute(f"insert into {table} ({names}) values ({marks})", values)  # noqa: S608


def _plain(value: Any, data_type: str) -> Any:
    """YAML's values as DuckDB takes them: what is JSON goes in as its text."""
    if value is None:
        return None
    if data_type == "JSON" or isinstance(value, Mapping):
        return json.dumps(value, default=str)
    return list(value) if isinstance(value, list) else str(value)
