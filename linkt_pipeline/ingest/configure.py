"""Point the Linkt task at an uploaded file, for one start alone.

It happens while the execution is claimed, so no other process of this deployment can start the task between the change
and the start. But a person can change the task in Linkt's dashboard at any time. So the task is read before the change
and after it. A task that is neither as it was found nor as this ingest set it was changed by somebody else, and stays.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from linkt_pipeline.api import LinktApiError, StartReply, read_start_reply
from linkt_pipeline.ingest.desk import Desk
from linkt_pipeline.ingest.errors import IngestError, TaskChangedError
from linkt_pipeline.ingest.record import Ingest, IngestState
from linkt_pipeline.ingest.task_state import differences, is_same, state_of
from linkt_pipeline.ledger.values import Execution

_ATTEMPTS = 3


async def configure_for(desk: Desk, ingest: Ingest, execution: Execution) -> None:
    """Make sure that the task names the file of an ingest, right before its run is started.

    Raises:
        TaskChangedError: somebody else has changed the task.
        IngestError: Linkt does not take the change.
        LinktApiError: the task can't be read.
    """
    worker = desk.worker
    wanted = dict(ingest.task_before or {}) | {"task_config": dict(ingest.task_config or {})}
    ingest = await worker.call(
        desk.ingests.update, ingest, state=IngestState.CONFIGURING, execution_id=execution.execution_id
    )
    failure: LinktApiError | None = None
    pause = worker.timing.resend.total_seconds()
    for attempt in range(_ATTEMPTS + 1):
        found = state_of(await worker.client.get_task(ingest.task_id))
        if is_same(found, wanted):
            now = await worker.call(worker.ledger.now)
            await worker.call(
                desk.ingests.update, ingest, state=IngestState.CONFIGURED, configured_at=now, last_error=None
            )
            return
        await _require_unchanged(desk, ingest, found)
        if attempt == _ATTEMPTS or (failure and read_start_reply(failure) is StartReply.REFUSED):
            break
        if attempt:
            await asyncio.sleep(pause)
            pause *= 2
        failure = await _set(desk, ingest, wanted["task_config"])
    why = str(failure or "Linkt took the change and shows the task as it was.")
    await worker.call(desk.ingests.update, ingest, state=IngestState.READY, last_error=why)
    raise IngestError(
        f"task {ingest.task_key}: the Linkt task could not be set to {ingest.file_name}: {why} Nothing was bought; "
        "repeat the command"
    )


async def _set(desk: Desk, ingest: Ingest, task_config: Mapping[str, Any]) -> LinktApiError | None:
    """Send one PUT. Its reply decides nothing: the task, read afterwards, shows whether it was changed."""
    try:
        await desk.worker.client.set_task_config(ingest.task_id, task_config)
    except LinktApiError as error:
        desk.worker.warn(ingest.task_key, f"the task may not have been changed: {error}")
        return error
    return None


async def _require_unchanged(desk: Desk, ingest: Ingest, found: Mapping[str, Any]) -> None:
    before = ingest.task_before or {}
    if is_same(found, before):
        return
    changed = TaskChangedError(ingest.task_key, differences(before, found))
    await desk.worker.call(
        desk.ingests.update, ingest, state=IngestState.READY, task_before=found, last_error=str(changed)
    )
    raise changed
