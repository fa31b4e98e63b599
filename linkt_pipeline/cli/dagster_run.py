"""Runs one job of the code location as one Dagster run in this process, recorded in the deployment's instance.

A second process would cost seconds and need another way to report progress. The Dagster run names the code location
that `ui` shows as its origin, so that a person can execute it again there.
"""

import logging
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import dagster as dg

from linkt_pipeline.assets.askers import ASKED_BY_TAG, COMMAND, STARTED_BY_TAG, TASKS_TAG, is_repetition
from linkt_pipeline.assets.dagster_internals import (
    REPOSITORY,
    SqliteFiles,
    create_runs_as_of,
    instance_without_capture,
)
from linkt_pipeline.assets.housekeeping import delete_some_old_runs, retention_of
from linkt_pipeline.assets.location import build_location
from linkt_pipeline.assets.old_runs import REPOSITORY_TAG
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.assets.snapshot import MODELS_CURRENT
from linkt_pipeline.cli.errors import DUCKDB_INTERRUPTED
from linkt_pipeline.cli.output import echo
from linkt_pipeline.executions.events import Observer
from linkt_pipeline.ledger.lease_owner import Owner, owner_is_gone
from linkt_pipeline.settings import Settings
from linkt_pipeline.tasks import TaskSpec

_PROCESS_TAG = "linkt/process"
_LOCATION = "linkt_pipeline"  # as workspace.yaml calls it
_REPOSITORY = f"{REPOSITORY}@{_LOCATION}"
_DELETED_PER_COMMAND = 20  # it makes one, so that a deployment without a daemon shrinks too
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_GOING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@dataclass(frozen=True)
class StepFailure:
    """A step of the Dagster run that failed.

    Attributes:
        step: its name.
        message: what happened, for a person.
        unforeseen: name of the exception class that caused it, if the cause is a mistake in this product; None if the
            message says what the user can do.
        is_paid: it was the paid step.
    """

    step: str
    message: str
    unforeseen: str | None = None
    is_paid: bool = False


@dataclass(frozen=True)
class FailedCheck:
    """An error-level check that found something.

    Attributes:
        asset: its key, part by part.
        check: its name.
        message: what it says.
        holds_back: nothing downstream of its asset was built or published.
    """

    asset: tuple[str, ...]
    check: str
    message: str
    holds_back: bool

    @property
    def name(self) -> str:
        """Asset and check, as they are shown."""
        return f"{'.'.join(self.asset)}: {self.check}"

    @property
    def is_about_models(self) -> bool:
        """Whether this is the check of the snapshot that names stale models."""
        return self.asset[-2:] == tuple(Placement().snapshot.path) and self.check == MODELS_CURRENT


@dataclass(frozen=True)
class JobResult:
    """How a Dagster run ended.

    Attributes:
        run_id: of Dagster, as the UI shows it.
        succeeded: every step did.
        failures: the steps that failed; steps that were skipped because of them are not listed.
        failed_checks: asset checks of error level that found something.
        materialized: metadata of each asset that was materialized, by its name, such as ``linkt.runs``.
        paid: its paid step succeeded: every task has a completed run.
        page: its address, if another process executed it; default: the UI of this deployment shows it.
    """

    run_id: str
    succeeded: bool
    failures: tuple[StepFailure, ...]
    failed_checks: tuple[FailedCheck, ...]
    materialized: Mapping[str, Mapping[str, Any]]
    paid: bool = False
    page: str | None = None


def run_job(
    settings: Settings,
    tasks: Mapping[str, TaskSpec],
    job_name: str,
    *,
    observer: Observer,
    on_step: Callable[[str, bool], None] = lambda step, started: None,
    partitions: bool = False,
    run_config: Mapping[str, Any] | None = None,
    entries: Collection[str] | None = None,
    asked_by: str | None = None,
) -> JobResult:
    """Execute a job and wait for its end. The instance must have been prepared.

    Args:
        settings: the environment.
        tasks: the partitions of this run's paid asset, and no others.
        job_name: ``execute_and_publish`` or ``sync_and_publish``.
        observer: receives what happens to Linkt runs and fetches.
        on_step: called when a step of the Dagster run starts and ends.
        partitions: the job has partitions; all of ``tasks`` are executed.
        run_config: of the job's ops.
        entries: every name in tasks.yaml; default: those of ``tasks``.
        asked_by: the command that is to have the outcomes of paid steps, and publishes them whatever happens.

    Raises:
        KeyboardInterrupt: SIGINT or SIGTERM came; the Dagster run is recorded as interrupted.
    """
    _quiet_dagster()
    run_id = str(uuid4())
    with open_instance(settings) as instance, SqliteFiles(instance).kept_open():
        release_dead_runs(instance)
        instance.add_event_listener(run_id, _step_listener(on_step))
        create_runs_as_of(
            instance, location=_LOCATION, module="linkt_pipeline.definitions", attribute="defs", job=job_name
        )
        definitions = build_location(settings, tasks, observer=observer, entries=entries)
        try:
            result = definitions.resolve_job_def(job_name).execute_in_process(
                instance=instance,
                run_id=run_id,
                raise_on_error=False,
                tags=_tags(tasks, partitions, asked_by, entries or tasks),
                run_config={**_QUIET, **(run_config or {})},
            )
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            _close_interrupted(instance, run_id)
            raise KeyboardInterrupt from None
        if _was_interrupted(result.all_events):
            raise KeyboardInterrupt
        _keep_house(instance, settings, definitions)
        return JobResult(
            run_id,
            result.success,
            tuple(_failures(result.all_events)),
            tuple(_failed_checks(result.all_events)),
            dict(_materialized(result.all_events)),
            any(event.is_step_success and event.step_key == Placement().paid_step for event in result.all_events),
        )


def _keep_house(instance: dg.DagsterInstance, settings: Settings, definitions: dg.Definitions) -> None:
    """Delete a few old Dagster runs. A failure of that must not change the outcome of the command."""
    assets = [asset for asset in definitions.assets or () if isinstance(asset, dg.AssetsDefinition)]
    retention = retention_of(Placement(), Backend(settings), assets)
    try:
        delete_some_old_runs(instance, retention, _REPOSITORY, _DELETED_PER_COMMAND)
    except Exception as error:
        echo(f"note: old Dagster runs were not deleted this time: {error}", err=True)


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The deployment's instance, without Dagster's capture of what steps print.

    That would lead this process's stdout through a file and two watchers, which delays the display and shows the
    watchers' tracebacks at Ctrl-C.
    """
    return instance_without_capture(settings.root)


def release_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Close Dagster runs of killed commands. Else Dagster shows them as running for ever, and they keep a pool slot.

    Returns:
        Their ids.
    """
    closed = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_GOING)):
        run = record.dagster_run
        owner = run.tags.get(_PROCESS_TAG)
        if owner is not None and not is_repetition(run) and owner_is_gone(owner):
            instance.report_run_failed(
                run, "the process of this run was killed; whatever it started is adopted next time"
            )
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            closed.append(run.run_id)
    return closed


def _quiet_dagster() -> None:
    """Silence Dagster's loggers and warnings: the command itself reports what happens, and the instance keeps them."""
    warnings.filterwarnings("ignore", module="dagster")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    # Its pool logs a traceback when an interrupt or a full disk hits Dagster's history; the command reports both.
    logging.getLogger("sqlalchemy").setLevel(logging.CRITICAL + 1)


def _tags(
    tasks: Mapping[str, TaskSpec], partitions: bool, asked_by: str | None, entries: Collection[str]
) -> dict[str, str]:
    asker = {ASKED_BY_TAG: asked_by} if asked_by else {}
    tags = asker | {
        _PROCESS_TAG: Owner.this_process().name,
        REPOSITORY_TAG: _REPOSITORY,  # by it the UI lists the run with its job
        STARTED_BY_TAG: COMMAND,
    }
    return tags | (partition_tags(tasks, list(entries)) if partitions else {})


def partition_tags(names: Iterable[str], entries: Sequence[str]) -> dict[str, str]:
    """Tags by which a Dagster run names its tasks: a range, which Dagster needs, and the names.

    Without the names, a Dagster run that is executed again would buy every task that tasks.yaml has in the range then.
    """
    ordered = sorted(names, key=entries.index)
    return {
        "dagster/asset_partition_range_start": ordered[0],
        "dagster/asset_partition_range_end": ordered[-1],
        TASKS_TAG: ",".join(ordered),
    }


def _step_listener(on_step: Callable[[str, bool], None]) -> Callable[[dg.EventLogEntry], None]:
    ends = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}

    def listen(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        if event.event_type is dg.DagsterEventType.STEP_START:
            on_step(event.step_key, True)
        elif event.event_type in ends:
            on_step(event.step_key, False)

    return listen


def _close_interrupted(instance: dg.DagsterInstance, run_id: str) -> None:
    with suppress(Exception):  # the interrupt counts; a run left open is closed by the next command
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_canceled(run)
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def _was_interrupted(events: Sequence[dg.DagsterEvent]) -> bool:
    """Whether an interrupt ended the run: Dagster raises none then, but makes a failure of it; so does DuckDB."""
    return any(
        event.event_type is dg.DagsterEventType.RUN_FAILURE
        and getattr(event.job_failure_data.failure_reason, "value", None) == "UNEXPECTED_TERMINATION"
        for event in events
    ) or any(DUCKDB_INTERRUPTED in failure.message for failure in _failures(events))


def _failures(events: Sequence[dg.DagsterEvent]) -> Iterator[StepFailure]:
    for event in events:
        if not event.is_step_failure:
            continue
        data = event.step_failure_data
        step, is_paid = str(event.step_key), event.step_key == Placement().paid_step
        if data.user_failure_data is not None and data.user_failure_data.description:
            yield StepFailure(step, data.user_failure_data.description, is_paid=is_paid)
            continue
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        name = (error.cls_name if error else None) or "Error"
        message = error.message if error else "no reason given"
        yield StepFailure(step, without_class(message), name, is_paid)


def without_class(message: str) -> str:
    """The message of an error; Dagster writes ``package.Class: message``."""
    first, separator, rest = message.strip().partition(": ")
    return rest if separator and " " not in first else message.strip()


def _failed_checks(events: Sequence[dg.DagsterEvent]) -> Iterator[FailedCheck]:
    for event in events:
        if event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        evaluation = event.asset_check_evaluation_data
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            yield FailedCheck(
                tuple(evaluation.asset_key.path),
                evaluation.check_name,
                evaluation.description or "",
                bool(evaluation.blocking),
            )


def _materialized(events: Sequence[dg.DagsterEvent]) -> Iterator[tuple[str, dict[str, Any]]]:
    for event in events:
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            metadata = {key: value.value for key, value in materialization.metadata.items()}
            yield _name(materialization.asset_key), metadata


def _name(key: dg.AssetKey) -> str:
    return ".".join(key.path)
