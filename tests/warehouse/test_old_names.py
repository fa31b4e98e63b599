"""Files that an older version called linkt.duckdb: renamed once, nothing lost, readers never without one."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
import sqlalchemy as sa

from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.errors import WarehouseBusyError
from linkt_pipeline.warehouse.publish.reader import open_snapshot
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from linkt_pipeline.warehouse.state import read_state, write_state


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A deployment as an older version left it, published."""
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb")
    with warehouse.write() as con:
        write_state(con, "mark", "here")
    published = publish_snapshot(warehouse, tmp_path / "published").path
    published.with_name("linkt.duckdb").unlink()
    published.rename(published.with_name("linkt.duckdb"))
    warehouse.path.rename(tmp_path / "linkt.duckdb")
    return tmp_path


def test_the_first_use_renames_the_warehouse_and_keeps_its_rows(old: Path) -> None:
    warehouse = FileWarehouse(old / "warehouse.duckdb")
    assert warehouse.exists
    with warehouse.read() as con:
        assert read_state(con, "mark") == "here"
    assert sorted(path.name for path in old.glob("*.duckdb*")) == ["warehouse.duckdb"]


def test_the_log_of_a_killed_process_is_part_of_the_file_before_its_name_changes(old: Path) -> None:
    script = (
        "import duckdb, os, sys; con = duckdb.connect(sys.argv[1]); con.execute(\"set checkpoint_threshold = '1GB'\");"
        "con.execute(\"update linkt.linkt.sync_state set value = 'later' where name = 'mark'\"); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(old / "linkt.duckdb")], check=False)
    assert (old / "linkt.duckdb.wal").exists()
    with FileWarehouse(old / "warehouse.duckdb").read() as con:
        assert read_state(con, "mark") == "later"
    assert not (old / "linkt.duckdb.wal").exists()


def test_a_warehouse_that_an_older_process_has_open_is_left_alone(old: Path) -> None:
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(old / "linkt.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    holder.stdout.readline()
    warehouse = FileWarehouse(old / "warehouse.duckdb", lock_timeout=timedelta(seconds=0.3))
    with pytest.raises(WarehouseBusyError, match=rf"linkt\.duckdb.*PID {holder.pid}"), warehouse.read():
        pass
    holder.communicate("\n", timeout=20)
    with warehouse.read() as con:
        assert read_state(con, "mark") == "here"


def test_readers_find_the_published_copy_under_both_names(old: Path) -> None:
    snapshot = old / "published" / "warehouse.duckdb"
    with open_snapshot(snapshot) as con:
        con.execute("from linkt.runs")
    assert (old / "published" / "linkt.duckdb").readlink() == Path("warehouse.duckdb")
    publish_snapshot(FileWarehouse(old / "warehouse.duckdb"), old / "published")
    assert (old / "published" / "linkt.duckdb").samefile(snapshot)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return publish_snapshot_of(tmp_path)


def publish_snapshot_of(folder: Path) -> Path:
    warehouse = FileWarehouse(folder / "warehouse.duckdb")
    warehouse.migrate()
    return publish_snapshot(warehouse, folder / "published").path


def test_landed_tables_have_one_name_for_every_reader(published: Path) -> None:
    query = "select count(*) as n from linkt.runs"
    with duckdb.connect(str(published), read_only=True) as con:
        assert con.sql(query).fetchall() == [(0,)]
        assert pl.DataFrame(con.sql(query))["n"].to_list() == [0]
    engine = sa.create_engine(f"duckdb:///{published}", connect_args={"read_only": True}, poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.execute(sa.text(query)).scalar() == 0
    shell = Path(sys.executable).with_name("duckdb")
    if not shell.exists():
        pytest.skip("DuckDB's command line is not installed")
    done = subprocess.run(
        [str(shell), "-readonly", "-csv", "-noheader", str(published), "-c", query], capture_output=True, text=True
    )
    assert done.stdout.strip() == "0", done.stderr


def test_polars_reads_the_landed_tables_by_its_own_function(published: Path) -> None:
    pytest.importorskip("pyarrow", reason="polars.read_database needs pyarrow, which this product does not")
    with duckdb.connect(str(published), read_only=True) as con:
        assert pl.read_database("select count(*) as n from linkt.runs", con)["n"].to_list() == [0]
