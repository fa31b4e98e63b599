"""A compacted warehouse is the same warehouse in a smaller file, whoever reads, writes or is killed meanwhile."""

import shutil
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from linkt_pipeline.warehouse.engines import compaction, replacement
from linkt_pipeline.warehouse.engines.compaction import CompactionError
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.errors import WarehouseBusyError, WarehouseMissingError, WarehouseUnwritableError
from linkt_pipeline.warehouse.files import free_to_replace, kept_in_place
from linkt_pipeline.warehouse.state import read_state, write_state
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.mounting import mounted, needs_root
from tests.warehouse.deliveries import entity, land, land_run, land_signal_rows, run
from tests.warehouse.deliveries import signal as business_signal
from tests.warehouse.test_file import HOLD, other_process

SECOND = timedelta(seconds=1)
_BLOATED = 1_000_000  # bytes that come back, at least


@pytest.fixture
def engine() -> str:
    return "file"


def bloat(warehouse: Warehouse) -> None:
    """Leave two megabytes of deleted rows in the file, among rows that stay."""
    with warehouse.write() as con:
        con.execute("create table linkt.passing as select i, sha256(i::varchar) as text from range(40000) as r(i)")
    with warehouse.write() as con:
        con.execute("delete from linkt.passing where i % 1000 <> 0")


@pytest.fixture
def bloated(warehouse: Warehouse) -> Warehouse:
    land_run(warehouse, run("r"), created=["a", "b"], credits={"search": 2.5})
    land(warehouse, *(entity(f"e{number}", f"Acme {number}") for number in range(3_000)))
    land(warehouse, entity("e1", "Acme of today", updated=5))
    land_signal_rows(warehouse, business_signal("s"))
    with warehouse.write() as con:
        con.execute(
            """
            create schema staging; create schema marts;
            create macro marts.plus(a, b := 1) as a + b;
            create view staging.entities as select entity_id, data ->> '$.name.value' as name from linkt.entities;
            create view marts.companies as select name, marts.plus(1) as one from staging.entities;
            create view marts.shouted as
                select * replace (upper(a) as a, lower(b) as b, upper(c) as c, lower(d) as d)
                from (values ('a', 'B', 'c', 'D')) as r(a, b, c, d);
            create table marts.totals (
                companies integer not null default 7,
                kind varchar default 'a ''kind''',
                days interval[],
                check (kind <> '')
            );
            create table marts.gone (x integer);
            create view marts.broken as select x from marts.gone;
            drop table marts.gone;
            comment on view marts.companies is 'One row per company. It''s small.';
            comment on column marts.companies.name is 'As shown.';
            comment on table marts.totals is 'Totals.';
            comment on column marts.totals.kind is 'Of what.';
            insert into marts.totals (days) values ([interval 3 days, null]), (null);
            """
        )
    bloat(warehouse)
    return warehouse


def everything(warehouse: Warehouse) -> dict[str, Any]:
    """All that the file holds: its catalog as DuckDB lists it, and each table's rows in their order."""
    found: dict[str, Any] = {}
    with warehouse.read() as con:
        for catalog in ("schemas", "tables", "views", "columns", "constraints", "indexes", "functions"):
            answer = con.sql(f"from duckdb_{catalog}() where database_name = current_database()")
            left_out = {"estimated_size", "sql" if catalog == "views" else ""}
            kept = [name for name in answer.columns if not name.endswith("oid") and name not in left_out]
            found[catalog] = sorted(map(str, answer.select(*map(_quoted, kept)).fetchall()))
        for schema, table in con.execute(
            """
            select table_schema, table_name from information_schema.tables
            where table_catalog = current_database() and table_name <> 'broken'
            """
        ).fetchall():
            found[f"{schema}.{table}"] = con.execute(f'from "{schema}"."{table}"').fetchall()
    return found


def _quoted(name: str) -> str:
    return f'"{name}"'


def compressions(warehouse: Warehouse, column: str) -> set[str]:
    with warehouse.read() as con:
        return {
            row[0]
            for row in con.execute(
                "select distinct compression from pragma_storage_info('linkt.entities') "
                "where column_name = ? and segment_type <> 'VALIDITY'",
                [column],
            ).fetchall()
        }


def leftovers(warehouse: Warehouse) -> list[str]:
    return sorted(path.name for path in warehouse.path.parent.iterdir() if path != warehouse.path)


def test_the_same_tables_views_descriptions_and_rows_in_less_space(bloated: Warehouse) -> None:
    bloated.path.chmod(0o640)
    before = everything(bloated)

    done = bloated.compact()

    assert done.before - done.after > _BLOATED
    assert bloated.path.stat().st_size == done.after
    assert bloated.path.stat().st_mode & 0o777 == 0o640
    assert everything(bloated) == before
    assert len(before["linkt.entities"]) == 3_000
    assert leftovers(bloated) == []


def test_json_stays_packed_also_what_is_landed_later(bloated: Warehouse) -> None:
    assert compressions(bloated, "payload") == {"ZSTD"}

    bloated.compact()
    assert compressions(bloated, "payload") == {"ZSTD"}

    land(bloated, *(entity(f"later{number}", "x" * 200) for number in range(3_000)))
    with bloated.write() as con:
        con.execute("delete from linkt.entities where entity_id not like 'later%'")
    assert compressions(bloated, "payload") == {"ZSTD"}


def test_a_file_without_space_to_give_back_stays(bloated: Warehouse) -> None:
    bloated.compact()
    file = bloated.path.stat()

    done = bloated.compact()

    assert done.before == done.after == file.st_size
    assert bloated.path.stat().st_ino == file.st_ino
    assert leftovers(bloated) == []


def test_there_is_nothing_to_compact_yet(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseMissingError):
        warehouse.compact()


def test_a_copy_that_differs_is_never_put_in_place(bloated: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    before, file = everything(bloated), bloated.path.stat()
    start = compaction.start_duckdb

    class Forgetful:
        """A DuckDB that loses a row, or a description, when it copies."""

        def __init__(self, *args: Any) -> None:
            self._con = start(*args)

        def execute(self, sql: str, *parameters: Any) -> Any:
            answer = self._con.execute(sql, *parameters)
            if sql.startswith("copy"):
                self._con.execute(losses[-1])
            return answer

        def close(self) -> None:
            self._con.close()

    monkeypatch.setattr(compaction, "start_duckdb", Forgetful)
    losses = []
    for loss, told in (
        ("delete from fresh.linkt.entities where entity_id = 'e7'", "linkt.entities: 2,999 rows instead of 3,000"),
        ("comment on column fresh.marts.totals.kind is null", "Of what."),
        ("alter table fresh.marts.totals alter companies drop not null", "totals"),
    ):
        losses.append(loss)
        with pytest.raises(CompactionError, match=told):
            bloated.compact()

    assert everything(bloated) == before
    assert bloated.path.stat().st_ino == file.st_ino
    assert leftovers(bloated) == []


def test_a_reader_is_waited_for_and_named_when_it_stays(bloated: Warehouse) -> None:
    file = bloated.path.stat().st_ino
    impatient = FileWarehouse(bloated.path, lock_timeout=SECOND / 4)

    with other_process(HOLD, bloated.path, "read", 60):
        with pytest.raises(WarehouseBusyError, match="has been read by another program"):
            impatient.compact()
        assert bloated.path.stat().st_ino == file
        assert leftovers(bloated) == []

    with other_process(HOLD, bloated.path, "read", 0.5):
        bloated.compact()
    assert bloated.path.stat().st_ino != file


def test_who_opens_the_file_keeps_it_in_its_place_until_it_is_locked(
    bloated: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bloated.path.stat().st_ino
    ready = threading.Event()
    exclude = replacement.exclude_readers
    monkeypatch.setattr(replacement, "exclude_readers", lambda opened: ready.set() or exclude(opened))
    compacting = threading.Thread(target=bloated.compact)

    with kept_in_place(bloated.path.parent):
        compacting.start()
        assert ready.wait(60)
        compacting.join(timeout=0.3)
        assert bloated.path.stat().st_ino == file
    compacting.join(timeout=30)

    assert bloated.path.stat().st_ino != file


def test_nobody_opens_the_file_while_it_is_replaced(bloated: Warehouse) -> None:
    opened = threading.Event()

    def write() -> None:
        with bloated.write() as con:
            opened.set()
            write_state(con, "a", "1")

    writer = threading.Thread(target=write)
    with free_to_replace(bloated.path.parent):
        writer.start()
        assert not opened.wait(0.3)
    writer.join(timeout=30)

    assert opened.is_set()


COUNT = """
import sys
from pathlib import Path
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.state import read_state, write_state
warehouse = FileWarehouse(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    with warehouse.write() as con:
        assert int(read_state(con, "n") or 0) == number, number
        write_state(con, "n", str(number + 1))
"""


@pytest.mark.slow
def test_what_others_write_meanwhile_is_in_the_new_file(bloated: Warehouse) -> None:
    patient = FileWarehouse(bloated.path, lock_timeout=30 * SECOND)
    replaced = 0

    with other_process(COUNT, bloated.path, 30) as writer:
        while writer.poll() is None:
            done = patient.compact()
            replaced += done.after < done.before
            with patient.write() as con:
                con.execute("create or replace table linkt.passing as select sha256(i::varchar) from range(9000) r(i)")
            with patient.write() as con:
                con.execute("delete from linkt.passing")
        assert writer.returncode == 0

    assert replaced
    with bloated.read() as con:
        assert read_state(con, "n") == "30"


def test_two_do_not_compact_at_once(bloated: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []

    def meanwhile(con: Any) -> None:
        refused.append(subprocess.run([sys.executable, "-c", COMPACT, bloated.path], capture_output=True, text=True))

    monkeypatch.setattr(compaction, "_difference", meanwhile)
    done = bloated.compact()

    assert done.after < done.before
    assert "is being compacted or moved by another process" in refused[0].stderr


COMPACT = """
import sys
from pathlib import Path
from linkt_pipeline.warehouse.engines.file import FileWarehouse
FileWarehouse(Path(sys.argv[1])).compact()
"""

DIE = """
import os, signal
from linkt_pipeline.warehouse.engines import compaction, replacement
move = replacement.move_into_place
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def move_and_die(*args):
    move(*args)
    die()
"""


@pytest.mark.parametrize(
    ("moment", "is_replaced"),
    [
        pytest.param("compaction._difference = die", False, id="the copy is written and open"),
        pytest.param("replacement.exclude_readers = die", False, id="the copy is closed"),
        pytest.param("replacement.move_into_place = move_and_die", True, id="the copy is in place"),
    ],
)
def test_a_kill_leaves_the_old_file_or_the_new_one_whole(bloated: Warehouse, moment: str, is_replaced: bool) -> None:
    before, size = everything(bloated), bloated.path.stat().st_size

    killed = subprocess.run([sys.executable, "-c", f"{DIE}{moment}{COMPACT}", bloated.path], timeout=60)

    assert killed.returncode == -signal.SIGKILL
    assert (bloated.path.stat().st_size < size) is is_replaced
    assert everything(bloated) == before
    with bloated.write(news=False):
        pass
    assert leftovers(bloated) == []
    assert bloated.compact().after < size - _BLOATED


@needs_root
def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=24m") as folder:
        warehouse = FileWarehouse(folder / "warehouse.duckdb")
        with warehouse.write() as con:
            con.execute("create table linkt.kept as select sha256(i::varchar) as text from range(40000) as r(i)")
        bloat(warehouse)
        filler = folder / "filler"
        filler.write_bytes(b"\0" * (shutil.disk_usage(folder).free - 1_000_000))
        before = everything(warehouse)

        with pytest.raises(WarehouseUnwritableError, match=r"was left as it is.*Compacting needs room"):
            warehouse.compact()

        assert everything(warehouse) == before
        assert leftovers(warehouse) == ["filler"]
        filler.unlink()
        done = warehouse.compact()
        assert done.after < done.before
        assert everything(warehouse) == before
