"""A Linkt task as an ingest finds it, the state that the ingest sets, and how two such states differ."""

from collections.abc import Mapping
from typing import Any

import orjson

from linkt_pipeline.api import Task
from linkt_pipeline.ingest.errors import TaskUnfitError

State = Mapping[str, Any]

_INGESTS = ("ingest", "ingest-ondemand")
_FIELDS = ("flow_name", "icp_id", "prompt")


def state_of(task: Task) -> dict[str, Any]:
    """What of a task decides about its runs, as JSON gives it back: ``task_config`` and three fields beside it."""
    state: dict[str, Any] = orjson.loads(
        orjson.dumps({name: getattr(task, name) for name in _FIELDS} | {"task_config": task.task_config})
    )
    return state


def config_for(
    task_key: str, found: State, *, file_id: str | None, primary_column: str, entity_type: str | None
) -> dict[str, Any]:
    """The ``task_config`` that ingests a file: the task's own with another file.

    Args:
        task_key: the entry of tasks.yaml.
        found: the task as it is.
        file_id: of the uploaded file; None while there is none.
        primary_column: the column by which Linkt identifies a row.
        entity_type: what a row stands for; None: what the task says, else a company.
    """
    config = dict(found["task_config"] or {})
    kind = config.get("type") or "ingest"
    if kind not in _INGESTS or not str(found["flow_name"] or "ingest").startswith("ingest"):
        raise TaskUnfitError(
            f"task {task_key} is no ingest task: its flow is {found['flow_name']!r} and its type "
            f"{config.get('type')!r}. Name a task of tasks.yaml whose Linkt task has the flow 'ingest'"
        )
    return {
        **config,
        "type": kind,
        "file_id": file_id,
        "primary_column": primary_column,
        "csv_entity_type": entity_type or config.get("csv_entity_type") or "company",
    }


def is_same(one: State, other: State) -> bool:
    """Whether two states mean the same: null, absent and empty are one."""
    return not differences(one, other)


def differences(before: State, now: State) -> list[str]:
    """Each setting in which two states differ, such as ``task_config.file_id: was "a", is "b"``."""
    old, new = _settings(before), _settings(now)
    return [
        f"{name}: was {_shown(old.get(name))}, is {_shown(new.get(name))}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _settings(state: State) -> dict[str, Any]:
    config = {f"task_config.{name}": value for name, value in (state.get("task_config") or {}).items()}
    every = {**{name: state.get(name) for name in _FIELDS}, **config}
    return {name: value for name, value in every.items() if value not in (None, "", [], {})}


def _shown(value: Any) -> str:
    return "nothing" if value is None else orjson.dumps(value).decode()
