"""Ingest a file: check, upload, point the task at it, execute, wait, land. Each step once, whatever crashes between."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from linkt_pipeline.api import Run, same_id
from linkt_pipeline.collection.land_runs import landed_run
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.execute import execute_tasks, failure_of
from linkt_pipeline.ingest.candidates import read_candidates
from linkt_pipeline.ingest.configure import configure_for
from linkt_pipeline.ingest.desk import Desk
from linkt_pipeline.ingest.errors import (
    AlreadyIngestedError,
    FileRefusedError,
    TaskBusyError,
    TaskChangedError,
    UploadFailedError,
)
from linkt_pipeline.ingest.estimate import Estimate, estimate, require_room
from linkt_pipeline.ingest.record import Ingest, IngestState
from linkt_pipeline.ingest.source import Source, read_source, repeated_values, require_primary_column
from linkt_pipeline.ingest.task_state import config_for, differences, is_same, state_of
from linkt_pipeline.ingest.upload import bring_to_linkt, failed_text
from linkt_pipeline.ledger.values import Execution, ExecutionState
from linkt_pipeline.tasks import TaskSpec


@dataclass(frozen=True)
class Request:
    """What a person wants ingested.

    Attributes:
        task: the entry of tasks.yaml whose Linkt task ingests it.
        path: the file.
        primary_column: by which Linkt identifies a row; None: the task's own.
        entity_type: what a row stands for; None: what the task says, else a company.
        again: buy another run for a file that was ingested before.
    """

    task: TaskSpec
    path: Path
    primary_column: str | None = None
    entity_type: str | None = None
    again: bool = False


@dataclass(frozen=True)
class Checked:
    """A file and a task that fit, and what it will take.

    Attributes:
        source: the file.
        primary_column: the one in force.
        task_found: the Linkt task as it is now.
        expected: what ingesting it will take.
        repeated: values of the primary column that several rows have.
        warnings: what a person should know before it is sent.
    """

    source: Source
    primary_column: str
    task_found: dict[str, Any]
    expected: Estimate
    repeated: dict[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Ingested:
    """How an ingest ended.

    Attributes:
        ingest: its row.
        execution: the execution that bought its run.
        run: the run, which has ended and is landed.
        bought: this call bought the run; False: the run had been bought before.
        error: why the run did not complete; None for success.
    """

    ingest: Ingest
    execution: Execution
    run: Run
    bought: bool
    error: LinktPipelineError | None


async def check_file(desk: Desk, request: Request) -> Checked:
    """Check a file by itself and against the task. Two reads at most; nothing is written.

    Raises:
        FileRefusedError: the file can't be ingested.
        TaskUnfitError: the task does not ingest files.
        LinktApiError: the task can't be read.
    """
    worker, task = desk.worker, request.task
    source = await worker.call(read_source, request.path)
    found = state_of(await worker.client.get_task(task.task_id))
    primary = request.primary_column or str((found["task_config"] or {}).get("primary_column") or "")
    if not primary:
        known = ", ".join(source.columns)
        raise FileRefusedError(
            source.name, [f"the task names no primary column; choose one with --primary-column among: {known}"]
        )
    config_for(task.key, found, file_id=None, primary_column=primary, entity_type=request.entity_type)
    require_primary_column(source, primary)

    def expect() -> Estimate:
        with worker.warehouse.read() as con:
            return estimate(con, task, len(source.rows))

    warnings = [*source.warnings]
    if erased := await worker.call(desk.ingests.erased_lines, source):
        warnings.append(
            f"{source.listed(erased)}: what was erased here; Linkt would research and charge it, and nothing of it is "
            "kept, so take it out of the file"
        )
    return Checked(source, primary, found, await worker.call(expect), repeated_values(source, primary), tuple(warnings))


async def ingest_file(desk: Desk, request: Request, checked: Checked) -> Ingested:
    """Bring a file to a landed run: exactly one upload and one purchase, unless ``again``.

    The outcome is owed to the worker's asker until it is delivered, as that of every execution.

    Raises:
        LinktPipelineError: the file has no terminal run; the message says what to do. Repeating the same call goes on
            where this one stopped.
        AlreadyIngestedError: the run of this file was bought before and did not complete.
    """
    worker = desk.worker
    ingest = await worker.call(
        partial(
            desk.ingests.claim,
            request.task.key,
            request.task.task_id,
            checked.source,
            checked.primary_column,
            again=request.again,
        )
    )
    try:
        return await _go_on(desk, request, checked, ingest)
    finally:
        await worker.call(desk.ingests.release)


async def _go_on(desk: Desk, request: Request, checked: Checked, ingest: Ingest) -> Ingested:
    if ingest.state is IngestState.FAILED:
        raise UploadFailedError(failed_text(ingest.file_name, str(ingest.last_error)))
    named_now = (checked.task_found["task_config"] or {}).get("file_id")
    execution = await _execution_of(desk, ingest, named_now, again=request.again)
    if execution is not None and execution.state is ExecutionState.FINISHED:
        return await _answer(desk, request, checked.source, ingest, execution)
    if not ingest.state.is_open:
        raise AlreadyIngestedError(
            f"{ingest.file_name} was ingested, and linkt.executions no longer says by which run. Nothing was bought; "
            "--again buys a run of it"
        )
    await _require_free_task(desk, request.task, execution)
    if execution is None:
        ingest = await _prepare(desk, request, checked, ingest)
    return await _execute(desk, request, checked.source, ingest)


async def _prepare(desk: Desk, request: Request, checked: Checked, ingest: Ingest) -> Ingest:
    """Do all that is free: check the limits, read the task, upload the file, and plan the task's new settings."""
    worker, task = desk.worker, request.task
    if worker.over_budget_by is None:

        def require() -> None:
            with worker.ledger.read() as rows:
                require_room(rows, task, worker.common, checked.expected)

        await worker.call(require)
    ingest = await _note_task(desk, checked, ingest)
    ingest = await bring_to_linkt(desk, ingest, checked.source)
    config = config_for(
        task.key,
        ingest.task_before or checked.task_found,
        file_id=ingest.file_id,
        primary_column=ingest.primary_column,
        entity_type=request.entity_type,
    )
    return await worker.call(desk.ingests.update, ingest, task_config=config)


async def _note_task(desk: Desk, checked: Checked, ingest: Ingest) -> Ingest:
    """Remember the task as it was found. If an interrupted ingest remembered it before, compare the two.

    Raises:
        TaskChangedError: somebody has changed the task since. From now on it counts as found in its new state.
    """
    before, found = ingest.task_before, checked.task_found
    if before is not None:
        set_by_us = {**before, "task_config": dict(ingest.task_config or before.get("task_config") or {})}
        if is_same(found, set_by_us):
            return ingest
        if not is_same(found, before):
            changed = TaskChangedError(ingest.task_key, differences(before, found))
            await desk.worker.call(desk.ingests.update, ingest, task_before=found, last_error=str(changed))
            raise changed
    return await desk.worker.call(desk.ingests.update, ingest, task_before=found)


async def _execute(desk: Desk, request: Request, source: Source, ingest: Ingest) -> Ingested:
    worker = desk.worker
    # Outcomes from before are answers about other files. The row's times are the ledger's, this one is this machine's.
    worker.not_before = ingest.intended_at - await worker.call(worker.ledger.clock_ahead)
    worker.before_start = partial(configure_for, desk, ingest)
    # The workflow engine wants this parameter to be there, even though the rows come from the file.
    task = request.task.model_copy(update={"parameters": {"input_entities": [], **request.task.parameters}})
    (outcome,) = await execute_tasks(worker, [task], delivers=False)
    if outcome.run is None or outcome.execution is None:
        raise outcome.error or LinktPipelineError(f"task {task.key}: its run has no outcome")
    ingest = await worker.call(desk.ingests.get, ingest)
    if outcome.execution.execution_id != ingest.execution_id:
        raise TaskBusyError(
            f"task {task.key}: run {outcome.run.id} was started by another process at the same moment, for another "
            f"file or none. {ingest.file_name} was not bought; repeat the command"
        )
    return await _conclude(desk, source, ingest, outcome.execution, outcome.run, bought=True, error=outcome.error)


async def _answer(desk: Desk, request: Request, source: Source, ingest: Ingest, execution: Execution) -> Ingested:
    """Use the run of the file, which has ended already, whichever process waited for it."""
    worker = desk.worker
    run = (await worker.call(landed_run, worker.warehouse, str(execution.run_id))).run
    if error := failure_of(request.task, run):
        if ingest.state is not IngestState.FINISHED:
            await _conclude(desk, source, ingest, execution, run, bought=False, error=error)
        raise AlreadyIngestedError(
            f"{error}\nIt was the run of {ingest.file_name}. --again buys another one; the file is not uploaded again"
        )
    return await _conclude(desk, source, ingest, execution, run, bought=False, error=None)


async def _conclude(
    desk: Desk,
    source: Source,
    ingest: Ingest,
    execution: Execution,
    run: Run,
    *,
    bought: bool,
    error: LinktPipelineError | None,
) -> Ingested:
    worker = desk.worker
    if ingest.state is not IngestState.FINISHED:
        candidates = await read_candidates(desk, ingest.task_key, run.id)
        ingest = await worker.call(desk.ingests.finish, ingest, source, run.id, candidates)
    await worker.call(worker.ledger.ask_for, execution.execution_id, worker.asked_by)
    return Ingested(ingest, execution, run, bought, error)


async def _execution_of(desk: Desk, ingest: Ingest, named_now: str | None, *, again: bool) -> Execution | None:
    execution_id = await desk.worker.call(partial(desk.ingests.execution_of, ingest, named_now, again=again))
    return None if execution_id is None else await desk.worker.call(desk.worker.ledger.get, execution_id)


async def _require_free_task(desk: Desk, task: TaskSpec, own: Execution | None) -> None:
    """Refuse to change the task while a run of it is open: that run needs the file that the task names now.

    Raises:
        TaskBusyError: there is one.
    """
    for row in await desk.worker.call(desk.worker.ledger.open_executions):
        if same_id(row.task_id, task.task_id) and (own is None or row.execution_id != own.execution_id):
            raise TaskBusyError(
                f"task {task.key}: {f'run {row.run_id}' if row.run_id else 'a start'} of it is still open, and a task "
                f"can name one file at a time. Let it end (linkt-pipeline run {row.task_key} waits for it and buys "
                "nothing), then repeat the command"
            )
