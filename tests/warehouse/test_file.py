"""One file, many processes: waits are bounded, the holder is named, and what was committed stays."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.errors import (
    NewerWarehouseError,
    NotAWarehouseError,
    WarehouseBusyError,
    WarehouseInUseError,
    WarehouseUnwritableError,
)
from linkt_pipeline.warehouse.migration import latest_version, migrations
from linkt_pipeline.warehouse.state import last_change, read_state, write_state
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.mounting import mounted, needs_root

SECOND = timedelta(seconds=1)


@pytest.fixture
def engine() -> str:
    return "file"


@contextmanager
def other_process(script: str, *args: object) -> Iterator[subprocess.Popen]:
    """A Python process that prints a line once it is where the test wants it."""
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, args)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)


HOLD = """
import duckdb, sys, time
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
print("ready", flush=True)
time.sleep(float(sys.argv[3]))
con.close()
"""

WRITE_AND_HANG = """
import sys, time
from pathlib import Path
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse
from linkt_pipeline.warehouse.state import write_state
warehouse = FileWarehouse(Path(sys.argv[1]))
with warehouse.write() as con:
    write_state(con, "committed", "yes")
with warehouse.write() as con:
    write_state(con, "open", "yes")
    print("ready", flush=True)
    time.sleep(60)
"""


def _keep(warehouse: Warehouse, name: str, value: str) -> None:
    with warehouse.write() as con:
        write_state(con, name, value)


def _kept(warehouse: Warehouse, name: str) -> str | None:
    with warehouse.read() as con:
        return read_state(con, name)


def test_the_first_use_creates_folder_file_and_tables(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "new" / "folder" / "warehouse.duckdb")

    with warehouse.read() as con:
        tables = {row[0] for row in con.execute("select table_name from duckdb_tables()").fetchall()}

    assert {"executions", "runs", "run_credits", "run_resources", "entities", "entity_versions", "signals"} <= tables


def test_linkt_is_the_schema_although_the_file_has_the_same_name(warehouse: Warehouse) -> None:
    with warehouse.write() as con:
        con.execute("create schema staging; create view staging.runs as select run_id from linkt.runs")
        assert con.execute("from staging.runs").fetchall() == []


def test_a_write_is_one_transaction(warehouse: Warehouse) -> None:
    _keep(warehouse, "a", "1")

    with pytest.raises(ZeroDivisionError), warehouse.write() as con:  # noqa: PT012
        write_state(con, "a", "2")
        raise ZeroDivisionError

    assert _kept(warehouse, "a") == "1"


def test_an_interrupt_rolls_back_and_closes(warehouse: Warehouse) -> None:
    with pytest.raises(KeyboardInterrupt), warehouse.write() as con:  # noqa: PT012
        write_state(con, "a", "1")
        raise KeyboardInterrupt

    assert _kept(warehouse, "a") is None


def test_a_failed_statement_rolls_everything_back(warehouse: Warehouse) -> None:
    with pytest.raises(duckdb.CatalogException), warehouse.write() as con:  # noqa: PT012
        write_state(con, "a", "1")
        con.execute("from linkt.nothing")

    assert _kept(warehouse, "a") is None


def test_a_reader_can_not_write(warehouse: Warehouse) -> None:
    with warehouse.read() as con, pytest.raises(duckdb.Error, match="read-only"):
        write_state(con, "a", "1")


def test_times_are_utc_and_nothing_is_downloaded(warehouse: Warehouse) -> None:
    with warehouse.read() as con:
        settings = dict(con.execute("select name, value from duckdb_settings()").fetchall())

    assert settings["TimeZone"] == "UTC"
    assert settings["autoinstall_known_extensions"] == "false"
    assert settings["temp_directory"].startswith(str(warehouse.path))


def test_opening_twice_in_one_thread_is_refused_not_a_deadlock(warehouse: Warehouse) -> None:
    with warehouse.read(), pytest.raises(WarehouseInUseError, match="already open in this thread"), warehouse.write():
        pass

    _keep(warehouse, "after", "fine")


def test_threads_take_turns(warehouse: Warehouse) -> None:
    def add(_: int) -> None:
        with warehouse.write() as con:
            write_state(con, "n", str(int(read_state(con, "n") or 0) + 1))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert _kept(warehouse, "n") == "12"


def test_a_thread_that_never_ends_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=timedelta(seconds=0.2))
    with warehouse.read():
        failures: list[BaseException] = []

        def attempt() -> None:
            try:
                with warehouse.read():
                    pass
            except WarehouseBusyError as error:
                failures.append(error)

        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join(timeout=10)

    assert "another part of this process" in str(failures[0])


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_short_hold_elsewhere_is_waited_out(tmp_path: Path, mode: str) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=10 * SECOND)
    _keep(warehouse, "a", "1")

    with other_process(HOLD, warehouse.path, mode, 0.7):
        _keep(warehouse, "a", "2")

    assert _kept(warehouse, "a") == "2"


def test_who_holds_the_file_for_too_long_is_named_with_a_way_out(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=0.3 * SECOND)
    warehouse.migrate()

    with other_process(HOLD, warehouse.path, "write", 60) as holder:
        begun = time.monotonic()
        with pytest.raises(WarehouseBusyError) as caught, warehouse.read():
            pass
        waited = time.monotonic() - begun

    assert caught.value.pid == holder.pid
    assert re.search(rf"held by python[\d.]* \(PID {holder.pid}\).*published/warehouse.duckdb", str(caught.value))
    assert 0.3 <= waited < 5


def test_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=0.3 * SECOND)
    _keep(warehouse, "a", "1")

    with other_process(HOLD, warehouse.path, "read", 60):
        assert _kept(warehouse, "a") == "1"


def test_a_transaction_with_news_leaves_a_mark_of_its_own_and_no_other_does(warehouse: Warehouse) -> None:
    def mark() -> str | None:
        with warehouse.read() as con:
            return last_change(con)

    new = mark()
    _keep(warehouse, "a", "1")
    first = mark()
    _keep(warehouse, "a", "1")
    second = mark()
    assert len({None, new, first, second}) == 4

    with warehouse.write(news=False) as con:
        write_state(con, "books", "kept")
    with pytest.raises(LookupError), warehouse.write() as con:
        raise LookupError
    assert mark() == second


def test_a_killed_writer_leaves_what_it_committed_and_no_lock(warehouse: Warehouse) -> None:
    with other_process(WRITE_AND_HANG, warehouse.path) as writer:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(timeout=10)

        assert _kept(warehouse, "committed") == "yes"
        assert _kept(warehouse, "open") is None


def test_two_processes_that_create_the_warehouse_at_once_both_succeed(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse
from linkt_pipeline.warehouse.state import write_state
with FileWarehouse(Path(sys.argv[1])).write() as con:
    write_state(con, sys.argv[2], "done")
"""
    path = tmp_path / "warehouse.duckdb"
    processes = [subprocess.Popen([sys.executable, "-c", script, str(path), str(n)]) for n in range(4)]

    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    with FileWarehouse(path).read() as con:
        assert con.execute("select count(*) from linkt.sync_state where value = 'done'").fetchall() == [(4,)]
        assert con.execute("select version from linkt.schema_migrations").fetchall() == [(latest_version(),)]


def test_migrations_are_numbered_without_a_gap() -> None:
    versions = [migration.version for migration in migrations()]
    assert versions == list(range(versions[0], latest_version() + 1))


def test_a_warehouse_of_a_newer_version_is_left_alone(warehouse: Warehouse) -> None:
    with warehouse.write() as con:
        con.execute("insert into linkt.schema_migrations values (999, 'from_the_future', now())")

    with pytest.raises(NewerWarehouseError, match=r"version 999.*Upgrade linkt-pipeline") as caught, warehouse.read():
        pass

    assert caught.value.exit_code == 2
    with pytest.raises(NewerWarehouseError), warehouse.write():
        pass


@pytest.mark.parametrize(
    "content", [b"just some text, no database" * 500, b"short", b""], ids=["text", "short", "empty"]
)
def test_a_file_that_is_not_duckdb_is_left_alone(warehouse: Warehouse, content: bytes) -> None:
    warehouse.path.write_bytes(content)

    expected = r"warehouse.duckdb is not a DuckDB database.*LINKT_DATA_DIR"
    with pytest.raises(NotAWarehouseError, match=expected) as caught, warehouse.write():
        pass

    assert caught.value.exit_code == 2
    assert warehouse.path.read_bytes() == content


def test_a_folder_in_place_of_the_file(warehouse: Warehouse) -> None:
    warehouse.path.mkdir()

    with pytest.raises(NotAWarehouseError), warehouse.read():
        pass


def test_a_foreign_handle_in_this_process_is_explained(warehouse: Warehouse) -> None:
    warehouse.migrate()
    foreign = duckdb.connect(str(warehouse.path))
    try:
        with pytest.raises(WarehouseBusyError, match="already open in this process"), warehouse.read():
            pass
    finally:
        foreign.close()


def test_a_folder_that_can_not_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(WarehouseUnwritableError, match="fix the permissions"):
        FileWarehouse(tmp_path / "file" / "warehouse.duckdb").migrate()


@needs_root
def test_a_full_disk_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=8m") as folder:
        warehouse = FileWarehouse(folder / "warehouse.duckdb")
        _keep(warehouse, "committed", "yes")

        def fill_up() -> None:
            for number in range(20):
                with warehouse.write() as con:
                    con.execute(
                        "insert into linkt.sync_state select i::varchar, string_agg(uuid()::varchar, ''), now() "
                        "from range(300) as r(i), range(100) group by i"
                    )
                    write_state(con, "batches", str(number + 1))

        with pytest.raises(WarehouseUnwritableError, match="committed before is safe") as caught:
            fill_up()

        assert "No space left on device" in str(caught.value)
        kept = int(_kept(warehouse, "batches") or 0)
        assert _kept(warehouse, "committed") == "yes"
        with warehouse.read() as con:
            rows = con.execute("select count(*) from linkt.sync_state where name <> 'change'").fetchall()[0][0]
        assert rows == kept * 300 + 1 + (kept > 0)


@needs_root
def test_a_read_only_file_system_can_be_read_and_says_so_when_written(tmp_path: Path) -> None:
    with mounted(tmp_path / "fixed", "size=16m") as folder:
        warehouse = FileWarehouse(folder / "warehouse.duckdb")
        _keep(warehouse, "a", "1")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)

        assert _kept(warehouse, "a") == "1"
        with pytest.raises(WarehouseUnwritableError, match="Read-only file system"):
            _keep(warehouse, "a", "2")
