"""All that this package takes from Dagster's private modules, and what replaces it where a release has moved it.

No other module of this package imports a name of Dagster's that begins with ``_``, so that a range of releases works.
"""

import inspect
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy  # Dagster brings it

_NO_CAPTURE = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
_INDEX = "index"
REPOSITORY = "__repository__"  # of definitions that are no repository by name
_STOP_SECONDS = 60.0
_ANSWER_SECONDS = 10
_SQLITE_SECONDS = 30  # how long to wait for other processes, as Dagster does


class SqliteFiles:
    """Dagster's SQLite files of one instance; empty where it has other storage, or where they are not known."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._events = self._runs = self._schedules = None
        try:
            from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
            from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
            from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
            from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
        except ImportError:  # what Dagster's public deletion leaves behind stays
            return
        self._checks = AssetCheckExecutionsTable
        events, runs, schedules = instance.event_log_storage, instance.run_storage, instance.schedule_storage
        self._events = events if isinstance(events, SqliteEventLogStorage) else None
        self._runs = runs if isinstance(runs, SqliteRunStorage) else None
        self._schedules = schedules if isinstance(schedules, SqliteScheduleStorage) else None

    def of_run(self, run_id: str) -> Path | None:
        """The database of a run's events."""
        return Path(self._events.path_for_shard(run_id)) if self._events else None

    def runs_with_a_file(self) -> Sequence[str]:
        """Ids of the runs that have a database of events."""
        return self._events.get_all_run_ids() if self._events else ()

    def forget_checks(self, run_id: str) -> None:
        """Remove a run's evaluations of checks, which Dagster keeps when the run is deleted."""
        if self._events:
            with self._events.index_connection() as index:
                index.execute(self._checks.delete().where(self._checks.c.run_id == run_id))

    def databases(self) -> Iterator[Path]:
        """Those that all runs share."""
        if self._events:
            yield Path(self._events.path_for_shard(_INDEX))
        for storage in (self._runs, self._schedules):
            if storage:
                with storage.connect() as connection:
                    yield Path(str(connection.engine.url.database))

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Inside of the block, the instance keeps its connections to these files.

        Dagster makes a new engine and opens the file again for each of the hundreds of events of a run: SQLAlchemy
        compiles each statement again, and SQLite empties its log at each close. Where an instance has other storage,
        or a release has renamed what is exchanged here, the block changes nothing.
        """
        events: Any = self._events
        runs: Any = self._runs
        if not (
            _has(events, "_connect", "_initdb", "_db_lock", "_initialized_dbs")
            and _has(runs, "connect", "_conn_string")
        ):
            yield
            return

        kept = ExitStack()
        engines: dict[str, sqlalchemy.engine.Engine] = {}

        def engine_of(url: str) -> sqlalchemy.engine.Engine:
            if url not in engines:
                options = {"timeout": _SQLITE_SECONDS, "check_same_thread": False}  # one thread at a time has it
                engines[url] = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.QueuePool, connect_args=options)
                kept.callback(engines[url].dispose)
            return engines[url]

        @contextmanager
        def connect_to_events(shard: str) -> Iterator[sqlalchemy.engine.Connection]:
            with events._db_lock:
                engine = engine_of(events.conn_string_for_shard(shard))
                if shard not in events._initialized_dbs:
                    events._initdb(engine)
                    events._initialized_dbs.add(shard)
                with engine.begin() as connection:
                    yield connection

        @contextmanager
        def connect_to_runs() -> Iterator[sqlalchemy.engine.Connection]:
            with engine_of(runs._conn_string).begin() as connection:
                yield connection

        with kept:
            for storage, method, kept_open in (
                (events, "_connect", connect_to_events),
                (runs, "connect", connect_to_runs),
            ):
                setattr(storage, method, kept_open)
                kept.callback(delattr, storage, method)
            yield


def _has(storage: object, *names: str) -> bool:
    return all(hasattr(storage, name) for name in names)


def instance_without_capture(folder: Path) -> dg.DagsterInstance:
    """The instance in a folder, which does not capture what steps print.

    If a release of Dagster offers no such option, the instance captures it, which only delays the display.
    ``DAGSTER_HOME`` must name the folder.
    """
    try:
        from dagster._core.instance.ref import InstanceRef

        return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides={"compute_logs": _NO_CAPTURE}))
    except (ImportError, AttributeError, TypeError):
        return dg.DagsterInstance.get()


def create_runs_as_of(instance: dg.DagsterInstance, *, location: str, module: str, attribute: str, job: str) -> None:
    """Let runs that this process creates have the origin of a code location, so that the UI can execute them again.

    Dagster gives no origin to runs in process. If a release offers no way to set it, runs stay without one: the UI
    shows them, and *Re-execute* does not find their job.

    Args:
        instance: where runs are created; this object alone is changed.
        location: name of the code location.
        module: what the location loads.
        attribute: of the module; holds the definitions.
        job: whose runs they are.
    """
    try:
        from dagster._core.code_pointer import ModuleCodePointer
        from dagster._core.origin import RepositoryPythonOrigin
        from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
        from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

        here = str(Path.cwd())
        target = LoadableTargetOrigin(executable_path=sys.executable, module_name=module, working_directory=here)
        pointer = ModuleCodePointer(module, attribute, here)
        image = os.environ.get("DAGSTER_CURRENT_IMAGE")
        origins: dict[str, Any] = {
            "remote_job_origin": RemoteRepositoryOrigin(
                ManagedGrpcPythonEnvCodeLocationOrigin(target, location), REPOSITORY
            ).get_job_origin(job),
            "job_code_origin": RepositoryPythonOrigin(sys.executable, pointer, image, ["dagster"]).get_job_origin(job),
        }
        known = inspect.signature(instance.create_run_for_job).parameters
    except (ImportError, AttributeError, TypeError):
        return
    if known.keys() >= origins.keys():
        setattr(instance, "create_run_for_job", partial(instance.create_run_for_job, **origins))  # noqa: B010 a method


def can_ask_code_servers() -> bool:
    """Whether :func:`worker_health` knows how to ask in this release."""
    try:
        from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus  # noqa: F401
        from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult  # noqa: F401
        from dagster._serdes import deserialize_value  # noqa: F401
    except ImportError:
        return False
    return hasattr(dg.DefaultRunLauncher, "_get_grpc_client_for_termination")


def worker_health(launcher: dg.DefaultRunLauncher, run: dg.DagsterRun) -> Any:
    """The answer of a launcher's ``check_run_worker_health``.

    A run is lost only if a code server answers that it does not execute the run. A code server that does not answer may
    be about to come back, or be cut off from this process alone.
    """
    from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
    from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
    from dagster._serdes import deserialize_value

    client = launcher._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
    if client is None:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    try:
        request = CanCancelExecutionRequest(run_id=run.run_id)
        answer = client.can_cancel_execution(request, timeout=_ANSWER_SECONDS)
    except dg.DagsterError:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the code server was restarted and does not execute this run")


def run_dev_with_webserver(module: str) -> None:
    """``dagster dev`` with another module in place of Dagster's web server, until it is interrupted.

    ``dagster dev`` has no option for that, so the name of the module it starts is exchanged. Where a release starts its
    web server in another way, that server and the daemon are started here, and stopped together.

    Args:
        module: takes the options of ``dagster-webserver``.
    """
    try:
        import dagster._cli.dev as dev
        from dagster_shared.ipc import open_ipc_subprocess

        command: Callable[[], None] = dev.dev_command
        if not hasattr(dev, "open_ipc_subprocess"):
            raise ImportError("dagster dev starts its services in another way")
    except (ImportError, AttributeError):
        _run_apart(module, sys.argv[1:])
        return

    def start(parts: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
        return open_ipc_subprocess([module if part == "dagster_webserver" else part for part in parts], **options)

    dev.open_ipc_subprocess = start
    command()


def _run_apart(module: str, options: Sequence[str]) -> None:
    """The web server with all options, and the daemon with those that name the code location."""
    of_daemon = [part for name in ("-w", "--log-level") if name in options for part in _option(options, name)]
    commands = [
        [sys.executable, "-W", "ignore", "-m", module, *options],
        [str(Path(sys.executable).with_name("dagster-daemon")), "run", *of_daemon],
    ]
    services = [subprocess.Popen(command) for command in commands]  # noqa: S603 our own interpreter
    try:
        while all(service.poll() is None for service in services):
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    finally:
        for service in services:
            service.terminate()
        for service in services:
            service.wait(timeout=_STOP_SECONDS)


def _option(options: Sequence[str], name: str) -> Sequence[str]:
    place = list(options).index(name)
    return options[place : place + 2]
