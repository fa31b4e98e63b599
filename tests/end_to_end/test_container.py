"""compose.yaml for real, but for Docker: its commands as processes of an ordinary user, on a real PostgreSQL."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.sandbox import Sandbox, running_sandbox
from tests.cli.command import Command, kill_group
from tests.end_to_end.composed import GRACE_SECONDS, Composed, what_is_missing
from tests.end_to_end.dagster_dev import DagsterDev
from tests.few_models import write_few_models

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

TASKS = """
tasks:
  search: {task_id: 6964b9b45a4d0beef1000031, icp_id: 6964b8105a4d0beef1000011, poll_interval: 200ms}
  signals: {task_id: 6964ba2c5a4d0beef1000033, icp_id: 6964b8885a4d0beef1000013, poll_interval: 200ms}
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as served:
        served.inject("run_life=3600*0")  # it ends when a test says so
        yield served


@pytest.fixture(scope="module")
def composed(sandbox: Sandbox) -> Iterator[Composed]:
    if missing := what_is_missing():
        pytest.skip(missing)
    folder = Path(tempfile.mkdtemp(prefix="linkt-container-"))  # pytest's own folders are closed to other users
    folder.chmod(0o755)
    dotenv = {
        "POSTGRES_PASSWORD": "p@ss/word",
        "LINKT_API_KEY": sandbox.api_key,
        "LINKT_BASE_URL": sandbox.url,
        "LINKT_SQL_DIR": str(write_few_models(folder / "sql")),
    }
    deployed = Composed(folder, dotenv)
    (deployed.project / "tasks.yaml").write_text(TASKS, encoding="utf-8")
    deployed.close_project()
    try:
        with deployed.postgres():
            try:
                deployed.run("migrate")
                deployed.start("code")
                deployed.start("webserver", "daemon")
                yield deployed
            finally:
                deployed.stop_all()
    finally:
        deployed.remove()


@pytest.fixture(scope="module")
def dagster(composed: Composed) -> DagsterDev:
    return DagsterDev(composed.url, composed.data)


def eventually(condition: Callable[[], object], composed: Composed, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "\n".join(composed.log(name) for name in ("code", "daemon"))
        time.sleep(0.2)


def test_terminate_cancels_an_upgrade_leaves_and_one_run_is_paid(
    composed: Composed, dagster: DagsterDev, sandbox: Sandbox
) -> None:
    terminated, waiting = dagster.materialize("signals"), dagster.materialize("search")
    for run in (terminated, waiting):
        eventually(lambda run=run: "started run" in dagster.messages(run), composed)
    assert 0 not in composed.users()
    dagster.terminate(terminated)
    assert dagster.wait_until(terminated) == "CANCELED"

    # An upgrade in the middle of the wait: daemon and code server are stopped, the Linkt run goes on.
    assert composed.stop("daemon") < GRACE_SECONDS
    assert composed.stop("code") < GRACE_SECONDS
    assert not composed.is_healthy("code")
    composed.start("code")
    assert dagster.wait_until(waiting) == "FAILURE"
    [paid] = [run for run in sandbox.world.own.runs.values() if run.status not in ("CANCELED", "COMPLETED")]

    # Dagster executes it again by itself, and the new Dagster run adopts the Linkt run.
    composed.start("daemon")
    eventually(lambda: dagster.repetitions(waiting), composed)
    [adopting] = dagster.repetitions(waiting)
    eventually(lambda: f"adopted run {paid.id}" in dagster.messages(adopting), composed)
    paid.status = "COMPLETED"
    assert dagster.wait_until(adopting) == "SUCCESS"

    assert sandbox.run_count() == 2
    with duckdb.connect(str(composed.data / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute("select task_key, state, run_status from linkt.executions order by all").fetchall()
    assert rows == [("search", "finished", "COMPLETED"), ("signals", "finished", "CANCELED")]


def test_a_run_that_is_handed_over_is_followed_through_an_upgrade_and_executed_again_for_nothing(
    composed: Composed, dagster: DagsterDev, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "tasks.yaml").write_text(TASKS, encoding="utf-8")
    access = {"LINKT_API_KEY": sandbox.api_key, "LINKT_BASE_URL": sandbox.url}
    command = Command(tmp_path, {**access, "LINKT_DATA_DIR": str(tmp_path / "data"), "LINKT_DAGSTER_URL": composed.url})
    bought = sandbox.run_count()
    process = command.start("run", "--launch", "search")
    try:
        eventually(lambda: sandbox.run_count() > bought, composed)
        (launched,) = dagster.runs_tagged("linkt/started_by", "run --launch")
        eventually(lambda: "started run" in dagster.messages(launched), composed)
        composed.stop("daemon")
        composed.stop("code")
        composed.start("code")
        assert dagster.wait_until(launched) == "FAILURE"
        composed.start("daemon")
        eventually(lambda: dagster.repetitions(launched), composed)
        [adopting] = dagster.repetitions(launched)
        eventually(lambda: "adopted run" in dagster.messages(adopting), composed)
        for run in sandbox.world.own.runs.values():
            run.status = "COMPLETED" if run.status not in ("CANCELED", "COMPLETED") else run.status
        out, err = process.communicate(timeout=200)
    finally:
        if process.poll() is None:
            kill_group(process)

    assert process.returncode == 0, out + err
    assert f"failed, and Dagster executes it again: {composed.url}/runs/{adopting}" in out
    assert dagster.wait_until(dagster.execute_again(launched)) == "SUCCESS"
    assert sandbox.run_count() == bought + 1


def test_the_moment_of_a_question_is_right_in_whatever_zone_the_database_is(
    composed: Composed, dagster: DagsterDev
) -> None:
    query = "{runsOrError { ... on Runs {results {creationTime}}}}"
    times = [run["creationTime"] for run in dagster.graphql(query)["runsOrError"]["results"]]
    assert all(0 <= time.time() - moment < 600 for moment in times), times


def test_nothing_is_written_but_into_the_data_volume(composed: Composed) -> None:
    assert [path.name for path in composed.project.iterdir()] == ["tasks.yaml"]
    settings = composed.folder / "dagster"
    assert sorted(path.name for path in settings.iterdir()) == ["dagster.yaml", "workspace.yaml"]
    assert composed.data.stat().st_mode & 0o077 == 0
    assert (composed.data / "warehouse.duckdb").exists()
