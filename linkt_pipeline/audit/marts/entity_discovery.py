"""marts.entity_discovery: which run named which entity, and its share of what the run cost."""

from collections.abc import Collection, Iterator
from typing import Any

from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.moments import day_of
from linkt_pipeline.audit.runs import read_names
from linkt_pipeline.audit.world import World


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    for run_id, names in read_names(world.landed, list(ids)).items():
        run = world.run_of[run_id]
        of_entities = {
            (action, entity_id): state for (kind, action, entity_id), state in names.items() if kind == "entity"
        }
        for entity_id in {entity_id for _, entity_id in of_entities}:
            action = "created" if ("created", entity_id) in of_entities else "updated"
            state = of_entities[action, entity_id]
            yield {
                "run_id": run_id,
                "entity_id": entity_id,
                "action": action,
                "state": "deleted" if state == "landed" and entity_id in world.deleted else state,
                "task_id": run.task_id,
                "task": world.task_of(run),
                "task_type": run.task_type,
                "icp_id": run.icp_id,
                "icp_name": world.icp_names.get(run.icp_id) if run.icp_id else None,
                "spent_at": run.spent_at,
                "spent_on": day_of(run.spent_at, world.zone_of(run.task_id)),
                "credits": None if run.credits is None else run.credits / (run.brought.touched + run.brought.signals),
            }


ENTITY_DISCOVERY = Mart(
    name="entity_discovery",
    key=("run_id", "entity_id"),
    rows=_rows,
    batch="run_id",
    ids=lambda world: list(world.run_of),
)
