"""The published copy is always there, always whole, and keeps writers waiting no longer than a file copy takes."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest

from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.errors import NotAWarehouseError, WarehouseMissingError
from linkt_pipeline.warehouse.publish.snapshot import SnapshotError, publish_snapshot
from linkt_pipeline.warehouse.state import write_state
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.warehouse.deliveries import entity, land, land_run, run


@pytest.fixture
def engine() -> str:
    return "file"


@pytest.fixture
def filled(warehouse: Warehouse) -> Warehouse:
    land_run(warehouse, run("r"), created=["a", "b"])
    land(warehouse, entity("a", "Acme"), entity("b", "Bolt"))
    with warehouse.write() as con:
        con.execute(
            """
            create schema staging; create schema marts;
            create view staging.entities as select entity_id, data ->> '$.name.value' as name from linkt.entities;
            create view marts.companies as select name from staging.entities;
            create table marts.totals as select count(*) as companies from marts.companies;
            comment on view marts.companies is 'One row per company. It''s small.';
            comment on column marts.companies.name is 'As shown.';
            """
        )
    return warehouse


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "published"


def test_the_copy_answers_under_its_own_name_and_any_other(filled: Warehouse, published: Path) -> None:
    result = publish_snapshot(filled, published)

    direct = duckdb.connect(str(result.path), read_only=True)
    assert direct.execute("select name from marts.companies order by 1").fetchall() == [("Acme",), ("Bolt",)]
    assert direct.execute("select count(*) from linkt.entities").fetchall() == [(2,)]
    direct.close()
    attached = duckdb.connect()
    attached.execute(f"attach '{result.path}' as other (read_only)")
    assert attached.execute("select companies from other.marts.totals").fetchall() == [(2,)]
    assert attached.execute("select count(*) from other.linkt.entities").fetchall() == [(2,)]
    attached.close()


def test_one_parquet_file_per_model_and_a_catalog(filled: Warehouse, published: Path) -> None:
    before = datetime.now(UTC)

    result = publish_snapshot(filled, published)

    assert pl.read_parquet(published / "marts" / "companies.parquet")["name"].sort().to_list() == ["Acme", "Bolt"]
    assert sorted(result.parquet) == ["marts.companies", "marts.totals", "staging.entities"]
    catalog = json.loads((published / "catalog.json").read_text())
    companies = next(table for table in catalog["tables"] if table["name"] == "companies")
    assert companies == {
        "schema": "marts",
        "name": "companies",
        "description": "One row per company. It's small.",
        "rows": 2,
        "stale": None,
        "parquet": "marts/companies.parquet",
        "columns": [{"name": "name", "type": "VARCHAR", "description": "As shown."}],
    }
    assert before <= datetime.fromisoformat(catalog["as_of"]) <= datetime.now(UTC)
    raw = next(table for table in catalog["tables"] if table["name"] == "run_resources")
    assert (raw["rows"], raw["parquet"]) == (2, None)


def test_sizes_times_and_rows_are_told(filled: Warehouse, published: Path) -> None:
    result = publish_snapshot(filled, published)

    assert result.bytes == result.path.stat().st_size > 0
    assert result.parquet_bytes > 0
    assert 0 <= result.locked_seconds <= result.seconds
    assert result.rows["linkt.entities"] == 2
    assert result.tables == len(result.rows)


def test_descriptions_survive_in_the_copy(filled: Warehouse, published: Path) -> None:
    path = publish_snapshot(filled, published).path

    con = duckdb.connect(str(path), read_only=True)
    comments = con.execute("select comment from duckdb_tables() where table_name = 'companies'").fetchall()
    con.close()

    assert comments == [("One row per company. It's small.",)]


def test_the_warehouse_keeps_its_views(filled: Warehouse, published: Path) -> None:
    publish_snapshot(filled, published)

    with filled.read() as con:
        assert con.execute(
            "select count(*) from duckdb_views() where not internal and schema_name <> 'linkt'"
        ).fetchall() == [(2,)]


def test_a_reader_of_the_old_file_keeps_it_and_new_ones_see_the_new(filled: Warehouse, published: Path) -> None:
    path = publish_snapshot(filled, published).path
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys\n"
            "con = duckdb.connect(sys.argv[1], read_only=True)\n"
            "for _ in sys.stdin:\n"
            "    print(con.execute('select count(*) from marts.companies').fetchall()[0][0], flush=True)\n",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask() -> int:
        assert reader.stdin
        assert reader.stdout
        reader.stdin.write("go\n")
        reader.stdin.flush()
        return int(reader.stdout.readline())

    try:
        assert ask() == 2
        land(filled, entity("c", "Cog"))
        publish_snapshot(filled, published)
        assert ask() == 2
    finally:
        reader.kill()
        reader.wait(timeout=10)
    con = duckdb.connect(str(path), read_only=True)
    assert con.execute("select count(*) from marts.companies").fetchall() == [(3,)]
    con.close()


@pytest.mark.slow
def test_a_reader_in_a_tight_loop_never_sees_an_error_or_half_a_state(filled: Warehouse, published: Path) -> None:
    path = publish_snapshot(filled, published).path
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys, os\n"
            "seen = reads = 0\n"
            "print('ready', flush=True)\n"
            "while not os.path.exists(sys.argv[2]):\n"
            "    con = duckdb.connect(sys.argv[1], read_only=True)\n"
            "    rows = con.execute('select (select count(*) from marts.companies), "
            "(select count(*) from linkt.entities)').fetchall()[0]\n"
            "    con.close()\n"
            "    assert rows[0] == rows[1] >= seen, rows\n"
            "    seen, reads = rows[0], reads + 1\n"
            "print(seen, reads)\n",
            str(path),
            str(published / "stop"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert reader.stdout
        assert reader.stdout.readline() == "ready\n"
        for number in range(50):
            land(filled, entity(f"new {number}"))
            publish_snapshot(filled, published)
        (published / "stop").touch()
        output, errors = reader.communicate(timeout=60)
    finally:
        reader.kill()

    assert errors == ""
    seen, reads = map(int, output.split())
    assert reads > 10
    assert 2 <= seen <= 52


def test_parquet_files_of_tables_that_are_gone_are_removed(filled: Warehouse, published: Path) -> None:
    publish_snapshot(filled, published)
    with filled.write() as con:
        con.execute("drop table marts.totals; drop view marts.companies")

    publish_snapshot(filled, published)

    files = sorted(str(path.relative_to(published)) for path in published.glob("**/*.parquet"))
    assert files == ["staging/entities.parquet"]


def test_a_view_that_fails_leaves_the_last_snapshot_in_place(filled: Warehouse, published: Path) -> None:
    path = publish_snapshot(filled, published).path
    inode = path.stat().st_ino
    with filled.write() as con:
        con.execute("create view marts.broken as select 'x'::integer as n from linkt.entities")

    with pytest.raises(SnapshotError, match=r"marts\.broken can't be computed, so nothing was published"):
        publish_snapshot(filled, published)

    assert path.stat().st_ino == inode
    assert not (published / ".next").exists()


class TestViewsThatStay:
    def test_a_view_that_is_named_stays_one_with_its_rows_in_parquet(self, filled: Warehouse, published: Path) -> None:
        result = publish_snapshot(filled, published, {"marts.companies"})

        with duckdb.connect(str(result.path), read_only=True) as con:
            found = con.execute(
                "select table_schema || '.' || table_name from information_schema.tables where table_type = 'VIEW'"
            ).fetchall()
            assert found == [("marts.companies",)]
            assert con.execute("select name from marts.companies order by 1").fetchall() == [("Acme",), ("Bolt",)]
            assert con.execute("select comment from duckdb_views() where view_name = 'companies'").fetchall() == [
                ("One row per company. It's small.",)
            ]
        with duckdb.connect() as con:
            con.execute(f"attach '{result.path}' as other (read_only)")
            assert con.execute("select count(*) from other.marts.companies").fetchall() == [(2,)]
        assert result.rows["marts.companies"] == 2
        assert pl.read_parquet(published / "marts" / "companies.parquet").height == 2

    def test_one_with_a_column_to_convert_becomes_a_table(self, filled: Warehouse, published: Path) -> None:
        with filled.write() as con:
            con.execute("create view marts.odd as select uuid() as key from linkt.entities")

        path = publish_snapshot(filled, published, {"marts.odd"}).path

        with duckdb.connect(str(path), read_only=True) as con:
            assert con.execute("select typeof(key) from marts.odd limit 1").fetchall() == [("VARCHAR",)]

    @pytest.mark.parametrize("select", ["'x'::integer as n from linkt.entities", "n from marts.without"])
    def test_one_that_fails_stops_publication_unless_it_is_stale(
        self, filled: Warehouse, published: Path, select: str
    ) -> None:
        with filled.write() as con:
            con.execute("create table marts.without (n integer)")
            con.execute(f"create view marts.broken as select {select}")
            con.execute("alter table marts.without rename n to other")

        with pytest.raises(SnapshotError, match=r"marts\.broken can't be computed, so nothing was published"):
            publish_snapshot(filled, published, {"marts.broken"})

        make_stale(filled, "marts.broken")
        assert "marts.broken" not in publish_snapshot(filled, published, {"marts.broken"}).rows


def make_stale(warehouse: Warehouse, *names: str) -> None:
    with warehouse.write() as con:
        for name in names:
            con.execute(
                "insert into linkt.model_builds (model, problem, problem_since) "
                "values ($1, 'sql/x.sql:3: a typo', timestamptz '2026-04-12 09:00:00+00')",
                [name],
            )


def test_a_table_that_can_not_be_built_is_published_as_it_was_and_says_so(filled: Warehouse, published: Path) -> None:
    make_stale(filled, "marts.totals", "marts.never_built", "sql/marts/top-companies.sql")

    result = publish_snapshot(filled, published)

    assert set(result.stale) == {"marts.totals", "marts.never_built", "sql/marts/top-companies.sql"}
    told = "STALE since 2026-04-12 09:00 UTC, as last built before: sql/x.sql:3: a typo."
    with duckdb.connect(str(result.path), read_only=True) as con:
        assert con.execute("select companies from marts.totals").fetchall() == [(2,)]
        assert con.execute("select comment from duckdb_tables() where table_name = 'totals'").fetchall() == [(told,)]
    assert pl.read_parquet_metadata(published / "marts" / "totals.parquet")["description"] == told
    catalog = json.loads((published / "catalog.json").read_text())
    assert {table["name"]: table["stale"] for table in catalog["tables"] if table["schema"] == "marts"} == {
        "companies": None,
        "totals": {"reason": "sql/x.sql:3: a typo", "since": "2026-04-12T09:00:00Z"},
    }


def test_a_view_that_can_not_be_built_nor_computed_is_left_out_and_holds_nothing_up(
    filled: Warehouse, published: Path
) -> None:
    with filled.write() as con:
        con.execute("create view marts.broken as select 'x'::integer as n from linkt.entities")
        con.execute("create view marts.on_it as select n from marts.broken")
    make_stale(filled, "marts.broken", "marts.on_it")

    publish_snapshot(filled, published)

    files = {path.name for path in (published / "marts").glob("*.parquet")}
    assert files == {"companies.parquet", "totals.parquet"}
    assert not [table for table in json.loads((published / "catalog.json").read_text())["tables"]
                if table["name"] in ("broken", "on_it")]  # fmt: skip


def test_the_log_of_a_killed_writer_is_in_the_snapshot(filled: Warehouse, published: Path) -> None:
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from linkt_pipeline.warehouse.engines.file import FileWarehouse\n"
        "from linkt_pipeline.warehouse.state import write_state\n"
        "with FileWarehouse(Path(sys.argv[1])).write() as con:\n"
        "    write_state(con, 'late', 'yes')\n    con.execute('commit')\n    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(filled.path)], check=False, timeout=60)
    assert filled.path.with_name("warehouse.duckdb.wal").exists()

    path = publish_snapshot(filled, published).path

    con = duckdb.connect(str(path), read_only=True)
    assert con.execute("select value from linkt.sync_state where name = 'late'").fetchall() == [("yes",)]
    con.close()


def test_publishing_again_after_being_killed_half_way(filled: Warehouse, published: Path) -> None:
    (published / ".next").mkdir(parents=True)
    (published / ".next" / "warehouse.duckdb").write_bytes(b"half")

    assert publish_snapshot(filled, published).rows["linkt.entities"] == 2


def test_the_snapshot_is_read_only_and_a_stray_log_beside_it_is_removed(filled: Warehouse, published: Path) -> None:
    path = publish_snapshot(filled, published).path
    stray = path.with_name("warehouse.duckdb.wal")
    stray.write_bytes(b"of a tool that opened it for writing")

    publish_snapshot(filled, published)

    assert not stray.exists()
    assert not path.stat().st_mode & 0o222


TYPES = {
    "moment": ("timestamptz '2026-01-01 00:30:00+01'", "TIMESTAMP", datetime(2025, 12, 31, 23, 30)),
    "moments": (
        "[timestamptz '2026-01-01 00:30:00+01', null]",
        "TIMESTAMP[]",
        [datetime(2025, 12, 31, 23, 30), None],
    ),
    "summed": ("sum(1)", "BIGINT", 1),
    "unsigned": ("7::ubigint", "BIGINT", 7),
    "money": ("sum(1.5)", "DOUBLE", 1.5),
    "price": ("1.5::decimal(9, 2)", "DECIMAL(9,2)", Decimal("1.50")),
    "beyond_64_bits": ("sum(9223372036854775807) * 2", "VARCHAR", "18446744073709551614"),
    "document": ("""'{"a": 1}'::json""", "JSON", '{"a": 1}'),
    "documents": ("""['{"a": 1}'::json]""", "JSON[]", ['{"a": 1}']),
    "identity": ("'5f0f0a8e-0000-4000-8000-000000000000'::uuid", "VARCHAR", "5f0f0a8e-0000-4000-8000-000000000000"),
    "duration": ("interval 90 minutes", "VARCHAR", "01:30:00"),
    "kind": ("'a'::enum('a', 'b')", "VARCHAR", "a"),
}


@pytest.mark.parametrize("relation", ["table", "view"])
@pytest.mark.parametrize(("value", "data_type", "shown"), TYPES.values(), ids=TYPES)
def test_types_are_published_as_every_tool_reads_them(
    filled: Warehouse, published: Path, relation: str, value: str, data_type: str, shown: object
) -> None:
    with filled.write() as con:
        con.execute(f"create {relation} marts.odd as select {value} as value")
        con.execute("comment on column marts.odd.value is 'What it is.'")

    path = publish_snapshot(filled, published).path

    with duckdb.connect(str(path), read_only=True) as con:
        (found,) = con.execute("select data_type, comment from duckdb_columns() where table_name = 'odd'").fetchall()
        assert found == (data_type, "What it is.")
        assert con.execute("select value from marts.odd").fetchall() == [(shown,)]
    assert pl.read_parquet(published / "marts" / "odd.parquet")["value"].to_list() == [shown]
    catalog = json.loads((published / "catalog.json").read_text())
    (odd,) = [table for table in catalog["tables"] if table["name"] == "odd"]
    assert odd["columns"] == [{"name": "value", "type": data_type, "description": "What it is."}]


def test_landed_tables_are_published_as_they_are(filled: Warehouse, published: Path) -> None:
    path = publish_snapshot(filled, published).path
    query = (
        "select table_name, column_name, data_type from duckdb_columns() "
        "where schema_name = 'linkt' and table_name <> 'run_costs' order by all"  # a view, computed as models are
    )
    with filled.read() as con, duckdb.connect(str(path), read_only=True) as copy:
        assert copy.execute(query).fetchall() == con.execute(query).fetchall()


def test_descriptions_travel_in_parquet(filled: Warehouse, published: Path) -> None:
    before = datetime.now(UTC)

    publish_snapshot(filled, published)

    metadata = pl.read_parquet_metadata(published / "marts" / "companies.parquet")
    assert metadata["table"] == "marts.companies"
    assert metadata["description"] == "One row per company. It's small."
    assert json.loads(metadata["column_descriptions"]) == {"name": "As shown."}
    assert before <= datetime.fromisoformat(metadata["as_of"]) <= datetime.now(UTC)


def test_nothing_to_publish(warehouse: Warehouse, published: Path) -> None:
    with pytest.raises(WarehouseMissingError, match="does not exist yet"):
        publish_snapshot(warehouse, published)


def test_a_file_that_is_no_warehouse_is_not_published(warehouse: Warehouse, published: Path) -> None:
    warehouse.path.write_bytes(b"no database" * 1000)

    with pytest.raises(NotAWarehouseError):
        publish_snapshot(warehouse, published)


def test_the_warehouse_can_be_used_right_after(filled: Warehouse, published: Path) -> None:
    publish_snapshot(filled, published)

    with filled.write() as con:
        write_state(con, "a", "1")


def test_macros_of_the_warehouse_are_in_the_copy(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb")
    with warehouse.write() as con:
        con.execute("create macro inner_one(text) as (upper(text)); create macro outer_one(text) as (inner_one(text))")
        con.execute("create schema marts; create view marts.v as select outer_one('a') as found")
    published = publish_snapshot(warehouse, tmp_path / "published")
    con = duckdb.connect(published.path, read_only=True)
    assert con.sql("select outer_one('b'), found from marts.v").fetchall() == [("B", "A")]
    con.close()
