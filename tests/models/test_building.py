"""Building keeps a model as its header says and never leaves a broken table behind."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from linkt_pipeline.models import BuildMode, BuildResult, ModelBuildError, ModelKey, build_model

from .conftest import Folder

START = datetime(2026, 4, 7, tzinfo=UTC)
INCREMENTAL = """-- description: d
-- grain: g
-- not_null: id
-- materialized: incremental
-- incremental: id, changed_at from linkt.things
"""


def build(con: duckdb.DuckDBPyConnection, folder: Folder, name: str, *, full_refresh: bool = False) -> BuildResult:
    """As a deployment does: a transaction for each model."""
    con.execute("begin")
    try:
        result = build_model(con, folder.load()[name], full_refresh=full_refresh)
    except ModelBuildError:
        con.execute("rollback")
        raise
    con.execute("commit")
    return result


def put(con: duckdb.DuckDBPyConnection, thing: str, value: int, minutes: int) -> None:
    con.execute("delete from linkt.things where id = $1", [thing])
    con.execute(
        "insert into linkt.things values ($1, $2, $3)",
        [thing, f'{{"v": {value}}}', START + timedelta(minutes=minutes)],
    )


def rows(con: duckdb.DuckDBPyConnection, table: str) -> list[tuple[object, ...]]:
    return con.execute(f"select * from {table} order by all").fetchall()


def test_a_view_and_a_table(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    con.execute("insert into linkt.names values ('a', 'Ann')")
    folder.write("staging.v", "select id, name from linkt.names")
    folder.write("marts.t", "-- materialized: table\nselect name from staging.v")
    assert build(con, folder, "staging.v").mode is BuildMode.VIEW
    result = build(con, folder, "marts.t")
    assert (result.mode, result.rows, result.written) == (BuildMode.FULL, 1, 1)
    assert result.columns == {"name": "VARCHAR"}
    assert rows(con, "marts.t") == [("Ann",)]


def test_descriptions_become_comments_and_follow_changes(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    def comments() -> tuple[object, ...]:
        table = con.execute("select comment from duckdb_tables() where table_name = 't'").fetchall()
        column = con.execute("select comment from duckdb_columns() where table_name = 't'").fetchall()
        return table[0][0], column[0][0]

    sql = "-- materialized: table\n-- column id: It's the id.\nselect id from linkt.names"
    folder.write("marts.t", sql)
    build(con, folder, "marts.t")
    assert comments() == ("About marts.t. Grain: one row per thing.", "It's the id.")
    folder.write("marts.t", sql.replace("-- column id: It's the id.\n", ""))
    build(con, folder, "marts.t")
    assert comments() == ("About marts.t. Grain: one row per thing.", None)


@pytest.mark.parametrize(("before", "after"), [("view", "table"), ("table", "view")])
def test_a_model_may_change_its_kind(con: duckdb.DuckDBPyConnection, folder: Folder, before: str, after: str) -> None:
    folder.write("marts.m", f"-- materialized: {before}\nselect 1 as a")
    build(con, folder, "marts.m")
    folder.write("marts.m", f"-- materialized: {after}\nselect 2 as a")
    build(con, folder, "marts.m")
    assert rows(con, "marts.m") == [(2,)]


def test_a_failing_model_leaves_its_last_good_table(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    con.execute("insert into linkt.names values ('1', 'x')")
    path = folder.write("marts.t", "-- materialized: table\nselect cast(id as int) as n from linkt.names")
    build(con, folder, "marts.t")
    con.execute("insert into linkt.names values ('not a number', 'y')")
    with pytest.raises(ModelBuildError, match=r"marts\.t .*Could not convert") as caught:
        build(con, folder, "marts.t")
    assert str(path) in str(caught.value)
    assert rows(con, "marts.t") == [(1,)]


def test_an_incremental_table_computes_only_what_changed(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.i", "select id, data ->> '$.v' as v, changed_at from linkt.things", header=INCREMENTAL)
    for n in range(10):
        put(con, f"t{n}", n, n)
    assert build(con, folder, "marts.i").mode is BuildMode.FULL
    assert build(con, folder, "marts.i").mode is BuildMode.UNCHANGED

    put(con, "t3", 33, 100)
    put(con, "new", 1, 101)
    result = build(con, folder, "marts.i")
    assert (result.mode, result.written, result.rows) == (BuildMode.INCREMENTAL, 2, 11)
    assert ("t3", "33") in [row[:2] for row in rows(con, "marts.i")]


def test_rows_that_arrive_late_are_not_lost(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.i", "select id, data ->> '$.v' as v, changed_at from linkt.things", header=INCREMENTAL)
    put(con, "a", 1, 100)
    build(con, folder, "marts.i")
    put(con, "older_than_the_newest", 2, 50)
    put(con, "a", 3, 40)
    assert build(con, folder, "marts.i").written == 2
    assert [row[:2] for row in rows(con, "marts.i")] == [("a", "3"), ("older_than_the_newest", "2")]


def test_rows_that_vanish_at_the_source_vanish_here(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.i", "select id, changed_at from linkt.things", header=INCREMENTAL)
    put(con, "a", 1, 1)
    put(con, "b", 1, 1)
    build(con, folder, "marts.i")
    con.execute("delete from linkt.things where id = 'a'")
    build(con, folder, "marts.i")
    assert [row[0] for row in rows(con, "marts.i")] == ["b"]


def test_a_key_whose_rows_become_fewer_keeps_none_of_the_old(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write(
        "marts.i",
        "select t.id, unnest(range(cast(t.data ->> '$.v' as int))) as n, t.changed_at from linkt.things as t",
        header=INCREMENTAL,
    )
    put(con, "a", 3, 1)
    build(con, folder, "marts.i")
    put(con, "a", 1, 2)
    build(con, folder, "marts.i")
    assert [row[:2] for row in rows(con, "marts.i")] == [("a", 0)]


def test_the_spine_may_be_named_without_alias_or_in_quotes(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write(
        "marts.i", 'select things.id, changed_at from "linkt" . "things" -- ü\nwhere id <> \'ü\'', header=INCREMENTAL
    )
    put(con, "a", 1, 1)
    build(con, folder, "marts.i")
    put(con, "b", 1, 1)
    assert build(con, folder, "marts.i").written == 1


def test_changed_code_rebuilds_in_full(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("staging.s", "select id, 1 as n, changed_at from linkt.things")
    header = INCREMENTAL.replace("linkt.things", "staging.s")
    folder.write("marts.i", "select id, n, changed_at from staging.s", header=header)
    put(con, "a", 1, 1)
    build(con, folder, "staging.s")
    build(con, folder, "marts.i")
    # The parent's code is what changed: neither a key nor a cursor did.
    folder.write("staging.s", "select id, 2 as n, changed_at from linkt.things")
    build(con, folder, "staging.s")
    assert build(con, folder, "marts.i").mode is BuildMode.FULL
    assert [row[:2] for row in rows(con, "marts.i")] == [("a", 2)]


def test_a_new_column_of_the_source_reaches_a_star(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.i", "select * from linkt.things", header=INCREMENTAL)
    put(con, "a", 1, 1)
    build(con, folder, "marts.i")
    con.execute("alter table linkt.things add column extra int")
    assert "extra" in build(con, folder, "marts.i").columns


def test_builds_are_recorded(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.t", "-- materialized: table\nselect 1 as a")
    build(con, folder, "marts.t")
    build(con, folder, "marts.t")
    model = folder.load()[ModelKey("marts", "t")]
    recorded = con.execute("select model, code_version, rows from linkt.model_builds").fetchall()
    assert recorded == [("marts.t", model.build_version, 1)]
