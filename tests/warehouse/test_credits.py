"""What a run cost, when and for which task: ``linkt.run_costs``, and the months that limits are made of."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from linkt_pipeline.api import parse_run
from linkt_pipeline.collection.land_runs import land_runs
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.values import CreditLimitReachedError, Intention
from linkt_pipeline.warehouse.credits import Spending, month_of, spending_by_task
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.warehouse.deliveries import fetch

TASK = "6964b9b45a4d0beef1000031"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def run_id(made_at: datetime, number: int = 1) -> str:
    return f"{int(made_at.timestamp()):08x}5a4d0beef1{number:06x}"


def body(**values: Any) -> dict[str, Any]:
    """A run of 15 credits, made in this month, as Linkt sends it."""
    return {
        "id": run_id(NOW),
        "task_id": TASK,
        "status": "COMPLETED",
        "created_at": NOW.isoformat(),
        "updated_at": NOW.isoformat(),
        "output": output(total_credits=15.0, breakdown={"search_company": 15.0}),
        **values,
    }


def output(**credits: Any) -> dict[str, Any]:
    return {"version": "1.0", "credits": credits, "resources": {"entities_created": ["6964b9b45a4d0beef2000001"]}}


def land(warehouse: Warehouse, *bodies: dict[str, Any], seen_at: datetime = NOW + timedelta(hours=1)) -> None:
    land_runs(warehouse, [SeenRun(parse_run(orjson.dumps(each).decode()), seen_at) for each in bodies])


def start(warehouse: Warehouse, state: str, run: str | None, at: datetime = NOW, key: str = "search") -> None:
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, run_id, intended_at) "
            "values ($1, $2, $3, 1, $4, $5, $6)",
            [f"e-{key}-{run}", key, TASK, state, run, at],
        )


def spent(warehouse: Warehouse, moment: datetime = NOW) -> Spending:
    with warehouse.read() as con:
        return spending_by_task(con, moment).get(TASK, Spending())


CASES: dict[str, tuple[dict[str, Any], float | None]] = {
    "total": ({"total_credits": 12.5, "breakdown": {"a": 1.0}}, 12.5),
    "total as text": ({"total_credits": "12.5"}, 12.5),
    "no number, beside a breakdown": ({"total_credits": "many", "breakdown": {"a": 9.5, "b": 5.5}}, 15.0),
    "null, beside a breakdown": ({"total_credits": None, "breakdown": {"a": 9.5, "b": 5.5}}, 15.0),
    "negative, beside a breakdown": ({"total_credits": -15, "breakdown": {"a": 15}}, 15.0),
    "negative alone": ({"total_credits": -15}, None),
    "a breakdown below zero": ({"breakdown": {"a": -15, "b": 5}}, 0.0),
    "a free run": ({"total_credits": 0, "breakdown": {}}, 0.0),
    "beyond all bounds, beside a breakdown": ({"total_credits": 1e308, "breakdown": {"a": 15}}, 15.0),
    "a breakdown that overflows": ({"breakdown": {"a": 1e308, "b": 1e308, "c": 4}}, 4.0),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("credits", "expected"), CASES.values(), ids=CASES)
def test_what_a_run_cost_is_its_total_else_the_sum_of_its_breakdown(
    warehouse: Warehouse, credits: dict[str, Any], expected: float | None
) -> None:
    sent = body(output=output(**credits))
    land(warehouse, sent)

    assert fetch(warehouse, "select credits from linkt.run_costs") == [(expected,)]
    assert parse_run(orjson.dumps(sent).decode()).credits == expected, "the run itself reads the same"


LAST_MONTH = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("created_at", "run", "started", "expected"),
    [
        (NOW.isoformat(), run_id(NOW), LAST_MONTH, NOW),
        (NOW.isoformat(), run_id(LAST_MONTH), NOW, NOW),
        (NOW.isoformat(), run_id(LAST_MONTH), None, NOW),
        (NOW.isoformat(), run_id(LAST_MONTH), LAST_MONTH, LAST_MONTH),
        (None, run_id(LAST_MONTH), NOW, NOW),
        (None, run_id(LAST_MONTH), None, LAST_MONTH),
        (None, "no-object-id", None, NOW + timedelta(hours=1)),
        (1795176000, run_id(NOW), None, NOW),
        ("9999-12-31T00:00:00Z", run_id(NOW), None, NOW),
        ("1970-01-01T00:00:00Z", run_id(NOW), None, NOW),
        (None, "f" * 24, None, NOW + timedelta(hours=1)),
    ],
    ids=[
        "it and its id",
        "it and the ledger",
        "it alone, elsewhere",
        "it alone",
        "the ledger",
        "the id",
        "when it was read",
        "epoch number",
        "year 9999",
        "1970",
        "odd id",
    ],
)
def test_when_a_run_was_made(
    warehouse: Warehouse, created_at: Any, run: str, started: datetime | None, expected: datetime
) -> None:
    if started is not None:
        start(warehouse, "finished", run, started)
    land(warehouse, body(id=run, created_at=created_at))

    ((spent_at,),) = fetch(warehouse, "select spent_at from linkt.run_costs")
    assert spent_at == expected


def test_a_run_that_names_no_task_belongs_to_the_one_it_was_started_for(warehouse: Warehouse) -> None:
    start(warehouse, "finished", run_id(NOW))
    land(warehouse, body(task_id=None))

    assert spent(warehouse) == Spending(credits=15.0, runs=1)


@pytest.mark.parametrize(
    ("moment", "runs"),
    [
        (datetime(2026, 11, 1, tzinfo=UTC), 1),
        (datetime(2026, 10, 31, 23, 59, 59, 999999, tzinfo=UTC), 0),
        (datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=UTC), 1),
        (datetime(2026, 12, 1, tzinfo=UTC), 0),
    ],
)
def test_a_month_has_a_first_moment_and_an_end(warehouse: Warehouse, moment: datetime, runs: int) -> None:
    land(warehouse, body(id=run_id(moment), created_at=moment.isoformat()), seen_at=moment + timedelta(hours=1))
    assert spent(warehouse).runs == runs


def test_the_month_after_december_is_january() -> None:
    assert month_of(datetime(2026, 12, 31, 23, tzinfo=UTC))[1] == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_month_is_one_of_the_tasks_zone(warehouse: Warehouse) -> None:
    last_evening = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)  # November has begun in Berlin, not in New York
    land(warehouse, body(id=run_id(last_evening), created_at=last_evening.isoformat()))
    with warehouse.read() as con:
        runs = {
            zone: spending_by_task(con, NOW, zone).get(TASK, Spending()).runs
            for zone in ("UTC", "Europe/Berlin", "America/New_York")
        }
    assert runs == {"UTC": 0, "Europe/Berlin": 1, "America/New_York": 0}


def test_a_limit_counts_the_month_of_the_entrys_zone(warehouse: Warehouse) -> None:
    now, zone = datetime.now(UTC), "Pacific/Kiritimati"  # fourteen hours ahead, so its months begin at another moment
    begins = {month_of(now, each)[0]: each for each in ("UTC", zone)}
    edge = max(begins) - timedelta(minutes=1)  # of the month that began earlier alone
    land(warehouse, body(id=run_id(edge), created_at=edge.isoformat()), seen_at=now)
    ledger, owner = ledger_of(warehouse), Owner("test")

    counted = Intention("a", TASK, None, {}, monthly_credit_limit=15, timezone=begins[min(begins)])
    with pytest.raises(CreditLimitReachedError):
        ledger.claim(counted, owner)
    uncounted = Intention("b", TASK, None, {}, monthly_credit_limit=15, timezone=begins[max(begins)])
    assert ledger.claim(uncounted, owner).created


def test_what_is_not_known_yet_counts_as_the_median_of_the_task(warehouse: Warehouse) -> None:
    for number, credits in enumerate((4.0, 10.0, 90.0), 1):
        land(warehouse, body(id=run_id(LAST_MONTH, number), created_at=None, output=output(total_credits=credits)))
    land(warehouse, body(output=None))
    start(warehouse, "started", run_id(NOW, 2))
    start(warehouse, "unknown", None, key="wide")
    start(warehouse, "refused", None, key="refused")
    start(warehouse, "lost", run_id(NOW, 3), key="lost")

    assert spent(warehouse) == Spending(runs=3, estimated_credits=30.0, estimated_runs=3)


def test_a_run_is_counted_once_when_it_ends(warehouse: Warehouse) -> None:
    start(warehouse, "started", run_id(NOW))
    land(warehouse, body())
    assert spent(warehouse) == Spending(credits=15.0, runs=1)


def test_without_a_run_of_the_task_to_go_by_those_of_others_are(warehouse: Warehouse) -> None:
    land(warehouse, body(id=run_id(NOW, 2), task_id="6964b9b45a4d0beef1000032"), body(output=None))
    assert spent(warehouse).counted == 15.0


def test_a_task_in_another_spelling_is_the_task_to_go_by(warehouse: Warehouse) -> None:
    stranger = body(id=run_id(NOW, 3), task_id="6964b9b45a4d0beef1000032", output=output(total_credits=100.0))
    land(warehouse, body(id=run_id(NOW, 2), task_id=TASK.upper()), stranger, body(output=None))
    assert spent(warehouse).counted == 30.0


HOLES: dict[str, dict[str, Any]] = {
    "created_at null": {"created_at": None},
    "created_at of another year": {"created_at": "2021-03-01T00:00:00Z"},
    "created_at an epoch number": {"created_at": 1795176000},
    "created_at in the year 9999": {"created_at": "9999-12-31T23:59:59Z"},
    "task_id null": {"task_id": None},
    "task_id in capitals": {"task_id": TASK.upper()},
    "task_id with blanks": {"task_id": f" {TASK} "},
    "task_id a number": {"task_id": 12345},
    "task_id of another task": {"task_id": "6964b9b45a4d0beef1000032"},
    "total null beside a breakdown": {"output": output(total_credits=None, breakdown={"a": 15})},
    "total a text beside a breakdown": {"output": output(total_credits="fifteen", breakdown={"a": 15})},
    "total as text": {"output": output(total_credits="15")},
    "total negative beside a breakdown": {"output": output(total_credits=-15, breakdown={"a": 15})},
}


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES)
def test_a_body_with_a_hole_buys_no_run_beyond_the_limit(warehouse: Warehouse, hole: dict[str, Any]) -> None:
    ledger, owner, now = ledger_of(warehouse), Owner("test"), datetime.now(UTC)
    intention = Intention("search", TASK, None, {}, monthly_credit_limit=10)
    row = ledger.claim(intention, owner).execution
    ledger.mark_started(row.execution_id, owner, run_id=run_id(now), run_status=None)
    ledger.release(owner)
    land(warehouse, body(id=run_id(now), created_at=now.isoformat(), updated_at=now.isoformat()) | hole, seen_at=now)
    with warehouse.write() as con:  # whoever asked for it has it
        con.execute("delete from linkt.undelivered")

    with pytest.raises(CreditLimitReachedError, match="15 of 10 credits"):
        ledger.claim(intention, owner)
    renamed = Intention("search_renamed", TASK, None, {}, monthly_credit_limit=10)
    with pytest.raises(CreditLimitReachedError, match="15 of 10 credits"):
        ledger.claim(renamed, owner)


@pytest.mark.parametrize(
    "later",
    [None, {}, {"version": "1.0", "credits": None, "resources": None}, output(), output(breakdown={})],
    ids=["null", "empty", "nulls", "no credits", "an empty breakdown"],
)
def test_a_later_body_that_says_less_erases_neither_credits_nor_names(warehouse: Warehouse, later: Any) -> None:
    land(warehouse, body())
    after = NOW + timedelta(hours=2)
    land(warehouse, body(output=later, updated_at=after.isoformat()), seen_at=after)

    assert fetch(warehouse, "select updated_at, total_credits, output_version from linkt.runs") == [
        (after, 15.0, "1.0")
    ]
    assert fetch(warehouse, "select action_type, credits from linkt.run_credits") == [("search_company", 15.0)]
    assert fetch(warehouse, "select resource_id from linkt.run_resources") == [("6964b9b45a4d0beef2000001",)]


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        ({"breakdown": {"a": 10, "b": 5}}, {"breakdown": {"a": 11}}, {"a": 11.0, "b": 5.0}),
        ({"total_credits": 15, "breakdown": {"a": 10, "b": 5}}, {"breakdown": {"a": 10}}, {"a": 10.0, "b": 5.0}),
        ({"breakdown": {"a": 10, "b": 5}}, {"total_credits": 10, "breakdown": {"a": 10}}, {"a": 10.0}),
    ],
    ids=["a part", "a part beside a known total", "the whole"],
)
def test_a_breakdown_without_a_total_may_be_a_part(
    warehouse: Warehouse, first: dict[str, Any], later: dict[str, Any], expected: dict[str, float]
) -> None:
    land(warehouse, body(output=output(**first)))
    after = NOW + timedelta(hours=2)
    land(warehouse, body(output=output(**later), updated_at=after.isoformat()), seen_at=after)

    assert dict(fetch(warehouse, "select action_type, credits from linkt.run_credits")) == expected
    assert fetch(warehouse, "select credits from linkt.run_costs") == [(sum(expected.values()),)]


def test_a_later_body_that_says_more_is_believed(warehouse: Warehouse) -> None:
    land(warehouse, body(output=None))
    after = NOW + timedelta(hours=2)
    land(warehouse, body(output=output(total_credits=7, breakdown={"a": 7}), updated_at=after.isoformat()))
    assert fetch(warehouse, "select credits from linkt.run_costs") == [(7.0,)]


@pytest.mark.parametrize(
    ("raw", "state"),
    [("CANCELLED", "CANCELED"), ("canceled", "CANCELED"), ("completed", "COMPLETED"), (" Failed ", "FAILED"),
     ("CRASHED", "CRASHED"), ("EXPLODED", None)],
)  # fmt: skip
def test_a_status_is_landed_as_sent_and_as_the_state_it_means(
    warehouse: Warehouse, raw: str, state: str | None
) -> None:
    land(warehouse, body(status=raw))
    assert fetch(warehouse, "select status, status_normalised from linkt.runs") == [(raw, state)]


def test_a_published_copy_in_the_warehouses_place_goes_on_counting(warehouse: Warehouse, tmp_path: Path) -> None:
    land(warehouse, body())
    copy = FileWarehouse(tmp_path / "restored.duckdb")
    shutil.copyfile(publish_snapshot(warehouse, tmp_path / "published").path, copy.path)
    assert spent(copy).credits == 15.0

    land(copy, body(id=run_id(NOW, 2)))

    assert spent(copy) == Spending(credits=30.0, runs=2)
    assert rule_of(copy) == rule_of(FileWarehouse(tmp_path / "new.duckdb"))  # a lake spells it in another way


def rule_of(warehouse: Warehouse) -> list[tuple[str]]:
    with warehouse.read() as con:
        return con.execute(
            "select sql from duckdb_views() where schema_name = 'linkt' and view_name = 'run_costs'"
        ).fetchall()
