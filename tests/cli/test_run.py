"""``run`` and ``sync`` against a Linkt API over HTTP, each in a process of its own, as cron or a person starts them."""

import json
import os
import re
import signal
import time

import dagster as dg
import httpx
import pytest
from dagster._core.test_utils import create_run_for_test

from linkt_pipeline.sandbox import Sandbox
from tests.cli.command import SEARCH, SIGNALS, Command, kill_group, wait_until

pytestmark = pytest.mark.slow


def dagster_runs(command: Command) -> list[dg.DagsterRun]:
    """The Dagster runs of the deployment, newest first."""
    with dg.DagsterInstance.from_config(str(command.folder / "data")) as instance:
        return list(instance.get_runs())


def rows(command: Command, sql: str) -> list[dict]:
    ended = command("query", sql, "--format", "json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def start_elsewhere(api: Sandbox, task: dict[str, str]) -> str:
    """Start a run as the Linkt dashboard would; gives its id."""
    reply = httpx.post(
        f"{api.url}/v1/task/{task['task_id']}/execute",
        headers={"x-api-key": api.api_key},
        json={"icp_id": task["icp_id"], "parameters": {}},
        timeout=10,
    )
    return str(reply.json()["run_id"])


def test_run_executes_lands_and_publishes(live, api):
    ended = live("run", "search", "signals")

    assert ended.code == 0, ended.err
    assert "\x1b" not in ended.out
    assert [line.split()[1] for line in ended.out.splitlines() if line.startswith(("search ", "signals "))] == [
        "COMPLETED",
        "COMPLETED",
    ]
    assert api.run_count(SEARCH["task_id"]) == api.run_count(SIGNALS["task_id"]) == 1
    assert rows(live, "select count(*) as n from marts.companies")[0]["n"] > 0

    (run,) = dagster_runs(live)
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert run.job_name == "execute_and_publish"
    with dg.DagsterInstance.from_config(str(live.folder / "data")) as instance:
        partitions = instance.get_materialized_partitions(dg.AssetKey(["linkt", "executions"]))
    assert partitions == {"search", "signals"}

    status = json.loads(live("status", "--json").out)
    assert status["open_executions"] == []
    assert status["resources"]["entity"]["pending"] == 0
    assert {row["task"] for row in status["credits_this_month"]} == {"search", "signals"}
    assert status["api_today"]["requests"] == sum(row["requests"] for row in status["api_today"]["endpoints"]) > 0
    assert status["snapshot_as_of"]
    assert status["last_sync"]


def test_a_failed_run_exits_1_says_what_to_do_and_lands_the_others(live, api):
    api.inject(f"failed_run=invalid_configuration@execute:{SEARCH['task_id']}")
    ended = live("run", "--all")

    assert ended.code == 1
    assert not ended.has_traceback
    assert "task search" in ended.err
    assert "What to do:" in ended.err
    assert "linkt-pipeline ui" in ended.err
    landed = rows(live, "select status, task_key from staging.runs order by task_key")
    assert [row["task_key"] for row in landed] == ["search", "signals"]
    assert rows(live, "select count(*) as n from marts.signal_feed")[0]["n"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupt_leaves_the_run_going_and_the_next_command_adopts_it(live, api, number):
    api.inject("run_life=8")
    process = live.start("run", "search")
    wait_until(lambda: api.run_count() == 1, "the start of a run")
    wait_until(lambda: "RUNNING" in (process.stdout.readline() if process.stdout else ""), "a look at the run")
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "go on and are adopted next time" in err
    assert "Traceback" not in err
    assert dagster_runs(live)[0].is_finished
    (waiting,) = json.loads(live("status", "--json").out)["open_executions"]
    assert waiting["task"] == "search"

    ended = live("run", "search")
    assert ended.code == 0, ended.err
    assert "adopted run" in ended.out
    assert api.run_count() == 1


@pytest.mark.parametrize("seconds", [1.5, 2.5])
def test_a_storm_of_interrupts_ends_in_one_line(live, seconds):
    process = live.start("sync")
    time.sleep(seconds)  # wherever that finds it: while it loads, in a query, in Dagster's history
    for _ in range(20):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.01)
    _, err = process.communicate(timeout=60)

    assert process.returncode in (130, 0, -signal.SIGINT)  # it may have been done, or not yet be Python of ours
    assert "Traceback" not in err
    assert "mistake in linkt-pipeline" not in err
    assert live("sync").code == 0


@pytest.mark.parametrize("name", ["history/runs.db", "schedules/schedules.db"])
def test_a_damaged_history_of_dagster_is_named_and_holds_no_rows(live, name):
    assert live("sync").code == 0
    damaged = live.folder / "data" / name
    damaged.write_bytes(b"no database at all" * 100)
    ended = live("sync", "--retry-missing")

    assert ended.code == 1
    assert not ended.has_traceback
    assert f"Dagster's history in {live.folder / 'data'} can't be used: file is not a database" in ended.err
    for folder in ("history", "schedules"):  # as the message advises
        (live.folder / "data" / folder).rename(live.folder / folder)
    assert live("sync", "--retry-missing").code == 0


def test_a_killed_command_is_cleaned_up_after_by_the_next_one(live, api):
    api.inject("run_life=4")
    process = live.start("run", "search")
    wait_until(lambda: api.run_count() == 1, "the start of a run")
    kill_group(process)

    ended = live("run", "search")
    assert ended.code == 0, ended.err
    assert api.run_count() == 1
    after, killed = dagster_runs(live)
    assert after.status is dg.DagsterRunStatus.SUCCESS
    assert killed.status is dg.DagsterRunStatus.FAILURE


def test_a_command_deletes_runs_of_dagster_that_are_old(live):
    assert live("sync").code == 0
    with dg.DagsterInstance.from_config(str(live.folder / "data")) as instance:
        [latest] = instance.get_runs()
        old = create_run_for_test(instance, job_name=latest.job_name, status=latest.status, tags=latest.tags).run_id
        with instance.run_storage.connect() as con:
            con.exec_driver_sql("update runs set update_timestamp = '2001-01-01 00:00:00' where run_id = ?", (old,))

    ended = live("sync", "--retry-missing")

    assert ended.code == 0, ended.err
    assert "note: old Dagster runs" not in ended.err
    found = {run.run_id for run in dagster_runs(live)}
    assert latest.run_id in found
    assert old not in found


def test_sync_collects_runs_started_elsewhere_and_buys_nothing(live, api):
    run_id = start_elsewhere(api, SIGNALS)
    wait_until(lambda: api.world.run_count() == 1, "the start of a run")

    told: list[str] = []

    def landed() -> bool:
        ended = live("sync")
        assert ended.code == 0, ended.err
        told.append(ended.out)
        return bool(rows(live, f"from linkt.runs where run_id = '{run_id}'"))

    wait_until(landed, "the landing of a run started elsewhere")
    assert api.run_count() == 1

    lines = dict(re.findall(r"^(\w+) {3,}(.+)$", told[-1], re.MULTILINE))
    (found,) = rows(live, "select count(*) as signals from linkt.signals")
    assert lines["runs"] == "1 landed"
    assert lines["entities"] == "0 landed, 0 missing, 0 rejected"
    assert lines["signals"] == "{signals} landed ({signals} new), 0 missing, 0 rejected".format(**found)
    assert found["signals"] > 0
    assert re.fullmatch(r"\d+ of \d+ rebuilt", lines["models"])
    assert lines["published"].startswith(str(live.folder / "data" / "published" / "warehouse.duckdb"))


def test_missing_and_rejected_ids_are_told_by_status(live, api):
    api.inject("missing_ids=2")
    api.inject("malformed_ids=1")
    assert live("run", "search").code == 0

    shown = live("status")
    assert shown.code == 0
    resources = json.loads(live("status", "--json").out)["resources"]
    assert sum(row["missing"] for row in resources.values()) == 2
    assert sum(row["rejected"] for row in resources.values()) == 1
    assert "sync --retry-missing" in shown.out
    assert "Rejected" in shown.out
    assert live("sync", "--retry-missing").code == 0


def test_an_adopted_run_is_waited_for_and_nothing_is_bought(live, api):
    run_id = start_elsewhere(api, SEARCH)
    adopted = live("adopt", "search", run_id)
    assert adopted.code == 0, adopted.err

    ended = live("run", "search")
    assert ended.code == 0, ended.err
    assert run_id in ended.out
    assert api.run_count() == 1


def test_queue_and_cancel(live, api):
    api.inject("run_life=60")
    run_id = start_elsewhere(api, SEARCH)
    wait_until(lambda: "processing" in live("queue", run_id).out, "work in the queue")
    part = live("queue", run_id, "--limit", "1", "--offset", "1").out
    assert re.search(r"queued \d\d:\d\d:\d\d", part)
    assert re.search(r"2 to 2 of \d+; --offset 2 shows more", part)

    cancelled = live("cancel", run_id)
    assert cancelled.code == 0, cancelled.err
    assert "CANCEL" in cancelled.out.upper()
    wait_until(lambda: "ended already" in live("cancel", run_id).out, "the end of the run", seconds=20)
