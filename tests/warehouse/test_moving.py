"""From a warehouse file to a lake and back: everything arrives, one side is used at a time, whoever is killed."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import psycopg
import pytest

from linkt_pipeline.access.request_budget import RequestBudget, Spent, budget_file
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.owed_outcomes import finish
from linkt_pipeline.ledger.values import Intention
from linkt_pipeline.settings import load_settings
from linkt_pipeline.warehouse.catalog import read_catalog
from linkt_pipeline.warehouse.engines.choice import both_of, warehouse_of
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.engines.file_mark import coming_file
from linkt_pipeline.warehouse.errors import (
    LakeBesideFileError,
    LakeFilesOfOthersError,
    WarehouseBusyError,
    WarehouseMovedError,
)
from linkt_pipeline.warehouse.state import read_state, write_state
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests import lake as lakes_of_tests
from tests.cli.command import wait_until
from tests.postgres import PostgresServer

pytest.importorskip("psycopg")

from linkt_pipeline.moving import to_lake
from linkt_pipeline.moving.to_file import move_to_file
from linkt_pipeline.moving.to_lake import move_to_lake
from linkt_pipeline.moving.values import MoveRefusedError
from linkt_pipeline.warehouse.engines.comparison import MoveDiffersError
from linkt_pipeline.warehouse.engines.lake.filling import NotForALakeError, fill_lake, require_plain
from linkt_pipeline.warehouse.engines.lake.warehouse import LakeWarehouse

TASK_ID = "6964b9b45a4d0beef1000031"
RUN = f"{0xA1:024x}"
BUILT = """
create schema staging; create schema marts; create schema own;
create macro clean(x, ending := '!') as x || ending;
create macro crossed(n) as (
    select count(list_transform([a], lambda x: x::double)) from range(n) as one(a) cross join range(n) as other(b)
);
create table marts.companies as
    select i as id, 'Zoë ' || i as name, [i, null] as numbers, {'a': i, 'b': ['x', null]} as nested,
        case when i % 3 = 0 then 'nan'::double else i / 7 end as share, map {'k': i} as pairs,
        timestamptz '2026-01-01 00:00:00.123456+00' + to_days(i::int) as seen, '{"k": [1.10, "ü"]}'::json as raw
    from range(3000) as numbers(i);
create table own."odd name" as select null::varchar as "a b", 1.50::decimal(9, 2) as "select" union all select '', 2;
create table marts.empty (id bigint not null);
create view staging.plain as select clean(name) as name from marts.companies where id < 3;
create view staging.crossed as
    select a.id from marts.companies as a cross join marts.empty as b left join marts.empty as c on c.id = a.id;
create view staging.on_crossed as select count(*) as n from staging.crossed;
comment on table marts.companies is 'What the models made of it.';
comment on column staging.plain.name is 'It''s a name.';
"""
MOVE_AND_HANG = """
import sys, time
from importlib import import_module
from linkt_pipeline.settings import load_settings
from linkt_pipeline.warehouse.engines.choice import both_of

where, name = sys.argv[1].split(":")
module = import_module(f"linkt_pipeline.moving.{where}")
original = getattr(module, name)

def hang(*arguments, **named):
    if sys.argv[2] == "after":
        original(*arguments, **named)
    print("here", flush=True)
    time.sleep(600)

setattr(module, name, hang)
getattr(module, f"move_{where}")(*both_of(load_settings()))
"""


@pytest.fixture
def engine() -> str:
    return "lake"


@pytest.fixture
def sides(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[FileWarehouse, LakeWarehouse]:
    if missing := lakes_of_tests.what_is_missing():
        pytest.skip(missing)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINKT_API_KEY", "a key of nobody")
    monkeypatch.setenv("LINKT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LINKT_CATALOG", postgres_server.new_database())
    monkeypatch.setenv("LINKT_LAKE_PATH", str(tmp_path / "lake"))
    file, lake = both_of(load_settings())
    file.lock_timeout = lake.lock_timeout = timedelta(seconds=20)
    return file, lake


def intention(task: str) -> Intention:
    return Intention(
        task_key=task, task_id=TASK_ID, icp_id=None, parameters={"n": 1.5, "word": "ü"}, question=f"q {task}"
    )


def fill(file: FileWarehouse) -> None:
    """A landed run whose outcome is owed, a run that nobody waits for, models, a macro, and state."""
    with file.write() as con:
        con.execute(BUILT)
        con.execute(
            "insert into linkt.runs (run_id, status, status_normalised, fetched_at, payload) "
            "values (?, 'COMPLETED', 'COMPLETED', now(), '{}')",
            [RUN],
        )
        con.execute("insert into linkt.tombstones values ('email', 'abc', 'e1', now())")
        con.execute("insert into linkt.model_builds (model) values ('staging.crossed')")
        write_state(con, "salt", "kept")
    owner, ledger = Owner.this_process(), ledger_of(file)
    done = ledger.claim(intention("done"), owner).execution
    ledger.mark_started(done.execution_id, owner, run_id=RUN, run_status="RUNNING")
    with ledger.land() as rows:
        finish(rows, done.execution_id, owner, run_status="COMPLETED", error_kind=None, error=None)
    waiting = ledger.claim(intention("waiting"), owner).execution
    ledger.mark_started(waiting.execution_id, owner, run_id=f"{0xA2:024x}", run_status="RUNNING")
    ledger.release(owner)
    with file.write() as con:
        con.execute("update linkt.executions set last_error = 'a' || chr(0) || 'b' where state = 'finished'")
    RequestBudget(budget_file(file.folder)).note_spent(Spent(datetime.now(UTC).date(), 41, 2))


def contents(warehouse: Warehouse) -> dict[str, list[str]]:
    """Every row of every table and view but the last mark of a change; the ledger comes from the ledger."""
    with warehouse.read() as con:
        found = {
            table.key: sorted(map(repr, con.execute(f"from {table.relation}").fetchall()))
            for table in read_catalog(con)
            if table.schema != "linkt_lake"
            and table.key not in ("linkt.undelivered", "linkt.answers", "linkt.sync_state")
        }
        found["salt"] = [str(read_state(con, "salt"))]
        found["described"] = [
            f"{table.key} {table.description} {table.columns}"
            for table in read_catalog(con)
            if table.schema != "linkt_lake"
        ]
    with ledger_of(warehouse).read() as rows:
        found["executions"] = sorted(map(repr, rows.executions()))
        found["owed"] = sorted(map(repr, rows.owed().items()))
        found["answers"] = sorted(map(repr, [rows.answers_to([f"q {task}"], task) for task in ("done", "waiting")]))
    return found


def refuses(warehouse: Warehouse, match: str) -> None:
    """Whatever a command or a process that goes on would do there."""

    def write() -> None:
        with warehouse.write():
            pass

    def read() -> None:
        with warehouse.read():
            pass

    ledger = ledger_of(warehouse)
    uses: list[Callable[[], object]] = [
        read,
        write,
        lambda: warehouse.exists,
        lambda: ledger.claim(intention("new"), Owner.this_process()),
        lambda: ledger.renew(Owner.this_process()),
        lambda: ledger.open_executions(),
    ]
    for use in uses:
        with pytest.raises(WarehouseMovedError, match=match):
            use()


def adopted(ledger: Ledger) -> bool:
    """Whether the open run is adopted, and bought by nobody."""
    owner = Owner.this_process()
    claim = ledger.claim(intention("waiting"), owner)
    ledger.release(owner)
    return claim.owned and not claim.created and claim.execution.run_id == f"{0xA2:024x}"


@pytest.mark.slow
def test_everything_arrives_in_the_lake_and_comes_back(sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, lake = sides
    fill(file)
    before = contents(file)

    moved = move_to_lake(file, lake)

    assert moved.views_to_build == ["staging.crossed"]
    assert moved.views_left_out == ["staging.on_crossed"]  # no model makes it
    assert (moved.executions, moved.open_executions) == (2, 1)
    assert moved.aside is not None
    assert moved.aside.is_file()
    assert not file.path.exists()
    refuses(file, "moved to postgresql.*LINKT_CATALOG")
    after = contents(lake)
    views = {"staging.crossed", "staging.on_crossed"}
    assert {key for key in before if before[key] != after.get(key)} == {*views, "described", "executions"}
    assert any(r"a\\x00b" in row for row in after["executions"])  # PostgreSQL has no NUL
    assert set(before["described"]) - set(after["described"]) == {
        line for line in before["described"] if line.split(" ")[0] in views
    }
    assert adopted(ledger_of(lake))
    with psycopg.connect(lake.ledger.address.get_secret_value()) as con:
        assert con.execute("select used from linkt_ledger.request_days").fetchall() == [(41,)]
        assert con.execute("select used from linkt_ledger.request_shares").fetchall() == [(2,)]
    assert warehouse_of(load_settings()).exists
    assert not move_to_lake(file, lake).is_new
    after = contents(lake)
    _, of_another_host = both_of(load_settings({"data_dir": tmp_path / "another host"}))
    assert of_another_host.exists
    with of_another_host.read():
        pass  # it keeps the lake attached

    assert move_to_file(file, lake).open_executions == 1

    with pytest.raises(LakeBesideFileError, match="move --to lake"):
        warehouse_of(load_settings())
    refuses(lake, "was left at.*warehouse.duckdb")
    back = contents(file)
    assert {key for key in after if after[key] != back[key]} == {"linkt.executions"}  # there without their leases
    assert adopted(ledger_of(file))
    assert RequestBudget(budget_file(file.folder)).spent() == Spent(date.today(), 41, 2)
    assert not move_to_file(file, lake).is_new
    assert sorted(path.name for path in file.folder.iterdir()) == sorted(
        ["lake.tmp", "requests.window", "warehouse.duckdb", moved.aside.name]
    )

    of_others = tmp_path / "lake of others" / "linkt_lake" / "a.parquet"
    of_others.parent.mkdir(parents=True)
    of_others.touch()
    monkeypatch.setenv("LINKT_LAKE_PATH", str(tmp_path / "lake of others"))
    with pytest.raises(LakeFilesOfOthersError, match=r"a\.parquet"):
        move_to_lake(*both_of(load_settings()))
    with file.write() as con:
        con.execute("create table own.later as select 1 as n")
    assert move_to_lake(file, lake).is_new  # over what was left there
    assert contents(of_another_host)["marts.companies"] == before["marts.companies"]
    with of_another_host.write() as con:
        con.execute("insert into own.later values (2)")
    of_another_host.close()
    assert contents(lake)["own.later"] == ["(1,)", "(2,)"]


def fill_badly(taken, con: duckdb.DuckDBPyConnection) -> list[str]:
    left_out = fill_lake(taken, con)
    with taken.transaction(con):
        con.execute("update marts.companies set name = 'Zoe 7' where id = 7")
    return left_out


def test_a_move_to_a_lake_is_refused_while_something_runs_or_differs_or_is_in_the_way(
    sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, lake = sides
    for move in (move_to_lake, move_to_file):
        with pytest.raises(MoveRefusedError, match="there is no"):
            move(file, lake)
    fill(file)
    of_others = tmp_path / "lake" / "linkt_lake" / "linkt" / "runs" / "of_another_lake.parquet"
    of_others.parent.mkdir(parents=True)
    of_others.touch()
    for _ in range(2):
        with pytest.raises(LakeFilesOfOthersError, match="of_another_lake"):
            move_to_lake(file, lake)
    of_others.unlink()
    owner, ledger = Owner.this_process(), ledger_of(file)
    ledger.claim(intention("waiting"), owner)
    with pytest.raises(MoveRefusedError, match=r"at work: PID \d+ on"):
        move_to_lake(file, lake)
    ledger.release(owner)
    with file.write() as con:
        con.execute("create table own.keyed (id integer primary key)")
    with pytest.raises(NotForALakeError, match=r"own\.keyed"):
        move_to_lake(file, lake)
    with file.write() as con:
        con.execute("drop table own.keyed")
        con.execute(
            "insert into linkt.erasures (erasure_id, kind, asked_at, phase) values ('e', 'email', now(), 'removed')"
        )
    with pytest.raises(MoveRefusedError, match="erasure is not finished"):
        move_to_lake(file, lake)
    with file.write() as con:
        con.execute("delete from linkt.erasures")
    assert not lake.exists  # and nobody is kept from it
    with monkeypatch.context() as patch:
        patch.setattr(to_lake, "fill_lake", fill_badly)
        with pytest.raises(MoveDiffersError, match=r"marts\.companies: 3,000 rows"):
            move_to_lake(file, lake)
    refuses(lake, "is not complete")
    assert adopted(ledger_of(file))

    move_to_lake(file, lake)
    owner, ledger = Owner.this_process(), ledger_of(lake)
    ledger.claim(intention("waiting"), owner)
    with pytest.raises(MoveRefusedError, match=r"at work: PID \d+ on"):
        move_to_file(file, lake)
    ledger.release(owner)
    log = file.path.with_name(f"{file.path.name}.wal")
    log.touch()
    with pytest.raises(MoveRefusedError, match="log of a file that is not there"):
        move_to_file(file, lake)
    log.unlink()
    assert lake.exists
    FileWarehouse(tmp_path / "other" / "warehouse.duckdb").migrate()
    with pytest.raises(MoveRefusedError, match="is not empty: it holds rows of executions"):
        move_to_lake(FileWarehouse(tmp_path / "other" / "warehouse.duckdb"), lake)


@pytest.mark.parametrize(
    "column",
    [
        *(
            "a enum('x')",
            "a union(b integer)",
            "a float[3]",
            "a struct(b bit)[]",
            "a time_ns",
            "a map(varchar, bignum)",
        ),
        *("b integer, a integer as (b + 1)", "a integer default 7", "a integer unique"),
    ],
)
def test_what_a_lake_can_not_hold_is_named_before_anything_is_moved(column: str) -> None:
    with duckdb.connect() as con:
        con.execute("""create table plain as select [1::hugeint] as bit, {'BIT, ': null::time} as "enum('b')" """)
        require_plain(con)
        con.execute(f"create table odd ({column})")
        with pytest.raises(NotForALakeError, match=r"main\.odd.*Nothing was moved"):
            require_plain(con)


def killed(step: str, when: str, meanwhile: Callable[[], None]) -> None:
    """A move that gets to a step, and is killed there with SIGKILL."""
    process = subprocess.Popen([sys.executable, "-c", MOVE_AND_HANG, step, when], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        meanwhile()
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_move_leaves_one_side_in_use_and_the_next_one_ends_it_at_the_lake(sides, tmp_path: Path) -> None:
    file, lake = sides
    fill(file)
    before = contents(file)
    of_another_host = FileWarehouse(tmp_path / "other" / "warehouse.duckdb")
    of_another_host.migrate()

    def is_kept_by_the_move(warehouse: Warehouse) -> Callable[[], None]:
        def look() -> None:
            warehouse.lock_timeout = timedelta(seconds=0.5)
            with warehouse.read():
                pass  # who reads is not kept waiting
            with pytest.raises(WarehouseBusyError, match=r"PID \d+"), warehouse.write():
                pass
            with pytest.raises(WarehouseBusyError):
                ledger_of(warehouse).claim(intention("new"), Owner.this_process())
            warehouse.lock_timeout = timedelta(seconds=20)

        return look

    for step, when in [("fill_lake", "after"), ("_set_aside", "before")]:
        killed(f"to_lake:{step}", when, is_kept_by_the_move(file))
        refuses(lake, "is not complete.*move --to lake")
        assert adopted(ledger_of(file)), (step, when)
    with psycopg.connect(lake.ledger.address.get_secret_value()) as con:
        con.execute("update linkt_ledger.elsewhere set host = 'the container before this one'")
    with pytest.raises(WarehouseMovedError, match=r"not complete.*the container before"):
        move_to_lake(of_another_host, lake)
    killed("to_lake:_use", "before", lambda: None)
    refuses(lake, "is not complete.*move --to lake")
    refuses(file, "was moved to")
    finished = move_to_lake(file, lake)
    assert finished.is_new
    assert not finished.tables
    assert adopted(ledger_of(lake))
    after = contents(lake)
    assert after["marts.companies"] == before["marts.companies"]

    killed("to_file:note_elsewhere", "after", is_kept_by_the_move(lake))
    refuses(file, "was begun.*move --to file")
    wait_until(lambda: adopted_soon(lake), "PostgreSQL's notice of the end")
    assert coming_file(file.path).is_file()
    lake.rewrite()  # as an erasure does
    assert not coming_file(file.path).parent.exists()
    killed("to_file:_use", "before", lambda: None)
    refuses(lake, "is not finished.*move --to file")
    refuses(file, "was begun.*move --to file")
    for unfinished in (file, of_another_host):
        with pytest.raises(WarehouseMovedError, match=r"is not finished.*move --to file"):
            move_to_lake(unfinished, lake)
    assert move_to_file(file, lake).is_new
    assert contents(file)["marts.companies"] == before["marts.companies"]
    refuses(lake, "was left")


def adopted_soon(lake: LakeWarehouse) -> bool:
    try:
        return adopted(ledger_of(lake))
    except LinktPipelineError:
        return False
