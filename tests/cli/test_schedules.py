"""``schedules``: what Linkt starts by itself in the rest of the month, and what that will probably cost."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from linkt_pipeline.api import Schedule
from linkt_pipeline.cli.main import run_command
from linkt_pipeline.cli.schedules import _print, starts_left
from linkt_pipeline.sandbox import Sandbox

NOW = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "status", "left"),
    [
        ("0 9 * * *", "active", 2),  # the 29th and the 30th
        ("0 7 * * *", "active", 1),
        ("0 7 1 * *", "active", 0),
        ("* * * * *", "active", 2399),
        ("0 9 * * *", "paused", 0),
        ("0 9 * * *", "disabled", 0),
        ("0 9 * * *", "somehow", None),
        ("every day", "active", None),
        ("0 9 31 2 *", "active", None),
        (None, "active", None),
    ],
)
def test_starts_are_counted_to_the_end_of_the_month_or_unknown(cron, status, left):
    assert starts_left(cron, status, NOW) == left


def test_credits_are_starts_times_the_expected_cost_and_unknown_is_said(capsys):
    daily = {"cron_expression": "0 9 * * *", "status": "active"}
    found = [
        Schedule.model_validate({"id": "s1", "name": "Daily", "task_id": "T1", **daily}),
        Schedule.model_validate({"id": "s2", "name": "New", "task_id": "t2", **daily}),
    ]
    _print(found, {"t1": "mine"}, {"T1": 12.5, "t2": None}, NOW)
    out = capsys.readouterr().out
    assert [line.split()[-3:] for line in out.splitlines() if "0 9 * * *" in line] == [
        ["2", "12.5", "25"],
        ["2", "unknown", "unknown"],
    ]
    assert "mine" in out
    assert out.splitlines()[-1].endswith(": 25 credits; the cost of 1 more schedule is unknown")


def test_the_count_of_schedules_of_unknown_cost_is_in_the_plural_where_there_are_several(capsys):
    daily = {"cron_expression": "0 9 * * *", "status": "active"}
    _print([Schedule.model_validate({"id": name, "task_id": name, **daily}) for name in ("t1", "t2")], {}, {}, NOW)
    assert capsys.readouterr().out.splitlines()[-1].endswith(": 0 credits; the cost of 2 more schedules is unknown")


def test_the_list_comes_from_linkt_by_reads_alone(
    api: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"API_KEY": api.api_key, "BASE_URL": api.url, "DATA_DIR": str(tmp_path / "data")}.items():
        monkeypatch.setenv(f"LINKT_{name}", value)
    assert run_command(["schedules"]) == 0
    assert "Weekly SaaS" in capsys.readouterr().out
    assert (api.world.requests.count("list_schedules"), api.world.requests.count("execute")) == (1, 0)
