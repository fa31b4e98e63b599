"""``sync`` where nothing is new: it says so, at once, and leaves everything as it is."""

import re
import time
from pathlib import Path

import pytest

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.main import run_command
from linkt_pipeline.collection.lander import Fetched
from linkt_pipeline.collection.refresh import Refreshed
from linkt_pipeline.errors import ConfigError
from tests.cli.command import SIGNALS

HEAVY = {"dagster", "polars", "sqlglot", "sqlalchemy", "starlette", "rich", "ruamel"}


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file but the one in which looks are counted."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != "idle.json"]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def test_an_idle_sync_says_nothing_new_writes_nothing_and_loads_nothing_heavy(live, api):
    first = live("sync")
    assert first.code == 0, first.err
    assert "published" in first.out
    before = files(live.folder / "data")
    api.world.requests.clear()

    live.forked = False
    ended = live("sync", PYTHONPROFILEIMPORTTIME="1")
    live.forked = True

    assert (ended.code, ended.out) == (0, "nothing new\n")
    assert files(live.folder / "data") == before
    assert api.world.requests.counts() == {"list_runs": 1}
    loaded = set(re.findall(r"^import time: .*\| +([a-z_]+)", ended.err, re.MULTILINE))
    assert "duckdb" in loaded
    assert loaded & HEAVY == set()

    api.world.execute(SIGNALS["task_id"], SIGNALS["icp_id"], {}, at=time.time() - 3600)
    landed = live("sync")
    assert re.search("^to do: run [0-9a-f]{24} has ended", landed.out, re.MULTILINE)
    assert re.search("^runs +1 landed", landed.out, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--since", "2026-01-01"], ["--retry-missing"]])
def test_what_is_asked_for_by_an_option_is_done_whatever_there_is_to_do(arguments, tmp_path, monkeypatch, capsys):
    def stop(_: Deployment) -> None:
        raise ConfigError("this is as far as it goes")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINKT_API_KEY", "sk-of-nobody")
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setattr(Deployment, "find_work", lambda _: None)
    monkeypatch.setattr(Deployment, "prepare_access", stop)

    assert run_command(["sync"]) == 0
    assert run_command(["sync", *arguments]) == 2
    assert "this is as far as it goes" in capsys.readouterr().err


def test_a_refresh_that_finds_nothing_is_told_and_leads_to_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINKT_API_KEY", "sk-of-nobody")
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setattr(Deployment, "find_work", lambda _: None)
    done = Refreshed(Fetched(pages=1200, reads=34), icps=3, failures=["ICP 5f: 403"], stopped="the day is over")
    monkeypatch.setattr(Deployment, "refresh", lambda _, log: done)

    assert run_command(["sync", "--refresh"]) == 0

    printed = capsys.readouterr()
    assert printed.out == (
        "refreshed      3 ICPs with 1,234 requests: 0 new, 0 changed, 0 deleted, 0 restored\nnothing new\n"
    )
    assert "warning: not refreshed: ICP 5f: 403" in printed.err
    assert "warning: the refresh goes on next time: the day is over" in printed.err
