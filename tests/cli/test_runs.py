"""``runs``: those of the warehouse by every filter, and those that Linkt lists."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from linkt_pipeline.cli.main import run_command
from linkt_pipeline.sandbox import Sandbox
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.cli.command import SEARCH, SIGNALS

SEARCH_ID, NEWS_ID = SEARCH["task_id"], SIGNALS["task_id"]
FIRST = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five landed runs, an hour apart, and one that is being waited for."""
    folder = tmp_path_factory.mktemp("deployment")
    (folder / "tasks.yaml").write_text(f"tasks:\n  search: {{task_id: {SEARCH_ID}}}\n")
    with FileWarehouse(folder / "data" / "sandbox" / "warehouse.duckdb").write() as con:
        for number, (task, icp, kind, status) in enumerate(
            [
                (SEARCH_ID, "icp1", "search", "COMPLETED"),
                (SEARCH_ID, "icp2", "search", "cancelled"),
                (NEWS_ID, "icp1", "signal", "COMPLETED"),
                (SEARCH_ID.upper(), "icp1", "search", "FAILED"),
                (None, None, None, "CRASHED"),
            ]
        ):
            made = FIRST + timedelta(hours=number)
            con.execute(
                "insert into linkt.runs (run_id, task_id, icp_id, task_type, status, status_normalised, total_credits, "
                "created_at, updated_at, fetched_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
                [f"r{number}", task, icp, kind, status, "CANCELED" if status == "cancelled" else status, number + 0.5,
                 made, made + timedelta(minutes=10 - number)],
            )  # fmt: skip
        con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, icp_id, attempt, state, run_id, "
            "run_status, intended_at) values ('e', 'search', $1, 'icp2', 1, 'started', 'going', 'RUNNING', $2)",
            [SEARCH_ID, FIRST + timedelta(hours=9)],
        )
        con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, intended_at) "
            "values ('f', 'search', $1, 1, 'intended', $2)",
            [SEARCH_ID, FIRST],
        )
    return folder


@pytest.fixture
def ask(deployment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Ask in that folder; gives the exit code, stdout and stderr."""
    for name in ("LINKT_API_KEY", "LINKT_DATA_DIR", "LINKT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LINKT_USE_SANDBOX", "1")
    monkeypatch.chdir(deployment)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = run_command(["runs", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ("", "going r4 r3 r2 r1 r0"),
        ("--order asc", "r0 r1 r2 r3 r4 going"),
        ("--sort updated_at", "r4 r3 r2 r1 r0 going"),
        ("--sort status --order asc", "r1 r0 r2 r4 r3 going"),
        (f"--task {SEARCH_ID}", "going r3 r1 r0"),
        ("--icp icp1", "r3 r2 r0"),
        ("--icp icp1 --type search", "r3 r0"),
        ("--status canceled", "r1"),
        ("--status RUNNING", "going"),
        ("--type signal", "r2"),
        ("--created-after 2026-11-01T14:00", "going r4 r3 r2"),
        ("--created-before 2026-11-01T14:00Z", "r2 r1 r0"),
        ("--created-after 2026-11-01T13:30+01:00 --created-before 2026-11-01T14:30:00", "r2 r1"),
        ("--size 2", "going r4"),
        ("--size 2 --page 3", "r1 r0"),
        ("--size 2 --page 4", ""),
        ("--task nobody", ""),
    ],
)
def test_every_filter_of_the_list(ask, arguments: str, found: str) -> None:
    code, out, err = ask("--json", *arguments.split())
    listed = json.loads(out)
    assert code == 0, err
    assert [run["run_id"] for run in listed["runs"]] == found.split()
    assert "--size" not in arguments or listed["total"] == 6


def test_a_table_says_where_there_is_more(ask) -> None:
    code, out, _ = ask("--size", "2", "--page", "2")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert any(
        line.startswith(f"r3 {SEARCH_ID.upper()} search FAILED 2026-11-01 15:00 2026-11-01 15:07 3.5") for line in lines
    )
    assert lines[-1] == "3 to 4 of 6; --page 3 shows more"
    assert ask("--size", "2", "--page", "9")[1].strip().endswith("no run on page 9; 6 fit in all")


@pytest.mark.parametrize(
    "arguments", [["--status", "done"], ["--size", "101"], ["--created-after", "soon"], ["--page", "0"]]
)
def test_a_filter_that_can_not_be_is_wrong_usage(ask, arguments: list[str]) -> None:
    assert ask(*arguments)[0] == 2


def test_without_a_warehouse_it_says_what_makes_one(ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = ask()
    assert code == 1
    assert "--live asks Linkt" in err


def test_live_lists_what_linkt_has_also_what_goes_on(ask, api: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINKT_USE_SANDBOX")
    monkeypatch.setenv("LINKT_API_KEY", api.api_key)
    monkeypatch.setenv("LINKT_BASE_URL", api.url)
    api.inject("run_life=60")
    with httpx.Client(base_url=api.url, headers={"x-api-key": api.api_key}, timeout=10) as http:
        started = {
            task["task_id"]: http.post(
                f"/v1/task/{task['task_id']}/execute", json={"icp_id": task["icp_id"], "parameters": {}}
            ).json()["run_id"]
            for task in (SEARCH, SIGNALS)
        }
    code, out, err = ask("--live", "--json", "--task", "search", "--created-after", "2020-01-01", "--order", "asc")
    assert code == 0, err
    [run] = json.loads(out)["runs"]
    assert (run["run_id"], run["task"]) == (started[SEARCH_ID], "search")
    assert run["status"] in ("SCHEDULED", "PENDING", "RUNNING")
    _, out, _ = ask("--live", "--json", "--status", "completed")
    assert started[SEARCH_ID] not in {run["run_id"] for run in json.loads(out)["runs"]}
    _, out, _ = ask("--live", "--json", "--size", "1", "--page", "2")
    assert json.loads(out)["total"] == 2
    code, out, _ = ask("--live", "--type", "signal")
    assert (code, started[NEWS_ID] in out) == (0, True)
