"""BI tools on the published snapshot: the recipes of docs/bi.md that install with the developers' tools, really run.

The slower ones (Node, other versions of SQLAlchemy) are in ``bi_tools.sh``, whose findings the
document records.
"""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
import sqlalchemy as sa

from linkt_pipeline.transform import load_models, warehouse_sources
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from tests.paths import PROJECT_ROOT
from tests.sql.conftest import Bench

MADE = datetime(2026, 4, 12, 9, 0, tzinfo=UTC)


class Deployment:
    """A warehouse with one company, which publishes when it is told to."""

    def __init__(self, folder: Path) -> None:
        with empty_warehouse() as con:
            self._graph = load_models(PROJECT_ROOT / "sql", warehouse_sources(con))
        self._warehouse = FileWarehouse(folder / "warehouse.duckdb")
        self.published = folder / "published"
        self.snapshot = self.published / "warehouse.duckdb"
        self._companies = 0

    def publish_one_more(self) -> None:
        self._companies += 1
        number = self._companies
        with self._warehouse.write() as con:
            bench = Bench(con, self._graph)
            bench.entity(f"c{number}", {"name": {"value": f"Company {number}"}})
            bench.run(
                f"r{number}", {("entity", "created"): [f"c{number}"]}, task_type="search", total_credits=1.5,
                created_at=MADE,
            )  # fmt: skip
            if number == 1:
                bench.run("new_year", created_at=datetime(2025, 1, 1, 2, 53, tzinfo=UTC))
            bench.build()
        publish_snapshot(self._warehouse, self.published)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment(tmp_path_factory.mktemp("data"))
    deployment.publish_one_more()
    return deployment


def engine_of(snapshot: Path) -> sa.Engine:
    return sa.create_engine(f"duckdb:///{snapshot}", connect_args={"read_only": True}, poolclass=sa.NullPool)


class TestDuckDB:
    def test_attached_under_another_name_every_schema_is_reached(self, deployment):
        with duckdb.connect() as con:
            con.execute(f"attach '{deployment.snapshot}' as warehouse (read_only)")
            con.execute("use warehouse")
            for table in ("linkt.runs", "staging.runs", "marts.run_history"):
                (count,) = con.execute(f"select count(*) from {table}").fetchone()
                assert count >= 1

    def test_opened_by_itself_marts_are_reached_and_nothing_can_be_written(self, deployment):
        with duckdb.connect(str(deployment.snapshot), read_only=True) as con:
            assert con.execute("select count(*) from marts.companies").fetchone()[0] >= 1
            with pytest.raises(duckdb.InvalidInputException, match="read-only"):
                con.execute("create table mine (a integer)")

    def test_file_itself_is_not_for_writing(self, deployment):
        assert deployment.snapshot.stat().st_mode & 0o222 == 0

    def test_columns_tell_what_they_mean(self, deployment):
        with duckdb.connect(str(deployment.snapshot), read_only=True) as con:
            (comment,) = con.execute(
                "select comment from duckdb_columns() where schema_name = 'marts' and table_name = 'companies' "
                "and column_name = 'domain'"
            ).fetchone()
        assert "Domain of the website" in comment


class TestParquet:
    def test_polars(self, deployment):
        companies = pl.scan_parquet(deployment.published / "marts" / "companies.parquet")
        frame = (
            companies.filter(pl.col("entity_id") == pl.col("root_entity_id")).select("name", "people_count").collect()
        )
        assert frame.rows()[0] == ("Company 1", 0)

    def test_all_of_a_schema_at_once(self, deployment):
        for path in (deployment.published / "marts").glob("*.parquet"):
            assert pl.scan_parquet(path).collect_schema().names(), path


FRIENDLY = re.compile(
    r"(VARCHAR|BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|FLOAT|DOUBLE|DECIMAL\((\d|1[0-8]),\d+\)|DATE|TIME|TIMESTAMP)(\[\])*"
)


class TestTypes:
    def test_every_published_column_is_of_a_type_that_bi_tools_read(self, deployment):
        with duckdb.connect(str(deployment.snapshot), read_only=True) as con:
            columns = con.execute(
                "select schema_name, table_name, column_name, data_type from duckdb_columns() "
                "where database_name = current_database() and schema_name not in ('linkt', 'main')"
            ).fetchall()
        assert len(columns) > 300
        assert [column for column in columns if not (column[3] == "JSON" or FRIENDLY.fullmatch(column[3]))] == []

    def test_every_parquet_column_is_text_number_time_or_a_list_of_them(self, deployment):
        plain = (pl.String, pl.Boolean, pl.Date, pl.Datetime("us"))
        found = {
            (path.name, name, data_type)
            for path in deployment.published.glob("*/*.parquet")
            for name, data_type in pl.read_parquet_schema(path).items()
            for inner in [data_type.inner if isinstance(data_type, pl.List) else data_type]
            if not (inner in plain or inner.is_integer() or inner.is_float())
        }
        assert found == set()

    @pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Tokyo"])
    def test_months_are_those_of_utc_in_every_zone_and_nothing_but_duckdb_is_needed(self, deployment, zone):
        script = (
            "import sys; sys.modules['pytz'] = None\n"
            "import duckdb\n"
            "con = duckdb.connect(sys.argv[1], read_only=True)\n"
            "con.execute(f\"set TimeZone = '{sys.argv[2]}'\")\n"
            "print(con.execute(\"select created_at, date_trunc('month', created_at) from marts.run_history \"\n"
            "    \"where run_id = 'new_year'\").fetchall())\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, deployment.snapshot, zone],
            env={**os.environ, "TZ": zone},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        moments = "(datetime.datetime(2025, 1, 1, 2, 53), datetime.datetime(2025, 1, 1, 0, 0))"
        assert done.stdout.strip() == f"[{moments}]"

    def test_times_reach_polars_and_sqlalchemy_alike(self, deployment):
        runs = pl.read_parquet(deployment.published / "marts" / "run_history.parquet")
        moment = datetime(2025, 1, 1, 2, 53)
        assert runs.filter(pl.col("run_id") == "new_year")["created_at"].to_list() == [moment]
        query = sa.text("select created_at from marts.run_history where run_id = 'new_year'")
        with engine_of(deployment.snapshot).connect() as con:
            assert con.execute(query).scalar_one() == moment

    def test_json_is_text_in_parquet(self, deployment):
        entities = pl.read_parquet(deployment.published / "staging" / "entities.parquet")
        assert json.loads(entities["data"][0])["name"]["value"].startswith("Company")


class TestSqlAlchemy:
    def test_query_with_a_parameter(self, deployment):
        with engine_of(deployment.snapshot).connect() as con:
            rows = con.execute(
                sa.text("select name, people_count from marts.companies where name ilike :name order by name"),
                {"name": "company 1"},
            ).all()
        assert rows == [("Company 1", 0)]

    def test_written_query_without_text(self, deployment):
        runs = sa.table("run_history", sa.column("task"), sa.column("total_credits", sa.Float), schema="marts")
        with engine_of(deployment.snapshot).connect() as con:
            total = con.execute(sa.select(sa.func.sum(runs.c.total_credits))).scalar_one()
        assert total >= 1.5

    def test_schemas_and_tables_are_listed(self, deployment):
        inspector = sa.inspect(engine_of(deployment.snapshot))
        schemas = inspector.get_schema_names()
        assert {"warehouse.marts", "warehouse.staging", "warehouse.linkt"} <= set(schemas)
        assert {"companies", "people", "run_history"} <= set(inspector.get_table_names("marts"))

    def test_columns_are_found_in_the_information_schema(self, deployment):
        with engine_of(deployment.snapshot).connect() as con:
            columns = con.execute(
                sa.text(
                    "select column_name, data_type from information_schema.columns "
                    "where table_schema = 'marts' and table_name = 'credits_daily' order by ordinal_position"
                )
            ).all()
        assert ("credits", "DOUBLE") in columns

    def test_writing_is_refused(self, deployment):
        with (
            engine_of(deployment.snapshot).connect() as con,
            pytest.raises(sa.exc.DBAPIError, match="read-only"),
        ):
            con.execute(sa.text("create table mine (a integer)"))


class TestNewSnapshot:
    def test_held_connection_keeps_the_old_rows_and_a_new_one_sees_the_new(self, deployment):
        held = duckdb.connect(str(deployment.snapshot), read_only=True)
        try:
            (before,) = held.execute("select count(*) from marts.companies").fetchone()
            deployment.publish_one_more()
            assert held.execute("select count(*) from marts.companies").fetchone() == (before,)
        finally:
            held.close()
        with duckdb.connect(str(deployment.snapshot), read_only=True) as con:
            assert con.execute("select count(*) from marts.companies").fetchone() == (before + 1,)

    def test_engine_without_a_pool_sees_the_new_rows(self, deployment):
        engine = engine_of(deployment.snapshot)
        counts = []
        for _ in range(2):
            with engine.connect() as con:
                counts.append(con.execute(sa.text("select count(*) from marts.companies")).scalar_one())
            deployment.publish_one_more()
        assert counts[1] == counts[0] + 1

    def test_parquet_read_again_has_the_new_rows(self, deployment):
        path = deployment.published / "marts" / "companies.parquet"
        before = pl.read_parquet(path).height
        deployment.publish_one_more()
        assert pl.read_parquet(path).height == before + 1


def test_duckdb_command_line(deployment):
    query = "select count(*) > 0 as some from marts.companies"
    done = subprocess.run(
        [Path(sys.executable).with_name("duckdb"), "-readonly", "-csv", deployment.snapshot, "-c", query],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines() == ["some", "true"]
