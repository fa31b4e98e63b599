"""marts.run_history: every run with its duration, its yield, its cost and why it failed."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from statistics import median
from typing import Any

from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.moments import SECOND, day_of
from linkt_pipeline.audit.runs import RunFacts
from linkt_pipeline.audit.world import World

_MINUTE = 60.0
_FEWEST_RUNS = 3
_SLACK = 0.2  # "about a minute a row" is no promise to the second


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    wanted = set(ids)
    medians = _task_medians(world)
    for run in world.runs:
        if run.run_id in wanted:
            brought = run.brought
            yield {
                "run_id": run.run_id,
                "task_id": run.task_id,
                "task": world.task_of(run),
                "task_key": run.task_key,
                "started_elsewhere": run.task_key is None,
                "task_type": run.task_type,
                "icp_id": run.icp_id,
                "icp_name": world.icp_names.get(run.icp_id) if run.icp_id else None,
                "status": run.status,
                "status_normalised": run.meant_status,
                "is_success": run.is_success,
                "failure_kind": _failure_kind(run),
                "error": run.error,
                "created_at": run.created_at,
                "spent_at": run.spent_at,
                "spent_on": day_of(run.spent_at, world.zone_of(run.task_id)),
                **_duration(run),
                **_against_task(run, *medians.get((run.task_id, world.task_of(run)), (0, None))),
                "entities_created": brought.created,
                "entities_updated": brought.updated,
                "entities_touched": brought.touched,
                "signals_created": brought.signals,
                "results": brought.results,
                "results_landed": brought.states["landed"],
                "results_open": brought.states["pending"],
                "results_lost": sum(brought.states[state] for state in ("missing", "rejected", "erased")),
                "credits": run.credits,
                "total_credits": run.credits,
                "credits_per_result": None
                if run.credits is None or not brought.results
                else run.credits / brought.results,
                "candidates_discarded": run.queue.get("discarded", 0) if run.queue else None,
                "fetched_at": run.fetched_at,
            }


def _failure_kind(run: RunFacts) -> str | None:
    """The kind of error; of a run that somebody cancelled, and of one that crashed without a word, how it ended."""
    if run.is_success is not False:
        return None
    if run.meant_status == "CANCELED" or (run.meant_status == "CRASHED" and not run.error):
        return run.meant_status.lower()
    return run.error_kind or "other"


def _ended_at(run: RunFacts) -> int | None:
    return run.updated_at if run.is_success is not None else None


def _wall(run: RunFacts) -> float | None:
    ended_at = _ended_at(run)
    return None if ended_at is None or run.created_at is None else (ended_at - run.created_at) / SECOND


def _seconds(run: RunFacts) -> float | None:
    """The working time, else the time from made to ended."""
    return _wall(run) if run.run_time is None else run.run_time


def _task_medians(world: World) -> dict[tuple[str | None, str], tuple[int, float]]:
    """Of each task how many of its successful runs took a known time, and the median of these times."""
    times: dict[tuple[str | None, str], list[float]] = defaultdict(list)
    for run in world.runs:
        seconds = _seconds(run)
        if run.is_success and seconds is not None:
            times[run.task_id, world.task_of(run)].append(seconds)
    return {task: (len(known), median(known)) for task, known in times.items()}


def _against_task(run: RunFacts, runs: int, usual: float | None) -> dict[str, Any]:
    seconds = _seconds(run)
    verdict = None
    if run.is_success and seconds is not None and usual is not None and runs >= _FEWEST_RUNS:
        verdict = "shorter" if seconds < usual / 2 else "longer" if seconds > usual * 2 else "usual"
    return {"task_median_seconds": usual, "duration_against_task": verdict}


def _duration(run: RunFacts) -> dict[str, Any]:
    low, high = _expected(run)
    return {
        "ended_at": _ended_at(run),
        "run_time_seconds": run.run_time,
        "wall_seconds": _wall(run),
        "expected_low_seconds": low,
        "expected_high_seconds": high,
        "duration_verdict": _verdict(_seconds(run), low, high) if run.is_success else None,
    }


def _expected(run: RunFacts) -> tuple[float | None, float | None]:
    """The documented duration: a search 15 to 20 minutes, an ingest a minute a row, else an entity."""
    match (run.task_type or "").lower():
        case "search":
            return 15 * _MINUTE, 20 * _MINUTE
        case "ingest":
            rows = run.rows_given or run.brought.created + run.brought.updated
            return (rows * _MINUTE, rows * _MINUTE) if rows else (None, None)
    return None, None


def _verdict(seconds: float | None, low: float | None, high: float | None) -> str | None:
    if seconds is None or low is None or high is None:
        return None
    return "shorter" if seconds < low * (1 - _SLACK) else "longer" if seconds > high * (1 + _SLACK) else "as documented"


RUN_HISTORY = Mart(
    name="run_history",
    key=("run_id",),
    rows=_rows,
    batch="run_id",
    ids=lambda world: [run.run_id for run in world.runs],
)
