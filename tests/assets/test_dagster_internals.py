"""What Dagster's private modules are used for, with them and as if a release had moved them."""

import sqlite3
import sys
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy

from linkt_pipeline.assets import dagster_internals
from linkt_pipeline.assets.dagster_internals import (
    SqliteFiles,
    create_runs_as_of,
    instance_without_capture,
    run_dev_with_webserver,
)
from linkt_pipeline.assets.instance_files import finish_deletions, give_space_back
from linkt_pipeline.assets.old_runs import delete_runs
from tests.paths import PROJECT_ROOT

MOVED = (
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.instance.ref",
    "dagster._cli.dev",
)


@pytest.fixture(params=[False, True], ids=["as they are", "moved"])
def moved(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the private modules can't be imported."""
    if request.param:
        for name in MOVED:
            monkeypatch.setitem(sys.modules, name, None)
    return request.param


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def test_no_other_file_imports_what_is_private() -> None:
    files = {
        str(path.relative_to(PROJECT_ROOT))
        for path in (PROJECT_ROOT / "linkt_pipeline").rglob("*.py")
        if any(name in path.read_text(encoding="utf-8") for name in ("dagster._", "from dagster import _"))
    }
    assert files == {"linkt_pipeline/assets/dagster_internals.py"}


def test_an_instance_is_opened_and_a_run_deleted(home: Path, moved: bool) -> None:
    @dg.op
    def nothing() -> None:
        print("something")

    @dg.job
    def job() -> None:
        nothing()

    with instance_without_capture(home) as instance:
        assert ("NoOp" in type(instance.compute_log_manager).__name__) is not moved
        result = job.execute_in_process(instance=instance)
        file = home / "history" / "runs" / f"{result.run_id}.db"
        assert file.exists()
        delete_runs(instance, [result.run_id])
        finish_deletions(instance)
        give_space_back(instance)
        assert not instance.has_run(result.run_id)
        assert file.exists() is moved
        assert len(list(SqliteFiles(instance).databases())) == (0 if moved else 3)


@pytest.mark.parametrize("older", [False, True], ids=["", "a release that takes no origin"])
def test_a_run_in_this_process_has_the_origin_of_the_code_location(
    home: Path, moved: bool, older: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def job() -> None:
        nothing()

    with dg.DagsterInstance.get() as instance:
        if older:
            create = instance.create_run_for_job

            def create_run_for_job(job_def, execution_plan, run_id, run_config, tags, asset_selection):  # type: ignore[no-untyped-def]
                return create(job_def, execution_plan, run_id, run_config, tags=tags, asset_selection=asset_selection)

            monkeypatch.setattr(instance, "create_run_for_job", create_run_for_job)
        with monkeypatch.context() as gone:
            if moved:
                gone.setitem(sys.modules, "dagster._core.remote_origin", None)
            create_runs_as_of(instance, location="ours", module="our.definitions", attribute="defs", job="job")
        run = instance.get_run_by_id(job.execute_in_process(instance=instance).run_id)
    assert run is not None
    assert run.is_success
    if moved or older:
        assert run.remote_job_origin is run.job_code_origin is None
        return
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.location_name == "ours"
    assert run.remote_job_origin.job_name == "job"
    assert run.remote_job_origin.repository_origin.repository_name == "__repository__"
    assert run.job_code_origin is not None
    assert run.job_code_origin.get_repo_pointer().describe() == "from our.definitions import defs"


def test_history_is_opened_once_and_others_see_each_event_at_once(
    home: Path, moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def events_of(run_id: str) -> list[dg.DagsterEventType | None]:
        with dg.DagsterInstance.get() as other:
            return [event.dagster_event_type for event in other.all_logs(run_id)]

    @dg.op
    def looks(context: dg.OpExecutionContext) -> None:
        assert dg.DagsterEventType.STEP_START in events_of(context.run_id)

    @dg.op
    def nothing() -> None: ...

    @dg.job
    def looking() -> None:
        looks()

    @dg.job
    def doing_nothing() -> None:
        nothing()

    opened: list[str] = []

    @sqlalchemy.event.listens_for(sqlalchemy.pool.Pool, "connect")
    def count(connection: sqlite3.Connection, _: object) -> None:
        opened.append(connection.execute("pragma database_list").fetchone()[2])

    with instance_without_capture(home) as instance:
        with SqliteFiles(instance).kept_open():
            runs = [looking.execute_in_process(instance=instance)]
            opened.clear()
            runs.append(doing_nothing.execute_in_process(instance=instance))
            own = str(home / "history" / "runs" / f"{runs[1].run_id}.db")
            assert (set(opened) == {own} and len(opened) <= 2) is not moved  # two while Dagster makes its tables
        runs.append(doing_nothing.execute_in_process(instance=instance))
    sqlalchemy.event.remove(sqlalchemy.pool.Pool, "connect", count)

    for run in runs:
        assert dg.DagsterEventType.RUN_SUCCESS in events_of(run.run_id)
    still_open = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert [path for path in still_open if path.is_relative_to(home)] == []


def test_other_storage_has_no_files() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert list(SqliteFiles(instance).databases()) == []


def test_the_web_server_of_dev_is_exchanged(moved: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the place where it is exchanged, web server and daemon are started side by side."""
    started: list[list[str]] = []

    class Service:
        def __init__(self, parts: list[str], **options: object) -> None:
            started.append(list(parts))

        def poll(self) -> int:
            return 0

        def terminate(self) -> None: ...

        def wait(self, timeout: float) -> None: ...

    monkeypatch.setattr(sys, "argv", ["dev", "-w", "workspace.yaml", "-p", "3123", "--log-level", "warning"])
    if moved:
        monkeypatch.setattr(dagster_internals.subprocess, "Popen", Service)
        run_dev_with_webserver("our.webserver")
        server, daemon = started
        assert server[-7:] == ["our.webserver", "-w", "workspace.yaml", "-p", "3123", "--log-level", "warning"]
        assert daemon[1:] == ["run", "-w", "workspace.yaml", "--log-level", "warning"]
        return
    import dagster._cli.dev as dev
    import dagster_shared.ipc

    monkeypatch.setattr(dagster_shared.ipc, "open_ipc_subprocess", Service)
    monkeypatch.setattr(dev, "open_ipc_subprocess", dev.open_ipc_subprocess)
    monkeypatch.setattr(dev, "dev_command", lambda: dev.open_ipc_subprocess(["-m", "dagster_webserver", "-p", "3123"]))
    run_dev_with_webserver("our.webserver")
    assert started == [["-m", "our.webserver", "-p", "3123"]]
