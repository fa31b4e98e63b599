"""The ledger: one open row per task, held by one living process at a time."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.ledger import duckdb_store, lease_owner, postgres_store
from linkt_pipeline.ledger import rows as ledger_rows
from linkt_pipeline.ledger.lease_owner import Owner, describe_owner, owner_is_gone
from linkt_pipeline.ledger.leases import keep_lease
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.owed_outcomes import finish
from linkt_pipeline.ledger.store import LedgerStore
from linkt_pipeline.ledger.values import (
    Claim,
    CreditLimitReachedError,
    Execution,
    ExecutionState,
    Intention,
    LeaseLostError,
    RunTakenError,
)
from linkt_pipeline.tasks import CommonSettings
from linkt_pipeline.warehouse.credits import month_of
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.ledger.stores import POSTGRES_ADDRESS, STORES, address_of, new_store

pytestmark = pytest.mark.slow

TASK_ID = "6964b9b45a4d0beef1000031"
LONG = timedelta(minutes=5)


@pytest.fixture
def warehouse(tmp_path: Path) -> FileWarehouse:
    return FileWarehouse(tmp_path / "warehouse.duckdb")


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, warehouse: Warehouse) -> LedgerStore:
    return new_store(request, warehouse, request.param)


@pytest.fixture
def ledger(store: LedgerStore) -> Ledger:
    return Ledger(store, lease=LONG)


@pytest.fixture
def owner() -> Owner:
    return Owner.this_process()


def intention(task_key: str = "saas", **changes: Any) -> Intention:
    return Intention(**{"task_key": task_key, "task_id": TASK_ID, "icp_id": None, "parameters": {"n": 1}, **changes})


def close(ledger: Ledger, claim: Claim, owner: Owner, *, status: str = "COMPLETED") -> None:
    with ledger.land() as rows:
        finish(rows, claim.execution.execution_id, owner, run_status=status, error_kind=None, error=None)


def set_clock(patch: pytest.MonkeyPatch, by: timedelta) -> None:
    """The clock of the ledger is set: what it writes from now on has other times."""
    for store in (duckdb_store, postgres_store):
        now = store._now
        patch.setattr(store, "_now", lambda *con, now=now: now(*con) + by)


def dead_owner() -> Owner:
    """An owner as a process left it that has ended since."""
    script = "from linkt_pipeline.ledger.lease_owner import Owner; print(Owner.this_process().name)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return Owner(done.stdout.strip())


# --- claims


def test_a_first_claim_writes_the_request_down(ledger: Ledger, owner: Owner) -> None:
    wanted = intention(icp_id="6964b8105a4d0beef1000011", parameters={"num_results": 25, "ü": None}, dagster_run_id="d")

    claim = ledger.claim(wanted, owner)

    assert (claim.created, claim.owned) == (True, True)
    row = ledger.get(claim.execution.execution_id)
    assert row == claim.execution
    assert (row.state, row.attempt, row.run_id) == (ExecutionState.INTENDED, 1, None)
    assert (row.task_id, row.icp_id, row.dagster_run_id) == (TASK_ID, wanted.icp_id, "d")
    assert row.parameters == {"num_results": 25, "ü": None}
    assert abs(row.intended_at - datetime.now(UTC)) < timedelta(seconds=10)
    assert row.intended_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("state", ["intended", "unknown", "started"])
def test_an_open_row_is_given_back_instead_of_a_second_one(ledger: Ledger, owner: Owner, state: str) -> None:
    first = ledger.claim(intention(), owner).execution
    if state == "unknown":
        ledger.mark_unknown(first.execution_id, owner, error="no reply")
    if state == "started":
        ledger.mark_started(first.execution_id, owner, run_id="r1", run_status="SCHEDULED")

    again = ledger.claim(intention(parameters={"other": "wish"}), owner)

    assert (again.created, again.owned) == (False, True)
    assert again.execution.execution_id == first.execution_id
    assert again.execution.state == state
    assert again.execution.parameters == {"n": 1}


def test_words_of_linkt_that_hold_a_nul_keep_no_row_open(ledger: Ledger, owner: Owner) -> None:
    first = ledger.claim(intention(), owner).execution

    ledger.note(first.execution_id, owner, run_status="RUN\0NING")
    row = ledger.mark_closed(first.execution_id, owner, ExecutionState.REFUSED, error="a\0b")

    assert (row.state, row.run_status, row.last_error) == (ExecutionState.REFUSED, r"RUN\x00NING", r"a\x00b")


@pytest.mark.parametrize("state", [ExecutionState.REFUSED, ExecutionState.LOST])
def test_after_a_closed_row_a_new_one_is_written(ledger: Ledger, owner: Owner, state: ExecutionState) -> None:
    first = ledger.claim(intention(), owner).execution
    ledger.mark_closed(first.execution_id, owner, state, error="no")

    again = ledger.claim(intention(), owner)

    assert again.created
    assert again.execution.execution_id != first.execution_id
    closed = ledger.get(first.execution_id)
    assert (closed.state, closed.last_error) == (state, "no")
    assert closed.finished_at is not None


def test_after_a_finished_run_a_new_one_may_be_bought(ledger: Ledger, warehouse: Warehouse, owner: Owner) -> None:
    first = ledger.claim(intention(), owner)
    close(ledger, first, owner)
    ledger.deliver(owner.name)

    assert ledger.claim(intention(), owner).created


def test_what_was_bought_after_a_failure_seen_by_two_is_used_by_both(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    """Two workers see one run fail; the faster one retries and is done before the slower one asks."""
    failed = ledger.claim(intention(), owner)
    close(ledger, failed, owner, status="FAILED")
    retried = ledger.claim(intention(attempt=2, after=ledger.get(failed.execution.execution_id)), owner)
    close(ledger, retried, owner)

    slower = ledger.claim(intention(attempt=2, after=ledger.get(failed.execution.execution_id)), Owner.this_process())

    assert (slower.created, slower.owned) == (False, False)
    assert slower.execution.execution_id == retried.execution.execution_id
    assert slower.execution.state is ExecutionState.FINISHED


def test_what_was_bought_after_a_failure_is_used_even_if_the_clock_was_set_back_before_it(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = ledger.claim(intention(), owner)
    close(ledger, failed, owner, status="FAILED")
    seen = ledger.get(failed.execution.execution_id)
    set_clock(monkeypatch, -timedelta(hours=1))
    retried = ledger.claim(intention(attempt=2, after=seen), owner)
    close(ledger, retried, owner)

    slower = ledger.claim(intention(attempt=2, after=seen), Owner.this_process())

    assert (retried.created, slower.created) == (True, False)
    assert slower.execution.execution_id == retried.execution.execution_id


def test_the_rows_of_two_tasks_are_independent(ledger: Ledger, owner: Owner) -> None:
    ledger.claim(intention("a"), owner)

    assert ledger.claim(intention("b"), Owner.this_process()).created
    assert [row.task_key for row in ledger.open_executions()] == ["a", "b"]
    assert [row.task_key for row in ledger.open_executions(["b", "c"])] == ["b"]


# --- leases


def test_a_row_of_a_living_process_is_not_taken(ledger: Ledger, owner: Owner) -> None:
    held = ledger.claim(intention(), owner).execution

    other = ledger.claim(intention(), Owner.this_process())

    assert (other.created, other.owned) == (False, False)
    assert ledger.get(held.execution_id).lease_owner == owner.name


def test_a_row_whose_lease_ran_out_is_taken_over(store: LedgerStore, owner: Owner) -> None:
    """The process may live, suspended: it must notice that the row is not its own any more."""
    short = Ledger(store, lease=timedelta(milliseconds=1))
    held = short.claim(intention(), owner).execution
    successor = Owner.this_process()

    taken = Ledger(store, lease=LONG).claim(intention(), successor)

    assert taken.owned
    assert short.get(held.execution_id).lease_owner == successor.name


def test_a_row_of_a_dead_process_is_taken_over_at_once(ledger: Ledger, owner: Owner) -> None:
    gone = dead_owner()
    held = ledger.claim(intention(), gone).execution

    taken = ledger.claim(intention(), owner)

    assert owner_is_gone(gone.name)
    assert (taken.created, taken.owned) == (False, True)
    assert taken.execution.execution_id == held.execution_id


@pytest.mark.parametrize("name", ["other-host/4026531836/1/abc", "adopt", "", "a/b", "x/y/not-a-pid/z"])
def test_of_a_process_elsewhere_nobody_can_tell_that_it_is_gone(name: str) -> None:
    assert not owner_is_gone(name)


def test_a_clone_of_this_machine_does_not_take_its_processes_for_gone(
    ledger: Ledger, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = dead_owner()
    held = ledger.claim(intention(), gone).execution
    monkeypatch.setattr(lease_owner, "_boot", lambda: "another boot")

    claim = ledger.claim(intention(), owner)

    assert not owner_is_gone(gone.name)
    assert (claim.execution.execution_id, claim.owned) == (held.execution_id, False)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("etl-1/4026531836/4711/0a1b2c3d4e5f", "PID 4711 on etl-1"),
        ("adopt", "adopt"),
        ("a/b/c/d", "a/b/c/d"),
        ("", "nobody"),
        (None, "nobody"),
    ],
)
def test_an_owner_is_shown_as_a_process_on_a_host(name: str | None, shown: str) -> None:
    assert describe_owner(name) == shown


def test_a_living_process_is_not_gone(owner: Owner) -> None:
    assert not owner_is_gone(owner.name)


def test_renewing_keeps_a_lease_and_names_what_is_held(store: LedgerStore, owner: Owner) -> None:
    short = Ledger(store, lease=timedelta(milliseconds=1))
    held = short.claim(intention("a"), owner).execution
    ended = short.claim(intention("b"), owner).execution
    short.mark_closed(ended.execution_id, owner, ExecutionState.LOST, error="none")
    ledger = Ledger(store, lease=LONG)

    assert ledger.renew(owner) == {held.execution_id}
    assert not ledger.claim(intention("a"), Owner.this_process()).owned


def test_renewing_does_not_bring_back_a_row_that_was_taken_over(store: LedgerStore, owner: Owner) -> None:
    short = Ledger(store, lease=timedelta(milliseconds=1))
    short.claim(intention(), owner)
    ledger = Ledger(store, lease=LONG)
    successor = Owner.this_process()
    ledger.claim(intention(), successor)

    assert ledger.renew(owner) == frozenset()
    assert ledger.renew(successor) != frozenset()


def test_a_released_row_is_free_at_once_and_remembers_when_its_owner_last_could_act(
    ledger: Ledger, owner: Owner
) -> None:
    held = ledger.claim(intention(), owner).execution
    before = datetime.now(UTC)

    ledger.release(owner)

    row = ledger.get(held.execution_id)
    assert row.lease_owner is None
    assert row.lease_until is not None
    assert before - timedelta(seconds=1) < row.lease_until <= datetime.now(UTC)
    assert ledger.claim(intention(), Owner.this_process()).owned


def test_taking_over_tells_until_when_the_last_owner_could_act(store: LedgerStore, owner: Owner) -> None:
    short = Ledger(store, lease=timedelta(milliseconds=1))
    held = short.claim(intention(), owner).execution

    taken = Ledger(store, lease=LONG).claim(intention(), Owner.this_process()).execution

    assert taken.lease_until == held.lease_until


WRITES: dict[str, Any] = {
    "mark_started": lambda ledger, row, owner: ledger.mark_started(row, owner, run_id="r1", run_status="RUNNING"),
    "mark_unknown": lambda ledger, row, owner: ledger.mark_unknown(row, owner, error="lost"),
    "mark_closed": lambda ledger, row, owner: ledger.mark_closed(row, owner, ExecutionState.LOST, error="none"),
    "note": lambda ledger, row, owner: ledger.note(row, owner, run_status="RUNNING"),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_writer_without_the_lease_is_refused_and_changes_nothing(ledger: Ledger, owner: Owner, write: str) -> None:
    row = ledger.claim(intention(), owner).execution

    with pytest.raises(LeaseLostError, match="taken over by another process"):
        WRITES[write](ledger, row.execution_id, Owner.this_process())

    assert ledger.get(row.execution_id) == row


def test_landing_without_the_lease_takes_the_whole_transaction_back(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    row = ledger.claim(intention(), owner).execution

    def land() -> None:
        with ledger.land() as rows:
            keep_lease(rows, row.execution_id, owner)
            rows.con.execute("insert into linkt.run_credits values ('r1', 'search', 1.0)")
            finish(rows, row.execution_id, Owner.this_process(), run_status="COMPLETED", error_kind=None, error=None)

    with pytest.raises(LeaseLostError):
        land()

    with warehouse.read() as con:
        assert con.execute("select count(*) from linkt.run_credits").fetchall() == [(0,)]
    assert ledger.get(row.execution_id) == row


def test_a_note_of_nothing_is_fine(ledger: Ledger, owner: Owner) -> None:
    row = ledger.claim(intention(), owner).execution

    ledger.note(row.execution_id, owner)

    assert ledger.get(row.execution_id) == row


def test_the_runs_of_a_task_that_some_row_stands_for(ledger: Ledger, warehouse: Warehouse, owner: Owner) -> None:
    first = ledger.claim(intention(), owner)
    ledger.mark_started(first.execution.execution_id, owner, run_id="r1", run_status=None)
    second = ledger.claim(intention("again"), owner).execution
    ledger.mark_started(second.execution_id, owner, run_id="r2", run_status=None)
    other = ledger.claim(intention("other", task_id="f" * 24), owner).execution
    ledger.mark_started(other.execution_id, owner, run_id="r3", run_status=None)
    close(ledger, first, owner)

    assert ledger.owned_run_ids(TASK_ID) == {"r1", "r2"}


def test_rivals_of_a_start_are_those_of_its_linkt_task_since_then_whose_run_is_not_known(
    ledger: Ledger, owner: Owner
) -> None:
    def start(task_key: str, task_id: str = TASK_ID) -> str:
        return ledger.claim(intention(task_key, task_id=task_id), owner).execution.execution_id

    start("before")
    row = ledger.claim(intention("its own"), owner).execution
    intended, lost, refused, started = map(start, ("intended", "lost", "refused", "started"))
    start("another", "f" * 24)
    ledger.mark_closed(lost, owner, ExecutionState.LOST, error="none listed")
    ledger.mark_closed(refused, owner, ExecutionState.REFUSED, error="no")
    ledger.mark_started(started, owner, run_id="r1", run_status=None)
    ledger.mark_unknown(started, owner, error="the run of another task")  # it keeps the run that it names

    assert [rival.execution_id for rival in ledger.rivals(row, row.intended_at)] == [intended, lost]


# --- runs that ended without anybody hearing of it


def test_a_finished_run_whose_process_died_before_it_could_say_so_is_given_to_the_next(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    """One process waits for many tasks: dying at the last must not mean buying the first ones again."""
    gone = dead_owner()
    ended = ledger.claim(intention(), gone)
    close(ledger, ended, gone)

    claim = ledger.claim(intention(), owner)

    assert (claim.created, claim.owned) == (False, True)
    assert claim.execution.execution_id == ended.execution.execution_id
    assert claim.execution.state is ExecutionState.FINISHED
    ledger.deliver(owner.name)
    assert ledger.claim(intention(), Owner.this_process()).created


def test_a_finished_run_is_kept_for_the_next_when_its_process_was_interrupted(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    ended = ledger.claim(intention(), owner)
    close(ledger, ended, owner)

    ledger.release(owner)

    claim = ledger.claim(intention(), Owner.this_process())
    assert claim.execution.execution_id == ended.execution.execution_id


def test_a_clock_set_back_hides_no_outcome_that_is_owed(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as clock:
        set_clock(clock, timedelta(hours=2))
        close(ledger, ledger.claim(intention(), owner), owner)
        ledger.deliver(owner.name)
    latest = ledger.claim(intention(), owner)
    close(ledger, latest, owner)

    claim = ledger.claim(intention(), Owner.this_process())

    assert (claim.created, claim.execution.execution_id) == (False, latest.execution.execution_id)


def test_a_later_run_takes_the_place_of_an_outcome_that_is_owed(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    close(ledger, ledger.claim(intention(), owner), owner)
    close(ledger, ledger.claim(intention(not_before=datetime.now(UTC)), owner), owner)
    ledger.deliver(owner.name, [ledger.claim(intention(), owner).execution.execution_id])

    assert ledger.claim(intention(), owner).created


def test_a_finished_run_that_was_delivered_is_not_given_to_another(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    close(ledger, ledger.claim(intention(), owner), owner)
    ledger.release(owner)
    ledger.deliver(owner.name)

    assert ledger.claim(intention(), Owner.this_process()).created


def test_until_its_rows_are_published_everybody_who_asks_gets_a_finished_run(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    """Whether or not the process that bought it lives: a second command finishes what the first one is at."""
    bought = ledger.claim(intention(), owner).execution
    close(ledger, Claim(bought, True, True), owner)
    late = Owner.this_process()

    claim = ledger.claim(intention(), late)

    assert (claim.created, claim.owned, claim.execution.execution_id) == (False, True, bought.execution_id)
    ledger.deliver_published(owner.name, ledger.complete_outcomes(), datetime.now(UTC))
    assert not ledger.claim(intention(), late).created, "the first one is not who asked last"
    ledger.deliver_published(late.name, ledger.complete_outcomes(), datetime.now(UTC))
    assert ledger.claim(intention(), late).created


@pytest.mark.parametrize(("published", "bought"), [(False, False), (True, True)])
def test_a_finished_run_of_days_ago_is_the_answer_only_while_its_rows_are_not_published(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, published: bool, bought: bool
) -> None:
    gone = dead_owner()
    close(ledger, ledger.claim(intention(), gone), gone)
    if published:  # by a sync that somebody else started
        ledger.deliver_published("a sync", ledger.complete_outcomes(), datetime.now(UTC))
        assert not ledger.claim(intention(), owner).created
    with ledger.write() as rows:
        (row,) = rows.executions()
        rows.change(row.execution_id, {"finished_at": datetime.now(UTC) - timedelta(days=2)})

    assert ledger.claim(intention(), owner).created is bought


def test_an_outcome_with_an_id_that_is_still_to_be_fetched_is_not_complete(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    bought = ledger.claim(intention(), owner)
    ledger.mark_started(bought.execution.execution_id, owner, run_id="r1", run_status=None)
    close(ledger, bought, owner)
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.run_resources (run_id, resource_type, action, resource_id, position, state) "
            "values ('r1', 'entity', 'created', 'e1', 0, 'landed'), ('r1', 'signal', 'created', 's1', 0, 'pending')"
        )

    assert ledger.complete_outcomes() == []
    with warehouse.write() as con:
        con.execute("update linkt.run_resources set state = 'missing' where resource_id = 's1'")
    assert ledger.complete_outcomes() == [bought.execution.execution_id]


def test_a_question_asked_later_is_not_answered_with_what_was_bought_before_it(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    """A tick of a schedule, or a person who says so; an open row is adopted all the same."""
    close(ledger, ledger.claim(intention(), owner), owner)
    now = datetime.now(UTC)

    bought = ledger.claim(intention(not_before=now), owner)

    assert bought.created
    again = ledger.claim(intention(not_before=datetime.now(UTC)), owner)
    assert again.execution.execution_id == bought.execution.execution_id


# --- a Dagster run that is executed again


def ended(warehouse: Warehouse, ledger: Ledger, claim: Claim, owner: Owner, status: str = "COMPLETED") -> None:
    """A run of the claim that has ended and is landed, and whose outcome is delivered to whoever has it."""
    run_id = f"run of {claim.execution.execution_id}"
    if claim.execution.run_id is None:
        ledger.mark_started(claim.execution.execution_id, owner, run_id=run_id, run_status=None)
    close(ledger, claim, owner, status=status)
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.runs (run_id, task_id, status_normalised, fetched_at) values (?, ?, ?, now())",
            [run_id, TASK_ID, status],
        )
    with ledger.write() as rows:
        rows.owe_no_more_of(claim.execution.task_key)
    ledger.release(owner)


@pytest.mark.parametrize("later", [False, True], ids=["", "asked for on purpose"])
@pytest.mark.parametrize("since", ["nothing", "a completed run", "a failed run", "an open run"])
def test_a_question_that_is_repeated_gets_the_run_that_answered_it(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, later: bool, since: str
) -> None:
    """Whatever others have bought since, what the clock says, and however it came to that run."""
    bought = ledger.claim(intention(question="Q"), owner)
    ended(warehouse, ledger, bought, owner)
    if since != "nothing":
        other = ledger.claim(intention(question="P"), owner)
        assert other.created
        if since != "an open run":
            ended(warehouse, ledger, other, owner, "COMPLETED" if since == "a completed run" else "FAILED")

    purposely = {"not_before": datetime.now(UTC) + timedelta(hours=1)} if later else {}
    claim = ledger.claim(intention(question="Q", **purposely), Owner.this_process())

    assert (claim.created, claim.owned, claim.repeated) == (False, True, True)
    assert claim.execution.execution_id == bought.execution.execution_id


@pytest.mark.parametrize("way", ["adopted while it was going", "owed to another", "followed"])
def test_a_question_that_bought_nothing_itself_is_answered_by_the_same_run_again(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, way: str
) -> None:
    first = dead_owner() if way == "adopted while it was going" else owner
    bought = ledger.claim(intention(question="P"), first)
    if way == "owed to another":
        close(ledger, bought, first)
    answer = ledger.claim(intention(question="Q"), Owner.this_process() if way == "followed" else owner)
    assert not answer.created
    if way == "owed to another":
        with ledger.write() as rows:
            reopened = {"state": ExecutionState.STARTED, "lease_owner": owner.name}
            rows.change(bought.execution.execution_id, reopened)
    ended(warehouse, ledger, bought, owner)

    claim = ledger.claim(intention(question="Q"), Owner.this_process())

    assert (claim.created, claim.execution.execution_id) == (False, bought.execution.execution_id)
    assert ledger.claim(intention(question="R"), Owner.this_process()).created, "another question buys"


@pytest.mark.parametrize("status", ["FAILED", "CANCELED", "CRASHED"])
def test_a_question_whose_run_did_not_complete_buys_when_it_is_repeated(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, status: str
) -> None:
    ended(warehouse, ledger, ledger.claim(intention(question="Q"), owner), owner, status)

    assert ledger.claim(intention(question="Q"), Owner.this_process()).created


def test_a_failure_that_nobody_was_told_answers_a_repetition_of_what_was_asked_for_on_purpose(
    ledger: Ledger, warehouse: Warehouse
) -> None:
    gone = dead_owner()
    failed = ledger.claim(intention(question="Q", not_before=datetime.now(UTC)), gone)
    close(ledger, failed, gone, status="FAILED")

    claim = ledger.claim(intention(question="Q", not_before=datetime.now(UTC)), Owner.this_process())

    assert (claim.created, claim.execution.execution_id) == (False, failed.execution.execution_id)


def test_the_answer_about_one_task_is_none_about_another(ledger: Ledger, warehouse: Warehouse, owner: Owner) -> None:
    ended(warehouse, ledger, ledger.claim(intention(question="Q"), owner), owner)

    assert ledger.claim(intention("another", question="Q"), owner).created


def test_the_retry_of_a_failed_run_does_not_get_that_run_again(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    failed = ledger.claim(intention(), owner)
    close(ledger, failed, owner, status="FAILED")

    assert ledger.claim(intention(attempt=2, after=ledger.get(failed.execution.execution_id)), owner).created


# --- the credit limit


def landed_run(
    warehouse: Warehouse, run_id: str, credits: float | None, created_at: datetime, status: str = "COMPLETED"
) -> None:
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.runs (run_id, task_id, total_credits, created_at, fetched_at, status_normalised) "
            "values (?, ?, ?, ?, now(), ?)",
            [run_id, TASK_ID, credits, created_at, status],
        )


@pytest.mark.parametrize(("limit", "refused"), [(58.2, True), (57.8, True), (58.0, True), (104, False), (None, False)])
def test_no_new_run_once_the_months_credits_reach_the_limit(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, limit: float | None, refused: bool
) -> None:
    now = datetime.now(UTC)
    landed_run(warehouse, "r1", 45.5, now)
    landed_run(warehouse, "r2", 12.7, now)
    landed_run(warehouse, "last-month", 1000.0, now.replace(day=1) - timedelta(days=1))

    if not refused:
        assert ledger.claim(intention(monthly_credit_limit=limit), owner).created
        return
    with pytest.raises(CreditLimitReachedError, match=r"58\.2 of .* credits \(monthly_credit_limit\)"):
        ledger.claim(intention(monthly_credit_limit=limit), owner)
    assert ledger.open_executions() == []


def test_the_limit_does_not_keep_from_adopting_what_is_paid_already(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    row = ledger.claim(intention(), owner).execution
    landed_run(warehouse, "r1", 45.5, datetime.now(UTC))

    assert ledger.claim(intention(monthly_credit_limit=1), owner).execution.execution_id == row.execution_id


@pytest.mark.parametrize("limit", [45, 91])
def test_a_limit_counts_all_runs_of_its_linkt_task_whatever_entry_started_them(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, limit: float
) -> None:
    """An entry that is renamed keeps its month, and two entries of one Linkt task share it."""
    other = ledger.claim(intention("other"), owner)
    ledger.mark_started(other.execution.execution_id, owner, run_id="r1", run_status=None)
    close(ledger, other, owner)
    landed_run(warehouse, "r1", 45.5, datetime.now(UTC))

    if limit > 45.5:
        assert ledger.claim(intention("saas", monthly_credit_limit=limit), owner).created
        return
    with pytest.raises(CreditLimitReachedError, match=r"45\.5 of 45 credits"):
        ledger.claim(intention("saas", monthly_credit_limit=limit), owner)


@pytest.mark.parametrize(("limit", "refused"), [(None, False), (581, False), (58.2, True), (0, True)])
def test_all_tasks_together_have_a_limit_of_their_own_whoever_started_the_runs(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, limit: float | None, refused: bool
) -> None:
    now = datetime.now(UTC)
    landed_run(warehouse, "r1", 45.5, now)
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.runs (run_id, task_id, total_credits, created_at, fetched_at) "
            "values ('elsewhere', 'another', 12.7, $1, $1), ('of no task', null, 0, $1, $1)",
            [now],
        )
    landed_run(warehouse, "last-month", 1000.0, now.replace(day=1) - timedelta(days=1))
    wanted = intention(monthly_credit_limit=1000, common=CommonSettings(monthly_credit_limit=limit))

    if not refused:
        assert ledger.claim(wanted, owner).created
        return
    with pytest.raises(CreditLimitReachedError, match=r"58\.2 of .* credits .* of all tasks together are spent"):
        ledger.claim(wanted, owner)
    assert ledger.open_executions() == []


def test_the_month_of_all_tasks_is_that_of_the_file(ledger: Ledger, warehouse: Warehouse, owner: Owner) -> None:
    now = datetime.now(UTC)
    begins = {month_of(now, zone)[0]: zone for zone in ("Etc/GMT+12", "Pacific/Kiritimati")}
    landed_run(warehouse, "r1", 10.0, max(begins) - timedelta(seconds=1))

    counted = CommonSettings(timezone=begins[min(begins)], monthly_credit_limit=10)
    with pytest.raises(CreditLimitReachedError):
        ledger.claim(intention(common=counted), owner)
    uncounted = CommonSettings(timezone=begins[max(begins)], monthly_credit_limit=10)
    assert ledger.claim(intention(common=uncounted), owner).created


def test_a_run_without_a_stated_cost_counts_as_the_median_and_the_refusal_says_so(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    now = datetime.now(UTC)
    landed_run(warehouse, "r1", 10.0, now)
    landed_run(warehouse, "r2", None, now)
    landed_run(warehouse, "long ago", 14.0, now - timedelta(days=100))

    bought = ledger.claim(intention(monthly_credit_limit=34), owner)
    assert bought.created
    ledger.mark_closed(bought.execution.execution_id, owner, ExecutionState.REFUSED, error="no")
    with pytest.raises(CreditLimitReachedError, match=r"22 of 22 credits .*\(12 of them estimated: a run that"):
        ledger.claim(intention(monthly_credit_limit=22), owner)


@pytest.mark.parametrize("common", [False, True])
def test_a_rest_that_would_not_do_for_the_expected_cost_refuses_and_can_be_overridden(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, common: bool
) -> None:
    for number, credits in enumerate((10.0, 12.0, 40.0)):
        landed_run(warehouse, f"r{number}", credits, datetime.now(UTC))

    def limited(limit: float, **changes: Any) -> Intention:
        limits = {"common": CommonSettings(monthly_credit_limit=limit)} if common else {"monthly_credit_limit": limit}
        return intention(**limits, **changes)

    with pytest.raises(CreditLimitReachedError, match=r"62 of 73\.9 .*11\.9 are left.*cost 12 .*--over-budget saas"):
        ledger.claim(limited(73.9), owner)
    assert ledger.open_executions() == []

    row = ledger.claim(limited(73.9, over_budget_by="user ada"), owner).execution
    assert (row.expected_credits, row.over_budget_by) == (12, "user ada")
    assert row.budget_rest == pytest.approx(11.9)
    again = ledger.claim(limited(1), owner)
    assert (again.created, again.execution) == (False, row), "what is open is adopted, whatever the limits leave"
    ledger.mark_closed(row.execution_id, owner, ExecutionState.REFUSED, error="no")

    fits = ledger.claim(limited(74, over_budget_by="user ada"), owner).execution
    assert (fits.expected_credits, fits.budget_rest, fits.over_budget_by) == (12, 12, None)


@pytest.mark.parametrize("led_to", ["nothing", "a failed run", "a failed attempt that is retried"])
def test_a_permission_to_go_over_budget_is_good_for_one_run(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, led_to: str
) -> None:
    """A repetition inherits it. It may use what the first start could not, and nothing beyond."""
    landed_run(warehouse, "r1", 10.0, datetime.now(UTC))
    allowed = intention(monthly_credit_limit=0, over_budget_by="user ada", question="Q")
    first = ledger.claim(allowed, owner)
    if led_to == "nothing":
        ledger.mark_closed(first.execution.execution_id, owner, ExecutionState.REFUSED, error="no")
    else:
        ended(warehouse, ledger, first, owner, "FAILED")

    if led_to == "a failed run":
        with pytest.raises(CreditLimitReachedError, match=r"\(over_budget was good for one run, run of \w+\); raise"):
            ledger.claim(allowed, owner)
        assert ledger.claim(replace(allowed, question="P"), owner).created
        return
    retried = led_to == "a failed attempt that is retried"
    after = ledger.get(first.execution.execution_id) if retried else None
    assert ledger.claim(replace(allowed, after=after), owner).created


def test_two_starts_side_by_side_do_not_share_a_rest_that_does_for_one(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    landed_run(warehouse, "r1", 10.0, datetime.now(UTC))
    limit = CommonSettings(monthly_credit_limit=29)
    barrier = threading.Barrier(2)

    def start(name: str) -> bool:
        barrier.wait(10)
        try:
            return ledger.claim(intention(name, parameters={"name": name}, common=limit), owner).created
        except CreditLimitReachedError:
            return False

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(start, ("one", "two"))) == [False, True]


def test_the_expected_cost_is_the_median_of_the_last_twenty_completed_runs_and_unknown_without_any(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    for number in range(20):  # what failed half-way cost less than a run that completes
        landed_run(warehouse, f"f{number:02}", 0.1, datetime.now(UTC), "FAILED")
    unknown = ledger.claim(intention(monthly_credit_limit=3), owner).execution
    assert unknown.expected_credits is None
    ledger.mark_closed(unknown.execution_id, owner, ExecutionState.REFUSED, error="no")
    now = datetime.now(UTC)
    for age in range(30):
        landed_run(warehouse, f"r{age:02}", 5.0 if age < 11 else 1000.0, now - timedelta(days=age))

    assert ledger.claim(intention(), owner).execution.expected_credits == 5


# --- adopting by hand


def test_the_unclear_row_takes_the_run_a_person_chose(ledger: Ledger, owner: Owner) -> None:
    row = ledger.claim(intention(), owner).execution
    ledger.mark_unknown(row.execution_id, owner, error="several runs fit")
    ledger.release(owner)

    adopted = ledger.adopt(intention(), "r7")

    assert (adopted.execution_id, adopted.state, adopted.run_id) == (row.execution_id, ExecutionState.STARTED, "r7")
    assert adopted.last_error is None
    assert ledger.claim(intention(), Owner.this_process()).owned


def test_without_an_open_row_the_chosen_run_gets_one(ledger: Ledger, owner: Owner) -> None:
    adopted = ledger.adopt(intention(), "r7")

    claim = ledger.claim(intention(), owner)

    assert (claim.created, claim.owned, claim.execution.run_id) == (False, True, "r7")
    assert claim.execution.execution_id == adopted.execution_id


def test_what_can_not_be_adopted(ledger: Ledger, owner: Owner) -> None:
    row = ledger.claim(intention(), owner).execution
    with pytest.raises(LinktPipelineError, match=r"another process .* is working on task saas"):
        ledger.adopt(intention(), "r7")

    ledger.mark_started(row.execution_id, owner, run_id="r1", run_status=None)
    with pytest.raises(LinktPipelineError, match="run r1 already belongs to execution"):
        ledger.adopt(intention("other"), "r1")

    ledger.release(owner)
    with pytest.raises(LinktPipelineError, match=r"already waiting for run r1.*linkt-pipeline cancel r1"):
        ledger.adopt(intention(), "r7")
    assert ledger.get(row.execution_id).run_id == "r1"


# --- several processes

CLAIMER = """
import sys
from datetime import timedelta
from pathlib import Path
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.values import Intention
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.ledger.stores import store_in
key, path = sys.argv[1:]
ledger = Ledger(store_in(FileWarehouse(Path(path))), lease=timedelta(minutes=5))
wanted = Intention(key, "6964b9b45a4d0beef1000031", None, {})
print("ready", flush=True)
sys.stdin.readline()
claim = ledger.claim(wanted, Owner.this_process())
print(claim.execution.execution_id, claim.created, claim.owned, flush=True)
sys.stdin.readline()  # stay alive: a dead process would lose its lease
"""


def claim_at_once(store: LedgerStore, warehouse: FileWarehouse, task_keys: list[str]) -> list[list[str]]:
    """One process per key, all released at one moment; ``[execution_id, created, owned]`` of each."""
    processes = list(_claimers(task_keys, warehouse, address_of(store)))
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        return [process.stdout.readline().split() for process in processes]
    finally:
        for process in processes:
            process.communicate("stop\n", timeout=30)


def _claimers(task_keys: list[str], warehouse: FileWarehouse, address: str) -> Iterator[Any]:
    for key in task_keys:
        yield subprocess.Popen(
            [sys.executable, "-c", CLAIMER, key, str(warehouse.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, POSTGRES_ADDRESS: address},
        )


def test_processes_that_start_one_task_at_one_moment_get_one_row(
    store: LedgerStore, warehouse: FileWarehouse, ledger: Ledger
) -> None:
    answers = claim_at_once(store, warehouse, ["saas"] * 3)

    assert len({execution_id for execution_id, _, _ in answers}) == 1
    assert sorted(created for _, created, _ in answers) == ["False", "False", "True"]
    assert [created for _, created, _ in answers] == [owned for _, _, owned in answers]
    assert len(ledger.open_executions()) == 1


def test_processes_that_start_different_tasks_each_get_a_row(
    store: LedgerStore, warehouse: FileWarehouse, ledger: Ledger
) -> None:
    answers = claim_at_once(store, warehouse, ["a", "b", "c"])

    assert [answer[1:] for answer in answers] == [["True", "True"]] * 3
    assert sorted(row.task_key for row in ledger.open_executions()) == ["a", "b", "c"]


def test_threads_that_start_one_task_at_one_moment_get_one_row(ledger: Ledger) -> None:
    at_once = threading.Barrier(6)

    def claim(_: int) -> Claim:
        at_once.wait(timeout=30)
        return ledger.claim(intention(), Owner.this_process())

    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(claim, range(6)))

    assert sum(claim.created for claim in claims) == 1
    assert sum(claim.owned for claim in claims) == 1
    assert len(ledger.open_executions()) == 1


# --- one run, one row


def test_a_run_that_another_row_has_is_not_written_into_a_second_one(ledger: Ledger, owner: Owner) -> None:
    first = ledger.claim(intention("a"), owner).execution
    second = ledger.claim(intention("b"), owner).execution
    ledger.mark_started(first.execution_id, owner, run_id="r1", run_status=None)
    ledger.mark_started(first.execution_id, owner, run_id="r1", run_status="RUNNING")  # its own, once more

    for spelling in ("r1", "R1"):
        with pytest.raises(RunTakenError, match=f"run {spelling} belongs to execution {first.execution_id} of task a"):
            ledger.mark_started(second.execution_id, owner, run_id=spelling, run_status=None)

    assert ledger.get(second.execution_id) == second


def test_of_two_that_want_one_run_at_a_time_one_gets_it(store: LedgerStore) -> None:
    owners = [Owner.this_process() for _ in range(8)]
    ledger = Ledger(store, lease=LONG)
    rows = [ledger.claim(intention(f"task{i}"), owner).execution for i, owner in enumerate(owners)]

    def start(i: int) -> bool:
        try:
            ledger.mark_started(rows[i].execution_id, owners[i], run_id="r1", run_status=None)
        except RunTakenError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(start, range(8))) == [False] * 7 + [True]


# --- a task under another name


def renamed(**changes: Any) -> Intention:
    return intention("companies", entries=frozenset({"companies", "b"}), **changes)


@pytest.mark.parametrize("state", ["intended", "unknown", "started", "finished"])
def test_a_renamed_task_takes_the_row_of_its_old_name(
    ledger: Ledger, warehouse: Warehouse, owner: Owner, state: str
) -> None:
    before = dead_owner()
    row = ledger.claim(intention(), before).execution
    if state == "unknown":
        ledger.mark_unknown(row.execution_id, before, error="no reply")
    elif state != "intended":
        ledger.mark_started(row.execution_id, before, run_id="r1", run_status=None)
    if state == "finished":
        close(ledger, Claim(row, True, True), before)

    claim = ledger.claim(renamed(), owner)

    assert (claim.created, claim.owned, claim.execution.execution_id) == (False, True, row.execution_id)
    if state != "finished":
        assert [open_row.task_key for open_row in ledger.open_executions()] == ["companies"]


@pytest.mark.parametrize(
    "changes",
    [{"parameters": {"n": 2}}, {"icp_id": "6964b8105a4d0beef1000011"}, {"task_id": "f" * 24}],
    ids=["other parameters", "another ICP", "another Linkt task"],
)
def test_a_row_with_another_request_is_not_that_of_a_renamed_task(
    ledger: Ledger, owner: Owner, changes: dict[str, Any]
) -> None:
    ledger.claim(intention(), dead_owner())

    assert ledger.claim(renamed(**changes), owner).created


def test_two_entries_with_one_request_stay_two(ledger: Ledger, owner: Owner) -> None:
    ledger.claim(intention("b"), dead_owner())

    assert ledger.claim(renamed(), owner).created


def test_a_living_process_that_still_has_the_old_name_is_followed(ledger: Ledger, owner: Owner) -> None:
    held = ledger.claim(intention(), Owner.this_process()).execution

    claim = ledger.claim(renamed(), owner)

    assert (claim.created, claim.owned, claim.execution.execution_id) == (False, False, held.execution_id)


def test_the_key_order_of_parameters_makes_no_other_request(ledger: Ledger, owner: Owner) -> None:
    row = ledger.claim(intention(parameters={"a": 1, "b": [1]}), dead_owner()).execution

    assert ledger.claim(renamed(parameters={"b": [1], "a": 1}), owner).execution.execution_id == row.execution_id


def test_a_claim_reads_no_row_of_the_other_entries(
    ledger: Ledger, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Years of runs lie under the names that tasks.yaml has; none of them can be that of a renamed task."""
    first = ledger.claim(intention(), owner).execution
    ended = [
        replace(first, execution_id=f"e{n}", state=ExecutionState.FINISHED, run_id=f"r{n}", task_key=key)
        for n, key in enumerate(["other", "saas", "other", "saas"])
    ]
    with ledger.write() as rows:
        rows.change(first.execution_id, {"state": ExecutionState.LOST})
        for row in ended:
            rows.add(row)
        rows.owe("e3", None)
    read: list[str] = []
    as_row = ledger_rows._execution

    def counted(row: dict[str, Any]) -> Execution:
        read.append(row["execution_id"])
        return as_row(row)

    monkeypatch.setattr(ledger_rows, "_execution", counted)
    claim = ledger.claim(intention(entries=frozenset({"saas", "other"})), owner)

    assert claim.execution.execution_id == "e3"
    assert read == ["e3"]


def test_a_task_that_is_renamed_and_back_again_has_what_is_owed_under_the_other_name(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    close(ledger, ledger.claim(intention("saas", entries=frozenset({"saas"})), owner), owner)
    ledger.deliver(owner.name)
    gone = dead_owner()
    bought = ledger.claim(intention("companies", entries=frozenset({"companies"})), gone)
    assert bought.created
    close(ledger, bought, gone)

    claim = ledger.claim(intention("saas", entries=frozenset({"saas"})), owner)

    assert (claim.created, claim.execution.execution_id) == (False, bought.execution.execution_id)
    ledger.deliver(owner.name)
    assert ledger.claim(intention("saas", entries=frozenset({"saas"})), Owner.this_process()).created


def test_what_a_person_has_given_up_is_no_outcome_of_another_start(
    ledger: Ledger, warehouse: Warehouse, owner: Owner
) -> None:
    """Two processes saw the first attempt fail; the run of the second one is a reject that a person gave up."""
    failed = ledger.claim(intention(), owner)
    close(ledger, failed, owner, status="FAILED")
    seen = ledger.get(failed.execution.execution_id)
    second = ledger.claim(intention(attempt=2, after=seen), owner)
    ledger.mark_started(second.execution.execution_id, owner, run_id="r2", run_status=None)
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.rejects (resource_type, resource_id, reason, received_at) "
            "values ('run', 'r2', 'its JSON', now())"
        )
    ledger.release(owner)
    assert ledger.give_up("r2") is not None

    assert ledger.claim(intention(attempt=2, after=seen), Owner.this_process()).created


def test_a_confirmed_start_is_written_down_though_nobody_can_tell_what_was_erased(ledger: Ledger, owner: Owner) -> None:
    """Without the note the next start would look for the run for a minute, find none, and buy another."""
    row = ledger.claim(intention(), owner).execution
    with ledger.land() as rows:
        rows.con.execute(
            "insert into linkt.tombstones (kind, hash, erasure_id, erased_at) values ('email', 'x', 'e', now())"
        )

    unclear = ledger.mark_unknown(row.execution_id, owner, error="reply names jane@acme.com", confirmed=True)

    assert (unclear.state, unclear.start_confirmed) == (ExecutionState.UNKNOWN, True)
    assert "tombstone_salt" in str(unclear.last_error)
    assert "jane" not in str(unclear.last_error)
