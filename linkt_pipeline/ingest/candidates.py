"""What the run of a file says about the file's rows: its queue, which Linkt deletes some time after the run."""

from collections.abc import Mapping
from typing import Any

from linkt_pipeline.api import LinktApiError
from linkt_pipeline.ingest.desk import Desk

_PAGE = 100
_MOST_PAGES = 10_000  # a queue that never ends


async def read_candidates(desk: Desk, task_key: str, run_id: str) -> list[dict[str, str | None]] | None:
    """Every item of a run's queue: name, state, and the reason of a discard; None if it can't be read any more."""
    found: list[dict[str, str | None]] = []
    try:
        for page in range(_MOST_PAGES):
            queue = await desk.worker.client.get_run_queue(
                run_id, offset=page * _PAGE, limit=_PAGE, include_history=True
            )
            if not queue.queue_data_available:
                break
            found += [_candidate(item) for item in queue.entities]
            if len(queue.entities) < _PAGE:
                return found
    except LinktApiError as error:
        desk.worker.warn(task_key, f"what became of each row can't be read from the queue of run {run_id}: {error}")
        return None
    desk.worker.warn(
        task_key, f"Linkt no longer holds the queue of run {run_id}, so the reasons of discards are unknown"
    )
    return None


def _candidate(item: Mapping[str, Any]) -> dict[str, str | None]:
    stage = item.get("stage_metadata")
    deeper = stage.get("reason") if isinstance(stage, Mapping) else None
    reason = item.get("reason") or deeper or item.get("justification")
    state = _text(item.get("state"))
    return {
        "name": _text(item.get("name")),
        "state": state,
        "reason": _text(reason) if state == "discarded" else None,
    }


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
