"""marts.data_freshness: how fresh each kind of data is, and what is still on its way."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.world import World, moment

_OPEN = frozenset({"intended", "unknown", "started"})
_LOST = frozenset({"missing", "rejected"})
# Dataset: key column, and the time of its newest change. A signal never changes after it was noticed.
_DATASETS = {
    "entities": ("entity_id", "updated_at"),
    "signals": ("signal_id", "created_at"),
    "tasks": ("task_id", "updated_at"),
    "icps": ("icp_id", "updated_at"),
    "sheets": ("sheet_id", "updated_at"),
}
_KINDS = {"entities": "entity", "signals": "signal"}


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    runs = world.runs
    yield {
        "dataset": "runs",
        "row_count": len(runs),
        "newest_at": _newest(run.updated_at for run in runs),
        "last_landed_at": _newest(run.fetched_at for run in runs),
        "open_count": sum(execution.state in _OPEN for execution in world.executions),
        "lost_count": 0,
    }
    unsettled: dict[tuple[str, str], set[str]] = defaultdict(set)
    for kind, resource_id, state in world.landed.rows(
        "select resource_type, resource_id, state from linkt.run_resources where state <> 'landed'"
    ):
        unsettled[kind, "open" if state == "pending" else "lost" if state in _LOST else state].add(resource_id)
    for dataset, (key, changed) in _DATASETS.items():
        count, newest, landed = 0, None, None
        for body in world.landed.bodies(dataset, key):
            count += 1
            newest = _newest((newest, moment(body, changed)))
            landed = _newest((landed, body.fetched_at))
        kind = _KINDS.get(dataset, "")
        yield {
            "dataset": dataset,
            "row_count": count,
            "newest_at": newest,
            "last_landed_at": landed,
            "open_count": len(unsettled[kind, "open"]),
            "lost_count": len(unsettled[kind, "lost"]),
        }


def _newest(moments: Iterable[int | None]) -> int | None:
    return max((found for found in moments if found is not None), default=None)


DATA_FRESHNESS = Mart(name="data_freshness", key=("dataset",), rows=_rows)
