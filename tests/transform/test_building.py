"""Building keeps a model as its header says and never leaves a broken table behind."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from linkt_pipeline.transform import (
    BuildMode,
    BuildResult,
    Known,
    ModelBuildError,
    build_model,
    incremental,
    known_tables,
    load_models,
    warehouse_sources,
)
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.errors import WarehouseUnwritableError
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.engines import OF_A_FILE, WITH_EACH_ENGINE, last_write
from tests.mounting import mounted, needs_root

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


@WITH_EACH_ENGINE
def test_a_view_and_a_table(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    con.execute("insert into linkt.names values ('a', 'Ann')")
    folder.write("staging.v", "select id, name from linkt.names")
    folder.write("marts.t", "-- materialized: table\nselect name from staging.v")
    assert build(con, folder, "staging.v").mode is BuildMode.VIEW
    result = build(con, folder, "marts.t")
    assert (result.mode, result.rows, result.written) == (BuildMode.FULL, 1, 1)
    assert result.columns == {"name": "VARCHAR"}
    assert rows(con, "marts.t") == [("Ann",)]


@OF_A_FILE
def test_descriptions_become_comments_and_follow_changes(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    def comments() -> tuple[object, ...]:
        table = con.execute("select comment from duckdb_tables() where table_name = 't'").fetchall()
        column = con.execute("select comment from duckdb_columns() where table_name = 't'").fetchall()
        return table[0][0], column[0][0]

    sql = "-- materialized: table\n-- column id: It's the id.\nselect id from linkt.names"
    folder.write("marts.t", sql)
    build(con, folder, "marts.t")
    assert comments() == ("About marts.t. Grain: one row per thing.", "It's the id.")
    build(con, folder, "marts.t", full_refresh=True)
    assert comments() == ("About marts.t. Grain: one row per thing.", "It's the id.")
    folder.write("marts.t", sql.replace("-- column id: It's the id.\n", ""))
    build(con, folder, "marts.t")
    assert comments() == ("About marts.t. Grain: one row per thing.", None)


@pytest.mark.parametrize(("before", "after"), [("view", "table"), ("table", "view")])
@WITH_EACH_ENGINE
def test_a_model_may_change_its_kind(con: duckdb.DuckDBPyConnection, folder: Folder, before: str, after: str) -> None:
    folder.write("marts.m", f"-- materialized: {before}\nselect 1 as a")
    build(con, folder, "marts.m")
    folder.write("marts.m", f"-- materialized: {after}\nselect 2 as a")
    build(con, folder, "marts.m")
    assert rows(con, "marts.m") == [(2,)]


def test_what_was_put_in_place_of_a_model_by_hand_goes(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.t", "-- materialized: table\nselect 1 as a")
    build(con, folder, "marts.t")
    con.execute("drop table marts.t; create view marts.t as select 2 as a")
    assert build(con, folder, "marts.t").mode is BuildMode.FULL
    assert rows(con, "marts.t") == [(1,)]


@WITH_EACH_ENGINE
def test_a_failing_model_leaves_its_last_good_table(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    con.execute("insert into linkt.names values ('1', 'x')")
    path = folder.write("marts.t", "-- materialized: table\nselect cast(id as int) as n from linkt.names")
    build(con, folder, "marts.t")
    con.execute("insert into linkt.names values ('not a number', 'y')")
    with pytest.raises(ModelBuildError, match=r"marts\.t .*Could not convert") as caught:
        build(con, folder, "marts.t")
    assert str(path) in str(caught.value)
    assert rows(con, "marts.t") == [(1,)]


@WITH_EACH_ENGINE
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


@WITH_EACH_ENGINE
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


@WITH_EACH_ENGINE
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
    assert con.execute("select model, code_version is not null, rows from linkt.model_builds").fetchall() == [
        ("marts.t", True, 1)
    ]


@pytest.mark.parametrize("kind", ["-- materialized: table", "-- materialized: incremental\n-- not_null: id\n"
                                  "-- incremental: id, changed_at from staging.v"])  # fmt: skip
def test_a_model_built_before_a_changed_view_follows_once_the_view_is_built(
    con: duckdb.DuckDBPyConnection, folder: Folder, kind: str
) -> None:
    """As when only a mart is materialized after a file behind it was edited."""
    put(con, "a", 1, 1)
    folder.write("staging.v", "select id, changed_at, 1 as answer from linkt.things")
    folder.write("marts.t", f"{kind}\nselect id, changed_at, answer from staging.v")
    for name in ("staging.v", "marts.t"):
        build(con, folder, name)
    folder.write("staging.v", "select id, changed_at, 2 as answer from linkt.things")

    build(con, folder, "marts.t")
    for name in ("staging.v", "marts.t"):
        build(con, folder, name)

    assert [row[2] for row in rows(con, "marts.t")] == [2]
    assert build(con, folder, "marts.t").mode is BuildMode.UNCHANGED


TABLE = "-- materialized: table\n"


@pytest.mark.parametrize(
    "change",
    [
        "insert into linkt.names values ('b', 'Bo')",
        "insert into linkt.names values ('a', 'Ann')",
        "update linkt.names set name = 'Anne' where id = 'a'",
        "update linkt.names set name = null",
        "delete from linkt.names",
        "alter table linkt.names add column extra int",
        "delete from marts.t",
        "drop table marts.t",
    ],
)
def test_a_table_is_computed_again_only_if_something_it_is_made_of_has_changed(
    con: duckdb.DuckDBPyConnection, folder: Folder, change: str
) -> None:
    con.execute("insert into linkt.names values ('a', 'Ann')")
    folder.write("staging.v", "select * from linkt.names")
    folder.write("marts.t", TABLE + "select * from staging.v")
    for name in ("staging.v", "marts.t"):
        build(con, folder, name)
    unchanged = build(con, folder, "marts.t")
    assert (unchanged.mode, unchanged.rows, unchanged.written) == (BuildMode.UNCHANGED, 1, 0)
    put(con, "elsewhere", 1, 1)
    assert build(con, folder, "marts.t").mode is BuildMode.UNCHANGED

    con.execute(change)
    build(con, folder, "staging.v")
    assert build(con, folder, "marts.t").mode is BuildMode.FULL
    assert rows(con, "marts.t") == rows(con, "linkt.names")


def test_a_view_follows_a_new_column_of_an_empty_table(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("staging.v", "select * from linkt.names")
    build(con, folder, "staging.v")
    con.execute("alter table linkt.names add column extra int")
    assert "extra" in build(con, folder, "staging.v").columns


def test_a_table_follows_the_rows_of_the_tables_it_reads(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("staging.i", "select id, data ->> '$.v' as v, changed_at from linkt.things", header=INCREMENTAL)
    folder.write("staging.v", "select id, v from staging.i")
    folder.write("marts.t", TABLE + "select id, v from staging.v")

    def build_all() -> BuildMode:
        return [build(con, folder, name) for name in ("staging.i", "staging.v", "marts.t")][-1].mode

    put(con, "a", 1, 1)
    put(con, "b", 1, 1)
    assert build_all() is BuildMode.FULL
    assert build_all() is BuildMode.UNCHANGED
    put(con, "a", 2, 2)
    assert build_all() is BuildMode.FULL
    con.execute("delete from linkt.things where id = 'b'")
    assert build_all() is BuildMode.FULL
    assert rows(con, "marts.t") == [("a", "2")]
    # Of a table that was computed anew nobody knows what has changed.
    build(con, folder, "staging.i", full_refresh=True)
    assert build(con, folder, "marts.t").mode is BuildMode.FULL


def test_rows_taken_out_of_an_incremental_table_come_back(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.i", "select id, changed_at from linkt.things", header=INCREMENTAL)
    put(con, "a", 1, 1)
    put(con, "b", 1, 1)
    build(con, folder, "marts.i")
    con.execute("delete from marts.i where id = 'a'")
    assert build(con, folder, "marts.i").written == 1
    assert [row[0] for row in rows(con, "marts.i")] == ["a", "b"]


@pytest.mark.parametrize(
    "moving",
    ["now()", "current_date", "random()", "age(timestamp '2026-01-01')", "(select count(*) from glob('*'))"],
)
def test_what_depends_on_more_than_tables_is_always_computed(
    con: duckdb.DuckDBPyConnection, folder: Folder, moving: str
) -> None:
    folder.write("staging.v", f"select id, {moving} as x from linkt.names")
    folder.write("marts.t", TABLE + "select id, x from staging.v")
    build(con, folder, "staging.v")
    assert [build(con, folder, "marts.t").mode for _ in range(2)] == [BuildMode.FULL, BuildMode.FULL]


def test_a_full_refresh_computes_what_has_not_changed(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.t", TABLE + "select id from linkt.names")
    build(con, folder, "marts.t")
    assert build(con, folder, "marts.t", full_refresh=True).mode is BuildMode.FULL


@pytest.mark.parametrize(
    "change",
    [
        "update linkt.hashed set data = '[]', content_hash = 'h2'",
        "update linkt.hashed set data = '[]', fetched_at = '2026-04-08'",
        "update linkt.hashed set id = 'b'",
        "delete from linkt.hashed",
    ],
)
def test_content_hash_and_time_of_landing_stand_for_a_row(
    con: duckdb.DuckDBPyConnection, folder: Folder, change: str
) -> None:
    con.execute("create table linkt.hashed (id varchar, data json, fetched_at timestamptz, content_hash varchar)")
    con.execute("insert into linkt.hashed values ('a', '{}', '2026-04-07', 'h1')")
    folder.write("marts.t", TABLE + "select id, data from linkt.hashed")
    build(con, folder, "marts.t")
    assert build(con, folder, "marts.t").mode is BuildMode.UNCHANGED
    con.execute(change)
    assert build(con, folder, "marts.t").mode is BuildMode.FULL
    assert rows(con, "marts.t") == con.execute("select id, data from linkt.hashed").fetchall()


@OF_A_FILE  # its second connection has no lake as its current database
def test_landed_tables_are_looked_at_once_for_a_connection(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.t", TABLE + "select id from linkt.names")
    graph, known = folder.load(), Known()
    build_model(con, graph["marts.t"], known=known)
    con.execute("insert into linkt.names values ('a', 'Ann')")
    assert build_model(con, graph["marts.t"], known=known).mode is BuildMode.UNCHANGED
    with con.cursor() as another:
        assert build_model(another, graph["marts.t"], known=known).mode is BuildMode.FULL


def test_a_build_that_fails_leaves_nothing_in_what_the_session_knows(
    con: duckdb.DuckDBPyConnection, folder: Folder
) -> None:
    folder.write("staging.v", "select id from linkt.names")
    good, known = folder.load()["staging.v"], Known()
    con.execute("begin")
    build_model(con, good, known=known)
    con.execute("commit")
    folder.write("staging.v", "-- rows: select error('no')\nselect id, name from linkt.names")
    con.execute("begin")
    with pytest.raises(ModelBuildError):
        build_model(con, folder.load()["staging.v"], known=known)
    con.execute("rollback")
    found = build_model(con, good, known=known)
    assert (found.mode, dict(found.columns)) == (BuildMode.VIEW, {"id": "VARCHAR"})


def test_the_catalog_is_listed_once_for_all_builds_of_a_connection(
    con: duckdb.DuckDBPyConnection, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = []
    read = known_tables.read_catalog
    monkeypatch.setattr(known_tables, "read_catalog", lambda con: listed.append(con) or read(con))
    folder.write("marts.t", TABLE + "select id from linkt.names")
    folder.write("marts.u", "select id from marts.t")
    models, known = folder.load().models.values(), Known()
    for _ in range(2):
        for model in models:
            build_model(con, model, known=known)
    assert len(listed) == 1


def test_the_rows_of_a_view_are_counted_as_its_header_says(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    sql = "select id from linkt.things left join linkt.names using (id)"
    folder.write("staging.v", f"-- rows: select 10 * count(*) from linkt.things\n{sql}")
    put(con, "a", 1, 1)
    assert build(con, folder, "staging.v").rows == 10
    put(con, "b", 1, 1)
    assert build(con, folder, "staging.v").rows == 20
    folder.write("staging.v", f"-- rows: select sum(1) from linkt.things\n{sql}")
    assert build(con, folder, "staging.v").rows == 2
    con.execute("delete from linkt.things")
    assert build(con, folder, "staging.v").rows == 0


def test_tables_beside_the_spine_are_narrowed_wherever_they_are_named(
    con: duckdb.DuckDBPyConnection, folder: Folder
) -> None:
    con.execute("create table linkt.tags (thing varchar, tag varchar)")
    folder.write(
        "marts.i",
        "with counted as (select thing, count(*) as tags from linkt.tags group by thing) "
        "select t.id, counted.tags, md5(counted.tags::varchar) as version, "
        "(select count(*) from linkt.tags as tag) as rows_seen, (select count(*) from linkt.names) as names_seen "
        "from linkt.things as t left join counted on t.id = counted.thing",
        header=INCREMENTAL.replace("changed_at", "version") + "-- narrow: id -> linkt.tags.thing\n",
    )
    for thing in ("a", "b"):
        put(con, thing, 1, 1)
        con.execute("insert into linkt.names values ($1, $1)", [thing])
        con.execute("insert into linkt.tags values ($1, 'x')", [thing])
    build(con, folder, "marts.i")
    con.execute("insert into linkt.tags values ('b', 'y')")
    build(con, folder, "marts.i")
    seen = con.execute("select id, tags, rows_seen, names_seen from marts.i order by id").fetchall()
    assert seen == [("a", 1, 2, 2), ("b", 2, 2, 2)]


@pytest.mark.parametrize("few", [50_000, 0], ids=["few keys", "many keys"])
def test_rows_of_unchanged_keys_that_come_with_the_changed_ones_are_not_inserted_again(
    con: duckdb.DuckDBPyConnection, folder: Folder, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """The line ``narrow`` cuts the table of the keys down to all rows of a changed thing, not only to changed keys."""
    monkeypatch.setattr(incremental, "_FEW", few)
    con.execute("create table linkt.tags (thing varchar, tag varchar, version integer)")
    con.execute("insert into linkt.tags values ('a', 'x', 1), ('a', 'y', 1), ('b', 'x', 1)")
    folder.write(
        "marts.i",
        "select thing as id, tag, version from linkt.tags",
        header="-- description: d\n-- grain: g\n-- not_null: id, tag\n-- materialized: incremental\n"
        "-- incremental: id, tag, version from linkt.tags\n-- narrow: id -> linkt.tags.thing\n",
    )
    build(con, folder, "marts.i")
    con.execute("update linkt.tags set version = 2 where thing = 'a' and tag = 'x'")
    assert build(con, folder, "marts.i").mode is BuildMode.INCREMENTAL
    assert rows(con, "marts.i") == [("a", "x", 2), ("a", "y", 1), ("b", "x", 1)]


def test_the_books_of_older_releases_are_read(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("staging.i", "select id, changed_at from linkt.things", header=INCREMENTAL)
    folder.write("marts.t", TABLE + "select id from staging.i")
    put(con, "a", 1, 1)
    for name in ("staging.i", "marts.t"):
        build(con, folder, name)
    con.execute("update linkt.model_builds set cursor = '1:42', contents = null")
    put(con, "b", 1, 1)
    for name in ("staging.i", "marts.t"):
        build(con, folder, name)
    assert rows(con, "marts.t") == [("a",), ("b",)]
    assert build(con, folder, "marts.t").mode is BuildMode.UNCHANGED


KINDS = pytest.mark.parametrize(
    "kind", [TABLE, INCREMENTAL.split("g\n", 1)[1], ""], ids=["table", "incremental", "view"]
)


@KINDS
def test_moments_are_in_utc_and_without_a_zone_that_a_session_could_change(
    con: duckdb.DuckDBPyConnection, folder: Folder, kind: str
) -> None:
    con.execute("set TimeZone = 'America/New_York'")
    late = "timestamptz '2026-01-01 02:00:00+00'"
    moments = f"{late} as moment, [{late}, null] as moments, timestamptz 'infinity' as never, null::timestamptz as none"
    folder.write("marts.t", f"{kind}select id, changed_at, {moments} from linkt.things")
    folder.write("marts.days", f"{TABLE}select moment::date as day from marts.t")
    put(con, "a", 1, 1)
    build(con, folder, "marts.t")
    put(con, "b", 1, 2)
    for name in ("marts.t", "marts.days"):
        build(con, folder, name)
    moment = datetime(2026, 1, 1, 2)
    found = con.execute("select moment, moments, never::varchar, none, typeof(none) from marts.t").fetchall()
    assert found == [(moment, [moment, None], "infinity", None, "TIMESTAMP")] * 2
    assert rows(con, "marts.days") == [(moment.date(),)] * 2


@KINDS
def test_a_published_copy_put_in_place_of_the_warehouse_gets_its_types_back(
    tmp_path: Path, folder: Folder, kind: str
) -> None:
    folder.write("marts.t", f"{kind}select id, changed_at from linkt.things")
    key = UUID("5f0f0a8e-0000-4000-8000-000000000000")
    warehouse = FileWarehouse(tmp_path / "data" / "warehouse.duckdb")
    with warehouse.write() as con:
        con.execute("create table linkt.things (id varchar, changed_at uuid)")
        con.execute("insert into linkt.things values ('a', $1)", [key])
    build_in(warehouse, folder, "marts.t")
    copy = publish_snapshot(warehouse, tmp_path / "published").path

    restored = FileWarehouse(tmp_path / "restored" / "warehouse.duckdb")
    restored.path.parent.mkdir()
    shutil.copyfile(copy, restored.path)
    build_in(restored, folder, "marts.t")

    with restored.read() as con:
        assert con.execute("select id, changed_at from marts.t").fetchall() == [("a", key)]
    with duckdb.connect(str(copy), read_only=True) as con:
        assert con.execute("select changed_at from marts.t").fetchall() == [(str(key),)]


def build_in(warehouse: Warehouse, folder: Folder, name: str) -> None:
    with warehouse.session() as session, session.transaction() as con:
        build_model(con, folder.load()[name])


def test_a_model_that_needs_too_much_memory_is_told_so(tmp_path: Path, folder: Folder) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb", memory_limit="40MB")
    folder.write("marts.t", "-- materialized: table\nselect list(uuid()::varchar) as ids from range(1000000)")

    with pytest.raises(ModelBuildError, match=r"(?s)marts\.t .*more memory .* in two steps") as caught:
        build_in(warehouse, folder, "marts.t")

    assert "Correct the SQL" not in str(caught.value)
    assert "SET " not in str(caught.value)


@needs_root
def test_a_disk_that_is_full_when_a_model_spills_is_no_fault_of_the_model(tmp_path: Path, folder: Folder) -> None:
    with mounted(tmp_path / "small", "size=16m") as disk:
        warehouse = FileWarehouse(disk / "warehouse.duckdb", memory_limit="60MB")
        folder.write("marts.t", "-- materialized: table\nselect 1 as n")
        build_in(warehouse, folder, "marts.t")

        spilling = "select id, count(*) as n from (select uuid()::varchar as id from range(3_000_000)) group by id"
        folder.write("marts.t", f"-- materialized: table\n{spilling}")
        with pytest.raises(ModelBuildError, match=r"(?s)failed to offload.*Free disk space") as caught:
            build_in(warehouse, folder, "marts.t")

        assert "memory than" not in str(caught.value)
        with warehouse.read() as con:
            assert con.execute("select n from marts.t").fetchall() == [(1,)]


@needs_root
def test_a_disk_that_is_full_when_a_model_is_written_is_no_fault_of_the_model(tmp_path: Path, folder: Folder) -> None:
    with mounted(tmp_path / "small", "size=16m") as disk:
        warehouse = FileWarehouse(disk / "warehouse.duckdb", memory_limit="200MB")
        folder.write("marts.t", "-- materialized: table\nselect uuid()::varchar as id from range(3_000_000)")
        with pytest.raises((ModelBuildError, WarehouseUnwritableError), match=r"[Ff]ree disk space"):
            build_in(warehouse, folder, "marts.t")


@pytest.mark.parametrize(
    "sql",
    [
        "select 'Permission denied'::int as n",
        "select error('Could not write') as n",
        'select "No space left on device" as n from linkt.names',
        "select 'disk space'::date as n",
    ],
)
def test_a_mistake_that_reads_like_a_full_disk_is_a_mistake(
    con: duckdb.DuckDBPyConnection, folder: Folder, sql: str
) -> None:
    con.execute("insert into linkt.names values ('1', 'x')")
    folder.write("marts.t", f"-- materialized: table\n{sql}")

    with pytest.raises(ModelBuildError, match="Correct the SQL"):
        build(con, folder, "marts.t")


@OF_A_FILE  # in a lake every transaction leaves a snapshot, because it passes the fence
def test_a_build_that_finds_nothing_new_writes_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "sql"
    (folder / "marts").mkdir(parents=True)
    header = "-- description: d\n-- grain: g\n-- not_null: entity_id\n-- column entity_id: Its id.\n"
    (folder / "marts" / "v.sql").write_text(f"{header}select entity_id from linkt.entities")
    (folder / "marts" / "t.sql").write_text(f"{header}{TABLE}select entity_id from linkt.entities")
    incremental = "-- materialized: incremental\n-- incremental: entity_id, fetched_at from linkt.entities\n"
    (folder / "marts" / "i.sql").write_text(f"{header}{incremental}select entity_id, fetched_at from linkt.entities")

    def build_all() -> object:
        with warehouse.read() as con:
            graph = load_models(folder, warehouse_sources(con))
        with warehouse.session() as session:
            for model in graph.models.values():
                with session.transaction() as con:
                    build_model(con, model)
        return last_write(warehouse)

    assert build_all() == build_all()
