"""``run --launch`` where something is missing or goes wrong. With a real Dagster: end_to_end/test_command_beside_ui."""

import http.server
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import dagster as dg
import pytest

from linkt_pipeline.cli import launch
from linkt_pipeline.cli.dagster_run import FailedCheck, StepFailure
from linkt_pipeline.cli.dagster_web import DagsterWeb, Found, LogPage, RemoteAsset, RemoteJob, SilentServerError
from linkt_pipeline.cli.errors import HandOverError, NoDeploymentError, StoppedFollowing
from linkt_pipeline.cli.launch import RemoteDeployment
from linkt_pipeline.cli.logged_progress import read_event, tell_fetch
from linkt_pipeline.cli.progress import PlainProgress
from linkt_pipeline.collection.lander import Fetched
from linkt_pipeline.executions.events import Event, Note, RunAdopted, RunEnded, RunProgress, RunStarted
from linkt_pipeline.settings import Settings

JOB = RemoteJob("linkt_pipeline", "__repository__", "execute_and_publish")
PAID = RemoteAsset(("linkt", "executions"), ("search", "between", "news"), {"linkt/mode": "sandbox"})


class Web(DagsterWeb):
    """A web server that says what a test wants it to say."""

    found = Found([JOB], {}, takes_no_run=False)
    pages: ClassVar[list[LogPage | Exception]] = []
    launched: ClassVar[list[tuple[str, dict[str, str], dict[str, Any]]]] = []
    loses_reply: ClassVar[BaseException | None] = None
    shown: ClassVar[list[str | Exception | None]] = []

    def look_around(self) -> Found:
        return self.found

    def assets_of(self, job: RemoteJob) -> list[RemoteAsset]:
        return [RemoteAsset(("published", "snapshot"), (), {}), PAID]

    def launch(self, job, tags, run_config) -> str:
        self.launched.append((job.name, dict(tags), dict(run_config)))
        if self.loses_reply is not None:
            raise self.loses_reply
        return "r1"

    def first_run_tagged(self, key: str, value: str) -> str | None:
        assert self.launched[-1][1][key] == value
        found = self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]
        if isinstance(found, Exception):
            raise found
        return found

    def read_log(self, run_id: str, cursor: str | None) -> LogPage:
        page = self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]  # the last one stays
        if isinstance(page, Exception):
            raise page
        return page

    def is_blocking(self, asset, check: str) -> bool:
        return check == "key"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> type[Web]:
    monkeypatch.setattr(launch, "DagsterWeb", Web)
    for name, value in (
        ("found", Web.found),
        ("pages", []),
        ("launched", []),
        ("loses_reply", None),
        ("shown", [None]),
    ):
        monkeypatch.setattr(Web, name, value)
    return Web


def remote(url: str | None = "http://127.0.0.1:3000", **settings: Any) -> RemoteDeployment:
    return RemoteDeployment(Settings(dagster_url=url, use_sandbox=True, **settings), sleep=lambda seconds: None)


def page(status: str, *events: dict[str, Any], **tags: str) -> LogPage:
    return LogPage(
        status, events, None, has_more=False, tags={f"dagster/{name}": value for name, value in tags.items()}
    )


# --- nobody takes it


def test_without_an_address_it_says_where_one_comes_from(tmp_path):
    with pytest.raises(NoDeploymentError, match="Start `linkt-pipeline ui`, or set LINKT_DAGSTER_URL"):
        remote(None, data_dir=tmp_path)


def test_the_address_of_ui_is_taken(tmp_path, web):
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "ui.url").write_text("http://127.0.0.1:3999\n")
    assert remote(None, data_dir=tmp_path).tasks == PAID.partitions


def test_a_port_where_nobody_listens_is_told():
    with pytest.raises(NoDeploymentError, match=r"127\.0\.0\.1:9 does not answer: .* Nothing was launched"):
        remote("http://127.0.0.1:9")


@pytest.fixture
def something_else() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_that_is_no_dagster_is_told(something_else):
    with pytest.raises(NoDeploymentError, match="answers 501"):
        remote(something_else)


NOBODY = {
    "no daemon": (Found([JOB], {}, takes_no_run=True), "has no daemon that takes runs from its queue"),
    "no code": (Found([], {}, takes_no_run=False), "no code location .* has a job execute_and_publish; nothing was"),
    "broken": (
        Found([], {"linkt_pipeline": "Traceback\nConfigError: tasks.yaml, line 3"}, takes_no_run=False),
        "linkt_pipeline can't be loaded: ConfigError: tasks.yaml, line 3",
    ),
    "two": (Found([JOB, RemoteJob("b", "r", JOB.name)], {}, takes_no_run=False), "several .*: linkt_pipeline, b"),
}


@pytest.mark.parametrize(("found", "told"), NOBODY.values(), ids=NOBODY)
def test_a_deployment_that_takes_no_run(web, monkeypatch, found, told):
    monkeypatch.setattr(web, "found", found)
    monkeypatch.setattr(launch, "_DAEMON_SECONDS", 0)
    with pytest.raises(NoDeploymentError, match=told):
        remote()


# --- what is launched


def test_tasks_that_are_no_stretch_are_one_run_that_names_them(web):
    remote().execute(["news", "search"], again=True, over_budget=True)
    (name, tags, config) = web.launched[0]
    assert name == "execute_and_publish"
    assert tags["dagster/asset_partition_range_start"] == "search"
    assert tags["dagster/asset_partition_range_end"] == "news"
    assert tags["linkt/tasks"] == "search,news"
    assert config == {"ops": {"linkt__executions": {"config": {"again": True, "over_budget": True}}}}


def test_a_deployment_with_a_prefix_has_a_paid_step_of_its_own(web, monkeypatch):
    prefixed = RemoteAsset(("eu-west", *PAID.key), PAID.partitions, PAID.tags)
    monkeypatch.setattr(web, "assets_of", lambda self, job: [prefixed])
    step = dg.AssetKey(prefixed.key).to_python_identifier()
    deployment = remote()
    deployment.execute(["news"], again=True)
    assert web.launched[0][2] == {"ops": {step: {"config": {"again": True}}}}
    web.pages += [page("FAILURE", {**failure("x", "KeyError"), "stepKey": step}), page("FAILURE")]
    assert deployment.follow("r1", PlainProgress()).failures == (StepFailure(step, "x", "KeyError", is_paid=True),)


def test_what_a_failed_run_left_is_landed_on_its_behalf(web):
    remote().land("r1")
    (name, tags, _) = web.launched[0]
    assert (name, tags["linkt/asked_by"]) == ("sync_and_publish", "r1")


def test_a_launch_whose_reply_is_lost_is_found_by_its_tag(web, monkeypatch, capsys):
    monkeypatch.setattr(web, "loses_reply", SilentServerError("http://x does not answer"))
    monkeypatch.setattr(web, "shown", [SilentServerError("nor now"), None, "r7"])
    assert remote().execute(["news"], again=False) == "r7"
    assert capsys.readouterr().out == "handed to Dagster: http://127.0.0.1:3000/runs/r7\n"
    assert len(web.launched) == 1


def test_a_launch_that_nobody_knows_of_is_not_sent_again(web, monkeypatch):
    monkeypatch.setattr(web, "loses_reply", SilentServerError("http://x does not answer"))
    monkeypatch.setattr(launch, "_SEARCH_SECONDS", 0.1)
    with pytest.raises(HandOverError, match=r"does not answer\. Dagster may have launched the run: look at .*/runs"):
        remote().execute(["news"], again=False)
    assert len(web.launched) == 1


def test_an_interrupt_before_the_reply_says_that_a_run_may_go_on(web, monkeypatch):
    monkeypatch.setattr(web, "loses_reply", KeyboardInterrupt())
    with pytest.raises(StoppedFollowing, match=r"before the answer came\. Dagster may have launched the run"):
        remote().execute(["news"], again=False)


# --- how it goes


def failure(message: str, name: str, *causes: tuple[str, str], told: str | None = None) -> dict[str, Any]:
    chain = [{"message": text, "className": cause} for cause, text in causes]
    error = {"message": message, "className": name, "causes": chain}
    return {
        "__typename": "ExecutionStepFailureEvent",
        "message": "failed",
        "level": "ERROR",
        "stepKey": "linkt__executions",
        "error": error,
        "failureMetadata": {"description": told} if told else None,
    }


FAILURES = {
    "a failure says it": (
        failure("x", "Failure", told="task search: no credits"),
        "task search: no credits",
        None,
    ),
    "ours over what it was raised from": (
        failure("x", "Failure", ("WarehouseError", "p.E: close it"), ("OSError", "lock"), told="close it"),
        "close it",
        None,
    ),
    "the cause says it": (
        failure("dagster: while executing", "DagsterExecutionStepExecutionError", ("ValueError", "p.E: it is odd")),
        "it is odd",
        "ValueError",
    ),
    "nobody knows": (failure("x", "Wrapper", ("KeyError", "'a'")), "'a'", "KeyError"),
}


@pytest.mark.parametrize(("event", "message", "unforeseen"), FAILURES.values(), ids=FAILURES)
def test_a_failed_step_is_told_as_the_command_tells_its_own(web, event, message, unforeseen):
    web.pages += [page("STARTED"), page("FAILURE", event), page("FAILURE")]
    result = remote().follow("r1", PlainProgress())
    assert not result.succeeded
    assert result.failures == (StepFailure("linkt__executions", message, unforeseen, is_paid=True),)


def test_a_failed_check_says_whether_it_holds_anything_back(web):
    def evaluated(check: str, severity: str = "ERROR", *, success: bool = False) -> dict[str, Any]:
        key = {"path": ["marts", "companies"]}
        evaluation = {"assetKey": key, "checkName": check, "success": success, "severity": severity, "description": "d"}
        return {"__typename": "AssetCheckEvaluationEvent", "stepKey": "s", "evaluation": evaluation}

    events = evaluated("key"), evaluated("odd"), evaluated("warned", "WARN"), evaluated("fine", success=True)
    web.pages += [page("SUCCESS", *events), page("SUCCESS")]
    assert remote().follow("r1", PlainProgress()).failed_checks == (
        FailedCheck(("marts", "companies"), "key", "d", True),
        FailedCheck(("marts", "companies"), "odd", "d", False),
    )


def test_a_web_server_that_restarts_is_waited_for(web, capsys):
    line = {
        "__typename": "LogMessageEvent",
        "level": "INFO",
        "stepKey": "linkt__executions",
        "message": "a: started run r",
    }
    web.pages += [SilentServerError("no"), page("STARTED", line), SilentServerError("no"), page("SUCCESS")]
    assert remote().follow("r1", PlainProgress()).succeeded
    assert capsys.readouterr().out == "a: started run r\n"


def test_one_that_stays_away_is_given_up_and_the_run_is_not(web, monkeypatch):
    monkeypatch.setattr(launch, "_SILENCE_SECONDS", 0)
    web.pages += [SilentServerError("http://x does not answer")]
    with pytest.raises(HandOverError, match=r"for five minutes\. Dagster run r1 goes on in the deployment"):
        remote().follow("r1", PlainProgress())


def stopped(event: str = "RunFailureEvent") -> dict[str, Any]:
    return {"__typename": event, "message": "marked as failed from outside", "level": "ERROR", "stepKey": None}


def test_a_run_that_is_stopped_is_followed_where_dagster_executes_it_again(web, capsys):
    going_on = {"will_retry": "true", "auto_retry_run_id": "r2"}
    paid = {"__typename": "ExecutionStepSuccessEvent", "stepKey": "linkt__executions"}
    web.pages += [page("FAILURE", paid, stopped()), page("FAILURE", will_retry="true"), SilentServerError("no")]
    web.pages += [page("FAILURE", will_retry="true"), page("FAILURE", **going_on), page("STARTED"), page("SUCCESS")]
    result = remote().follow("r1", PlainProgress())
    assert (result.run_id, result.succeeded, result.failures, result.paid) == ("r2", True, (), True)
    assert result.page == "http://127.0.0.1:3000/runs/r2"
    assert "failed, and Dagster executes it again: http://127.0.0.1:3000/runs/r2" in capsys.readouterr().out


def test_a_run_that_is_stopped_and_not_executed_again_says_why(web):
    web.pages += [page("FAILURE", stopped(), will_retry="true"), page("FAILURE", will_retry="false")]
    assert remote().follow("r1", PlainProgress()).failures == (StepFailure("run", "marked as failed from outside"),)


def test_without_a_daemon_that_executes_it_again_the_linkt_runs_go_on(web, monkeypatch):
    monkeypatch.setattr(launch, "_SILENCE_SECONDS", 0)
    web.pages += [page("FAILURE", will_retry="true")]
    with pytest.raises(
        HandOverError, match=r"Dagster run r1 failed, and no daemon .* Linkt runs that it waited for go"
    ):
        remote().follow("r1", PlainProgress())


def test_a_run_that_somebody_terminates_is_told(web):
    web.pages += [page("CANCELED")]
    (told,) = remote().follow("r1", PlainProgress()).failures
    assert told.message == "the Dagster run r1 was terminated"


# --- lines that are events

EVENTS = [
    RunStarted("search", "r1", 1),
    RunStarted("search", "r1", 3),
    RunAdopted("my-task", "r1", "its earlier wait (of PID 3) was interrupted"),
    RunProgress("search", "", "RUNNING", timedelta(seconds=7)),
    RunProgress("search", "", "RUNNING", timedelta(hours=2, minutes=43), {"queued": 3, "completed": 1}),
    RunEnded("search", "", "COMPLETED", timedelta(minutes=3, seconds=5), 12.5, 4, 1, 0, succeeded=True),
    RunEnded("search", "", "FAILED", timedelta(seconds=0), None, 0, 0, 0, succeeded=False),
    Note("search", "the reply was lost after 3 tries", warning=True),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_back_from_its_line(event: Event):
    read = read_event(event.text, is_warning=event.is_warning)
    assert read is not None
    assert (type(read), read.text, read.is_warning) == (type(event), event.text, event.is_warning)


def test_fetching_is_read_back_from_its_line(capsys):
    fetched = Fetched(pending=10, landed=5, missing=1, failures=["a 502"])
    tell_fetch(PlainProgress(), f"entities: {fetched.text}")
    tell_fetch(PlainProgress(), "5 landed (5 new, 0 changed, 0 unchanged)")
    assert capsys.readouterr().out == "entities: 6 of 10 settled (5 landed, 1 missing, 1 failed for now)\n"
