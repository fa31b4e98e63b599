"""Two hosts with a data folder each share a lake and a ledger: one run for one task, whoever starts it and dies.

Both are processes of this machine. That its processes can be told apart from another's is tested in tests/ledger.
"""

from pathlib import Path

import dagster as dg
import psycopg
import pytest

from linkt_pipeline.sandbox import Sandbox, running_sandbox
from tests.cli.command import TASKS_YAML, Command, kill_group, wait_until
from tests.end_to_end.step_processes import executing
from tests.few_models import write_few_models

pytestmark = pytest.mark.slow


@pytest.fixture
def api():
    with running_sandbox(speed=20) as served:
        yield served


@pytest.fixture
def catalog(lakes, tmp_path: Path) -> str:
    """The URL of the database of a new lake, whose files are below ``tmp_path / "lake"``."""
    return lakes.new(tmp_path / "lake" / "linkt_lake")


@pytest.fixture
def hosts(catalog: str, api: Sandbox, tmp_path: Path) -> tuple[Command, Command]:
    models = write_few_models(tmp_path / "sql")
    return _host("one", catalog, api, models, tmp_path), _host("two", catalog, api, models, tmp_path)


def _host(name: str, catalog: str, api: Sandbox, models: Path, folder: Path) -> Command:
    (folder / name).mkdir()
    (folder / name / "tasks.yaml").write_text(TASKS_YAML)
    host = Command(folder / name)
    host.env |= {
        "LINKT_API_KEY": api.api_key,
        "LINKT_BASE_URL": api.url,
        "LINKT_SQL_DIR": str(models),
        "LINKT_CATALOG": catalog,
        "LINKT_LAKE_PATH": str(folder / "lake"),
    }
    return host


def executions(catalog: str) -> list[tuple[str, str]]:
    with psycopg.connect(catalog) as con:
        return con.execute("select state, lease_owner is null from linkt_ledger.executions").fetchall()


@pytest.mark.timeout(600)
def test_two_hosts_that_start_one_task_at_one_moment_buy_one_run(hosts, api: Sandbox, catalog: str):
    started = [host.start("run", "search") for host in hosts]
    ended = [(process.communicate(timeout=500), process.returncode) for process in started]

    assert [code for _, code in ended] == [0, 0], ended
    assert api.run_count() == 1
    assert executions(catalog) == [("finished", True)]
    for host in hosts:
        found = host("query", "select count(*) as runs from linkt.runs", "--format", "csv")
        assert found.out.split() == ["runs", "1"], found.err
    assert not any("secret" in out + err or "p%40ss" in out + err for (out, err), _ in ended)


@pytest.mark.timeout(600)
def test_what_a_killed_host_waited_for_is_landed_by_the_other(hosts, api: Sandbox, catalog: str):
    killed, other = hosts
    process = killed.start("run", "search")
    wait_until(lambda: api.run_count() == 1, "a run", seconds=200)
    kill_group(process)

    assert (found := other("run", "search", timeout=400)).code == 0, found.err

    assert api.run_count() == 1
    assert executions(catalog) == [("finished", True)]


@pytest.mark.timeout(600)
def test_steps_may_be_processes_of_their_own(
    catalog: str, hosts, api: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two tasks are executed by one process, and their runs are landed by a second one."""
    for name, value in hosts[0].env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path / "one")
    (home := tmp_path / "home").mkdir()
    (tmp_path / "one" / "data").mkdir()  # what one process has read of the models is kept there for the others
    both = {"dagster/asset_partition_range_start": "search", "dagster/asset_partition_range_end": "signals"}
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        ended = dg.execute_job(dg.reconstructable(executing), instance=instance, tags=both)
        started = [
            entry.message for entry in instance.all_logs(ended.run_id, of_type=dg.DagsterEventType.STEP_WORKER_STARTED)
        ]

    assert ended.success
    assert len(started) == 2
    assert api.run_count() == 2
    assert executions(catalog) == [("finished", True)] * 2
