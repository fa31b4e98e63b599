"""marts.task_efficiency: what each task brings for its credits, over all its finished runs."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from statistics import median
from typing import Any

from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.runs import RunFacts
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.world import World


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    runs_of: dict[tuple[str | None, str | None], list[RunFacts]] = defaultdict(list)
    for run in world.runs:
        if run.is_success is not None:
            runs_of[run.task_id, world.task_of(run)].append(run)
    for (task_id, task), runs in runs_of.items():
        yield {
            "task_id": task_id,
            "task": task,
            "task_type": _commonest(run.task_type for run in runs),
            **_counts(runs),
            **_costs(runs),
            **_ratios([run for run in runs if run.credits is not None]),
            **_candidates(runs),
            "median_run_time_seconds": _median(run.run_time for run in runs if run.is_success),
            "last_run_at": max(run.spent_at for run in runs),
        }


def _commonest(kinds: Iterable[str | None]) -> Any:
    counted = Counter(kind for kind in kinds if kind is not None).most_common(2)
    if len(counted) == 2 and counted[0][1] == counted[1][1]:
        return UNSURE
    return counted[0][0] if counted else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _counts(runs: list[RunFacts]) -> dict[str, Any]:
    successful = sum(run.is_success is True for run in runs)
    return {
        "runs": len(runs),
        "successful_runs": successful,
        "success_rate": successful / len(runs),
        "entities_created": sum(run.brought.created for run in runs),
        "entities_updated": sum(run.brought.updated for run in runs),
        "entities_touched": sum(run.brought.touched for run in runs),
        "signals_created": sum(run.brought.signals for run in runs),
        "unknown_cost_runs": sum(run.credits is None for run in runs),
        "update_only_runs": sum(map(_only_updated, runs)),
        "empty_runs": sum(run.brought.results == 0 for run in runs),
    }


def _only_updated(run: RunFacts) -> bool:
    return run.brought.updated > 0 and run.brought.created == 0 and run.brought.signals == 0


def _costs(runs: list[RunFacts]) -> dict[str, Any]:
    """Sums of credits; empty where there is no such run, or none that says what it cost."""

    def spent(which: Callable[[RunFacts], bool]) -> float | None:
        known = [run.credits for run in runs if run.credits is not None and which(run)]
        return sum(known) if known else None

    return {
        "total_credits": spent(lambda run: True),
        "failed_credits": spent(lambda run: not run.is_success),
        "update_only_credits": spent(_only_updated),
        "empty_run_credits": spent(lambda run: run.brought.results == 0),
    }


def _ratios(known: list[RunFacts]) -> dict[str, Any]:
    """Ratios over the runs whose cost is known."""
    total = sum(run.credits or 0.0 for run in known)
    created = sum(run.brought.created for run in known)
    touched = sum(run.brought.touched for run in known)
    signals = sum(run.brought.signals for run in known)
    results = sum(run.brought.results for run in known)
    for_entities = total * touched / (touched + signals) if touched + signals else 0.0
    creating = [run for run in known if run.brought.created]
    updating = list(filter(_only_updated, known))
    signalling = [run for run in known if run.brought.signals]
    return {
        "credits_per_run": _ratio(total, len(known)),
        "credits_per_result": _ratio(total, results),
        "credits_per_entity_all_in": _ratio(for_entities, created),
        "credits_per_signal_all_in": _ratio(total - for_entities, signals),
        "credits_per_touched_entity": _ratio(for_entities, touched),
        "credits_per_entity": _ratio(
            sum((run.credits or 0.0) * (1 - _signals_share(run)) for run in creating),
            sum(run.brought.created for run in creating),
        ),
        "credits_per_signal": _ratio(
            sum((run.credits or 0.0) * _signals_share(run) for run in signalling),
            sum(run.brought.signals for run in signalling),
        ),
        "credits_per_update": _ratio(
            sum(run.credits or 0.0 for run in updating), sum(run.brought.updated for run in updating)
        ),
    }


def _signals_share(run: RunFacts) -> float:
    """The share of signals in what a run brought, each entity counted once."""
    return run.brought.signals / (run.brought.touched + run.brought.signals)


def _ratio(credits: float, number: int) -> float | None:
    return credits / number if number else None


def _candidates(runs: list[RunFacts]) -> dict[str, Any]:
    """What the queues of the runs said; empty if none was ever read."""
    read = [run.queue for run in runs if run.queue]
    kept = sum(queue.get("completed", 0) for queue in read)
    discarded = sum(queue.get("discarded", 0) for queue in read)
    return {
        "candidates_kept": kept if read else None,
        "candidates_discarded": discarded if read else None,
        "discard_rate": discarded / (kept + discarded) if kept + discarded else None,
    }


TASK_EFFICIENCY = Mart(name="task_efficiency", key=("task_id", "task"), rows=_rows)
