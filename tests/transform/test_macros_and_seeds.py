"""Macros are expressions with a name, seeds are tables kept as files; models use both, and follow their changes."""

from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.transform import (
    BuildMode,
    ModelFileError,
    ModelKey,
    build_model,
    column_lineage,
    create_macros,
    describe_models,
    load_checks,
    prepare_builds,
    run_check,
    try_describe,
)
from tests.engines import WITH_EACH_ENGINE

from .conftest import Folder

MACRO = "-- description: d\n-- parameter text: any text\n-- returns: text\n"
SEED = "-- description: d\n-- grain: one row per host\n-- unique: host\n-- not_null: host\n-- type shared: boolean\n"


def macro(folder: Folder, name: str, expression: str, header: str = MACRO) -> Path:
    return folder.write(f"macros.{name}", expression, header=header)


def seed(folder: Folder, name: str, rows: str, header: str = SEED) -> Path:
    path = folder.write(f"seeds.{name}", "", header=header).with_suffix(".csv")
    path.write_text(rows)
    return path


def build_all(con: duckdb.DuckDBPyConnection, folder: Folder) -> dict[str, BuildMode]:
    graph = folder.load()
    prepare_builds(con, graph, [])
    return {str(key): build_model(con, model).mode for key, model in graph.models.items()}


def test_a_macro_is_called_by_its_file_name(folder: Folder, con: duckdb.DuckDBPyConnection) -> None:
    macro(folder, "shout", "upper(text) -- loudly\n|| '!';\n")
    folder.write("marts.m", "select shout(name) as name from linkt.names")
    con.execute("insert into linkt.names values ('1', 'ann')")
    build_all(con, folder)
    assert con.execute("select name from marts.m").fetchall() == [("ANN!",)]
    assert con.execute("select shout('x')").fetchall() == [("X!",)]
    assert folder.load()["marts.m"].macros == ("shout",)


def test_columns_and_lineage_are_seen_through_macros(folder: Folder) -> None:
    macro(folder, "ends", "{'low': length(text), 'high': length(text) + 1}")
    folder.write("marts.m", "select ends(name).low as low, ends(name) as pair from linkt.names")
    graph = folder.load()
    described = describe_models(graph)[ModelKey("marts", "m")]
    assert described == {"low": "BIGINT", "pair": "STRUCT(low BIGINT, high BIGINT)"}
    assert column_lineage(graph["marts.m"], graph) == {
        "low": [("linkt", "names", "name")],
        "pair": [("linkt", "names", "name")],
    }


@WITH_EACH_ENGINE
def test_a_changed_macro_rebuilds_what_uses_it_and_nothing_else(folder: Folder, con: duckdb.DuckDBPyConnection) -> None:
    macro(folder, "inner_one", "text || '1'")
    macro(folder, "a_outer", "inner_one(text) || 'o'")
    folder.write("marts.m", "select a_outer(name) as x from linkt.names", header=_table())
    folder.write("marts.n", "select name from linkt.names", header=_table())
    con.execute("insert into linkt.names values ('1', 'x')")
    build_all(con, folder)
    assert set(build_all(con, folder).values()) == {BuildMode.UNCHANGED}
    macro(folder, "inner_one", "text || '2'")
    assert build_all(con, folder) == {"marts.m": BuildMode.FULL, "marts.n": BuildMode.UNCHANGED}
    assert con.execute("select x from marts.m").fetchall() == [("x2o",)]


def _table() -> str:
    return "-- description: d\n-- grain: g\n-- materialized: table\n"


def test_macros_are_written_only_when_they_differ_and_go_with_their_file(
    folder: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    path = macro(folder, "a", "text")
    macro(folder, "b", "a(text)")
    assert [create_macros(con, folder.load().macros.values()) for _ in range(2)] == [2, 0]
    path.write_text(MACRO.replace("text:", "word:") + "word")
    assert create_macros(con, folder.load().macros.values()) == 1
    assert con.execute("select b('x')").fetchall() == [("x",)]
    (folder.root / "macros" / "b.sql").unlink()
    assert create_macros(con, folder.load().macros.values()) == 1
    with pytest.raises(duckdb.CatalogException):
        con.execute("select b('x')")


def test_a_macro_with_a_clock_makes_its_models_computed_each_time(folder: Folder) -> None:
    macro(folder, "age_of", "current_date")
    macro(folder, "via", "age_of(text)")
    folder.write("marts.m", "select via(name) as x from linkt.names")
    assert not folder.load()["marts.m"].is_repeatable


def test_checks_may_call_macros(folder: Folder, con: duckdb.DuckDBPyConnection) -> None:
    macro(folder, "is_odd", "text = 'odd'")
    folder.write("marts.m", "select name from linkt.names")
    folder.write(
        "checks.c", "select name from marts.m where is_odd(name)", header="-- description: d\n-- model: marts.m\n"
    )
    con.execute("insert into linkt.names values ('1', 'odd')")
    build_all(con, folder)
    (check,) = load_checks(folder.root, folder.load())
    assert run_check(con, check).offending == 1


@pytest.mark.parametrize(
    ("name", "text", "line", "part"),
    [
        ("m", "text", 1, "no 'description'"),
        ("m", MACRO + "upper(", 4, "not valid SQL"),
        ("m", MACRO + "(select max(name) from linkt.names)", 4, "reads no tables"),
        ("m", MACRO + "-- param x: y\ntext", 4, "unknown header 'param'"),
        ("m", MACRO + "m(text)", 1, "a circle of macros: m -> m"),
        ("m-n", MACRO + "text", 1, "lower-case letters, digits and _"),
        ("m", MACRO.replace("parameter text", "parameter") + "text", 2, "-- parameter <name>"),
    ],
)
def test_a_mistake_in_a_macro_is_told_with_its_line(folder: Folder, name: str, text: str, line: int, part: str) -> None:
    path = macro(folder, name, "", header=text)
    with pytest.raises(ModelFileError) as error:
        folder.load()
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert part in str(error.value)


def test_a_macro_that_calls_what_is_not_there_is_told_by_its_file(folder: Folder) -> None:
    path = macro(folder, "m", "uper(text)")
    with pytest.raises(ModelFileError, match="uper does not exist") as error:
        try_describe(folder.load())
    assert error.value.path == path


def test_a_seed_is_a_typed_table_of_the_graph(folder: Folder, con: duckdb.DuckDBPyConnection) -> None:
    seed(folder, "hosts", 'host,shared\na.example,true\n"b, the ""second""",\n\n')
    folder.write("marts.m", "select count(*) as n from seeds.hosts where shared")
    graph = folder.load()
    assert graph["marts.m"].depends_on == (ModelKey("seeds", "hosts"),)
    assert describe_models(graph)[ModelKey("seeds", "hosts")] == {"host": "VARCHAR", "shared": "BOOLEAN"}
    build_all(con, folder)
    assert con.execute("from seeds.hosts").fetchall() == [("a.example", True), ('b, the "second"', None)]
    (check,) = load_checks(folder.root, graph)
    assert (str(check.model), run_check(con, check).passed) == ("seeds.hosts", True)


@WITH_EACH_ENGINE
def test_a_changed_seed_rebuilds_what_reads_it(folder: Folder, con: duckdb.DuckDBPyConnection) -> None:
    """The incremental model's own keys have not changed: only the seed's version says that it has to be computed."""
    path = seed(folder, "hosts", "host,shared\nx,true\n")
    folder.write(
        "marts.m",
        "select id, changed_at, (select count(*) from seeds.hosts) as n from linkt.things",
        header=(
            "-- description: d\n-- grain: g\n-- not_null: id\n-- materialized: incremental\n"
            "-- incremental: id, changed_at from linkt.things\n"
        ),
    )
    con.execute("insert into linkt.things values ('1', null, '2026-01-01')")
    build_all(con, folder)
    assert set(build_all(con, folder).values()) == {BuildMode.UNCHANGED}
    path.write_text("host,shared\nx,true\ny,false\n")
    assert set(build_all(con, folder).values()) == {BuildMode.FULL}
    assert con.execute("select n from marts.m").fetchall() == [(2,)]


def test_a_model_alone_brings_its_seed_with_it(folder: Folder, con: duckdb.DuckDBPyConnection) -> None:
    seed(folder, "hosts", "host,shared\nx,true\n")
    folder.write("marts.m", "select host from seeds.hosts", header=_table())
    graph = folder.load()
    prepare_builds(con, graph, [graph["marts.m"]])
    assert build_model(con, graph["marts.m"]).rows == 1


def test_a_seed_without_rows_keeps_its_columns(folder: Folder, con: duckdb.DuckDBPyConnection) -> None:
    seed(folder, "hosts", "host,shared\n")
    assert build_all(con, folder) == {"seeds.hosts": BuildMode.FULL}
    assert con.execute("from seeds.hosts").fetchall() == []


@pytest.mark.parametrize(
    ("rows", "header", "place", "part"),
    [
        ("host,shared\na,yes please\n", SEED, ".csv:2", "'yes please' in column 'shared' is not of type boolean"),
        ("host,shared\na\n", SEED, ".csv:2", "1 values for 2 columns (host, shared)"),
        ("host,host\n", SEED, ".csv:1", "each once"),
        ("", SEED, ".csv:1", "the first line names the columns"),
        ("host\na\n", SEED, ".sql:1", "column 'shared', which hosts.csv does not have"),
        ("host,shared\n", SEED + "-- type host: wrong\n", ".sql:1", "column 'host' can't be of type 'wrong'"),
        ("host,shared\n", "-- description: d\n", ".sql:1", "no grain"),
        ("host,shared\n", SEED + "-- materialized: view\n", ".sql:6", "unknown header 'materialized'"),
    ],
)
def test_a_mistake_in_a_seed_is_told_with_its_line(
    folder: Folder, rows: str, header: str, place: str, part: str
) -> None:
    seed(folder, "hosts", rows, header)
    with pytest.raises(ModelFileError, match=r".") as error:
        folder.load()
    assert f"hosts{place}: " in str(error.value)
    assert part in str(error.value)


def test_a_csv_file_needs_its_header_and_a_header_its_csv_file(folder: Folder) -> None:
    path = seed(folder, "hosts", "host,shared\n")
    path.with_suffix(".sql").rename(path.with_name("other.sql"))
    with pytest.raises(ModelFileError, match=r"hosts\.csv:1: no header"):
        folder.load()
    path.unlink()
    with pytest.raises(ModelFileError, match=r"no other\.csv beside this header"):
        folder.load()
