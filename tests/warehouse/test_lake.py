"""One lake, many hosts: whoever writes has the turn, whoever lost it keeps nothing, and no text holds the password."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb
import psycopg
import pytest

from linkt_pipeline.settings import load_settings
from linkt_pipeline.warehouse.catalog import describe, read_catalog
from linkt_pipeline.warehouse.engines.choice import warehouse_of
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.errors import (
    CatalogRefusedError,
    CatalogUnreachableError,
    LakeFilesMissingError,
    LakeFilesOfOthersError,
    LakeUnavailableError,
    NewerWarehouseError,
    TurnLostError,
    WarehouseBusyError,
    WarehouseInUseError,
    WarehouseMissingError,
)
from linkt_pipeline.warehouse.liveness import OF_SERVER
from linkt_pipeline.warehouse.migration import latest_version
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from linkt_pipeline.warehouse.running_duckdb import CATALOG
from linkt_pipeline.warehouse.state import read_state, write_state
from linkt_pipeline.warehouse.tables import TABLES
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.postgres import PostgresServer

pytest.importorskip("psycopg")

from linkt_pipeline.warehouse.engines.lake import turn
from linkt_pipeline.warehouse.engines.lake.extensions import OF_A_CATALOG, load_extensions
from linkt_pipeline.warehouse.engines.lake.warehouse import LakeWarehouse
from tests.lake import SCHEMA, Lakes, lake_at

WRITE_AND_HANG = """
import sys, time
from tests.lake import lake_at
from linkt_pipeline.warehouse.state import write_state
lake = lake_at(sys.argv[1], sys.argv[2], folder=sys.argv[3])
with lake.write() as con:
    write_state(con, "open", "yes")
    print("ready", flush=True)
    time.sleep(60)
"""
FORK = """
import os, sys
from tests.lake import lake_at
from linkt_pipeline.warehouse.state import read_state, write_state
lake = lake_at(sys.argv[1], sys.argv[2])
with lake.write() as con:
    write_state(con, "parent", "before")
child = os.fork()
if child == 0:
    with lake.write() as con:
        write_state(con, "child", read_state(con, "parent"))
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
with lake.write() as con:
    write_state(con, "parent", read_state(con, "child") + " and after")
"""


class Hosts:
    """Two processes' ways to one lake, in one process.

    Attributes:
        url: of the catalog.
        files: of the lake.
        one, other: what each has attached.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.files = url, folder / "lake" / SCHEMA
        self.one = lake_at(url, self.files, folder=folder / "one")
        self.other = lake_at(url, self.files, folder=folder / "other")

    def close(self) -> None:
        self.one.close()
        self.other.close()

    def end_turns(self) -> int:
        """End the connections of all who have the turn, as a cut network does. Returns how many there were."""
        with psycopg.connect(self.url, autocommit=True) as con:
            ended = con.execute(
                "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted "
                "and database = (select oid from pg_database where datname = current_database())"
            ).fetchall()
        return len(ended)


@pytest.fixture
def hosts(lakes: Lakes, tmp_path: Path) -> Iterator[Hosts]:
    both = Hosts(lakes.new(tmp_path / "lake" / SCHEMA), tmp_path)
    try:
        yield both
    finally:
        both.close()


def keep(warehouse: Warehouse, name: str, value: str) -> None:
    with warehouse.write() as con:
        write_state(con, name, value)


def kept(warehouse: Warehouse, name: str) -> str | None:
    with warehouse.read() as con:
        return read_state(con, name)


def test_what_one_host_writes_the_other_reads(hosts: Hosts) -> None:
    keep(hosts.one, "a", "1")
    assert kept(hosts.other, "a") == "1"

    keep(hosts.other, "a", "2")

    assert kept(hosts.one, "a") == "2"


def test_a_new_lake_takes_no_place_in_which_another_one_has_files(hosts: Hosts, database: str) -> None:
    with hosts.one.write() as con:
        con.execute("create schema own; create table own.many as select * from range(1000) as numbers(i)")
    another = lake_at(database, hosts.files)

    with pytest.raises(LakeFilesOfOthersError, match="Correct LINKT_CATALOG or LINKT_LAKE_PATH"):
        another.migrate()

    assert not another.exists
    with hosts.other.read() as con:
        assert con.execute("select count(*) from own.many").fetchall() == [(1000,)]


def test_a_reader_sees_one_moment_and_keeps_nobody_waiting(hosts: Hosts) -> None:
    keep(hosts.one, "a", "1")

    with hosts.other.read() as con:
        assert read_state(con, "a") == "1"
        keep(hosts.one, "a", "2")
        assert read_state(con, "a") == "1"

    assert kept(hosts.other, "a") == "2"


def test_who_reads_can_write_nothing(hosts: Hosts) -> None:
    with hosts.one.read() as con, pytest.raises(duckdb.Error, match="read-only"):
        con.execute("delete from linkt.sync_state")


def test_a_failure_keeps_nothing_and_does_not_outlast_its_use(hosts: Hosts) -> None:
    keep(hosts.one, "a", "1")

    with pytest.raises(ZeroDivisionError), hosts.one.write() as con:  # noqa: PT012
        write_state(con, "a", "2")
        raise ZeroDivisionError
    with pytest.raises(duckdb.Error), hosts.one.read() as con:
        con.execute("select 'x'::int").fetchall()

    assert kept(hosts.one, "a") == "1"


def test_a_second_use_in_the_same_thread_is_a_mistake(hosts: Hosts) -> None:
    with hosts.one.write(), pytest.raises(WarehouseInUseError), hosts.one.read():
        pass


def test_the_error_names_who_has_the_turn(hosts: Hosts, tmp_path: Path) -> None:
    script = [sys.executable, "-c", WRITE_AND_HANG, hosts.url, str(hosts.files), str(tmp_path / "third")]
    hanging = subprocess.Popen(script, stdout=subprocess.PIPE, text=True)
    try:
        assert hanging.stdout.readline() == "ready\n"
        impatient = lake_at(hosts.url, hosts.files, folder=tmp_path / "one", lock_timeout=timedelta(seconds=1))

        with pytest.raises(WarehouseBusyError, match=rf"written by -c \(PID {hanging.pid}\) on") as caught:
            keep(impatient, "a", "1")
        assert (caught.value.holder, caught.value.pid) == ("-c", hanging.pid)
        assert kept(hosts.other, "a") is None  # readers don't wait
    finally:
        hanging.kill()
        hanging.wait(10)
    keep(hosts.one, "a", "1")  # at once: the turn ended with the process
    assert kept(hosts.one, "open") is None


def test_a_turn_that_is_lost_in_the_middle_keeps_nothing(hosts: Hosts) -> None:
    with pytest.raises(TurnLostError), hosts.one.write() as con:  # noqa: PT012
        write_state(con, "a", "lost")
        assert hosts.end_turns() == 1
        keep(hosts.other, "b", "between")

    assert (kept(hosts.one, "a"), kept(hosts.one, "b")) == (None, "between")
    keep(hosts.one, "a", "again")
    assert kept(hosts.other, "a") == "again"


def test_the_fence_holds_even_if_nobody_looks_whether_the_turn_is_held(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn.Turn, "require", lambda _: None)

    with pytest.raises(TurnLostError), hosts.one.write() as con:  # noqa: PT012
        con.execute("insert into linkt.settings values ('of the one', '1')")
        assert hosts.end_turns() == 1
        with hosts.other.write() as beside:
            beside.execute("insert into linkt.settings values ('of the other', '1')")

    with hosts.one.read() as con:
        assert con.execute("select name from linkt.settings").fetchall() == [("of the other",)]


def test_a_session_gives_the_turn_to_others_in_between(hosts: Hosts) -> None:
    with hosts.one.session(hold=timedelta(0)) as session:
        with session.transaction() as con:
            write_state(con, "a", "1")
        others = threading.Thread(target=keep, args=(hosts.other, "a", "2"))
        others.start()
        with session.transaction() as con:
            write_state(con, "b", "3")
    others.join(20)

    assert (kept(hosts.one, "a"), kept(hosts.one, "b")) == ("2", "3")


def test_hosts_that_begin_at_one_moment_make_one_lake(database: str, lakes: Lakes, tmp_path: Path) -> None:
    del lakes  # skips where there can be none
    script = (
        "import sys; from tests.lake import lake_at; from linkt_pipeline.warehouse.state import write_state\n"
        "lake = lake_at(sys.argv[1], sys.argv[2], folder=sys.argv[3])\n"
        "with lake.write() as con: write_state(con, sys.argv[3], 'yes')"
    )
    names = ["one", "two", "three"]
    begun = [
        subprocess.Popen([sys.executable, "-c", script, database, str(tmp_path / "lake"), str(tmp_path / name)])
        for name in names
    ]
    assert [process.wait(120) for process in begun] == [0, 0, 0]

    lake = lake_at(database, tmp_path / "lake")
    assert [kept(lake, str(tmp_path / name)) for name in names] == ["yes"] * 3
    with lake.read() as con:
        assert con.execute("select version from linkt.schema_migrations").fetchall() == [(latest_version(),)]
        rows = {table.name: con.execute(f"select count(*) from {table.relation}").fetchall() for table in TABLES}
    assert {name for name, count in rows.items() if count != [(0,)]} == {"schema_migrations", "sync_state"}
    lake.close()


def test_tables_columns_and_descriptions_are_those_of_a_file(hosts: Hosts, tmp_path: Path) -> None:
    with FileWarehouse(tmp_path / "warehouse.duckdb").read() as con:
        of_the_file = read_catalog(con)

    with hosts.one.read() as con:
        assert [table for table in read_catalog(con) if table.schema == "linkt"] == of_the_file


def test_a_lake_of_a_newer_version_is_left_alone(hosts: Hosts) -> None:
    with hosts.one.write() as con:
        con.execute("insert into linkt.schema_migrations values (999, 'newer', now())")

    with pytest.raises(NewerWarehouseError, match="schema version 999"), hosts.other.read():
        pass


def test_postgresql_that_comes_back_is_used_again(
    hosts: Hosts, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    keep(hosts.one, "a", "1")
    folder = tmp_path / "one"
    impatient = lake_at(hosts.url, hosts.files, folder=folder, lock_timeout=timedelta(seconds=1))
    patient = lake_at(hosts.url, hosts.files, folder=folder, lock_timeout=timedelta(minutes=2))
    starting = threading.Thread(target=postgres_server.start)
    postgres_server.stop()
    try:
        with pytest.raises(CatalogUnreachableError, match="does not answer"):
            keep(impatient, "a", "2")
        with pytest.raises(CatalogUnreachableError), impatient.read():
            pass
    finally:
        starting.start()
    assert kept(patient, "a") == "1"
    starting.join()
    keep(hosts.one, "a", "2")
    assert kept(hosts.other, "a") == "2"


def test_a_forked_process_attaches_the_lake_by_itself(hosts: Hosts) -> None:
    subprocess.run([sys.executable, "-c", FORK, hosts.url, str(hosts.files)], check=True, timeout=120)

    assert (kept(hosts.one, "child"), kept(hosts.one, "parent")) == ("before", "before and after")


def test_nothing_is_copied_of_a_lake_that_was_never_made(database: str, lakes: Lakes, tmp_path: Path) -> None:
    del lakes
    lake = lake_at(database, tmp_path / "lake")

    assert not lake.exists
    with pytest.raises(WarehouseMissingError, match="sync"):
        lake.copy_to(tmp_path / "copy.duckdb")
    assert not (tmp_path / "lake").exists()
    lake.close()


def test_other_files_than_the_catalog_names_are_refused(hosts: Hosts, tmp_path: Path) -> None:
    elsewhere = lake_at(hosts.url, tmp_path / "elsewhere")

    with pytest.raises(CatalogRefusedError, match="LINKT_LAKE_PATH"), elsewhere.read():
        pass


def test_a_host_without_the_shared_folder_reads_and_writes_nothing(hosts: Hosts, tmp_path: Path) -> None:
    keep(hosts.one, "a", "kept")
    hosts.files.rename(tmp_path / "mounted elsewhere")

    for each in (hosts.one, hosts.other):
        with pytest.raises(LakeFilesMissingError, match="LINKT_LAKE_PATH"):
            keep(each, "a", "on a disk of its own")
    assert not hosts.files.exists()

    (tmp_path / "mounted elsewhere").rename(hosts.files)
    hosts.one.rewrite()  # takes no mark for a file that nobody needs
    assert kept(hosts.other, "a") == "kept"


def test_postgresql_gives_up_a_host_that_is_cut_off_in_a_commit(hosts: Hosts) -> None:
    with hosts.one.read() as con:
        settings = con.execute(
            f"from postgres_query('__ducklake_metadata_{CATALOG}', 'select name, setting from pg_settings')"
        ).fetchall()
    assert dict(OF_SERVER).items() <= dict(settings).items()


def test_a_piece_of_work_is_done_by_one_host_at_a_time(hosts: Hosts) -> None:
    with (
        hosts.one.alone("refresh") as first,
        hosts.other.alone("refresh") as second,
        hosts.other.alone("other") as else_,
    ):
        assert (first, second, else_) == (True, False, True)
    with hosts.other.alone("refresh") as again:
        assert again


def test_no_text_holds_the_password(hosts: Hosts, postgres_server: PostgresServer, tmp_path: Path) -> None:
    secret = postgres_server.password
    wrong = lake_at(hosts.url.replace(":p%40ss", ":wr%40ng-p%40ss"), hosts.files, folder=tmp_path / "wrong")

    with pytest.raises(CatalogRefusedError, match="authentication failed") as refused, wrong.read():
        pass
    with hosts.one.read() as con:
        secrets = con.execute("select secret_string from duckdb_secrets()").fetchall()
        databases = con.execute("select * from duckdb_databases()").fetchall()
    texts = [hosts.one.place, repr(hosts.one), repr(vars(hosts.one)), str(refused.value), str(secrets), str(databases)]

    for text in texts:
        assert secret not in text
        assert "p%40ss" not in text
        assert "wr@ng" not in text
    assert "password=redacted" in str(secrets)


def test_a_missing_extension_says_what_to_install() -> None:
    with pytest.raises(LakeUnavailableError, match=r"pip install 'linkt-pipeline\[lake\]'"):
        load_extensions(duckdb.connect(), ("no_such_extension",))


def test_the_settings_take_the_lake(hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKT_CATALOG", hosts.url)
    monkeypatch.setenv("LINKT_LAKE_PATH", str(hosts.files.parent))
    monkeypatch.setenv("LINKT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LINKT_API_KEY", "a key of nobody")
    keep(hosts.one, "a", "1")

    found = warehouse_of(load_settings())

    assert isinstance(found, LakeWarehouse)
    assert kept(found, "a") == "1"
    assert found.folder == tmp_path / "data"
    found.close()


def test_a_copy_is_a_whole_file_of_one_moment(hosts: Hosts, tmp_path: Path) -> None:
    with hosts.one.write() as con:
        con.execute(
            """
            insert into linkt.settings values ('a', '1');
            create macro main.doubled(a) as 2 * a;
            create schema marts; create schema staging;
            create table marts.numbers as select 1 as n;
            create view staging.doubles as select doubled(n) as n from marts.numbers;
            create view marts.shown as select n from staging.doubles;
            """
        )
        shown = next(table for table in read_catalog(con) if table.key == "marts.shown")
        describe(con, shown, "It's shown.", {"n": "Twice."}, apart=True)

    hosts.other.copy_to(tmp_path / "copy.duckdb")

    with duckdb.connect(str(tmp_path / "copy.duckdb"), read_only=True) as con:
        assert con.execute("select value, doubled(2) from linkt.settings").fetchall() == [("1", 4)]
        assert con.execute("from marts.shown").fetchall() == [(2,)]
        found = {table.key: table for table in read_catalog(con)}
        assert (found["marts.shown"].description, found["marts.shown"].columns[0].description) == (
            "It's shown.",
            "Twice.",
        )
        assert not [key for key in found if key.startswith("linkt_lake")]
        required = con.execute("select column_name from duckdb_columns() where table_name = 'runs' and not is_nullable")
        assert required.fetchall() == [("run_id",), ("fetched_at",)]
    with FileWarehouse(tmp_path / "copy.duckdb").read() as con:  # a deployment can go on with it
        assert read_catalog(con) == list(found.values())


def test_compacting_merges_files_and_keeps_every_row(hosts: Hosts) -> None:
    for number in range(4):
        with hosts.one.write() as con:
            con.execute("insert into linkt.settings select $1 || i, i from range(50) as r(i)", [f"{number} "])
    before = len(list(hosts.files.glob("linkt/settings/*.parquet")))

    with hosts.other.read() as con:
        con.execute("from linkt.settings limit 1").fetchall()
        hosts.one.compact()
        assert con.execute("select count(*) from linkt.settings").fetchall() == [(200,)]  # of files that are replaced

    assert before == 4
    with hosts.one.read() as con:
        assert con.execute("select count(distinct name) from linkt.settings").fetchall() == [(200,)]
        files = con.execute("select data_file from ducklake_list_files('warehouse', 'settings', schema => 'linkt')")
        assert len(files.fetchall()) == 1


def test_files_are_merged_within_the_memory_that_duckdb_gets(hosts: Hosts, tmp_path: Path) -> None:
    for _ in range(2):
        with hosts.one.write() as con:
            con.execute(
                "insert into linkt.entities (entity_id, content_hash, fetched_at, payload) "
                "select uuid(), 'h', now(), '\"' || repeat(md5(i::varchar), 60) || '\"' from range(30_000) as r(i)"
            )
    small = lake_at(hosts.url, hosts.files, folder=tmp_path / "small", memory_limit="64MB")

    small.compact()

    small.close()
    with hosts.one.read() as con:
        files = con.execute("select data_file from ducklake_list_files('warehouse', 'entities', schema => 'linkt')")
        assert len(files.fetchall()) == 1


def test_a_rewrite_leaves_nothing_of_deleted_rows(hosts: Hosts) -> None:
    secret = "zz-ann@acme.example"
    with hosts.one.write() as con:
        con.execute("insert into linkt.settings select i, $1 from range(100) as r(i)", [secret])
        con.execute("insert into linkt.tombstones values ($1, $1, $1, now())", [secret])  # few enough for the catalog
    with hosts.one.write() as con:
        con.execute("delete from linkt.settings where name <> '7'; delete from linkt.tombstones")
        con.execute("update linkt.settings set value = 'kept'")
    assert _traces(hosts, secret)

    hosts.one.rewrite()

    assert _traces(hosts, secret) == []
    with hosts.other.read() as con:
        assert con.execute("from linkt.settings").fetchall() == [("7", "kept")]


def _traces(hosts: Hosts, text: str) -> list[str]:
    """Parquet files whose rows, and tables of the catalog, that hold a text, as it is or in hexadecimal digits."""
    found = []
    for path in hosts.files.rglob("*.parquet"):
        rows = duckdb.sql(f"from read_parquet('{path}')").fetchall()
        found += [str(path)] if text in str(rows) or text.encode() in path.read_bytes() else []
    with psycopg.connect(hosts.url) as con:
        tables = con.execute("select tablename from pg_tables where schemaname = 'linkt_lake'").fetchall()
        for (table,) in tables:
            row = f"select 1 from linkt_lake.{table} as t where t::text like any(%s) limit 1"
            if con.execute(row, [[f"%{text}%", f"%{text.encode().hex()}%"]]).fetchone():
                found.append(table)
    return found


def test_readers_attach_the_lake_at_the_moment_that_was_published(hosts: Hosts, tmp_path: Path) -> None:
    with hosts.one.write() as con:
        con.execute("insert into linkt.settings values ('a', 'published')")
    publish_snapshot(hosts.one, tmp_path / "published")
    with hosts.other.write() as con:
        con.execute("update linkt.settings set value = 'not checked yet'")
    with psycopg.connect(hosts.url) as con:
        con.execute("update linkt_lake.ducklake_snapshot set snapshot_time = now() - interval '99 days'")
    hosts.other.compact()

    with hosts.one.read() as con:
        ((snapshot,),) = con.execute("select snapshot_id from linkt_lake.published").fetchall()
    assert _as_of(hosts.url, snapshot) == [("published",)]
    publish_snapshot(hosts.one, tmp_path / "published")
    with psycopg.connect(hosts.url) as con:
        con.execute("update linkt_lake.ducklake_snapshot set snapshot_time = now() - interval '99 days'")
    hosts.other.compact()
    with pytest.raises(duckdb.Error, match="napshot"):  # the next one is published
        _as_of(hosts.url, snapshot)


def test_of_hosts_that_publish_at_one_moment_the_later_snapshot_is_recorded(hosts: Hosts, tmp_path: Path) -> None:
    before = hosts.one.copy_to(tmp_path / "before.duckdb")
    keep(hosts.other, "a", "later")
    later = hosts.other.copy_to(tmp_path / "later.duckdb")
    hosts.other.note_published(later)

    hosts.one.note_published(before)

    with hosts.one.read() as con:
        assert con.execute("select snapshot_id from linkt_lake.published").fetchall() == [(later.snapshot,)]
    hosts.other.rewrite()  # gives up all earlier snapshots
    hosts.one.note_published(later)
    with hosts.one.read() as con:
        assert con.execute("from linkt_lake.published").fetchall() == []


def _as_of(url: str, snapshot: int) -> list[tuple]:
    """What a reader reads at a snapshot who has nothing but DuckDB and a secret."""
    parts = urlsplit(url)
    with duckdb.connect() as con:
        load_extensions(con, OF_A_CATALOG)
        con.execute(
            "create secret linkt (type postgres, host $1, port $2, database $3, user $4, password $5)",
            [parts.hostname, parts.port, parts.path[1:], parts.username, unquote(parts.password)],
        )
        con.execute(
            "attach 'ducklake:postgres:' as lake "
            f"(metadata_schema 'linkt_lake', meta_secret 'linkt', snapshot_version {snapshot}, read_only)"
        )
        return con.execute("select value from lake.linkt.settings").fetchall()
