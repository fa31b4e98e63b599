"""The ledger in PostgreSQL: what several hosts rely on, and what happens while it can't be reached."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from linkt_pipeline.alerts.state import next_due
from linkt_pipeline.cli import status_report
from linkt_pipeline.cli.run_list import RunQuestion, runs_of_warehouse
from linkt_pipeline.errors import ConfigError
from linkt_pipeline.ledger import postgres_store
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.leases import is_free, keep_lease
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.owed_outcomes import finish, unattended
from linkt_pipeline.ledger.postgres_store import PostgresStore
from linkt_pipeline.ledger.values import Execution, ExecutionState, Intention, LeaseLostError
from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.postgres.connections import connections_to
from linkt_pipeline.postgres.errors import LedgerRefusedError
from linkt_pipeline.settings import Settings
from linkt_pipeline.tasks import AlertChannel, AlertEvent, CommonSettings
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.erasure import ErasureError, Kind, find_target
from linkt_pipeline.warehouse.errors import NewerWarehouseError, WarehouseBusyError
from linkt_pipeline.warehouse.outbox import Alert, tell
from linkt_pipeline.warehouse.queries import known_run_ids
from linkt_pipeline.warehouse.state import last_change
from tests.ledger.stores import POSTGRES_ADDRESS
from tests.postgres import PostgresServer

pytestmark = pytest.mark.slow

TASK_ID = "6964b9b45a4d0beef1000031"
LONG = timedelta(minutes=5)
BOUND = 30  # seconds; nothing here takes longer


@pytest.fixture
def address(database: str) -> Iterator[PostgresAddress]:
    address = PostgresAddress(SecretStr(database))
    yield address
    connections_to(address).close()


@pytest.fixture
def warehouse(tmp_path: Path) -> FileWarehouse:
    return FileWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=timedelta(seconds=BOUND))


@pytest.fixture
def ledger(address: PostgresAddress, warehouse: FileWarehouse) -> Ledger:
    return Ledger(PostgresStore(address, warehouse), lease=LONG)


@pytest.fixture
def owner() -> Owner:
    return Owner.this_process()


def impatient(address: PostgresAddress, warehouse: FileWarehouse, **waits: float) -> Ledger:
    """A ledger that waits for others for a moment only."""
    patience = timedelta(**(waits or {"milliseconds": 300}))
    return Ledger(PostgresStore(address, FileWarehouse(warehouse.path, lock_timeout=patience)), lease=LONG)


def intention(task_key: str = "saas", **changes: Any) -> Intention:
    return Intention(**{"task_key": task_key, "task_id": TASK_ID, "icp_id": None, "parameters": {}, **changes})


def started(ledger: Ledger, owner: Owner, task_key: str = "saas", run_id: str = "r1") -> Execution:
    row = ledger.claim(intention(task_key), owner).execution
    return ledger.mark_started(row.execution_id, owner, run_id=run_id, run_status="RUNNING")


def land(ledger: Ledger, row: Execution, owner: Owner, *, before_finish: Callable[[], object] = lambda: None) -> None:
    """Land the run of an execution, as the pipeline does: the lease first, then the warehouse, then the row."""
    with ledger.land() as rows:
        keep_lease(rows, row.execution_id, owner)
        rows.con.execute(
            "insert into linkt.runs (run_id, task_id, status_normalised, total_credits, created_at, fetched_at) "
            "select ?, ?, 'COMPLETED', 7.0, now(), now() "
            "where not exists (select 1 from linkt.runs as landed where landed.run_id = ?)",
            [row.run_id, row.task_id, row.run_id],
        )
        before_finish()
        finish(rows, row.execution_id, owner, run_status="COMPLETED", error_kind=None, error=None)


def query(warehouse: FileWarehouse, sql: str) -> list[tuple[Any, ...]]:
    with warehouse.read() as con:
        return con.execute(sql).fetchall()


def mirrored(warehouse: FileWarehouse) -> list[tuple[Any, ...]]:
    """Run and state of each execution, as the warehouse has them."""
    return query(warehouse, "select run_id, state from linkt.executions order by intended_at")


@contextmanager
def written_by_another(warehouse: FileWarehouse) -> Iterator[None]:
    """Another thread has the warehouse open, as another process would."""
    is_open, may_close = threading.Event(), threading.Event()

    def write() -> None:
        with warehouse.write():
            is_open.set()
            assert may_close.wait(BOUND)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        assert is_open.wait(BOUND)
        try:
            yield
        finally:
            may_close.set()
            writing.result(BOUND)


# --- its schema


def test_hosts_that_begin_at_one_moment_make_one_schema(address: PostgresAddress, tmp_path: Path) -> None:
    script = (
        "import sys, os\nfrom pathlib import Path\nfrom tests.ledger.stores import store_in\n"
        "from linkt_pipeline.warehouse.engines.file import FileWarehouse\n"
        "store = store_in(FileWarehouse(Path(sys.argv[1])))\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        "with store.write():\n    print('made', flush=True)\n"
    )
    hosts = [start_process(script, address, tmp_path / f"{host}.duckdb") for host in "abc"]
    for host in hosts:
        assert host.stdout.readline() == "ready\n"
    for host in hosts:
        host.stdin.write("go\n")
        host.stdin.flush()

    assert [host.communicate(timeout=BOUND)[0] for host in hosts] == ["made\n"] * 3
    with psycopg.connect(address.conninfo.get_secret_value()) as postgres:
        assert postgres.execute("select version, name from linkt_ledger.migrations").fetchall() == [
            (1, "ledger"),
            (2, "requests"),
            (3, "elsewhere"),
        ]


def test_the_ledger_of_a_newer_version_is_left_alone(ledger: Ledger, address: PostgresAddress) -> None:
    ledger.open_executions()
    connections_to(address).close()
    with psycopg.connect(address.conninfo.get_secret_value()) as postgres:
        postgres.execute("insert into linkt_ledger.migrations (version, name) values (999, 'later')")

    with pytest.raises(NewerWarehouseError, match=r"has schema version 999.*Upgrade linkt-pipeline"):
        ledger.open_executions()


def test_postgres_itself_refuses_a_second_open_execution_and_a_second_row_of_a_run(
    ledger: Ledger, address: PostgresAddress, owner: Owner
) -> None:
    started(ledger, owner)
    copy = "insert into linkt_ledger.executions (execution_id, task_key, task_id, parameters, attempt, state, run_id, "
    copy += "intended_at) select 'copy', task_key, task_id, parameters, attempt, {}, {}, intended_at "
    copy += "from linkt_ledger.executions"

    with psycopg.connect(address.conninfo.get_secret_value(), autocommit=True) as postgres:
        with pytest.raises(psycopg.errors.UniqueViolation, match="one_open_execution_per_task"):
            postgres.execute(copy.format("'intended'", "null"))
        with pytest.raises(psycopg.errors.UniqueViolation, match="one_execution_per_run"):
            postgres.execute(copy.format("'finished'", "upper(run_id)"))


# --- its connections


def test_no_text_of_an_address_or_of_an_error_holds_the_password(
    postgres_server: PostgresServer, address: PostgresAddress, warehouse: FileWarehouse
) -> None:
    wrong = address.conninfo.get_secret_value().replace(":p%40ss", ":wr%40ng-secret")
    refused = PostgresAddress(SecretStr(wrong))

    with pytest.raises(LedgerRefusedError, match="password authentication failed") as caught:
        Ledger(PostgresStore(refused, warehouse)).open_executions()

    assert f"127.0.0.1:{postgres_server.port}, database test_" in str(caught.value)
    said = f"{refused} {refused!r} {caught.value} {caught.value!r}"
    assert not any(secret in said for secret in ("ng-secret", "ss%2Fword", postgres_server.password))
    assert caught.value.__cause__ is None, "what is shown as the cause would be PostgreSQL's own words"


def test_what_is_no_address_is_not_quoted() -> None:
    with pytest.raises(ConfigError, match="it looks like postgresql://") as caught:
        PostgresAddress(SecretStr("postgresql://ada:secret@[host/db"))

    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_while_postgres_is_away_nothing_is_claimed_and_the_error_says_where_it_is(
    database: str, postgres_server: PostgresServer, address: PostgresAddress, warehouse: FileWarehouse, owner: Owner
) -> None:
    ledger = impatient(address, warehouse)
    row = started(ledger, owner)
    name = database.rpartition("/")[2]
    postgres_server.stop()
    try:
        with pytest.raises(WarehouseBusyError, match="can't be reached") as caught:
            ledger.claim(intention("other"), owner)
        with pytest.raises(WarehouseBusyError):
            ledger.renew(owner)
    finally:
        postgres_server.start()

    assert f"PostgreSQL at 127.0.0.1:{postgres_server.port}, database {name}" in str(caught.value)
    assert postgres_server.password not in str(caught.value)
    assert ledger.renew(owner) == {row.execution_id}, "the connections that were lost are made again"
    assert [row.task_key for row in ledger.open_executions()] == ["saas"]


def test_who_waits_long_enough_outlasts_a_restart(
    postgres_server: PostgresServer, ledger: Ledger, owner: Owner
) -> None:
    row = started(ledger, owner)
    postgres_server.stop()
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(ledger.renew, owner)
        try:
            time.sleep(0.5)
            assert not renewing.done()
        finally:
            postgres_server.start()

        assert renewing.result(BOUND) == {row.execution_id}


def test_what_is_written_is_durable_even_where_the_database_does_without(
    database: str, address: PostgresAddress, warehouse: FileWarehouse
) -> None:
    name = database.rpartition("/")[2]
    with psycopg.connect(database, autocommit=True) as con:
        con.execute(f"alter database {name} set synchronous_commit = off")
    with PostgresStore(address, warehouse).read() as rows:
        assert rows._select("show synchronous_commit", []) == [("on",)]


def test_a_connection_is_kept_and_names_process_and_host(ledger: Ledger, owner: Owner) -> None:
    def connected(_: int = 0) -> tuple[int, str]:
        with ledger.read() as rows:
            ((pid, name),) = rows._select(
                "select pid, application_name from pg_stat_activity where pid = pg_backend_pid()", []
            )
        return pid, name

    pid, name = connected()

    assert {connected() for _ in range(3)} == {(pid, name)}
    assert name.startswith(f"linkt-pipeline PID {os.getpid()} on ")


def test_a_forked_process_makes_its_own_connections(ledger: Ledger, owner: Owner) -> None:
    row = started(ledger, owner)

    if not (child := os.fork()):
        status = 1
        try:
            status = 0 if ledger.renew(owner) == {row.execution_id} else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert ledger.renew(owner) == {row.execution_id}, "the child has left its parent's connections alone"


# --- its clock


def test_the_offset_of_linkts_clock_is_kept_by_the_clock_of_the_ledger(
    ledger: Ledger, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search for a lost reply compares Linkt's times with those of the row."""
    now = postgres_store._now
    monkeypatch.setattr(postgres_store, "_now", lambda con: now(con) + timedelta(hours=1))
    row = ledger.claim(intention(), owner).execution

    noted = ledger.note_clock(row.execution_id, owner, timedelta(seconds=30))

    assert noted.clock_offset_seconds == pytest.approx(30 - 3600, abs=5)
    assert noted.intended_at > datetime.now(UTC) + timedelta(minutes=55)


@pytest.mark.parametrize("ahead", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_question_is_asked_before_or_after_a_run_whatever_the_two_clocks_say(
    ledger: Ledger, owner: Owner, ahead: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick of a schedule has the time of its host; a run has the time of the ledger."""
    now = postgres_store._now
    monkeypatch.setattr(postgres_store, "_now", lambda con: now(con) + ahead)
    before = datetime.now(UTC)
    row = started(ledger, owner)
    land(ledger, row, owner)

    asked_before = ledger.claim(intention(not_before=before), owner)
    asked_after = ledger.claim(intention(not_before=datetime.now(UTC)), owner)

    assert (asked_before.created, asked_before.execution.execution_id) == (False, row.execution_id)
    assert asked_after.created


# --- what keeps whom waiting


def test_while_a_claim_waits_for_the_warehouse_leases_are_renewed_and_run_ids_written_down(
    ledger: Ledger, address: PostgresAddress, warehouse: FileWarehouse, owner: Owner
) -> None:
    first = started(ledger, owner)
    second = ledger.claim(intention("second"), owner).execution
    with ThreadPoolExecutor(1) as pool, written_by_another(warehouse):
        claiming = pool.submit(ledger.claim, intention("third"), owner)
        wait_until(lambda: locks_held(address) == 1)
        others = impatient(address, warehouse)

        assert others.renew(owner) == {first.execution_id, second.execution_id}
        others.mark_started(second.execution_id, owner, run_id="r2", run_status=None)
        with pytest.raises(WarehouseBusyError, match=rf"held by linkt-pipeline PID {os.getpid()} on .* for 0 s"):
            others.claim(intention("fourth"), Owner.this_process())

        assert not claiming.done()
    assert claiming.result(BOUND).created


def test_while_a_run_waits_to_be_landed_its_leases_are_renewed_and_nobody_takes_it_over(
    ledger: Ledger, address: PostgresAddress, warehouse: FileWarehouse, owner: Owner
) -> None:
    row, beside = started(ledger, owner), started(ledger, owner, "beside", "r2")
    with ThreadPoolExecutor(1) as pool, written_by_another(warehouse):
        landing = pool.submit(land, ledger, row, owner)
        wait_until(lambda: transactions(address) == 1)
        others = impatient(address, warehouse)

        assert others.renew(owner) == {row.execution_id, beside.execution_id}
        let_lease_expire(address, row)
        with pytest.raises(WarehouseBusyError):
            others.claim(intention(), Owner.this_process())

        assert not landing.done()
    landing.result(BOUND)
    assert ledger.get(row.execution_id).state is ExecutionState.FINISHED


def test_a_collection_that_lands_runs_keeps_no_living_process_from_renewing_its_leases(
    ledger: Ledger, address: PostgresAddress, warehouse: FileWarehouse, owner: Owner
) -> None:
    row, left = started(ledger, owner), started(ledger, owner, "left", "r2")
    let_lease_expire(address, left)
    with ledger.land() as rows:
        assert unattended(rows, ["r1", "r2"]) == {"r1": [], "r2": [ledger.get(left.execution_id)]}

        renewed = impatient(address, warehouse).renew(owner)

    assert renewed == {row.execution_id}, "nobody waits for the row that is being decided about"
    assert not is_free(ledger.get(row.execution_id), ledger.now())
    assert ledger.get(left.execution_id).lease_until <= ledger.now()


def test_a_lease_that_was_renewed_at_the_last_moment_is_not_taken_over(
    ledger: Ledger, address: PostgresAddress, owner: Owner
) -> None:
    """The claim has read that the lease ran out; before it has the row, its owner wakes up."""
    row = started(ledger, owner)
    let_lease_expire(address, row)
    with psycopg.connect(address.conninfo.get_secret_value()) as waking, ThreadPoolExecutor(1) as pool:
        waking.execute("update linkt_ledger.executions set lease_until = now() + interval '1 hour'")
        claiming = pool.submit(ledger.claim, intention(), Owner.this_process())
        wait_until(lambda: is_waiting(address))
        waking.commit()

        claim = claiming.result(BOUND)

    assert (claim.created, claim.owned) == (False, False)
    assert ledger.get(row.execution_id).lease_owner == owner.name


def test_a_run_that_ends_while_a_claim_waits_for_its_row_is_the_answer(
    ledger: Ledger, address: PostgresAddress, owner: Owner
) -> None:
    row = started(ledger, owner)
    let_lease_expire(address, row)
    with psycopg.connect(address.conninfo.get_secret_value()) as landing, ThreadPoolExecutor(1) as pool:
        landing.execute("update linkt_ledger.executions set state = 'finished', finished_at = now()")
        landing.execute("insert into linkt_ledger.undelivered (execution_id) values (%s)", [row.execution_id])
        claiming = pool.submit(ledger.claim, intention(), Owner.this_process())
        wait_until(lambda: is_waiting(address))
        landing.commit()

        claim = claiming.result(BOUND)

    assert (claim.created, claim.owned, claim.execution.execution_id) == (False, True, row.execution_id)
    assert claim.execution.state is ExecutionState.FINISHED


# --- the copy in the warehouse


def test_what_is_landed_brings_the_executions_as_they_are_into_the_warehouse(
    ledger: Ledger, warehouse: FileWarehouse, owner: Owner
) -> None:
    row = started(ledger, owner)
    started(ledger, owner, "going on", "r2")
    assert mirrored(warehouse) == []

    land(ledger, row, owner)

    assert mirrored(warehouse) == [("r1", "finished"), ("r2", "started")]
    assert query(warehouse, "select count(lease_owner), count(lease_until) from linkt.executions") == [(0, 0)]
    ledger.release(owner)
    ledger.deliver(owner.name)
    land(ledger, started(ledger, owner, run_id="r3"), owner)
    assert mirrored(warehouse) == [("r1", "finished"), ("r2", "started"), ("r3", "finished")]


def test_the_copy_is_written_when_something_has_changed_and_only_then(
    ledger: Ledger, warehouse: FileWarehouse, owner: Owner
) -> None:
    row = started(ledger, owner)

    ledger.mirror()

    assert mirrored(warehouse) == [("r1", "started")]
    with warehouse.read() as con:
        before = last_change(con)
    written = warehouse.path.stat().st_mtime_ns
    ledger.renew(owner)
    ledger.mirror()
    assert warehouse.path.stat().st_mtime_ns == written
    ledger.mark_unknown(row.execution_id, owner, error="no reply")
    ledger.mirror()
    assert mirrored(warehouse) == [("r1", "unknown")]
    with warehouse.read() as con:
        assert last_change(con) != before, "models and checks read it"


def test_a_row_is_copied_again_until_it_was_read_closed_and_committed(
    ledger: Ledger, warehouse: FileWarehouse, address: PostgresAddress, owner: Owner
) -> None:
    """Another host lands between the two commits of a landing, and copies the row as it was before."""
    row = started(ledger, owner)
    land(ledger, row, owner)
    with warehouse.write() as con:
        con.execute("update linkt.executions set state = 'started', finished_at = null")

    ledger.mirror()

    assert mirrored(warehouse) == [("r1", "finished")]
    with psycopg.connect(address.conninfo.get_secret_value()) as postgres:
        assert postgres.execute("select mirrored from linkt_ledger.executions").fetchall() == [(True,)]
    ledger.release(owner)
    with warehouse.write() as con:
        con.execute("update linkt.executions set state = 'lost'")
    ledger.mirror()
    assert mirrored(warehouse) == [("r1", "lost")], "not even compared any more"


def test_starts_that_the_warehouse_does_not_know_yet_count_towards_a_limit(
    ledger: Ledger, warehouse: FileWarehouse, owner: Owner
) -> None:
    land(ledger, started(ledger, owner), owner)  # 7 credits, so each open run counts as 7
    ledger.deliver(owner.name)
    started(ledger, owner, "open", "r2")

    limited = intention("third", common=CommonSettings(monthly_credit_limit=21))
    assert ledger.claim(limited, owner).execution.budget_rest == pytest.approx(7)
    with ledger.read() as rows:
        shown = rows.con.execute(f"select run_id, is_open from {rows.costs} order by is_open, run_id").fetchall()
        states = rows.con.execute(f"select task_key, state from {rows.in_warehouse} order by 1").fetchall()
    assert shown == [("r1", False), ("r2", True), (None, True)]
    assert states == [("open", "started"), ("saas", "finished"), ("third", "intended")]


def test_who_asks_how_things_stand_is_told_what_the_ledger_says(
    ledger: Ledger, warehouse: FileWarehouse, owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warehouse shows the executions as they were when something was last landed."""
    known, unknown = (started(ledger, owner, name, run) for name, run in (("known", "a" * 24), ("unknown", "b" * 24)))
    ledger.mirror()
    ledger.mark_unknown(known.execution_id, owner, error="no reply")
    unclear = Alert(AlertEvent.UNCLEAR_START, unknown.execution_id)
    with warehouse.write() as con:
        con.execute("delete from linkt.executions where task_key = 'unknown'")
        tell(con, unclear)
    monkeypatch.setattr(status_report, "ledger_of", lambda _: ledger)
    channel = AlertChannel(to=SecretStr("json://localhost"), on=[AlertEvent.UNCLEAR_START], name="ops")

    settings = Settings(data_dir=tmp_path, api_key=SecretStr("key"))
    shown = status_report.read_status(warehouse, settings, {}, datetime.now(UTC)).open_executions
    with ledger.read() as rows:
        listed = runs_of_warehouse(rows, RunQuestion()).runs
        witnesses = known_run_ids(rows.con, 5, rows.in_warehouse)
        due = next_due(rows.con, channel, datetime.now(UTC), [], rows.in_warehouse)

    assert [(each.task, each.state) for each in shown] == [("known", "unknown"), ("unknown", "started")]
    assert {(run["run_id"], run["task"]) for run in listed} == {("a" * 24, "known"), ("b" * 24, "unknown")}
    assert sorted(witnesses) == ["a" * 24, "b" * 24]
    assert due is not None
    assert due.is_over, "a run was found meanwhile"


# --- what is erased


def test_what_is_erased_leaves_the_ledger_but_for_executions_that_need_it(
    ledger: Ledger, warehouse: FileWarehouse, address: PostgresAddress, owner: Owner
) -> None:
    about_jane = intention(parameters={"prompt": "find jane@acme.com"})
    row = ledger.claim(about_jane, owner).execution
    ledger.mark_unknown(row.execution_id, owner, error="no reply about jane@acme.com")
    ledger.mirror()
    with warehouse.read() as con:
        mentions = find_target(con, Kind.EMAIL, ["jane@acme.com"]).mentions

    with pytest.raises(ErasureError, match=rf"execution {row.execution_id} of task saas .* bought twice"):
        ledger.erase(mentions)
    assert ledger.get(row.execution_id).parameters == about_jane.parameters
    ledger.mark_closed(row.execution_id, owner, ExecutionState.LOST, error="none for jane@acme.com")
    ledger.erase(mentions)
    ledger.mirror()

    kept = ledger.get(row.execution_id)
    assert (kept.parameters, kept.last_error) == ({"prompt": "find [erased]"}, "none for [erased]")
    assert query(warehouse, "select parameters ->> '$.prompt', last_error from linkt.executions") == [
        ("find [erased]", "none for [erased]")
    ]


def test_before_an_erasure_is_agreed_to_it_is_known_that_an_owed_outcome_needs_the_words(
    ledger: Ledger, warehouse: FileWarehouse, owner: Owner
) -> None:
    """What is owed is in PostgreSQL alone: the warehouse's own preview does not see it."""
    row = ledger.claim(intention(parameters={"prompt": "find jane@acme.com"}), owner).execution
    row = ledger.mark_started(row.execution_id, owner, run_id="r1", run_status=None)
    land(ledger, row, owner)
    with warehouse.read() as con:
        mentions = find_target(con, Kind.EMAIL, ["jane@acme.com"]).mentions

    with pytest.raises(ErasureError, match=rf"execution {row.execution_id} of task saas"):
        ledger.require_erasable(mentions)
    ledger.deliver(owner.name)
    ledger.require_erasable(mentions)

    assert ledger.get(row.execution_id).parameters == {"prompt": "find jane@acme.com"}, "nothing was changed"


# --- several processes


def start_process(script: str, address: PostgresAddress, *arguments: object) -> Any:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, POSTGRES_ADDRESS: address.conninfo.get_secret_value()},
    )


RACER = """
import sys
from datetime import timedelta
from pathlib import Path
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.values import Intention
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.ledger.stores import store_in
ledger, owner = Ledger(store_in(FileWarehouse(Path(sys.argv[1]))), lease=timedelta(minutes=5)), Owner.this_process()
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    wanted = Intention(f"task{number}", "6964b9b45a4d0beef1000031", None, {})
    claim = ledger.claim(wanted, owner)
    if claim.created:
        ledger.mark_started(claim.execution.execution_id, owner, run_id=f"run{number}", run_status=None)
        print(number, flush=True)
print("done", flush=True)
sys.stdin.readline()  # a dead process would lose its leases
"""


def test_processes_that_race_for_the_same_tasks_buy_each_once(
    ledger: Ledger, address: PostgresAddress, warehouse: FileWarehouse
) -> None:
    racers = [start_process(RACER, address, warehouse.path, 30) for _ in range(4)]
    try:
        for racer in racers:
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        bought = [list(iter(racer.stdout.readline, "done\n")) for racer in racers]
    finally:
        for racer in racers:
            racer.communicate("stop\n", timeout=BOUND)

    assert sorted(int(number) for each in bought for number in each) == list(range(30))
    assert sorted(row.run_id or "" for row in ledger.open_executions()) == sorted(f"run{n}" for n in range(30))


LANDER = """
import sys, time
from datetime import timedelta
from pathlib import Path
from linkt_pipeline.ledger import postgres_store
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.ledger.stores import store_in
from tests.ledger.test_postgres_store import land, started
warehouse = FileWarehouse(Path(sys.argv[1]))
ledger, owner = Ledger(store_in(warehouse), lease=timedelta(minutes=5)), Owner.this_process()
row = started(ledger, owner)
write = warehouse.write
from contextlib import contextmanager
@contextmanager
def write_and_stop(**options):
    with write(**options) as con:
        yield con
    print("the warehouse has committed", flush=True)
    time.sleep(60)
warehouse.write = write_and_stop
land(ledger, row, owner)
"""


def test_a_run_whose_process_is_killed_between_the_two_commits_is_adopted_and_landed_again(
    ledger: Ledger, address: PostgresAddress, warehouse: FileWarehouse, owner: Owner
) -> None:
    lander = start_process(LANDER, address, warehouse.path)
    assert lander.stdout.readline() == "the warehouse has committed\n"
    lander.send_signal(signal.SIGKILL)
    lander.wait(BOUND)
    landed = "select run_id, total_credits from linkt.runs"
    assert query(warehouse, landed) == [("r1", 7.0)]
    assert [row.state for row in ledger.open_executions()] == [ExecutionState.STARTED]

    claim = ledger.claim(intention(), owner)
    assert (claim.created, claim.owned, claim.execution.run_id) == (False, True, "r1")
    land(ledger, claim.execution, owner)

    assert query(warehouse, landed) == [("r1", 7.0)]
    assert mirrored(warehouse) == [("r1", "finished")]
    assert ledger.open_executions() == []
    ledger.deliver(owner.name)
    assert ledger.claim(intention(), owner).created, "the outcome was owed once"


def test_a_process_that_lost_its_row_lands_nothing(
    ledger: Ledger, address: PostgresAddress, warehouse: FileWarehouse, owner: Owner
) -> None:
    row = started(ledger, owner)
    let_lease_expire(address, row)
    assert ledger.claim(intention(), Owner.this_process()).owned

    with pytest.raises(LeaseLostError):
        land(ledger, row, owner)

    assert query(warehouse, "select * from linkt.runs") == []


# --- what PostgreSQL shows


def let_lease_expire(address: PostgresAddress, row: Execution) -> None:
    with psycopg.connect(address.conninfo.get_secret_value()) as postgres:
        postgres.execute(
            "update linkt_ledger.executions set lease_until = now() - interval '1 s' where execution_id = %s",
            [row.execution_id],
        )


def asked(address: PostgresAddress, sql: str) -> Any:
    with psycopg.connect(address.conninfo.get_secret_value()) as postgres:
        return postgres.execute(sql).fetchall()[0][0]


def locks_held(address: PostgresAddress) -> int:
    """How many names are held."""
    here = "database = (select oid from pg_database where datname = current_database())"
    return int(asked(address, f"select count(*) from pg_locks where locktype = 'advisory' and granted and {here}"))


def transactions(address: PostgresAddress) -> int:
    """How many transactions of others are open, and do nothing just now."""
    return int(
        asked(
            address,
            "select count(*) from pg_stat_activity "
            "where datname = current_database() and state = 'idle in transaction'",
        )
    )


def is_waiting(address: PostgresAddress) -> bool:
    """Whether somebody waits for a row."""
    return bool(
        asked(
            address,
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
