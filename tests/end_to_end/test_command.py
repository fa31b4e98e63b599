"""The first minutes with the product: a demo, another one, questions in SQL, the UI."""

import json
import os
import re
import signal
import urllib.request
from dataclasses import dataclass, field

import psutil
import pytest

from linkt_pipeline.sandbox import find_sandbox, running_sandbox, stop_sandbox
from tests.cli.command import Command, Finished, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@dataclass
class FirstMinutes(Command):
    """A folder, and how the first demo in it went."""

    first: Finished = field(default_factory=lambda: Finished(-1, "", ""))


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory) -> FirstMinutes:
    """A folder in which the demo ran once."""
    command = FirstMinutes(tmp_path_factory.mktemp("first-minutes"))
    command.first = command("demo")
    assert command.first.code == 0, command.first.err
    return command


def rows(command: Command, sql: str) -> list[dict]:
    ended = command("query", sql, "--format", "json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_the_demo_shows_credits_companies_signals_and_where_things_are(demonstrated):
    out = demonstrated.first.out
    for part in ("Credits by task and action", "Companies", "Latest signals", "warehouse.duckdb", "linkt-pipeline ui"):
        assert part in out
    assert "sandbox mode" in demonstrated.first.err
    assert len(re.findall(r"COMPLETED +[\d.]+ ", out)) == 3
    assert "\x1b" not in out


def test_the_demo_leaves_no_process_behind(demonstrated):
    assert find_sandbox(demonstrated.folder / "data" / "sandbox" / "api") is None


def test_what_it_made_can_be_asked_and_its_status_seen(demonstrated):
    assert rows(demonstrated, "select count(*) as n from marts.companies")[0]["n"] >= 10
    assert rows(demonstrated, "select count(*) as n from marts.people where has_company")[0]["n"] > 0
    status = json.loads(demonstrated("status", "--json").out)
    assert status["sandbox"] is True
    assert status["open_executions"] == []


def test_a_second_demo_grows_the_history_whatever_the_environment_says(demonstrated):
    """A key and a host are set: not one request may go there."""
    before = rows(demonstrated, "select count(*) as runs, sum(total_credits) as credits from marts.run_history")[0]
    (demonstrated.folder / ".env").write_text("LINKT_API_KEY=sk-of-the-env-file\n")
    try:
        with running_sandbox(api_key="sk-real") as real:
            ended = demonstrated("demo", LINKT_API_KEY="sk-real", LINKT_BASE_URL=real.url)
            assert ended.code == 0, ended.err
            assert real.run_count() == 0
            assert list(real.world.requests.entries()) == []
    finally:
        (demonstrated.folder / ".env").unlink()
    after = rows(demonstrated, "select count(*) as runs, sum(total_credits) as credits from marts.run_history")[0]
    assert after["runs"] == before["runs"] + 3
    assert after["credits"] > before["credits"]
    assert rows(demonstrated, "select count(*) as n from marts.entity_changes")[0]["n"] > 0
    assert not (demonstrated.folder / "data" / "warehouse.duckdb").exists()


def graphql(url: str, query: str) -> dict:
    request = urllib.request.Request(
        f"{url}/graphql", json.dumps({"query": query}).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)["data"]


@pytest.mark.parametrize(
    ("number", "inherited"),
    [(signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_IGN)],
    ids=["Ctrl-C", "SIGTERM, started in the background of a script"],
)
def test_the_ui_shows_the_demos_runs_and_stops_without_a_trace(demonstrated, number, inherited):
    own = signal.signal(signal.SIGINT, inherited)
    try:
        process = demonstrated.start("ui")
    finally:
        signal.signal(signal.SIGINT, own)
    try:
        lines: list[str] = []
        wait_until(lambda: "Dagster UI: " in (lines.append(process.stdout.readline()) or lines[-1]), "the UI", 150)
        url = lines[-1].split()[2]
        assert url.startswith("http://127.0.0.1:")

        runs = graphql(url, "{ runsOrError(limit: 9) { ... on Runs { results { jobName status } } } }")
        assert {"jobName": "execute_and_publish", "status": "SUCCESS"} in runs["runsOrError"]["results"]
        locations = graphql(
            url, "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"
        )
        assert locations["workspaceOrError"]["locationEntries"] == [
            {"locationOrLoadError": {"__typename": "RepositoryLocation"}}
        ]
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        assert len(family) > 2
    finally:
        if number is signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, err = process.communicate(timeout=100)
        stop_sandbox(demonstrated.folder / "data" / "sandbox" / "api")
    assert process.returncode == 0, err
    assert "Traceback" not in err, err
    wait_until(lambda: not any(member.is_running() for member in family[1:]), "the end of Dagster's processes", 30)
