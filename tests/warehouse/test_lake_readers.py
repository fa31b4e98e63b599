"""Whoever reads a lake by itself, with the statements of docs/lake.md and the rights that it names."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import psycopg
import pytest
import sqlalchemy

from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.engines.lake.extensions import OF_A_CATALOG, packaged_extension
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from linkt_pipeline.warehouse.state import write_state
from tests.lake import Lakes
from tests.paths import PROJECT_ROOT

Read = Callable[[list[str]], str]
PASSWORD = "of the reader's"


def in_python(statements: list[str]) -> str:
    with duckdb.connect() as con:
        for statement in statements[:-1]:
            con.execute(statement)
        return str(con.execute(statements[-1]).fetchall()[0][0])


def on_the_command_line(statements: list[str]) -> str:
    shell = [sys.executable, "-m", "duckdb_cli", "-csv", "-noheader", "-bail", "-c", "; ".join(statements)]
    found = subprocess.run(shell, capture_output=True, text=True, check=False, timeout=120)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip().splitlines()[-1]


def with_sqlalchemy(statements: list[str]) -> str:
    engine = sqlalchemy.create_engine("duckdb:///:memory:")

    @sqlalchemy.event.listens_for(engine, "connect")
    def prepare(connection: duckdb.DuckDBPyConnection, _: object) -> None:
        for statement in statements[:-1]:
            connection.execute(statement)

    with engine.connect() as con:
        return str(con.execute(sqlalchemy.text(statements[-1])).scalar_one())


@pytest.fixture
def reader(lakes: Lakes, tmp_path: Path) -> list[str]:
    """What to run first: the lake has one row that is published and one that is not."""
    with lakes.warehouse(tmp_path) as lake:
        for value in ("published", "on its way"):
            with lake.write() as con:
                write_state(con, "a", value)
            if value == "published":
                publish_snapshot(lake, tmp_path / "published")
        catalog = lake._lake.catalog
    with psycopg.connect(
        host=catalog.host,
        port=catalog.port,
        dbname=catalog.database,
        user=catalog.user,
        password=catalog.password.get_secret_value(),
    ) as con:
        if not con.execute("select from pg_roles where rolname = 'reader'").fetchall():  # one for all databases
            con.execute(f"create role reader login password {literal(PASSWORD)}")
        con.execute("grant usage on schema linkt_lake to reader")
        con.execute("grant select on all tables in schema linkt_lake to reader")
    text = (PROJECT_ROOT / "docs" / "lake.md").read_text(encoding="utf-8")
    ((statements),) = re.findall(r"```sql\n(create secret .*?)```", text, re.DOTALL)
    host = f"host {literal(catalog.host)}, port {literal(str(catalog.port))}, database {literal(catalog.database)}"
    for shown, real in (
        ("host 'db.example.com', database 'linkt'", host),
        ("password '...'", f"password {literal(PASSWORD)}"),
    ):
        assert shown in statements
        statements = statements.replace(shown, real)
    lines = [re.sub(r";.*", "", line) for line in statements.splitlines()]
    return [f"load {literal(str(packaged_extension(name)))}" for name in OF_A_CATALOG] + lines


@pytest.mark.parametrize("read", [in_python, on_the_command_line, with_sqlalchemy], ids=lambda read: read.__name__)
def test_a_reader_of_a_lake_sees_what_was_published_last(read: Read, reader: list[str]) -> None:
    *prepare, attach, example = reader
    assert example == "from lake.marts.companies limit 10"
    assert "4711" in attach

    number = read(prepare)

    value = "select value from lake.linkt.sync_state where name = 'a'"
    assert read([*prepare, attach.replace("4711", number), value]) == "published"
    with pytest.raises(Exception, match=r"read-only|read only"):
        read([*prepare, attach.replace("4711", number), "delete from lake.linkt.sync_state"])
