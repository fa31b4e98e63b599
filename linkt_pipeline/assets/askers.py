"""Who asks for the outcome of a paid step, and since when: so that the last step knows what it has delivered.

A Dagster run that is executed again inherits the tags of the first one and repeats its question. It publishes its
outcome by itself, even if the command made the first one.
"""

import getpass
import os
from datetime import datetime

import dagster as dg

ASKED_BY_TAG = "linkt/asked_by"
STARTED_BY_TAG = "linkt/started_by"
COMMAND, HANDED_OVER = "command", "run --launch"  # its values
HAND_OVER_TAG = "linkt/hand_over"  # by its value the command finds a run that was launched without a reply
TASKS_TAG = "linkt/tasks"
_PARTITION_TAGS = frozenset(
    {"dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"}
)
_TICK_TAG = ".dagster/scheduled_execution_time"
_PARENT_BACKFILL_TAG = "dagster/parent_backfill_id"
_BACKFILL_TAGS = ("dagster/root_backfill_id", "dagster/backfill")  # that of the first one, if this executes it again


def is_repetition(run: dg.DagsterRun) -> bool:
    """Whether a person (*Re-execute*) or Dagster (a run retry) executes another Dagster run, or a backfill, again."""
    return run.root_run_id is not None or _PARENT_BACKFILL_TAG in run.tags


def asker_of(run: dg.DagsterRun) -> str:
    """The Dagster run that this one repeats, or the command that made it, or itself."""
    return run.root_run_id or run.tags.get(ASKED_BY_TAG) or run.run_id


def is_of_command(run: dg.DagsterRun) -> bool:
    """Whether ``linkt-pipeline run`` made this Dagster run; the command publishes however the paid step ends."""
    return ASKED_BY_TAG in run.tags and not is_repetition(run)


def is_started_by_command(run: dg.DagsterRun) -> bool:
    """Whether this Dagster run is the command's own, which lands after its own failures by itself."""
    return run.tags.get(STARTED_BY_TAG) == COMMAND and not is_repetition(run)


def person_of(run: dg.DagsterRun) -> str:
    """Who asked for what a run config says: the user of the command, else the Dagster run that somebody launched."""
    if not is_started_by_command(run):
        return f"Dagster run {run.run_id}"
    try:
        return f"user {getpass.getuser()}"
    except (KeyError, OSError):  # a container's user id without a name
        return f"user {os.getuid()}"


def tick_of(run: dg.DagsterRun) -> datetime | None:
    """The moment of the schedule that asked: each tick is a new question and never repeats the last one."""
    moment = run.tags.get(_TICK_TAG)
    return datetime.fromisoformat(moment) if moment else None


def question_of(run: dg.DagsterRun) -> str:
    """The Dagster run that asked first; all that execute it again ask the same question."""
    return run.root_run_id or run.run_id


def other_names_of_question(instance: dg.DagsterInstance, run: dg.DagsterRun) -> frozenset[str]:
    """The backfill and the Dagster run that asked the same before.

    A backfill that is executed again makes new Dagster runs. None of them is marked as a repetition: they share only
    the name of the first backfill. A Dagster run of a backfill that is over loses that name when it is executed again.
    Versions before linkt.answers recorded what each repetition had bought, not what it repeated.
    """
    first = instance.get_run_by_id(run.root_run_id) if run.root_run_id else None
    names = [run.parent_run_id, _backfill_of(run), first and _backfill_of(first)]
    return frozenset(name for name in names if name)


def _backfill_of(run: dg.DagsterRun) -> str | None:
    return next((run.tags[tag] for tag in _BACKFILL_TAGS if tag in run.tags), None)


def named_partitions(run: dg.DagsterRun) -> frozenset[str]:
    """The partition that a Dagster run names, or the ends of its range. They may not exist any more."""
    return frozenset(name for tag, name in run.tags.items() if tag in _PARTITION_TAGS)


def named_tasks(instance: dg.DagsterInstance, run: dg.DagsterRun, asset: dg.AssetKey) -> frozenset[str]:
    """The tasks that were asked for. A Dagster run names a range, which may hold others by now.

    A tag names them, or what Dagster planned when the first of these Dagster runs was launched; it may have waited in a
    queue since. Empty if neither is known.
    """
    if names := run.tags.get(TASKS_TAG):
        return frozenset(names.split(","))
    planned = instance.all_logs(question_of(run), of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    events = [entry.dagster_event for entry in planned if entry.dagster_event]
    return frozenset(event.partition for event in events if event.asset_key == asset and event.partition)
