"""Start runs over plain HTTP and wait for them, always with a bound."""

import time
from collections.abc import Callable
from typing import Any

import httpx

TERMINAL = {"COMPLETED", "FAILED", "CANCELED", "CRASHED"}


def execute(http: httpx.Client, task_id: str, **body: Any) -> str:
    """Start a run; returns its id."""
    reply = http.post(f"/v1/task/{task_id}/execute", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()["run_id"]


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The first truthy value of ``condition``; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)
    return value


def finished(http: httpx.Client, run_id: str) -> dict[str, Any]:
    """The run, once it is terminal."""

    def terminal_run() -> dict[str, Any] | None:
        run = http.get(f"/v1/run/{run_id}").json()
        return run if run["status"] in TERMINAL else None

    return wait_until(terminal_run)
