"""What an adopted run was asked for, and what the task asks for now: it is used all the same, but not in silence."""

from collections.abc import Mapping
from typing import Any

import orjson

from linkt_pipeline.ledger.values import Execution
from linkt_pipeline.tasks import TaskSpec


def differences(execution: Execution, task: TaskSpec) -> list[str]:
    """Settings in which the request of a ledger row differs from the task, such as ``num_results: 2 instead of 5``."""
    asked = _settings(execution.task_id, execution.icp_id, execution.parameters)
    wanted = _settings(task.task_id, task.icp_id, task.parameters)
    return [
        f"{name}: {_shown(asked, name)} instead of {_shown(wanted, name)}"
        for name in dict.fromkeys([*asked, *wanted])
        if (name in asked, asked.get(name)) != (name in wanted, wanted.get(name))
    ]


def _settings(task_id: str, icp_id: str | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives them back: so the ledger keeps them, and a value must not differ from itself by its Python type."""
    settings: dict[str, Any] = orjson.loads(orjson.dumps({"task_id": task_id, "icp_id": icp_id, **parameters}))
    return settings


def _shown(settings: Mapping[str, Any], name: str) -> str:
    return orjson.dumps(settings[name]).decode() if name in settings else "nothing"
