"""After a lost reply: finding the one run that was started, among all that look like it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from linkt_pipeline.api import IncompleteListError, LinktClient, MalformedBodyError, Page, Run
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.errors import AmbiguousRunsError
from linkt_pipeline.executions.execute import Outcome, execute_tasks
from linkt_pipeline.executions.fit import Fit, fit_of
from linkt_pipeline.executions.reconcile import find_started_run
from linkt_pipeline.executions.start import start_or_adopt
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.values import Execution, ExecutionState, Intention
from linkt_pipeline.sandbox.world.records import RunRecord
from linkt_pipeline.sandbox.world.reference_data import FAIR, INGEST_TASK
from tests.api.raw_server import Request, answer
from tests.engines import WITH_EACH_ENGINE

from .front import Forward, changed, first_start, in_front
from .scene import TIMING, Scene, run, search


def started_elsewhere(scene: Scene, *, ago: float = 0.0, **changes: Any) -> RunRecord:
    """A run that the dashboard, a schedule or another key started."""
    task = search(**changes)
    return scene.sandbox.world.execute(task.task_id, task.icp_id, dict(task.parameters), at=time.time() - ago)


def start(scene: Scene, **changes: Any) -> Execution:
    async def work() -> Execution:
        async with scene.worker(timing=changes.pop("timing", TIMING)) as worker, worker.holding_leases():
            return await start_or_adopt(worker, search(**changes))

    return run(work())


def intention() -> Intention:
    task = search()
    return Intention(task.key, task.task_id, task.icp_id, task.parameters)


def bought(scene: Scene, *others: RunRecord) -> set[str]:
    """Runs that exist beside the others."""
    return set(scene.sandbox.world.runs) - {other.id for other in others}


# --- which run fits


def execution(**changes: Any) -> Execution:
    now = datetime.now(UTC)
    blank = dict.fromkeys(Execution.__dataclass_fields__)
    given = {"parameters": {"num_results": 2}, "icp_id": "icp", "task_key": "saas", "intended_at": now, **changes}
    return Execution(**{**blank, **given})  # type: ignore[arg-type]


FITS = [
    # What the API may make of a request {"icp_id": "icp", "parameters": {"num_results": 2}}
    ({"icp_id": "icp", "parameters": {"num_results": 2}}, Fit.SAME),
    ({"parameters": {"num_results": 2}}, Fit.SAME),
    ({"num_results": 2}, Fit.SAME),
    ({"icp_id": "icp", "num_results": 2}, Fit.SAME),
    ({"parameters": {"num_results": 2, "depth": "normal"}}, Fit.POSSIBLE),  # defaults added
    ({"parameters": {}}, Fit.POSSIBLE),
    ({"parameters": None}, Fit.POSSIBLE),
    ({"parameters": "num_results=2"}, Fit.POSSIBLE),
    ({"icp_id": "icp"}, Fit.POSSIBLE),
    ({}, Fit.POSSIBLE),
    (None, Fit.POSSIBLE),
    ({"parameters": {"num_results": "2"}}, Fit.POSSIBLE),  # rendered as text
    ({"parameters": {"num_results": 2.0}}, Fit.SAME),
    ({"parameters": {"num_results": 2, "filters": {"city": "Lyon"}}}, Fit.POSSIBLE),
    ({"parameters": {"num_results": 3}}, Fit.DIFFERENT),
    ({"parameters": {"num_results": None}}, Fit.DIFFERENT),
    ({"num_results": 3}, Fit.DIFFERENT),
]


@pytest.mark.parametrize(("given", "fit"), FITS)
def test_only_what_contradicts_the_request_rules_a_run_out(given: dict[str, Any] | None, fit: Fit) -> None:
    listed = Run.model_validate({"id": "r1", "status": "RUNNING", "icp_id": "icp", "input": given})

    assert fit_of(execution(), listed) is fit


@pytest.mark.parametrize(
    ("asked", "has", "fit"),
    [
        ("icp", "other", Fit.DIFFERENT),
        ("icp", None, Fit.SAME),
        (None, "other", Fit.SAME),
        ("icp", "icp", Fit.SAME),
        ("icp", "ICP", Fit.SAME),
    ],
)
def test_a_run_for_another_icp_is_another_run(asked: str | None, has: str | None, fit: Fit) -> None:
    wire = {"id": "r1", "status": "RUNNING", "icp_id": has, "input": {"parameters": {"num_results": 2}}}

    assert fit_of(execution(icp_id=asked), Run.model_validate(wire)) is fit


def test_a_request_without_parameters_fits_an_empty_input() -> None:
    wire = {"id": "r1", "status": "RUNNING", "input": {"icp_id": "icp", "parameters": {}}}

    assert fit_of(execution(parameters={}), Run.model_validate(wire)) is Fit.SAME


# --- looking for it


def test_a_list_that_lags_is_asked_again(scene: Scene) -> None:
    scene.sandbox.inject("lost_reply")
    scene.sandbox.inject("lagging_list=0.5")

    started = start(scene, timing=replace(TIMING, settle=timedelta(seconds=3)))

    assert bought(scene) == {started.run_id}
    assert scene.posts() == 1
    assert scene.sandbox.world.requests.count("list_runs") > 1


@pytest.mark.parametrize("minutes", [-8, 8])
def test_a_clock_minutes_off_hides_no_run(scene: Scene, minutes: int) -> None:
    scene.sandbox.inject(f"clock_skew={minutes * 60}")
    scene.sandbox.inject("lost_reply")

    started = start(scene)

    assert bought(scene) == {started.run_id}
    assert scene.posts() == 1


def test_runs_of_the_same_task_with_other_parameters_are_not_taken(scene: Scene) -> None:
    others = [started_elsewhere(scene, parameters={"num_results": wanted}) for wanted in (1, 3, 25)]
    scene.sandbox.inject("lost_reply")

    started = start(scene)

    assert bought(scene, *others) == {started.run_id}
    assert scene.posts() == 1


def test_runs_of_other_tasks_are_not_taken(scene: Scene) -> None:
    other = started_elsewhere(scene, task_id=INGEST_TASK, icp_id=FAIR, parameters={})
    scene.sandbox.inject("lost_reply")

    started = start(scene)

    assert bought(scene, other) == {started.run_id}


def test_a_run_of_long_ago_is_not_taken(scene: Scene) -> None:
    old = started_elsewhere(scene, ago=3600)
    scene.sandbox.inject("http_500@execute")

    started = start(scene)

    assert bought(scene, old) == {started.run_id}
    assert scene.states() == ["lost", "started"]


@WITH_EACH_ENGINE
def test_a_run_that_the_ledger_knows_is_not_taken_twice(scene: Scene) -> None:
    """Two entries of tasks.yaml may share a Linkt task; the run of one is no answer for the other."""
    first = start(scene, key="first")
    scene.sandbox.inject("http_500@execute")

    second = start(scene, key="second")

    assert bought(scene) == {first.run_id, second.run_id}
    assert first.run_id != second.run_id


def test_the_exact_request_is_preferred_to_one_that_may_be_it(scene: Scene) -> None:
    vague = started_elsewhere(scene, parameters={})
    scene.sandbox.inject("lost_reply")

    started = start(scene)

    assert bought(scene, vague) == {started.run_id}


def test_defaults_added_by_the_server_do_not_hide_the_run(scene: Scene) -> None:
    given = {"num_results": 2, "desired_contact_count": 1, "language": "en"}
    theirs = started_elsewhere(scene, parameters=given)
    scene.sandbox.inject("http_500@execute")

    assert start(scene).run_id == theirs.id
    assert bought(scene, theirs) == set()


def test_an_input_that_the_list_leaves_out_is_read_from_the_run(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    other = started_elsewhere(scene, parameters={"num_results": 3})
    scene.sandbox.inject("lost_reply")

    async def work() -> Execution:
        async with scene.worker() as worker, worker.holding_leases():
            listing = worker.client.list_runs

            async def without_input(**filters: Any) -> Any:
                async for listed in listing(**filters):
                    yield listed.model_copy(update={"input": None})

            monkeypatch.setattr(worker.client, "list_runs", without_input)
            return await start_or_adopt(worker, search())

    started = run(work())

    assert bought(scene, other) == {started.run_id}
    assert scene.sandbox.world.requests.count("get_run") >= 2


def test_a_list_that_can_not_be_read_leaves_the_row_for_the_next_time(scene: Scene) -> None:
    scene.sandbox.inject("lost_reply")
    outage = scene.sandbox.inject("http_403@list_runs*0")

    (outcome,) = scene.execute(search())

    assert outcome.error is not None
    assert scene.states() == ["unknown"]
    outage.times = 0
    (outcome,) = scene.execute(search())
    assert outcome.succeeded
    assert (scene.posts(), scene.states()) == (1, ["finished"])


def looking_at(scene: Scene, monkeypatch: pytest.MonkeyPatch, change: Callable[[Page[Run]], Page[Run]]) -> Any:
    """Execute a task whose client sees every page of runs changed."""
    ask = LinktClient.list_runs_page

    async def changed(self: LinktClient, page: int = 1, **filters: Any) -> Page[Run]:
        return change(await ask(self, page, **filters))

    with monkeypatch.context() as patched:
        patched.setattr(LinktClient, "list_runs_page", changed)
        return scene.execute(search())[0].error


def unreadable_row(page: Page[Run]) -> Page[Run]:
    broken = MalformedBodyError("?", payload="{}", reason="no id")
    return replace(page, items=page.items[1:], malformed=(broken,) * bool(page.items))


def ending_early(page: Page[Run]) -> Page[Run]:
    return replace(page, items=page.items[: 1 - page.page])


def promising_more(page: Page[Run]) -> Page[Run]:
    return replace(page, items=page.items[1:])


@pytest.mark.parametrize("change", [unreadable_row, ending_early, promising_more])
def test_a_list_that_does_not_show_all_of_its_rows_gives_no_run_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, change: Callable[[Page[Run]], Page[Run]]
) -> None:
    """The run is among those it does not show."""
    scene.sandbox.inject("lost_reply")

    error = looking_at(scene, monkeypatch, change)

    assert isinstance(error, IncompleteListError)
    assert "linkt-pipeline adopt saas RUN_ID" in str(error)
    assert scene.states() == ["unknown"]
    assert scene.execute(search())[0].succeeded
    assert (scene.posts(), scene.states()) == (1, ["finished"])


def test_a_run_that_is_shown_counts_whatever_else_the_list_does_not_show(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.sandbox.inject("lost_reply")
    broken = MalformedBodyError("?", payload="{}", reason="no id")

    error = looking_at(scene, monkeypatch, lambda page: replace(page, malformed=(broken,)))

    assert error is None
    assert (scene.posts(), scene.states()) == (1, ["finished"])


def test_a_list_that_fails_between_its_pages_gives_no_run_up(scene: Scene) -> None:
    for _ in range(120):
        started_elsewhere(scene, parameters={"num_results": 3})
    scene.sandbox.inject("lost_reply")
    outage = scene.sandbox.inject("http_400@list_runs*0+1")

    (outcome,) = scene.execute(search())

    assert outcome.error is not None
    assert scene.states() == ["unknown"]
    outage.times = 0
    assert scene.execute(search())[0].succeeded
    assert scene.posts() == 1


def test_a_list_that_is_whole_again_before_the_window_closes_is_believed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.sandbox.inject("lost_reply")
    looks = iter([unreadable_row])

    assert looking_at(scene, monkeypatch, lambda page: next(looks, lambda same: same)(page)) is None
    assert scene.posts() == 1


@WITH_EACH_ENGINE
def test_the_window_of_a_takeover_begins_with_its_first_look(scene: Scene) -> None:
    """By the wall clock the last owner went long ago: it did, or the clock was set. The list lags either way."""
    left = scene.ledger.claim(intention(), Owner("crashed")).execution
    run_id = started_elsewhere(scene).id
    scene.sandbox.inject("lagging_list=0.5")
    scene.edit(
        "update linkt.executions set lease_owner = null, lease_until = ?, intended_at = ?",
        datetime.now(UTC) - timedelta(minutes=5),
        datetime.now(UTC) - timedelta(hours=1),
    )

    started = start(scene, timing=replace(TIMING, settle=timedelta(seconds=3)))

    assert (started.execution_id, started.run_id) == (left.execution_id, run_id)
    assert scene.posts() == 0


# --- a list that ignores its filters, or says too little


def execute_behind(scene: Scene, change: Callable[[dict[str, Any]], object], *, works: bool) -> Outcome:
    """Execute a task whose first reply is lost, by a list that ignores every filter and whose runs are changed."""
    start_rule = first_start(answer(b"", 502), works=works)

    async def rule(request: Request, forward: Forward) -> bytes:
        if not request.path.startswith("/v1/run"):
            return await start_rule(request, forward)
        reply = await forward(request.path)
        return changed(reply, lambda body: [change(row) for row in _rows(body)])

    async def work() -> Outcome:
        async with in_front(scene, rule) as server, scene.worker(url=server.url) as worker:
            return (await execute_tasks(worker, [search()]))[0]

    return run(work())


def _rows(body: dict[str, Any]) -> list[dict[str, Any]]:
    for row in body.get("runs", []):
        row["listed"] = True
    return body.get("runs", [body])


def unchanged(row: dict[str, Any]) -> None:
    """As the sandbox shows it."""


@pytest.mark.parametrize("works", [True, False])
def test_a_strangers_run_in_the_list_is_not_taken(scene: Scene, works: bool) -> None:
    strangers = [
        started_elsewhere(scene, task_id=INGEST_TASK),
        started_elsewhere(scene, task_id=INGEST_TASK, icp_id=FAIR, parameters={}),
        started_elsewhere(scene, ago=3600),
    ]

    outcome = execute_behind(scene, unchanged, works=works)

    assert outcome.succeeded, outcome.error
    assert bought(scene, *strangers) == {outcome.run.id if outcome.run else None}


def test_a_run_that_is_listed_in_two_spellings_is_one(scene: Scene) -> None:
    async def rule(request: Request, forward: Forward) -> bytes:
        if request.path != "/v1/run":
            return await start_rule(request, forward)
        return changed(await forward(), lambda body: body["runs"].extend(in_capitals(body["runs"])))

    def in_capitals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "id": row["id"].upper()} for row in rows]

    async def work() -> Outcome:
        async with in_front(scene, rule) as server, scene.worker(url=server.url) as worker:
            return (await execute_tasks(worker, [search()]))[0]

    start_rule = first_start(answer(b"", 502), works=True)
    outcome = run(work())

    assert outcome.succeeded, outcome.error
    assert [row.run_id for row in scene.rows()] == list(scene.sandbox.world.runs)


def test_a_list_that_leaves_the_task_out_is_completed_by_the_single_read(scene: Scene) -> None:
    stranger = started_elsewhere(scene, task_id=INGEST_TASK)

    def leave_out(row: dict[str, Any]) -> None:
        if "listed" in row:
            row["task_id"] = None

    outcome = execute_behind(scene, leave_out, works=True)

    assert outcome.succeeded, outcome.error
    assert bought(scene, stranger) == {outcome.run.id if outcome.run else None}


@pytest.mark.parametrize(
    "unsaid",
    [{"task_id": None}, {"created_at": None}, {"created_at": None, "id": "run_1"}],
    ids=["no task", "no time, and an id of another time", "no time, and an id that tells none"],
)
def test_a_run_that_may_be_a_strangers_is_for_a_person_to_decide(scene: Scene, unsaid: dict[str, str | None]) -> None:
    """Taking it could wait for a stranger's run; starting another could pay twice."""
    ago = 3600.0 if "created_at" in unsaid else 0.0
    stranger = started_elsewhere(scene, ago=ago, **({} if ago else {"task_id": INGEST_TASK}))

    outcome = execute_behind(scene, lambda row: row.update(unsaid), works=False)

    assert isinstance(outcome.error, AmbiguousRunsError)
    assert "1 run, which may be another start's" in str(outcome.error)
    assert (unsaid.get("id") or stranger.id) in str(outcome.error)
    assert (scene.states(), scene.posts()) == (["unknown"], 0)


def test_a_run_whose_time_its_id_contradicts_is_for_a_person_to_decide(scene: Scene) -> None:
    """A list in local time without a zone shows a run of just now as one of hours ago."""
    hours_off = (datetime.now(UTC) - timedelta(hours=5, minutes=30)).isoformat()

    outcome = execute_behind(scene, lambda row: row.update(created_at=hours_off), works=True)

    assert isinstance(outcome.error, AmbiguousRunsError)
    assert (scene.states(), scene.posts()) == (["unknown"], 1)


def test_a_run_of_ours_whose_id_can_not_be_used_stops_with_the_reason(scene: Scene) -> None:
    outcome = execute_behind(scene, lambda row: row.update(id="../task/x"), works=True)

    assert isinstance(outcome.error, IncompleteListError)
    assert "'../task/x'" in str(outcome.error)
    assert (scene.states(), scene.posts()) == (["unknown"], 1)


# --- several that fit


def two_that_fit(scene: Scene) -> tuple[RunRecord, RunRecord]:
    scene.sandbox.inject("lost_reply")
    other = started_elsewhere(scene)
    (outcome,) = scene.execute(search())
    assert isinstance(outcome.error, AmbiguousRunsError)
    (own,) = (record for record in scene.sandbox.world.runs.values() if record.id != other.id)
    return own, other


# --- whose run is it


def both_replies_lost(scene: Scene, *, made: tuple[bool, bool]) -> tuple[Any, Any]:
    """Two entries of one Linkt task, A without parameters and B with, whose processes died before the replies."""
    gone = Owner("elsewhere/1/2/3")
    for key, parameters, exists in (("a", {}, made[0]), ("b", {"num_results": 2}, made[1])):
        task = search(key=key, parameters=parameters)
        wanted = Intention(key, task.task_id, task.icp_id, task.parameters)
        row = scene.ledger.claim(wanted, gone).execution
        scene.ledger.mark_unknown(row.execution_id, gone, error="no reply")
        if exists:
            started_elsewhere(scene, parameters=parameters)
    scene.ledger.release(gone)
    return search(key="a", parameters={}), search(key="b")


@pytest.mark.parametrize("made", [(True, True), (False, True), (True, False), (False, False)])
def test_of_two_starts_of_one_task_each_gets_its_own_run(scene: Scene, made: tuple[bool, bool]) -> None:
    a, b = both_replies_lost(scene, made=made)

    outcomes = scene.execute(a, b)

    assert all(outcome.succeeded for outcome in outcomes)
    assert scene.sandbox.run_count() == 2
    rows = {row.task_key: row for row in scene.rows() if row.run_id}
    inputs = {record.id: dict(record.input).get("parameters") for record in scene.sandbox.world.runs.values()}
    assert {key: inputs[str(row.run_id)] or {} for key, row in rows.items()} == {"a": {}, "b": {"num_results": 2}}


def test_a_request_without_parameters_asks_before_it_takes_a_run_that_has_some(scene: Scene) -> None:
    """Such a run may be anybody's; and Linkt may have added defaults."""
    theirs = started_elsewhere(scene, parameters={"num_results": 25})
    scene.sandbox.inject("http_500@execute")
    task = search(parameters={})

    (outcome,) = scene.execute(task)

    assert isinstance(outcome.error, AmbiguousRunsError)
    assert outcome.error.candidates[0].startswith(theirs.id)
    assert "linkt-pipeline adopt saas --none" in str(outcome.error)
    scene.ledger.deny(Intention(task.key, task.task_id, task.icp_id, task.parameters))
    assert scene.execute(task)[0].succeeded
    assert len(bought(scene, theirs)) == 1


def test_a_run_that_fits_two_starts_equally_well_is_asked_about(scene: Scene) -> None:
    scene.sandbox.inject("http_500@execute*2")
    started_elsewhere(scene, parameters={"num_results": 2, "city": "Lyon", "language": "en"})

    outcomes = scene.execute(
        search(key="a", parameters={"num_results": 2}), search(key="b", parameters={"num_results": 2, "city": "Lyon"})
    )

    assert [type(outcome.error) for outcome in outcomes] == [AmbiguousRunsError] * 2
    assert scene.sandbox.run_count() == 1


def test_a_run_that_is_there_can_be_denied_only_while_it_is_unclear(scene: Scene) -> None:
    scene.execute(search())

    with pytest.raises(LinktPipelineError, match="no start whose reply was lost"):
        scene.ledger.deny(intention())


def test_several_that_fit_stop_with_a_list_and_the_command(scene: Scene) -> None:
    scene.sandbox.inject("lost_reply")
    other = started_elsewhere(scene)

    (outcome,) = scene.execute(search())

    assert isinstance(outcome.error, AmbiguousRunsError)
    message = str(outcome.error)
    assert "linkt-pipeline adopt saas RUN_ID" in message
    assert all(run_id in message for run_id in scene.sandbox.world.runs)
    assert other.id in message
    (row,) = scene.rows()
    assert (row.state, row.lease_owner) == (ExecutionState.UNKNOWN, None)
    assert row.last_error == message


def test_while_several_fit_nothing_is_started(scene: Scene) -> None:
    two_that_fit(scene)

    (outcome,) = scene.execute(search())

    assert isinstance(outcome.error, AmbiguousRunsError)
    assert (scene.posts(), scene.sandbox.run_count()) == (1, 2)


@WITH_EACH_ENGINE
def test_the_run_that_a_person_chose_is_waited_for_and_landed(scene: Scene) -> None:
    own, _ = two_that_fit(scene)
    task = search()
    scene.ledger.adopt(Intention(task.key, task.task_id, task.icp_id, task.parameters), own.id)

    (outcome,) = scene.execute(task)

    assert outcome.succeeded
    assert (outcome.run.id if outcome.run else None) == own.id
    assert (scene.posts(), scene.sandbox.run_count()) == (1, 2)
    assert scene.query("select run_id from linkt.runs") == [(own.id,)]


def test_the_search_ends_with_the_settle_window(scene: Scene) -> None:
    now = datetime.now(UTC)

    async def work() -> tuple[Run | None, float]:
        async with scene.worker() as worker:
            row = execution(execution_id="e", task_id=search().task_id, icp_id=None, intended_at=now)
            begun = asyncio.get_running_loop().time()
            found = await find_started_run(worker, row, datetime.now(UTC))
            return found, asyncio.get_running_loop().time() - begun

    found, seconds = run(work())

    assert found is None
    assert seconds >= TIMING.settle.total_seconds() * 0.9
    assert 2 <= scene.sandbox.world.requests.count("list_runs") <= 8
