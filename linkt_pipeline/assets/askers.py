"""Who asks for the outcome of a paid step, so that the step that comes last knows what it has delivered."""

from datetime import datetime

import dagster as dg

ASKED_BY_TAG = "linkt/asked_by"
_TICK_TAG = ".dagster/scheduled_execution_time"


def asker_of(run: dg.DagsterRun) -> str:
    """The command that made this Dagster run, or the Dagster run that this one repeats, or itself."""
    return run.tags.get(ASKED_BY_TAG) or run.root_run_id or run.run_id


def is_of_command(run: dg.DagsterRun) -> bool:
    """Whether ``linkt-pipeline run`` made this Dagster run: it publishes whatever becomes of the paid step."""
    return ASKED_BY_TAG in run.tags


def tick_of(run: dg.DagsterRun) -> datetime | None:
    """The moment of the schedule that asked: a tick is a question of its own, and no repetition of the last one."""
    moment = run.tags.get(_TICK_TAG)
    return datetime.fromisoformat(moment) if moment else None
