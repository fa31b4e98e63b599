"""``status``: what is open, pending, rejected, spent and requested, from the warehouse alone."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from linkt_pipeline.access.aside import Aside
from linkt_pipeline.access.request_usage import UsageCount
from linkt_pipeline.cli.main import run_command
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.values import CreditLimitReachedError, Intention
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse

NOW = datetime.now(UTC)
TASKS = """\
tasks:
  search:
    task_id: 6964b9b45a4d0beef1000031
    monthly_credit_limit: 10
  weekly:
    task_id: 6964ba2c5a4d0beef1000033
    monthly_credit_limit: 500
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    for name in ("LINKT_DATA_DIR", "LINKT_TASKS_FILE", "LINKT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LINKT_API_KEY", "sk-of-nobody")
    monkeypatch.setenv("LINKT_DAILY_REQUEST_LIMIT", "1000")
    monkeypatch.setenv("LINKT_REQUESTS_PER_MINUTE", "60")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks.yaml").write_text(TASKS)
    return tmp_path


@pytest.fixture
def warehouse(folder: Path) -> Warehouse:
    """A deployment in the middle of its month."""
    store = FileWarehouse(folder / "data" / "warehouse.duckdb")
    with store.write() as con:
        con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, run_id, run_status, "
            "intended_at, started_at) values "
            "('e1', 'search', '6964b9b45a4d0beef1000031', 1, 'finished', 'r1', 'COMPLETED', $1, $1), "
            "('e2', 'search', '6964b9b45a4d0beef1000031', 1, 'started', 'r2', 'PAUSED', $2, $2), "
            "('e3', 'weekly', '6964ba2c5a4d0beef1000033', 1, 'unknown', null, null, $2, null)",
            [NOW, NOW - timedelta(minutes=5)],
        )
        con.execute(
            "insert into linkt.runs (run_id, task_id, status, total_credits, created_at, fetched_at) values "
            "('r1', '6964b9b45a4d0beef1000031', 'COMPLETED', 12.5, $1, $1), ('r9', 't9', 'FAILED', 1.5, $1, $1), "
            "('r0', '6964b9b45a4d0beef1000031', 'COMPLETED', 100, $2, $2)",
            [NOW, NOW - timedelta(days=40)],
        )
        con.execute(
            "insert into linkt.run_resources (run_id, resource_type, action, resource_id, position, state, named_at) "
            "select 'r1', 'entity', 'created', 'id' || i, i, "
            "case when i < 6 then 'landed' when i < 8 then 'pending' when i < 9 then 'missing' else 'rejected' end, $1 "
            "from range(10) t(i)",
            [NOW],
        )
        con.execute(
            "insert into linkt.rejects values ('entity', 'id9', 'r1', 'data: an object, got a list', '[]', $1)",
            [NOW],
        )
        con.execute(
            "insert into linkt.api_usage values ($1, 'GET /v1/run/{run_id}', 40, 3), ($2, 'GET /v1/run', 900, 0)",
            [NOW.date(), (NOW - timedelta(days=1)).date()],
        )
        con.execute("insert into linkt.sync_state values ('runs', '{}', $1)", [NOW - timedelta(minutes=2)])
    return store


def report(capsys) -> dict:
    assert run_command(["status", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def test_before_anything_happened(folder, capsys):
    assert run_command(["status"]) == 0
    assert "nothing yet" in capsys.readouterr().out
    assert report(capsys) is None
    assert not (folder / "data").exists()


@pytest.mark.usefixtures("warehouse")
def test_open_executions_with_their_age(capsys):
    opened = report(capsys)["open_executions"]
    assert [(row["task"], row["state"], row["run_id"], row["run_status"]) for row in opened] == [
        ("search", "started", "r2", "PAUSED"),
        ("weekly", "unknown", None, None),
    ]
    run_command(["status"])
    out = capsys.readouterr().out
    age = re.search(r"PAUSED +(\d+)m \d+s ago", out)
    assert age
    assert int(age[1]) >= 5  # more when this file is read long before its tests are run


def test_an_open_execution_whose_run_was_landed_meanwhile_shows_how_it_ended(warehouse, capsys):
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.runs (run_id, status, created_at, fetched_at) values ('r2', 'CANCELED', $1, $1)", [NOW]
        )
    assert report(capsys)["open_executions"][0]["run_status"] == "CANCELED"


def test_a_run_started_elsewhere_counts_for_the_entry_of_its_linkt_task(warehouse, capsys):
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.runs (run_id, task_id, status, total_credits, created_at, fetched_at) "
            "values ('r8', '6964ba2c5a4d0beef1000033', 'COMPLETED', 3, $1, $1)",
            [NOW],
        )
        con.execute(
            "insert into linkt.tasks (task_id, name, fetched_at) "
            "values ('6964ba2c5a4d0beef1000033', 'Weekly news', $1)",
            [NOW],
        )
    spent = {row["task"]: row["credits"] for row in report(capsys)["credits_this_month"]}
    assert spent["weekly"] == 3
    assert "Weekly news" not in spent


@pytest.mark.usefixtures("warehouse")
def test_every_named_id_is_in_one_state(capsys):
    entities = report(capsys)["resources"]["entity"]
    assert entities == {"landed": 6, "pending": 2, "missing": 1, "rejected": 1, "erased": 0}


@pytest.mark.usefixtures("warehouse")
def test_rejects_are_told_with_reason_and_example(capsys):
    (reject,) = report(capsys)["rejected"]
    assert reject["reason"] == "data: an object, got a list"
    assert (reject["count"], reject["example_id"]) == (1, "id9")
    run_command(["status"])
    out = capsys.readouterr().out
    assert "an object, got a list" in out
    assert "linkt-pipeline sync" in out


@pytest.mark.parametrize(
    ("state", "ids", "asks_again", "nothing_to_ask"),
    [
        ("rejected", ["6964b9b45a4d0beef1000031"], True, False),
        ("rejected", ["not-an-id/0"], False, True),
        ("rejected", ["6964b9b45a4d0beef1000031", "not-an-id/0"], True, True),
        ("missing", ["6964b9b45a4d0beef1000031"], True, False),
        ("landed", ["6964b9b45a4d0beef1000031"], False, False),
    ],
)
def test_only_what_can_be_asked_for_again_is_said_to_be(warehouse, capsys, state, ids, asks_again, nothing_to_ask):
    with warehouse.write() as con:
        con.execute("delete from linkt.run_resources; delete from linkt.rejects")
        con.execute(
            "insert into linkt.run_resources (run_id, resource_type, action, resource_id, state) "
            "select 'r1', 'entity', 'created', unnest($1), $2",
            [ids, state],
        )
    run_command(["status"])
    out = capsys.readouterr().out
    assert ("--retry-missing" in out) == asks_again
    assert ("malformed ids: Linkt can't be asked for them" in out) == nothing_to_ask


@pytest.mark.usefixtures("warehouse")
def test_credits_are_those_of_this_month_beside_their_limit(capsys):
    spent = {row["task"]: row for row in report(capsys)["credits_this_month"]}
    assert spent["search"] == {
        "task": "search",
        "credits": 12.5,
        "runs": 2,
        "limit": 10,
        "estimated_credits": 56.25,  # the open run, at the median of 12.5 and 100
        "estimated_runs": 1,
        "limit_reached": True,
        "timezone": "UTC",
    }
    assert (spent["weekly"]["credits"], spent["weekly"]["limit_reached"]) == (0, False)
    assert spent["t9"]["credits"] == 1.5
    run_command(["status"])
    out = capsys.readouterr().out
    assert "10 (reached)" in out
    assert "56.2" in out
    assert "estimated: runs that don't say what they cost" in out


def test_entries_of_one_linkt_task_share_what_it_spent_and_the_start_sees_the_same(folder, warehouse, capsys):
    shared = "6964c0005a4d0beef1000035"
    (folder / "tasks.yaml").write_text(
        "tasks:\n"
        f"  narrow: {{task_id: {shared}, monthly_credit_limit: 10}}\n"
        f"  wide: {{task_id: {shared}, parameters: {{num_results: 50}}, monthly_credit_limit: 60}}\n"
    )
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.runs (run_id, task_id, total_credits, created_at, fetched_at) "
            "values ('elsewhere', $1, 30, $2, $2)",
            [shared, NOW],
        )

    shown = {row["task"]: row for row in report(capsys)["credits_this_month"]}

    assert [(shown[key]["credits"], shown[key]["limit_reached"]) for key in ("narrow", "wide")] == [
        (30, True),
        (30, False),
    ]
    ledger, owner = ledger_of(warehouse), Owner("test")
    with pytest.raises(CreditLimitReachedError, match="30 of 10 credits"):
        ledger.claim(Intention("narrow", shared, None, {}, monthly_credit_limit=10), owner)
    assert ledger.claim(Intention("wide", shared, None, {}, monthly_credit_limit=60), owner).created


def test_all_tasks_together_are_the_first_line_where_they_have_a_limit(folder, warehouse, capsys):
    (folder / "tasks.yaml").write_text(
        "monthly_credit_limit: 14\ntasks:\n  search: {task_id: 6964b9b45a4d0beef1000031}\n"
    )
    first = report(capsys)["credits_this_month"][0]
    assert (first["task"], first["credits"], first["limit"], first["limit_reached"]) == (
        "(all tasks together)",
        14.0,
        14,
        True,
    )


def test_an_entry_that_is_pointed_at_another_linkt_task_begins_a_month_of_its_own(folder, warehouse, capsys):
    (folder / "tasks.yaml").write_text(
        "tasks:\n  search: {task_id: 6964c0005a4d0beef1000036, monthly_credit_limit: 10}\n"
    )
    shown = [(row["task"], row["credits"]) for row in report(capsys)["credits_this_month"]]
    assert ("search", 0) in shown
    assert ("6964b9b45a4d0beef1000031", 12.5) in shown


@pytest.mark.usefixtures("warehouse")
def test_requests_of_today_beside_their_limits(capsys):
    usage = report(capsys)["api_today"]
    assert usage["requests"] == 40
    assert [row["endpoint"] for row in usage["endpoints"]] == ["GET /v1/run/{run_id}"]
    assert (usage["daily_limit"], usage["requests_per_minute"]) == (1000, 60)


@pytest.mark.usefixtures("warehouse")
def test_without_a_snapshot_it_says_how_to_get_one(capsys):
    assert report(capsys)["snapshot"] is None
    run_command(["status"])
    assert "linkt-pipeline sync" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("catalog", "as_of"),
    [('{"as_of": "2026-01-31T10:00:00Z"}', "2026-01-31T10:00:00"), ("{", "20"), (None, "20")],
    ids=["from the catalog", "unreadable catalog", "no catalog"],
)
def test_the_snapshots_moment(warehouse, folder, capsys, catalog, as_of):
    published = folder / "data" / "published"
    published.mkdir()
    (published / "warehouse.duckdb").write_bytes(b"")
    if catalog is not None:
        (published / "catalog.json").write_text(catalog)
    assert report(capsys)["snapshot_as_of"].startswith(as_of)


def test_models_that_can_not_be_built_are_shown(warehouse, capsys):
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.model_builds (model, built_at, problem, problem_since) values "
            "('marts.people', $1, 'sql/marts/people.sql:7: not valid SQL', $2), ('marts.runs', $1, null, null)",
            [NOW - timedelta(days=3), NOW - timedelta(hours=1)],
        )
    assert run_command(["status", "--json"]) == 0
    (stale,) = json.loads(capsys.readouterr().out)["stale_models"]
    assert (stale["model"], stale["problem"]) == ("marts.people", "sql/marts/people.sql:7: not valid SQL")
    assert run_command(["status"]) == 0
    told = capsys.readouterr().out
    assert "Models that can't be built" in told
    assert "marts.people" in told


def test_an_unfinished_erasure_says_why_and_what_to_do(warehouse: Warehouse, capsys) -> None:
    now = datetime.now(UTC)
    why = "/data/history/runs/index.db could not be rewritten: it is busy. Stop what uses it, then repeat " * 3
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.erasures (erasure_id, kind, asked_at, phase, pending, last_error) values "
            "('one', 'email', $1, 'removed', '{\"emails\": [\"ann@acme.com\"]}', $2), "
            "('two', 'retention', $3, 'intended', null, null), ('done', 'domain', $3, 'finished', null, null)",
            [now - timedelta(hours=2), why, now - timedelta(minutes=5)],
        )

    assert run_command(["status"]) == 0
    out = " ".join(capsys.readouterr().out.split())

    assert "Erasures that are not finished" in out
    assert re.search(r"one\W+email\W+2h [^│]*ago\W+Dagster's history, and to write every file again", out)
    assert re.search(r"two\W+retention\W+[56]m [^│]*ago\W+everything", out)
    assert f"why: {why.strip()}" in out  # the advice at its end is not cut off
    assert "why: it was interrupted, or another process is at it right now" in out
    assert "`linkt-pipeline erase` goes on with them" in out
    assert "ann@acme.com" not in out

    assert [row["erasure_id"] for row in report(capsys)["unfinished_erasures"]] == ["one", "two"]


def test_what_is_on_disk_is_told(warehouse: Warehouse, folder: Path, capsys) -> None:
    data = folder / "data"
    for name, size in (("published/marts/a.parquet", 3_000_000), ("history/runs/x.db", 1_500_000), ("storage/y", 7)):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(b"\0" * size)
    (data / "published" / "linkt.duckdb").symlink_to("marts/a.parquet")

    assert run_command(["status"]) == 0
    size = warehouse.path.stat().st_size / 1e6
    assert f"on disk        warehouse {size:.1f} MB, published 3.0 MB, Dagster 1.5 MB\n" in capsys.readouterr().out
    assert run_command(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["disk"] == {
        "warehouse": warehouse.path.stat().st_size,
        "published": 3_000_000,
        "instance": 1_500_007,
    }


def test_compact_shows_the_size_before_and_after(warehouse: Warehouse, folder: Path, capsys) -> None:
    with warehouse.write() as con:
        con.execute("create table linkt.passing as select sha256(i::varchar) as text from range(40000) as r(i)")
    with warehouse.write() as con:
        con.execute("drop table linkt.passing")
    before = warehouse.path.stat().st_size

    assert run_command(["compact"]) == 0

    told = capsys.readouterr().out
    after = warehouse.path.stat().st_size
    assert f"before         {before / 1e6:.1f} MB\nafter          {after / 1e6:.1f} MB\ngiven back " in told
    assert after < before
    assert run_command(["compact"]) == 0
    assert "would not be smaller" in capsys.readouterr().out


def test_a_look_that_found_nothing_counts_its_requests_and_is_the_last_sync(warehouse, capsys):
    aside, looked = Aside(warehouse), NOW - timedelta(minutes=1)
    aside.add([UsageCount(NOW.date(), "GET /v1/run/{run_id}", 2, 0), UsageCount(NOW.date(), "GET /v1/run", 50, 1)])
    aside.note_look(looked)

    shown = report(capsys)
    assert [(row["endpoint"], row["requests"], row["errors"]) for row in shown["api_today"]["endpoints"]] == [
        ("GET /v1/run", 50, 1),
        ("GET /v1/run/{run_id}", 42, 3),
    ]
    assert shown["api_today"]["requests"] == 92
    assert datetime.fromisoformat(shown["last_sync"]) == looked
