"""What runs cost and brought, and what signals say."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from linkt_pipeline.transform import load_checks, run_check

from .conftest import NOW, SQL_DIR, Bench


@pytest.mark.parametrize(
    ("strength", "level"),
    [("LOW", "low"), ("weak", "low"), ("Medium", "medium"), ("moderate", "medium"), ("HIGH", "high"),
     (" strong ", "high"),
     ("enormous", None), (None, None)],
)  # fmt: skip
def test_strength_is_put_on_one_scale_and_kept_raw(bench: Bench, strength: str | None, level: str | None) -> None:
    bench.signal("s", strength=strength, entity_ids=[])
    bench.build("marts.signal_feed")
    row = bench.row("select strength, strength_level from marts.signal_feed")
    assert (row["strength"], row["strength_level"]) == (strength, level)


def test_the_feed_has_signals_without_companies_too(bench: Bench) -> None:
    bench.entity("c", {"name": "Acme"})
    bench.entity("d", {"name": "Bolt"})
    bench.signal("two", entity_ids=["d", "c"], signal_type="hiring_surge")
    bench.signal("none", entity_ids=[], signal_type=None)
    bench.signal("gone", entity_ids=["x"], signal_type="new_kind", signal_display_name="A new kind")
    bench.build("marts.signal_feed", "marts.company_signals")
    feed = bench.rows(
        "select signal_id, signal_label, company_count, company_names, entity_count from marts.signal_feed order by 1"
    )
    assert [tuple(row.values()) for row in feed] == [
        ("gone", "A new kind", 0, None, 1),
        ("none", None, 0, None, 0),
        ("two", "Hiring surge", 2, "Acme, Bolt", 2),
    ]
    pairs = bench.rows("select company_name, signal_id from marts.company_signals order by 1")
    assert [tuple(row.values()) for row in pairs] == [("Acme", "two"), ("Bolt", "two")]


@pytest.mark.parametrize(
    ("task_type", "seconds", "status", "verdict"),
    [
        ("search", 1000, "COMPLETED", "as documented"),
        ("search", 9780, "COMPLETED", "longer"),
        ("search", 60, "COMPLETED", "shorter"),
        ("ingest", 125, "COMPLETED", "as documented"),
        ("signal", 500, "COMPLETED", None),
        (None, 500, "COMPLETED", None),
        ("search", 60, "FAILED", None),
    ],
)
def test_duration_against_the_documentation(
    bench: Bench, task_type: str | None, seconds: float, status: str, verdict: str | None
) -> None:
    resources = {("entity", "created"): ["a"], ("entity", "updated"): ["b"]}
    bench.run("r", resources, task_type=task_type, run_time_seconds=seconds, status=status)
    bench.build("marts.run_history")
    assert bench.row("select duration_verdict from marts.run_history")["duration_verdict"] == verdict


def test_a_run_without_run_time_is_judged_by_the_clock(bench: Bench) -> None:
    bench.run("r", task_type="search", updated_at=NOW + timedelta(hours=2))
    bench.build("marts.run_history")
    row = bench.row("select wall_seconds, duration_verdict from marts.run_history")
    assert tuple(row.values()) == (7200.0, "longer")


def test_duration_against_the_median_of_the_task(bench: Bench) -> None:
    for number, seconds in enumerate((6000, 6600, 7200, 2000, 20000)):
        bench.run(f"r{number}", task_id="slow", task_type="search", run_time_seconds=float(seconds))
    bench.run("failed", task_id="slow", task_type="search", run_time_seconds=1.0, status="FAILED")
    for number in range(2):
        bench.run(f"few{number}", task_id="few", task_type="search", run_time_seconds=1.0)
    bench.build("marts.run_history")
    found = bench.rows(
        "select run_id, duration_verdict, task_median_seconds, duration_against_task from marts.run_history order by 1"
    )
    assert [tuple(row.values()) for row in found] == [
        ("failed", None, 6600.0, None),
        ("few0", "shorter", 1.0, None),
        ("few1", "shorter", 1.0, None),
        ("r0", "longer", 6600.0, "usual"),
        ("r1", "longer", 6600.0, "usual"),
        ("r2", "longer", 6600.0, "usual"),
        ("r3", "longer", 6600.0, "shorter"),
        ("r4", "longer", 6600.0, "longer"),
    ]


def test_yield_and_cost_of_a_run(bench: Bench) -> None:
    bench.run(
        "r",
        {("entity", "created"): ["a", "b"], ("entity", "updated"): ["c"], ("signal", "created"): ["s"]},
        total_credits=6.0,
    )
    bench.con.execute("update linkt.run_resources set state = 'missing' where resource_id = 'b'")
    bench.build("marts.run_history")
    row = bench.row(
        "select entities_created, entities_updated, signals_created, results_landed, results_lost, credits_per_result, "
        "candidates_discarded from marts.run_history"
    )
    assert tuple(row.values()) == (2, 1, 1, 3, 1, 1.5, None)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"status": "FAILED", "error_kind": "timeout"}, "timeout"),
        ({"status": "FAILED"}, "other"),
        ({"status": "CANCELED"}, "canceled"),
        ({"status": "CRASHED"}, "crashed"),
        ({"status": "CRASHED", "error_kind": "other"}, "crashed"),
        ({"status": "CRASHED", "error_kind": "timeout", "error": "took too long"}, "timeout"),
        ({"status": "CANCELLED"}, "canceled"),
        ({"status": "canceled"}, "canceled"),
        ({"status": "completed"}, None),
        ({"status": "COMPLETED"}, None),
        ({"status": "SOMETHING_NEW"}, None),
    ],
)
def test_failure_kind(bench: Bench, values: dict[str, Any], kind: str | None) -> None:
    bench.run("r", **values)
    bench.build("marts.run_history")
    assert bench.row("select failure_kind from marts.run_history")["failure_kind"] == kind


def test_a_run_is_shown_under_the_best_name_there_is(bench: Bench) -> None:
    for task_id in ("one", "two", "none"):
        bench.put("tasks", task_id=task_id, name=f"Task {task_id} in Linkt")
    for run_id, task_id, task_key in (
        ("one-1", "one", "mine"),
        ("two-1", "two", "narrow"),
        ("two-2", "two", "wide"),
        (None, "none", "refused"),
    ):
        bench.put(
            "executions",
            execution_id=f"{task_key}-{run_id}",
            task_key=task_key,
            task_id=task_id,
            attempt=1,
            state="finished" if run_id else "refused",
            run_id=run_id,
            intended_at=NOW,
        )
    for run_id in ("one-1", "one-2", "two-1", "two-3", "none-1", "unlisted-1"):
        bench.run(run_id, task_id=run_id.partition("-")[0])
    bench.run("legacy", task_type="search")
    bench.run("nameless")
    bench.build("staging.runs")
    found = bench.rows("select run_id, task, task_key, started_elsewhere from staging.runs order by 1")
    assert [tuple(row.values()) for row in found] == [
        ("legacy", "search", None, True),
        ("nameless", "unknown", None, True),
        ("none-1", "Task none in Linkt", None, True),
        ("one-1", "mine", "mine", False),
        ("one-2", "mine", None, True),
        ("two-1", "Task two in Linkt", "narrow", False),
        ("two-3", "Task two in Linkt", None, True),
        ("unlisted-1", "unlisted", None, True),
    ]


def executed(bench: Bench, task_key: str, task_id: str, run_id: str, at: datetime = NOW) -> None:
    bench.put(
        "executions",
        execution_id=f"{task_key}-{run_id}",
        task_key=task_key,
        task_id=task_id,
        attempt=1,
        state="finished",
        run_id=run_id,
        intended_at=at,
    )


def test_two_linkt_tasks_of_one_name_stay_two(bench: Bench) -> None:
    for task_id in ("aaaaaaaaaaaaaaaaaa000001", "aaaaaaaaaaaaaaaaaa000002", "aaaaaaaaaaaaaaaaaa000003"):
        bench.put("tasks", task_id=task_id, name="Search" if task_id[-1] != "3" else "Other")
        bench.run(f"run of {task_id[-1]}", task_id=task_id, total_credits=1.0)
    bench.run("legacy", task_type="Other", total_credits=1.0)
    bench.build("staging.runs")
    assert [row["task"] for row in bench.rows("select task from staging.runs order by run_id")] == [
        "Other (no task)",
        "Search (000001)",
        "Search (000002)",
        "Other",
    ]


def run_sums(bench: Bench) -> tuple[Any, ...]:
    """The credits of each of the three marts that show them."""
    return tuple(
        bench.row(f"select round(sum({column}), 6) as credits from marts.{mart}")["credits"]
        for mart, column in (
            ("run_history", "credits"),
            ("run_history", "total_credits"),
            ("task_efficiency", "total_credits"),
            ("credits_daily", "credits"),
        )
    )


@pytest.mark.parametrize(
    ("values", "breakdown", "cost"),
    [
        ({"total_credits": None}, {"a": 10.0, "b": 5.0}, 15.0),
        ({"total_credits": 8.0, "status": "CANCELLED"}, {"a": 8.0}, 8.0),
        ({"total_credits": 8.0, "status": "canceled"}, {}, 8.0),
        ({"total_credits": 8.0, "status": "completed"}, {"a": 9.5}, 8.0),
        ({"total_credits": -3.0}, {"a": 2.0}, 2.0),
        ({"total_credits": 5.0, "task_id": None}, {}, 5.0),
        ({"total_credits": 5.0, "created_at": None}, {}, 5.0),
        ({"total_credits": 5.0, "created_at": "9999-12-31"}, {}, 5.0),
        ({"total_credits": 5.0}, {"a": 1e308, "b": float("inf"), "c": 1.0}, 5.0),
    ],
)
def test_every_mart_has_the_same_credits(
    bench: Bench, values: dict[str, Any], breakdown: dict[str, float], cost: float
) -> None:
    bench.run("other", task_id="t", total_credits=1.25)
    bench.run("r", **{"task_id": "t", **values})
    for action_type, credits in breakdown.items():
        bench.put("run_credits", run_id="r", action_type=action_type, credits=credits)
    bench.build()
    assert run_sums(bench) == (cost + 1.25,) * 4
    checks = [check for check in load_checks(SQL_DIR, bench.graph) if check.name == "credits_add_up"]
    assert [run_check(bench.con, check).passed for check in checks] == [True]


def test_a_small_remainder_of_many_runs_is_not_lost(bench: Bench) -> None:
    bench.con.execute(
        """
        insert into linkt.runs by name
        select 'r' || i as run_id, 't' as task_id, 'COMPLETED' as status, 'COMPLETED' as status_normalised,
            1.004 as total_credits, $1 as created_at, $1 as fetched_at
        from range(1000) r(i)
        """,
        [NOW],
    )
    bench.con.execute("insert into linkt.run_credits select 'r' || i, 'search', 1.0 from range(1000) r(i)")
    bench.build("marts.credits_daily")
    (check,) = [check for check in load_checks(SQL_DIR, bench.graph) if check.name == "credits_add_up"]
    found = bench.rows("select action_type, round(credits, 9) as credits from marts.credits_daily order by 1")
    assert [tuple(row.values()) for row in found] == [("(not itemised)", 4.0), ("search", 1000.0)]
    assert run_check(bench.con, check).passed
    bench.con.execute("update marts.credits_daily set credits = credits + 0.00002 where action_type = 'search'")
    assert not run_check(bench.con, check).passed, "however many runs there are"


def test_a_breakdown_that_adds_up_leaves_no_remainder(bench: Bench) -> None:
    bench.run("r", total_credits=0.3)
    for action_type, credits in (("a", 0.1), ("b", 0.2)):
        bench.put("run_credits", run_id="r", action_type=action_type, credits=credits)
    bench.build("marts.credits_daily")
    assert [row["action_type"] for row in bench.rows("from marts.credits_daily order by action_type")] == ["a", "b"]


def test_credits_by_day_add_up_even_where_the_breakdown_does_not(bench: Bench) -> None:
    bench.run("a", total_credits=10.0)
    bench.run("b", total_credits=None)
    bench.run("c", total_credits=2.5, created_at=None, fetched_at=NOW + timedelta(days=1))
    bench.put("run_credits", run_id="a", action_type="search_company", credits=7.3)
    bench.put("run_credits", run_id="b", action_type="enrich", credits=1.2)
    bench.build("marts.credits_daily")
    found = bench.rows(
        "select day::varchar as day, action_type, round(credits, 6) as credits from marts.credits_daily order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("2026-04-12", "(not itemised)", 2.7),
        ("2026-04-12", "enrich", 1.2),
        ("2026-04-12", "search_company", 7.3),
        ("2026-04-13", "(not itemised)", 2.5),
    ]


BY_TASK = (
    "select task_id, task, sum(credits) as credits from marts.credits_daily group by all order by task_id, task",
    "select task_id, task, total_credits as credits from marts.task_efficiency order by task_id, task",
    "select task_id, task, sum(credits) as credits from marts.run_history group by all order by task_id, task",
)


def shown_by_task(bench: Bench) -> list[tuple[Any, ...]]:
    bench.build("marts.credits_daily", "marts.task_efficiency", "marts.run_history")
    daily, efficiency, history = ([tuple(row.values()) for row in bench.rows(sql)] for sql in BY_TASK)
    assert daily == efficiency == history
    return daily


def test_two_tasks_of_one_name_are_two_rows(bench: Bench) -> None:
    for task_id, credits in (("t-one", 1.0), ("t-two", 2.0)):
        bench.put("tasks", task_id=task_id, name="Search")
        bench.run(f"run of {task_id}", task_id=task_id, total_credits=credits)
    assert shown_by_task(bench) == [("t-one", "Search (t-one)", 1.0), ("t-two", "Search (t-two)", 2.0)]


def test_a_renamed_task_stays_one_row(bench: Bench) -> None:
    bench.run("r1", task_id="t", total_credits=1.0)
    bench.run("r2", task_id="t", total_credits=2.0)
    bench.put("tasks", task_id="t", name="Old name")
    assert shown_by_task(bench) == [("t", "Old name", 3.0)]
    bench.con.execute("update linkt.tasks set name = 'New name'")
    assert shown_by_task(bench) == [("t", "New name", 3.0)]
    executed(bench, "old_entry", "t", "r1")
    executed(bench, "new_entry", "t", "r2", NOW + timedelta(days=1))
    assert shown_by_task(bench) == [("t", "New name", 3.0)]


def test_a_second_entry_for_a_task_moves_no_past_credits(bench: Bench) -> None:
    bench.put("tasks", task_id="t", name="Search in Linkt")
    bench.run("own", task_id="t", total_credits=1.0)
    bench.run("elsewhere", task_id="t", total_credits=2.0)
    executed(bench, "mine", "t", "own")
    assert [(task_id, credits) for task_id, _, credits in shown_by_task(bench)] == [("t", 3.0)]
    bench.run("second", task_id="t", total_credits=4.0)
    executed(bench, "second", "t", "second", NOW + timedelta(days=1))
    assert [(task_id, credits) for task_id, _, credits in shown_by_task(bench)] == [("t", 7.0)]


def test_task_efficiency(bench: Bench) -> None:
    bench.run("a", {("entity", "created"): ["e1", "e2"]}, task_type="search", total_credits=5.0)
    bench.run("b", task_type="search", total_credits=1.0, status="FAILED")
    bench.run("c", task_type="search", status="RUNNING")
    bench.run("d", {("signal", "created"): ["s"]}, task_type="signal", total_credits=12.3)
    for state, count in (("completed", 3), ("discarded", 1)):
        bench.put("run_queue_counts", run_id="a", state=state, entities=count, observed_at=NOW)
    bench.build("marts.task_efficiency")
    found = bench.rows(
        "select task, runs, success_rate, total_credits, failed_credits, credits_per_entity, credits_per_signal, "
        "discard_rate from marts.task_efficiency order by task"
    )
    assert [tuple(row.values()) for row in found] == [
        ("search", 2, 0.5, 6.0, 1.0, 2.5, None, 0.25),
        ("signal", 1, 1.0, 12.3, None, None, 12.3, None),
    ]


RATIOS = (
    "credits_per_entity, credits_per_entity_all_in, credits_per_touched_entity, credits_per_signal, "
    "credits_per_signal_all_in, credits_per_result, update_only_runs, update_only_credits, credits_per_update, "
    "empty_runs, empty_run_credits, unknown_cost_runs, credits_per_run"
)


def ratios(bench: Bench) -> tuple[Any, ...]:
    bench.build("marts.task_efficiency")
    return tuple(bench.row(f"select {RATIOS} from marts.task_efficiency").values())


def test_an_all_in_ratio_has_every_run_in_it(bench: Bench) -> None:
    created, updated = ("entity", "created"), ("entity", "updated")
    bench.run("creates", {created: ["e1", "e2"]}, total_credits=2.0)
    bench.run("both", {created: ["e3", "e4"], updated: ["e1"]}, total_credits=4.0)
    bench.run("updates", {updated: ["e1", "e2", "e3"]}, total_credits=6.0)
    bench.run("empty", total_credits=3.0)
    bench.run("failed", total_credits=1.0, status="FAILED")
    bench.run("unknown", {created: ["e5"]}, total_credits=None)
    assert ratios(bench) == (1.5, 4.0, 2.0, None, None, 2.0, 1, 6.0, 2.0, 2, 4.0, 1, 16.0 / 5)


def test_a_run_with_entities_and_signals_is_not_counted_twice(bench: Bench) -> None:
    bench.run("r", {("entity", "created"): ["e1", "e2", "e3"], ("signal", "created"): ["s1"]}, total_credits=8.0)
    bench.run("empty", total_credits=4.0)
    assert ratios(bench) == (2.0, 3.0, 3.0, 2.0, 3.0, 3.0, 0, None, None, 1, 4.0, 0, 6.0)


def test_an_entity_that_a_run_creates_and_updates_is_touched_once(bench: Bench) -> None:
    bench.run("r", {("entity", "created"): ["e1"], ("entity", "updated"): ["e1"]}, total_credits=3.0)
    bench.build("marts.task_efficiency")
    row = bench.row("select entities_touched, credits_per_touched_entity from marts.task_efficiency")
    assert tuple(row.values()) == (1, 3.0)


def test_changes_are_told_field_by_field(bench: Bench) -> None:
    bench.entity("c", {"a": {"value": 1}, "b": {"value": "x"}, "odd/~": 1}, status="new", updated_at=NOW)
    bench.entity(
        "c", {"a": {"value": 2}, "c": {"value": [1]}, "odd/~": 1}, updated_at=NOW + timedelta(days=1), run_id="r"
    )
    # Only a reference and a time differ: no fact changed.
    bench.entity(
        "c",
        {"a": {"value": 2, "references": ["x"]}, "c": {"value": [1]}, "odd/~": 1},
        updated_at=NOW + timedelta(days=2),
    )
    bench.entity("still", {"a": 1})
    bench.build("marts.entity_changes")
    found = bench.rows(
        "select version_number, scope, field, change, old_value, new_value, run_id "
        "from marts.entity_changes order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        (2, "field", "a", "changed", "1", "2", "r"),
        (2, "field", "b", "removed", '"x"', None, "r"),
        (2, "field", "c", "added", None, "[1]", "r"),
        (2, "record", "status", "removed", '"new"', None, "r"),
    ]


SAME = {"city": {"x": [1, {"b": 2, "a": None}], "y": "1.0"}, "n": 1.0}
SAME_AGAIN = {"n": 1, "city": {"y": "1.0", "x": [1.0, {"a": None, "b": 2e0}]}}


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (SAME, SAME_AGAIN, []),
        (1.0, 1, []),
        (1e3, 1000, []),
        ("1.0", "1", [("field", '"1.0"', '"1"')]),
        (9007199254740992, 9007199254740993, [("field", "9007199254740992", "9007199254740993")]),
        (1.5, 1.25, [("field", "1.5", "1.25")]),
        ([1, 2], [2, 1], [("field", "[1,2]", "[2,1]")]),
        ({"a": 1}, {"a": 1, "b": None}, [("field", '{"a":1}', '{"a":1,"b":null}')]),
        ([], {}, [("field", "[]", "{}")]),
        ({"a": "1,b:2"}, {"a": "1", "b": 2}, [("field", '{"a":"1,b:2"}', '{"a":"1","b":2}')]),
    ],
)
def test_another_spelling_of_a_value_is_no_change(
    bench: Bench, before: Any, after: Any, changes: list[tuple[str, str, str]]
) -> None:
    bench.entity("c", {"f": {"value": before, "display": "shown"}}, updated_at=NOW)
    bench.entity("c", {"f": {"value": after, "display": "shown"}, "g": None}, updated_at=NOW + timedelta(days=1))
    bench.build("marts.entity_changes")
    found = bench.rows("select scope, old_value, new_value from marts.entity_changes")
    assert [(row["scope"], *_compact(row["old_value"], row["new_value"])) for row in found] == changes


def _compact(*values: str | None) -> tuple[str | None, ...]:
    return tuple(value and value.replace('": ', '":').replace(", ", ",") for value in values)


def test_a_change_of_what_linkt_displays_alone_is_told(bench: Bench) -> None:
    for day, (value, display) in enumerate([("a", "A"), ("a", "B"), ("b", "C"), ("b", None)]):
        bench.entity("c", {"f": {"value": value, "display": display}}, updated_at=NOW + timedelta(days=day))
    bench.build("marts.entity_changes")
    found = bench.rows(
        "select version_number, scope, change, old_value, new_value from marts.entity_changes order by 1"
    )
    assert [tuple(row.values()) for row in found] == [
        (2, "display", "changed", '"A"', '"B"'),
        (3, "field", "changed", '"a"', '"b"'),
        (4, "display", "removed", '"C"', None),
    ]


def test_another_type_and_another_icp_are_changes(bench: Bench) -> None:
    bench.entity("c", {}, entity_type="company", icp_id="one", updated_at=NOW)
    bench.entity("c", {}, entity_type="Company", icp_id="one", status="new", updated_at=NOW + timedelta(days=1))
    bench.entity("c", {}, entity_type="person", icp_id="two", status="new", updated_at=NOW + timedelta(days=2))
    bench.build("marts.entity_changes")
    found = bench.rows(
        "select version_number, scope, field, old_value, new_value from marts.entity_changes order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        (2, "record", "status", None, '"new"'),
        (3, "record", "entity_type", '"company"', '"person"'),
        (3, "record", "icp_id", '"one"', '"two"'),
    ]


def test_duplicates_said_and_suspected(bench: Bench) -> None:
    bench.entity("primary", {"name": "A", "website": "a.example"}, created_at=NOW)
    info = '{"is_duplicate": true, "is_primary": false, "primary_entity_id": "primary", "primary_icp_name": "P"}'
    bench.entity("copy", {"name": "A Inc"}, duplicate_info=info)
    bench.entity("lost", {}, duplicate_info=info.replace('"primary",', '"nowhere",'))
    bench.entity("twin", {"name": "A2", "website": "https://www.a.example/x"}, created_at=NOW + timedelta(days=1))
    bench.build("marts.duplicates")
    found = bench.rows(
        "select entity_id, basis, primary_entity_id, primary_name, primary_landed from marts.duplicates order by 1"
    )
    assert [tuple(row.values()) for row in found] == [
        ("copy", "linkt", "primary", "A", True),
        ("lost", "linkt", "nowhere", None, False),
        ("twin", "same_domain", "primary", "A", True),
    ]


def test_source_domains(bench: Bench) -> None:
    refs = ["https://www.news.example/1", "https://news.example/2"]
    bench.entity("c", {"a": {"value": 1, "references": refs}, "b": {"value": 1, "references": refs}})
    bench.entity("p", {"a": {"value": 1, "references": refs[:1]}}, entity_type="person")
    bench.signal("s", references=[*refs, "https://other.example"], entity_ids=[])
    bench.build("marts.source_domains")
    found = bench.rows(
        "select domain, fact_count, entity_count, company_count, field_count, signal_count "
        "from marts.source_domains order by 1"
    )
    assert [tuple(row.values()) for row in found] == [("news.example", 3, 2, 1, 2, 1), ("other.example", 0, 0, 0, 0, 1)]


def test_a_domain_counts_each_entity_once_though_ids_are_in_sequence(bench: Bench) -> None:
    ids = [f"{0x6B076177 + n:08x}af241bf2dc{n:06x}" for n in range(2000)]
    bench.con.execute(
        "insert into linkt.entities by name select unnest($1) as entity_id, 'company' as entity_type, $2 as data, "
        "'h' as content_hash, current_timestamp as fetched_at",
        [ids, '{"linkedin": {"value": "x", "references": ["https://social.example/x"]}}'],
    )
    bench.build("marts.source_domains")
    row = bench.row("select domain, fact_count, entity_count, company_count from marts.source_domains")
    assert tuple(row.values()) == ("social.example", 2000, 2000, 2000)


def test_freshness_tells_what_is_still_on_its_way(bench: Bench) -> None:
    bench.entity("c", {}, updated_at=NOW)
    bench.run("r", {("entity", "created"): ["c", "d", "e"]})
    bench.con.execute("update linkt.run_resources set state = 'pending' where resource_id = 'd'")
    bench.con.execute("update linkt.run_resources set state = 'missing' where resource_id = 'e'")
    bench.build("marts.data_freshness")
    row = bench.row(
        "select row_count, newest_at, open_count, lost_count from marts.data_freshness where dataset = 'entities'"
    )
    assert tuple(row.values()) == (1, NOW.replace(tzinfo=None), 1, 1)


def test_the_newest_icp_and_sheet_is_when_linkt_changed_it_not_when_it_was_fetched(bench: Bench) -> None:
    for day in (1, 2):
        bench.put("icps", icp_id=f"i{day}", updated_at=NOW - timedelta(days=day), fetched_at=NOW)
    bench.put("sheets", sheet_id="s", fetched_at=NOW)
    bench.build("marts.data_freshness")
    found = bench.rows(
        "select dataset, newest_at, last_landed_at from marts.data_freshness "
        "where dataset in ('icps', 'sheets') order by 1"
    )
    now = NOW.replace(tzinfo=None)
    assert [tuple(row.values()) for row in found] == [("icps", now - timedelta(days=1), now), ("sheets", None, now)]
