"""A run that was paid for is used up when its rows are published: until then ``run`` finishes that and buys nothing."""

import pytest

from linkt_pipeline.sandbox import Sandbox
from tests.cli.command import SEARCH, TASKS_YAML, Command, kill_group, wait_until
from tests.cli.test_run import rows

pytestmark = pytest.mark.slow


def kill_at(command: Command, moment: str) -> None:
    """SIGKILL ``run search`` as soon as it prints that a step begins."""
    process = command.start("run", "search")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(moment):
            kill_group(process)
            return
    raise AssertionError(f"it ended before {moment!r}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "moment", ["collecting runs", "fetching entities", "building the SQL models", "publishing the snapshot"]
)
def test_a_command_killed_in_a_free_step_is_finished_by_the_same_command(live: Command, api: Sandbox, moment: str):
    kill_at(live, moment)

    again = live("run", "search")

    assert again.code == 0, again.err
    assert "nothing was bought" in again.out
    assert api.run_count() == 1
    (table_line,) = [line for line in again.out.splitlines() if line.startswith("search ")]
    assert "COMPLETED" in table_line, "the outcome that was owed is shown"
    (found,) = rows(
        live,
        "select (select count(*) from linkt.run_resources where state = 'pending') as pending, "
        "(select count(*) from linkt.runs) as runs, (select count(*) from marts.companies) as companies",
    )
    assert (found["pending"], found["runs"]) == (0, 1)
    assert found["companies"] > 0


@pytest.mark.timeout(240)
def test_what_is_published_is_used_up(live: Command, api: Sandbox):
    kill_at(live, "building the SQL models")
    assert live("run", "search").code == 0
    assert api.run_count() == 1

    assert live("run", "search").code == 0

    assert api.run_count() == 2


@pytest.mark.timeout(240)
def test_a_free_step_that_keeps_failing_has_an_exit_code_of_its_own_and_costs_nothing(live: Command, api: Sandbox):
    """A retry wrapper must not buy at each pass."""
    in_the_way = live.folder / "data" / "published" / "marts"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("no folder")

    for _ in range(2):
        ended = live("run", "search")
        assert ended.code == 3, ended.err
        assert "paid, but not all landed and published: the last run of search" in ended.err
        assert "linkt-pipeline run --again search" in ended.err
        assert not ended.has_traceback
    assert api.run_count() == 1
    assert live("run", "--again", "search").code == 3
    assert api.run_count() == 2

    in_the_way.unlink()
    mended = live("run", "search")
    assert mended.code == 0, mended.err
    assert api.run_count() == 2
    assert rows(live, "select count(*) as runs from linkt.runs") == [{"runs": 2}]


@pytest.mark.timeout(180)
def test_a_failed_run_whose_landing_was_killed_is_told_and_not_bought_again(live: Command, api: Sandbox):
    api.inject("failed_run=timeout")
    kill_at(live, "collecting runs")

    again = live("run", "search")

    assert again.code == 1
    assert "ended FAILED" in again.err
    assert api.run_count() == 1
    assert live("run", "search").code == 0
    assert api.run_count() == 2


@pytest.mark.timeout(180)
def test_a_renamed_task_adopts_the_run_of_its_old_name(live: Command, api: Sandbox):
    api.inject("run_life=6")
    process = live.start("run", "search")
    wait_until(lambda: api.run_count(SEARCH["task_id"]) == 1, "the start of a run")
    kill_group(process)
    (live.folder / "tasks.yaml").write_text(TASKS_YAML.replace("search:", "saas_companies:"))

    ended = live("run", "saas_companies")

    assert ended.code == 0, ended.err
    assert api.run_count() == 1
    assert rows(live, "select task_key, state from linkt.executions") == [
        {"task_key": "saas_companies", "state": "finished"}
    ]
