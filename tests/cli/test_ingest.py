"""``linkt-pipeline ingest`` as a user has it."""

import os
import signal

import pytest

from linkt_pipeline.sandbox import Sandbox
from tests.cli.command import Command, wait_until
from tests.cli.test_run import rows

FAIR = """\
tasks:
  fair:
    task_id: 6964b9f05a4d0beef1000032
    icp_id: 6964b84c5a4d0beef1000012
    poll_interval: 100ms
"""


@pytest.fixture
def fair(live: Command) -> Command:
    (live.folder / "tasks.yaml").write_text(FAIR)
    (live.folder / "fair.csv").write_text("company_name\nLarkspur Dynamics\nUnknown\nMoorgate Cranes\n")
    return live


def test_a_check_says_what_it_will_take_and_sends_nothing(fair: Command, api: Sandbox) -> None:
    checked = fair("ingest", "fair.csv", "--task", "fair", "--check")

    assert checked.code == 0, checked.err
    assert checked.out.splitlines() == [
        "fair.csv: 3 rows, 1 columns, primary column 'company_name'",
        "expected: about 3m 00s at a minute a row, and an unknown number of credits (no completed run of the task has "
        "stated its cost yet)",
    ]
    assert api.world.requests.count("upload_file") == 0


def test_a_file_that_can_t_be_ingested_is_wrong_usage(fair: Command, api: Sandbox) -> None:
    (fair.folder / "fair.csv").write_text("company_name;city\nLarkspur;Oslo\n")

    refused = fair("ingest", "fair.csv", "--task", "fair")

    assert refused.code == 2
    assert "separated by semicolons" in refused.err
    assert not refused.has_traceback
    assert api.world.requests.count("upload_file") == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_file_is_ingested_published_and_not_bought_twice(fair: Command, api: Sandbox) -> None:
    first = fair("ingest", "fair.csv", "--task", "fair", timeout=280)
    second = fair("ingest", "fair.csv", "--task", "fair", timeout=280)

    assert first.code == 0, first.out + first.err
    assert "bought now" in first.out
    assert second.code == 0, second.out + second.err
    assert "bought before; nothing was uploaded or bought again" in second.out
    assert api.run_count() == 1
    assert api.world.requests.count("upload_file") == 1
    (found,) = rows(fair, "select (select count(*) from linkt.undelivered) as owed, count(*) as n from marts.companies")
    assert found["owed"] == 0
    assert found["n"] >= 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_leaves_the_run_and_the_same_command_adopts_it(fair: Command, api: Sandbox) -> None:
    api.inject("run_life=8")
    process = fair.start("ingest", "fair.csv", "--task", "fair")
    wait_until(lambda: api.run_count() == 1, "the start of a run")
    wait_until(lambda: api.world.requests.count("get_run") > 1, "the wait for it")
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err

    again = fair("ingest", "fair.csv", "--task", "fair", timeout=280)

    assert again.code == 0, again.out + again.err
    assert api.run_count() == 1
    assert api.world.requests.count("cancel_run") == 0
