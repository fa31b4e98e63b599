"""Every id a run names ends as landed, missing or rejected, and only a read after the run settles it."""

import orjson
import pytest

from linkt_pipeline.ledger.claims import OWN_CHECKS
from linkt_pipeline.transform import ModelKey, Severity
from linkt_pipeline.warehouse.landing import LandingCounts, mark_missing, reopen_resources
from linkt_pipeline.warehouse.queries import landed_run_versions, pending_resources, settlements, unlanded_run_ids
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.landed_checks import landed_checks
from tests.warehouse.deliveries import (
    at,
    entity,
    fetch,
    land,
    land_run,
    land_signal_rows,
    reject,
    run,
    signal,
    states,
)


def _miss(warehouse: Warehouse, *ids: str, minutes: float = 100) -> int:
    with warehouse.write() as con:
        return mark_missing(con, "entity", list(ids), at(minutes))


def _pending(warehouse: Warehouse, resource_type: str = "entity") -> list[tuple]:
    with warehouse.read() as con:
        return pending_resources(con, resource_type).rows()


def test_a_landed_run_leaves_its_ids_pending_in_order(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r", icp_id="icp"), created=["b", "a"], updated=["c"], signals=["s"])

    assert _pending(warehouse) == [("a", "r", "icp"), ("b", "r", "icp"), ("c", "r", "icp")]
    assert _pending(warehouse, "signal") == [("s", "r", "icp")]
    assert fetch(
        warehouse, "select resource_id, position from linkt.run_resources where action = 'created' order by 1"
    ) == [
        ("a", 1),
        ("b", 0),
        ("s", 0),
    ]


def test_landing_moves_every_row_of_an_id_in_the_same_transaction(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r1"), created=["e"], updated=["e"], signals=["s"])
    land_run(warehouse, run("r2"), updated=["e", "other"])

    land(warehouse, entity("e"))
    land_signal_rows(warehouse, signal("s"))

    assert states(warehouse) == {
        ("r1", "e"): "landed",
        ("r1", "s"): "landed",
        ("r2", "e"): "landed",
        ("r2", "other"): "pending",
    }


def test_an_entity_and_a_signal_of_one_id_are_not_confused(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r"), created=["x"], signals=["x"])

    land(warehouse, entity("x"))

    assert _pending(warehouse) == []
    assert _pending(warehouse, "signal") == [("x", "r", None)]


def test_a_new_run_makes_an_updated_id_pending_until_it_is_read_again(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r1", fetched=50), created=["e"])
    land(warehouse, entity("e", fetched=60))
    land_run(warehouse, run("r2", fetched=70), updated=["e"])

    land(warehouse, entity("e", fetched=65))  # asked for before the new run was known
    assert states(warehouse) == {("r1", "e"): "landed", ("r2", "e"): "pending"}

    land(warehouse, entity("e", fetched=75))
    assert states(warehouse) == {("r1", "e"): "landed", ("r2", "e"): "landed"}


def test_a_404_settles_as_missing_and_a_later_read_as_landed(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r"), created=["e", "f"])

    assert _miss(warehouse, "e", "e") == 1
    assert states(warehouse) == {("r", "e"): "missing", ("r", "f"): "pending"}

    land(warehouse, entity("e", fetched=200))
    assert states(warehouse)["r", "e"] == "landed"


def test_a_404_does_not_unland(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r1"), created=["e"])
    land(warehouse, entity("e"))
    land_run(warehouse, run("r2"), updated=["e"])

    _miss(warehouse, "e")

    assert states(warehouse) == {("r1", "e"): "landed", ("r2", "e"): "missing"}
    assert fetch(warehouse, "select count(*) from linkt.entities") == [(1,)]


def test_a_reject_is_kept_with_payload_and_reason_until_a_success_clears_it(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r"), created=["e"])

    assert reject(warehouse, "e") == 1
    assert states(warehouse) == {("r", "e"): "rejected"}
    assert fetch(warehouse, "select resource_id, run_id, reason, payload from linkt.rejects") == [
        ("e", "r", "cut off", '{"id":')
    ]

    land(warehouse, entity("e", fetched=200))
    assert states(warehouse) == {("r", "e"): "landed"}
    assert fetch(warehouse, "select count(*) from linkt.rejects") == [(0,)]


def test_the_newest_reason_is_kept(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r"), created=["e"])
    reject(warehouse, "e", reason="first", received=100)
    reject(warehouse, "e", reason="second", received=101)
    reject(warehouse, "e", reason="late", received=99)

    assert fetch(warehouse, "select reason from linkt.rejects") == [("second",)]


def test_settled_ids_can_be_tried_again(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r"), created=["gone", "bad", "fine"])
    _miss(warehouse, "gone")
    reject(warehouse, "bad")
    land(warehouse, entity("fine"))

    with warehouse.write() as con:
        assert reopen_resources(con, "entity") == 2

    assert [row[0] for row in _pending(warehouse)] == ["bad", "gone"]


@pytest.mark.parametrize("bad_id", ["../admin", "a b", "x" * 65, "", "naïve", "a?b=c", "' or 1=1 --"])
def test_a_malformed_id_is_rejected_at_once_and_never_tried(warehouse: Warehouse, bad_id: str) -> None:
    counts = land_run(warehouse, run("r"), created=[bad_id, "good"])

    assert counts.rejected == 1
    assert states(warehouse) == {("r", bad_id): "rejected", ("r", "good"): "pending"}
    with warehouse.write() as con:
        assert reopen_resources(con, "entity") == 0


def test_landing_a_run_again_changes_nothing(warehouse: Warehouse) -> None:
    def everything() -> list[list[tuple]]:
        return [
            fetch(warehouse, f"from linkt.{t} order by all")
            for t in ("runs", "run_credits", "run_resources", "rejects")
        ]

    land_run(warehouse, run("r"), credits={"search": 1.5}, created=["e", "../x"])
    land(warehouse, entity("e"))
    before = everything()

    counts = land_run(warehouse, run("r", fetched=999), credits={"search": 1.5}, created=["e", "../x"])

    assert counts == LandingCounts(unchanged=1)
    assert everything() == before


def test_a_newer_run_replaces_row_and_credits_and_keeps_what_is_settled(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r", updated=1, total_credits=3.0), credits={"search": 1.0, "enrich": 2.0}, created=["e"])
    land(warehouse, entity("e"))

    counts = land_run(warehouse, run("r", updated=2, total_credits=1.5), credits={"search": 1.5}, created=["e", "f"])

    assert counts.updated == 1
    assert fetch(warehouse, "select total_credits from linkt.runs") == [(1.5,)]
    assert fetch(warehouse, "select action_type, credits from linkt.run_credits") == [("search", 1.5)]
    assert states(warehouse) == {("r", "e"): "landed", ("r", "f"): "pending"}


def test_an_older_run_arriving_late_changes_nothing(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r", updated=2, total_credits=2.0), credits={"search": 2.0})

    land_run(warehouse, run("r", updated=1, total_credits=9.0), credits={"search": 9.0}, created=["e"])

    assert fetch(warehouse, "select total_credits from linkt.runs") == [(2.0,)]
    assert fetch(warehouse, "select credits from linkt.run_credits") == [(2.0,)]
    assert states(warehouse) == {}


def test_a_run_of_nulls_lands(warehouse: Warehouse) -> None:
    land_run(warehouse, {**run("r", updated=None), "status": None, "payload": "{}"})

    with warehouse.read() as con:
        assert landed_run_versions(con, ["r", "unknown"]) == {"r": None}


def test_signals_land_once_and_the_later_content_wins(warehouse: Warehouse) -> None:
    assert land_signal_rows(warehouse, signal("s"), signal("s"), signal("t")).inserted == 2
    assert land_signal_rows(warehouse, signal("s", fetched=500)) == LandingCounts(unchanged=1)
    assert land_signal_rows(warehouse, signal("s", "raised more", fetched=600)) == LandingCounts(updated=1)
    assert land_signal_rows(warehouse, signal("s", "stale", fetched=550)) == LandingCounts(unchanged=1)
    assert fetch(warehouse, "select summary from linkt.signals where signal_id = 's'") == [("raised more",)]


def test_metadata_of_a_signal_is_kept_as_sent(warehouse: Warehouse) -> None:
    for number, metadata in enumerate(['{"n":12345678901234567890,"b":[null]}', "null", '["odd"]']):
        row = signal(f"s{number}") | {"payload": f'{{"id": "s{number}", "metadata": {metadata}}}'}
        land_signal_rows(warehouse, row)

    assert fetch(warehouse, "select metadata::varchar from linkt.signals order by signal_id") == [
        ('{"n":12345678901234567890,"b":[null]}',), (None,), ('["odd"]',),
    ]  # fmt: skip


def test_finished_executions_without_a_landed_run_are_owed(warehouse: Warehouse) -> None:
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, run_id, intended_at) "
            "values ('x1', 't', 'T', 1, 'finished', 'owed', now()), ('x2', 't', 'T', 1, 'finished', 'landed', now()), "
            "('x3', 't', 'T', 1, 'started', 'running', now()), ('x4', 't', 'T', 1, 'lost', null, now())"
        )
    land_run(warehouse, run("landed"))

    with warehouse.read() as con:
        assert unlanded_run_ids(con) == ["owed"]


def test_the_books_add_up_and_the_checks_see_when_they_do_not(warehouse: Warehouse) -> None:
    land_run(
        warehouse, run("r", total_credits=3.0), credits={"search": 3.0}, created=["a", "b", "c", "d"], signals=["s"]
    )
    land(warehouse, entity("a"))
    _miss(warehouse, "b")
    reject(warehouse, "c")
    land_signal_rows(warehouse, signal("s"))
    with warehouse.read() as con:
        counts = settlements(con)
    assert (counts["entity"].named, counts["entity"].pending, counts["signal"].landed) == (4, 1, 1)
    assert _failing(warehouse) == {"everything_is_settled", "entities_of_signals_are_landed"}


BREAKS = {
    "insert into linkt.entities from linkt.entities": {"entities_key"},
    "delete from linkt.entities": {"landed_ids_have_rows"},
    "delete from linkt.rejects": {"rejected_ids_are_kept"},
    "update linkt.run_resources set state = 'forgotten' where resource_id = 'b'": {"every_state_is_known"},
    "delete from linkt.run_resources where resource_id = 'b'": {"every_named_id_is_booked"},
    "update linkt.run_credits set credits = 2.9": {"breakdown_adds_up"},
    "update linkt.run_credits set credits = 2.99": set(),
    "update linkt.run_credits set run_id = 'nobody'": {"credits_belong_to_a_run"},
    "update linkt.entities set content_hash = 'x'": {"newest_version_is_current"},
    "update linkt.entities set parent_id = 'nobody'": {"parents_are_landed"},
    "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, intended_at) values "
    "('1', 'slow', 'T', 1, 'started', now() - interval 3 hours)": {"open_no_longer_than_max_wait"},
    "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, intended_at) values "
    "('1', 'other', 'T', 1, 'started', now() - interval 3 hours)": set(),
    "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, intended_at) values "
    "('1', 'gone', 'T', 1, 'started', now() - interval 3 hours)": set(),
    "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, intended_at) values "
    "('1', 'gone', 'T', 1, 'started', now() - interval 5 hours)": {"open_no_longer_than_max_wait"},
    "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, intended_at) values "
    "('1', 't', 'T', 1, 'started', now()), ('2', 't', 'T', 1, 'intended', now())": {"one_open_execution_per_task"},
    "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, run_id, intended_at) values "
    "('1', 't', 'T', 1, 'finished', 'nowhere', now())": {"finished_runs_are_landed"},
}


@pytest.mark.parametrize("breaking", BREAKS, ids=lambda sql: sql[:60])
def test_a_check_fails_exactly_when_its_promise_is_broken(warehouse: Warehouse, breaking: str) -> None:
    lists = {"output": {"resources": {"entities_created": ["a", "b", "c", "b"], "entities_updated": None}}}
    row = {**run("r", total_credits=3.0), "payload": orjson.dumps(lists).decode()}
    land_run(warehouse, row, credits={"search": 3.0}, created=["a", "b", "c", "b"])
    land(warehouse, entity("a"))
    _miss(warehouse, "b")
    reject(warehouse, "c")
    assert _failing(warehouse) == set()

    with warehouse.write() as con:
        con.execute(
            "insert into linkt.task_entries (task_key, task_id, timezone, max_wait_seconds) "
            "values ('slow', 'T', 'UTC', 7200), ('other', 'T', 'UTC', 14400)"
        )
        con.execute(breaking)

    assert _failing(warehouse) == BREAKS[breaking]


def test_every_check_says_what_it_promises() -> None:
    checks = landed_checks()

    assert all(check.description.endswith(".") for check in checks)
    assert {check.severity for check in checks} == {Severity.ERROR, Severity.WARN}


def test_nothing_is_bought_while_an_error_level_check_of_the_ledger_fails() -> None:
    of_the_ledger = ModelKey("linkt", "executions")
    assert {
        check.name for check in landed_checks() if check.severity is Severity.ERROR and check.model == of_the_ledger
    } == set(OWN_CHECKS)


def _failing(warehouse: Warehouse) -> set[str]:
    with warehouse.read() as con:
        return {check.name for check in landed_checks() if con.execute(check.sql).fetchall()}
