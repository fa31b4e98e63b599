"""Rows are told apart by a digest or by their values, never by DuckDB's ``hash()``."""

import re
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.transform import BuildMode, load_models, warehouse_sources, warn_of_hashes
from linkt_pipeline.transform.sql_files import find_files
from linkt_pipeline.warehouse.migration import empty_warehouse
from tests.paths import PROJECT_ROOT

from .conftest import Folder
from .test_building import TABLE, build, rows

TWINS = ("6b076177af241bf2dc000069", "6b076178af241bf2dc00006d")


def test_the_engine_gives_two_ids_of_a_sequence_one_hash(con: duckdb.DuckDBPyConnection) -> None:
    """The reason for all below: should this fail, the engine has a better hash, and it still is not a digest."""
    assert con.execute("select hash($1::varchar) = hash($2::varchar)", TWINS).fetchone() == (True,)


def test_an_id_that_takes_the_place_of_its_twin_is_seen(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.t", TABLE + "select id from linkt.names")
    con.execute("insert into linkt.names values ($1, 'Ann')", [TWINS[0]])
    build(con, folder, "marts.t")
    con.execute("update linkt.names set id = $1", [TWINS[1]])
    assert build(con, folder, "marts.t").mode is BuildMode.FULL
    assert rows(con, "marts.t") == [(TWINS[1],)]


@pytest.mark.parametrize(
    ("change", "mode"),
    [
        ("delete from linkt.names where id = 'a'; insert into linkt.names values ('a', 'Ann')", BuildMode.UNCHANGED),
        ("set time zone 'Asia/Tokyo'", BuildMode.UNCHANGED),
        ("update linkt.names set id = 'd' where id = 'c'", BuildMode.FULL),
        ("update linkt.names set id = 'b', name = 'Ann' where id = 'a'", BuildMode.FULL),
        ("update linkt.names set name = null where id = 'b'", BuildMode.FULL),
        ("update linkt.things set changed_at = '2026-04-07 00:00:00.000001+00'", BuildMode.FULL),
    ],
    ids=["another order", "another time zone", "equal rows replaced", "value moved", "empty", "a microsecond"],
)
def test_rows_count_as_changed_when_they_are(
    con: duckdb.DuckDBPyConnection, folder: Folder, change: str, mode: BuildMode
) -> None:
    con.execute("insert into linkt.names values ('a', 'Ann'), ('b', ''), ('c', 'same'), ('c', 'same')")
    con.execute("insert into linkt.things values ('a', '{}', '2026-04-07 00:00:00+00')")
    folder.write("marts.t", TABLE + "select names.id from linkt.names left join linkt.things using (id)")
    build(con, folder, "marts.t")
    con.execute(change)
    assert build(con, folder, "marts.t").mode is mode


def test_a_call_of_hash_is_warned_of_with_its_line(folder: Folder) -> None:
    mine = folder.write("marts.t", TABLE + "select\n    Hash(id) as key,\n    md5(id) as digest\nfrom linkt.names")
    check = folder.write("checks.c", "select id from linkt.names group by hash(id), id", header="-- model: marts.t\n")
    macro = folder.write("macros.m", "hash(x) + 1", header="-- parameter x: a text\n")
    folder.write("marts.broken", "select hash(")
    line = mine.read_text().splitlines().index("    Hash(id) as key,") + 1
    warned = [text.split(": hash() gives")[0] for text in warn_of_hashes(find_files(folder.root))]
    assert warned == [f"{check}:2", f"{macro}:2", f"{mine}:{line}"]


def test_no_sql_of_ours_calls_hash() -> None:
    assert list(warn_of_hashes(find_files(PROJECT_ROOT / "sql"))) == []
    with empty_warehouse() as con:
        assert len(load_models(PROJECT_ROOT / "sql", warehouse_sources(con)).models) > 20
    # SQL in Python is text; Python's own hash() of a text is another one in every process.
    found = [
        f"{path}: {line.strip()}"
        for path in sorted(Path(PROJECT_ROOT, "linkt_pipeline").rglob("*.py"))
        if path.name != "comparison.py"  # keeps none: it compares what one DuckDB has just computed of two databases
        for line in path.read_text().splitlines()
        if re.search(r"(?<![\w`.])hash\((?!\) gives)", line)
    ]
    assert found == []
