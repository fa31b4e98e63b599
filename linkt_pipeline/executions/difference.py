"""How the request of an adopted run differs from the task now. The run is used, and the difference is shown."""

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
    """The parameters as JSON gives them back, as in the ledger, so that no value differs by its Python type alone."""
    settings: dict[str, Any] = orjson.loads(orjson.dumps({"task_id": task_id, "icp_id": icp_id, **parameters}))
    return settings


def _shown(settings: Mapping[str, Any], name: str) -> str:
    return orjson.dumps(settings[name]).decode() if name in settings else "nothing"
