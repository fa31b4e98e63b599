"""One DuckDB serves every opening of a file: nothing of one use reaches the next, and no failure outlasts it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.engines.file_engine import Engine
from linkt_pipeline.warehouse.state import read_state, write_state
from linkt_pipeline.warehouse.warehouse import Warehouse

FORK = """
import os, sys
from pathlib import Path
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse
from linkt_pipeline.warehouse.engines.file_engine import Engine
from linkt_pipeline.warehouse.state import read_state, write_state
warehouse = FileWarehouse(Path(sys.argv[1]))
with warehouse.write() as con:
    write_state(con, "parent", "before")
child = os.fork()
if child == 0:
    with warehouse.write(threads=1) as con:  # stops a thread, which the child does not have
        write_state(con, "child", read_state(con, "parent"))
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
with warehouse.write() as con:
    write_state(con, "parent", read_state(con, "child") + " and after")
"""


@pytest.fixture
def engine() -> str:
    return "file"


def keep(warehouse: Warehouse, name: str, value: str) -> None:
    with warehouse.write() as con:
        write_state(con, name, value)


def kept(warehouse: Warehouse, name: str) -> str | None:
    with warehouse.read() as con:
        return read_state(con, name)


def setting(con: duckdb.DuckDBPyConnection, name: str) -> object:
    return con.execute("select current_setting($1)", [name]).fetchall()[0][0]


def test_a_closed_warehouse_is_one_file_that_others_can_write(warehouse: Warehouse) -> None:
    keep(warehouse, "a", "1")

    assert [path.name for path in warehouse.path.parent.iterdir()] == [warehouse.path.name]
    script = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create table foreign_table (i int)')"
    subprocess.run([sys.executable, "-c", script, str(warehouse.path)], check=True, timeout=60)
    with warehouse.read() as con:
        assert con.execute("from foreign_table").fetchall() == []


def test_temporary_tables_and_settings_do_not_reach_the_next_use(warehouse: Warehouse) -> None:
    with warehouse.write(threads=1) as con:
        con.execute("create temp table scratch as select 1 as i; set TimeZone = 'Asia/Tokyo'")
        assert setting(con, "threads") == 1

    with warehouse.session() as session, session.transaction() as con:
        assert con.execute("select count(*) from duckdb_tables() where table_name = 'scratch'").fetchall() == [(0,)]
        assert (setting(con, "TimeZone"), setting(con, "checkpoint_threshold")) == ("UTC", "16.0 MiB")
    with warehouse.write() as con:
        assert setting(con, "checkpoint_threshold") == "976.5 KiB"


def test_another_memory_limit_is_obeyed(warehouse: Warehouse) -> None:
    keep(warehouse, "a", "1")

    with FileWarehouse(warehouse.path, memory_limit="100MB").read() as con:
        assert setting(con, "memory_limit") == "95.3 MiB"


def test_what_was_spilled_is_gone_after_use(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb", memory_limit="40MB")
    spill = tmp_path / "warehouse.duckdb.tmp"

    with warehouse.write(threads=1) as con:
        con.execute("create temp table big as select repeat(md5(i::varchar), 20) as text from range(200000) as r(i)")
        assert any(spill.iterdir())

    assert not spill.exists()
    assert kept(warehouse, "a") is None


def test_a_failure_does_not_outlast_its_use(warehouse: Warehouse) -> None:
    keep(warehouse, "a", "1")

    with pytest.raises(duckdb.Error), warehouse.write() as con:
        con.execute(f"detach {con.execute('select current_database()').fetchall()[0][0]}")

    assert kept(warehouse, "a") == "1"
    keep(warehouse, "a", "2")
    assert kept(warehouse, "a") == "2"


def test_an_interrupt_before_the_file_was_given_back_does_not_keep_it(warehouse: Warehouse) -> None:
    keep(warehouse, "a", "1")
    engine = Engine(warehouse.path, "100MB")
    engine.attach(read_only=False, threads=1, settings="")  # and never detached

    con = engine.attach(read_only=True, threads=None, settings="")

    assert read_state(con, "a") == "1"
    engine.detach(con)
    keep(warehouse, "a", "2")


def test_a_file_of_a_newer_format_is_used_as_it_is(warehouse: Warehouse) -> None:
    con = duckdb.connect()
    con.execute(f"attach '{warehouse.path}' as newer (storage_version 'latest'); create table newer.t (i int)")
    con.close()

    keep(warehouse, "a", "1")

    assert kept(warehouse, "a") == "1"


def test_an_interrupt_while_the_file_is_opened_locks_nobody_out(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(warehouse, "a", "1")
    attach = Engine._attach

    def interrupted(*arguments: Any) -> None:
        attach(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "_attach", interrupted)
    with pytest.raises(KeyboardInterrupt):
        keep(warehouse, "a", "2")

    script = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create table foreign_table (i int)')"
    subprocess.run([sys.executable, "-c", script, str(warehouse.path)], check=True, timeout=60)


def test_a_forked_process_opens_the_file_by_itself(warehouse: Warehouse) -> None:
    subprocess.run([sys.executable, "-c", FORK, str(warehouse.path)], check=True, timeout=60)

    assert (kept(warehouse, "child"), kept(warehouse, "parent")) == ("before", "before and after")
