"""A world with a folder goes on where it was, also after SIGKILL; one process at a time serves it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from linkt_pipeline.sandbox import ensure_sandbox, find_sandbox, running_sandbox, stop_sandbox
from linkt_pipeline.sandbox.errors import SandboxError
from linkt_pipeline.sandbox.process.command import sandbox_command
from linkt_pipeline.sandbox.world.reference_data import SAAS, SEARCH_TASK
from tests.sandbox.driving import execute, finished, wait_until

KEY = {"x-api-key": "sk-sandbox"}


@contextlib.contextmanager
def client(url: str):
    with httpx.Client(base_url=url, headers=KEY, timeout=10) as http:
        yield http


def test_a_second_start_continues_the_story(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, speed=50) as sandbox, client(sandbox.url) as http:
        run = finished(http, execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 3}))
        entities = http.get("/v1/entity?page_size=100").json()
        linked = next(item for item in entities["entities"] if item["external_source"] == "salesforce")
        carriers = http.get("/v1/entity", params={"external_id": linked["external_id"]}).json()
        assert linked in carriers["entities"]

    with running_sandbox(tmp_path, speed=50) as sandbox, client(sandbox.url) as http:
        assert http.get("/v1/entity", params={"external_id": linked["external_id"]}).json() == carriers
        assert http.get(f"/v1/run/{run['id']}").json() == run
        assert http.get("/v1/entity?page_size=100").json() == entities
        again = finished(http, execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 3}))
        assert not set(again["output"]["resources"]["entities_created"]) & {item["id"] for item in entities["entities"]}


def test_a_run_that_was_under_way_is_carried_on(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, faults=["run_life=0.6"]) as sandbox, client(sandbox.url) as http:
        run_id = execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 4})
        wait_until(lambda: http.get(f"/v1/run/{run_id}").json()["status"] == "RUNNING")
    time.sleep(0.6)

    with running_sandbox(tmp_path) as sandbox, client(sandbox.url) as http:
        run = http.get(f"/v1/run/{run_id}").json()
        assert run["status"] == "COMPLETED"
        named = run["output"]["resources"]["entities_created"]
        assert {http.get(f"/v1/entity/{key}").status_code for key in named} == {200}


def test_a_new_world_can_look_back_on_weeks_of_scheduled_runs(tmp_path: Path) -> None:
    for _ in range(2):  # the second start must not live through them again
        with running_sandbox(tmp_path, history_weeks=4, faults=["failed_run"]) as sandbox, client(sandbox.url) as http:
            page = http.get("/v1/run?page_size=100").json()
            signals = http.get("/v1/signal?days=90&page_size=100").json()["signals"]

            assert page["total"] == 12
            assert {run["status"] for run in page["runs"]} == {"COMPLETED"}
            weeks = {(time.time() - int(run["id"][:8], 16)) // (7 * 86_400) for run in page["runs"]}
            assert weeks == {0, 1, 2, 3}
            assert len(signals) > 12
            assert any(run["output"]["resources"]["entities_updated"] for run in page["runs"])


def test_a_file_that_is_no_world_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "sandbox.sqlite").write_text("not a database, and long enough to be looked at" * 50)

    with pytest.raises(SandboxError, match=r"sandbox\.sqlite can't be read.*Delete it"), running_sandbox(tmp_path):
        pass


@pytest.mark.slow
def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    url = ensure_sandbox(tmp_path, arguments=["--speed", "10"])
    with client(url) as http:
        runs = {execute(http, SEARCH_TASK, icp_id=SAAS) for _ in range(5)}
    os.kill(json.loads((tmp_path / "sandbox.json").read_text())["pid"], signal.SIGKILL)
    wait_until(lambda: find_sandbox(tmp_path) is None)

    try:
        again = ensure_sandbox(tmp_path)
        assert again == url  # the same port, so clients made before still work
        with client(again) as http:
            assert {run["id"] for run in http.get("/v1/run").json()["runs"]} == runs
    finally:
        stop_sandbox(tmp_path)


@pytest.mark.slow
def test_callers_that_come_at_once_start_one_sandbox(tmp_path: Path) -> None:
    try:
        with ThreadPoolExecutor(4) as pool:
            urls = set(pool.map(lambda _: ensure_sandbox(tmp_path), range(4)))
        assert len(urls) == 1
    finally:
        stop_sandbox(tmp_path)
    assert find_sandbox(tmp_path) is None
    stop_sandbox(tmp_path)  # nothing to stop is no error


@pytest.mark.slow
def test_it_stops_by_itself_when_nobody_uses_it(tmp_path: Path) -> None:
    url = ensure_sandbox(tmp_path, idle_minutes=0.01)

    def gone() -> bool:
        try:
            httpx.get(f"{url}/v1/run", headers=KEY)
        except httpx.ConnectError:
            return True
        except httpx.TransportError:  # it may go while it answers; then the next request finds nobody
            return False
        time.sleep(1)
        return False

    wait_until(gone, 15)


@pytest.mark.slow
def test_it_stops_by_itself_when_its_folder_is_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    url = ensure_sandbox(folder)

    shutil.rmtree(folder)

    def gone() -> bool:
        try:
            httpx.get(f"{url}/_sandbox/health")
        except httpx.TransportError:  # it may go while it answers
            return True
        return False

    wait_until(gone, 10)


@pytest.mark.slow
def test_a_folder_that_is_being_served_is_refused_to_a_second_process(tmp_path: Path) -> None:
    ensure_sandbox(tmp_path)
    try:
        arguments = [sys.executable, "-m", "linkt_pipeline.sandbox", "--port", "0", "--state-dir", str(tmp_path)]
        second = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    finally:
        stop_sandbox(tmp_path)

    assert second.returncode == 1
    assert "served by another sandbox already" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.slow
def test_the_command_serves_until_interrupted_and_says_how_to_use_it(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "linkt_pipeline.sandbox", "--port", "0", "--state-dir", str(tmp_path)]
    process = subprocess.Popen([*arguments, "--fault", "http_500@list_runs"], stdout=subprocess.PIPE, text=True)
    try:
        url = wait_until(lambda: find_sandbox(tmp_path), 20)
        with client(url) as http:
            assert [http.get("/v1/run").status_code for _ in range(2)] == [500, 200]
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=10)

    assert process.returncode == 0
    assert url in output
    assert SEARCH_TASK in output
    assert "curl" in output


def test_wrong_use_of_the_command_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    runner = CliRunner()

    unknown = runner.invoke(sandbox_command, ["--port", "0", "--fault", "nonsense"])
    not_a_folder = runner.invoke(sandbox_command, ["--port", "0", "--state-dir", str(file / "below")])

    assert (unknown.exit_code, not_a_folder.exit_code) == (2, 1)
    assert "fault 'nonsense' is not known" in unknown.output
    assert "can't keep its data here" in not_a_folder.output


def test_the_faults_can_be_listed() -> None:
    output = CliRunner().invoke(sandbox_command, ["--list-faults"]).output

    assert "lost_reply" in output
    assert "NAME[=ARG]" in output
