"""The warehouse's own checks, in the form in which every check is run and shown."""

from collections.abc import Mapping
from pathlib import Path

from linkt_pipeline.tasks import TaskSpec
from linkt_pipeline.transform import Check, ModelKey, Severity
from linkt_pipeline.warehouse import checks

# Tables that are no assets, with the asset whose step writes them.
_SHOWN_WITH = {"undelivered": "executions", "answers": "executions", "rejects": "run_resources", "api_usage": "runs"}


def landing_checks(tasks: Mapping[str, TaskSpec]) -> list[Check]:
    """Checks on the tables of schema ``linkt``, each with the asset it is run and shown with.

    Args:
        tasks: the entries of tasks.yaml; an execution open beyond its ``max_wait`` is shown.
    """
    limits = {task.key: task.max_wait for task in tasks.values()}
    return [
        Check(
            check.name,
            ModelKey("linkt", _SHOWN_WITH.get(check.table, check.table)),
            Severity(check.severity.value),
            check.sql,
            check.description,
            Path(checks.__file__),
        )
        for check in checks.landing_checks(limits)
    ]
