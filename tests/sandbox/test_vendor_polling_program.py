"""The vendor page's own program runs against the sandbox: execute, look every N seconds until terminal, fetch by id.

Written from the page's description: one client, synchronous, 10 s between looks and 1,800 s in all (scaled
down here with the sandbox's clock), ``raise_for_status`` on every answer, no other error handling.
"""

import time

import httpx
import pytest

from linkt_pipeline.sandbox import Sandbox
from linkt_pipeline.sandbox.world.reference_data import (
    FAIR,
    INGEST_TASK,
    MONITOR,
    SAAS,
    SEARCH_TASK,
    SHEET_SIGNALS_TASK,
)

POLL_INTERVAL = 0.02
TIMEOUT = 3.6
TERMINAL_STATUSES = ("COMPLETED", "FAILED", "CANCELED", "CRASHED")


def execute_task(http: httpx.Client, task_id: str, icp_id: str) -> str:
    response = http.post(f"/v1/task/{task_id}/execute", json={"icp_id": icp_id, "parameters": {}})
    response.raise_for_status()
    return response.json()["run_id"]


def wait_for_completion(http: httpx.Client, run_id: str) -> dict:
    started = time.monotonic()
    while time.monotonic() - started < TIMEOUT:
        response = http.get(f"/v1/run/{run_id}")
        response.raise_for_status()
        run = response.json()
        if run["status"] in TERMINAL_STATUSES:
            return run
        time.sleep(POLL_INTERVAL)
    raise TimeoutError(run_id)


def fetch_results(http: httpx.Client, run: dict) -> tuple[list[dict], list[dict]]:
    resources = run["output"]["resources"]
    entities = [http.get(f"/v1/entity/{key}").raise_for_status().json() for key in resources["entities_created"]]
    signals = [http.get(f"/v1/signal/{key}").raise_for_status().json() for key in resources["signals_created"]]
    return entities, signals


@pytest.mark.parametrize(
    ("task_id", "icp_id"), [(SEARCH_TASK, SAAS), (INGEST_TASK, FAIR), (SHEET_SIGNALS_TASK, MONITOR)]
)
def test_the_vendors_program_completes(sandbox: Sandbox, http: httpx.Client, task_id: str, icp_id: str) -> None:
    run = wait_for_completion(http, execute_task(http, task_id, icp_id))
    entities, signals = fetch_results(http, run)

    assert run["status"] == "COMPLETED"
    assert run["output"]["credits"]["total_credits"] > 0
    named = run["output"]["resources"]["entities_created"] + run["output"]["resources"]["signals_created"]
    assert [item["id"] for item in entities + signals] == named
    assert named
    assert sandbox.world.requests.count("get_run") > 1


def test_one_bad_answer_while_waiting_ends_the_vendors_wait(sandbox: Sandbox, http: httpx.Client) -> None:
    """The weakness that the pipeline's own wait must not share."""
    sandbox.inject("http_503@get_run+1")
    run_id = execute_task(http, SEARCH_TASK, SAAS)

    with pytest.raises(httpx.HTTPStatusError):
        wait_for_completion(http, run_id)

    assert not sandbox.world.runs[run_id].terminal
