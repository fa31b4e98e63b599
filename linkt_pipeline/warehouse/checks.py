"""What must be true of the landed tables, as queries that return the rows for which it is not.

Errors mean wrong data: nothing may be published on top of it. Warnings are shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from linkt_pipeline.warehouse.catalog import literal


class CheckSeverity(StrEnum):
    """What an offending row means."""

    ERROR = "error"
    WARN = "warn"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: unique within its table.
        table: name of the table in schema ``linkt``.
        severity: whether an offending row holds back publication.
        description: what a pass means.
        sql: a SELECT of the offending rows.
    """

    name: str
    table: str
    severity: CheckSeverity
    description: str
    sql: str


CREDIT_TOLERANCE = 0.01  # relative, and absolute below one credit: Linkt does not promise that a breakdown adds up

_KEYS: Mapping[str, tuple[str, ...]] = {
    "executions": ("execution_id",),
    "undelivered": ("execution_id",),
    "answers": ("question", "task_key", "execution_id"),
    "runs": ("run_id",),
    "run_credits": ("run_id", "action_type"),
    "run_resources": ("run_id", "resource_type", "action", "resource_id"),
    "entities": ("entity_id",),
    "signals": ("signal_id",),
    "rejects": ("resource_type", "resource_id"),
    "tasks": ("task_id",),
    "icps": ("icp_id",),
    "sheets": ("sheet_id",),
    "run_queue_counts": ("run_id", "state"),
    "api_usage": ("day", "endpoint"),
    "task_entries": ("task_key",),
    "settings": ("name",),
}


def landing_checks(max_wait: Mapping[str, timedelta] | None = None) -> list[Check]:
    """Every check of the landed tables.

    Args:
        max_wait: by task key, how long its run may take; an execution open for longer is shown.
    """
    return [*map(_unique_key, _KEYS), *_BOOKS, _open_too_long(max_wait or {})]


def _unique_key(table: str) -> Check:
    key = _KEYS[table]
    columns = ", ".join(key)
    is_null = " or ".join(f"{column} is null" for column in key)
    return Check(
        f"{table}_key",
        table,
        CheckSeverity.ERROR,
        f"Every row has its {columns}, and no two rows have the same.",
        f"""
        select {columns}, count(*) as "rows" from linkt.{table}
        group by {columns} having count(*) > 1 or {is_null}
        """,  # noqa: S608
    )


_LISTS = (
    ("entity", "created", "entities_created"),
    ("entity", "updated", "entities_updated"),
    ("signal", "created", "signals_created"),
)

_BOOKS = (
    Check(
        "every_named_id_is_booked",
        "run_resources",
        CheckSeverity.ERROR,
        "Every id in a run's own lists has a row that says what became of it.",
        "\nunion all\n".join(
            f"""
            select run_id, '{resource_type}' as resource_type, '{action}' as action, named, booked
            from (
                select run_id,
                    len(list_filter(
                        list_distinct(payload ->> '$.output.resources.{key}[*]'), lambda id: id <> ''
                    )) as named,
                    (
                        select count(*) from linkt.run_resources as r
                        where r.run_id = runs.run_id and resource_type = '{resource_type}' and action = '{action}'
                    ) as booked
                from linkt.runs as runs
            )
            where booked < named
            """  # noqa: S608
            for resource_type, action, key in _LISTS
        ),
    ),
    Check(
        "every_state_is_known",
        "run_resources",
        CheckSeverity.ERROR,
        "Every named id is pending, landed, missing or rejected: the four add up to what the runs named.",
        """
        select run_id, resource_type, action, resource_id, state from linkt.run_resources
        where state is null or state not in ('pending', 'landed', 'missing', 'rejected')
        """,
    ),
    Check(
        "landed_ids_have_rows",
        "run_resources",
        CheckSeverity.ERROR,
        "Every id booked as landed is in linkt.entities or linkt.signals.",
        """
        select run_id, resource_type, resource_id from linkt.run_resources as named
        anti join linkt.entities as entity on entity.entity_id = named.resource_id
        where resource_type = 'entity' and state = 'landed'
        union all
        select run_id, resource_type, resource_id from linkt.run_resources as named
        anti join linkt.signals as signal on signal.signal_id = named.resource_id
        where resource_type = 'signal' and state = 'landed'
        """,
    ),
    Check(
        "rejected_ids_are_kept",
        "run_resources",
        CheckSeverity.ERROR,
        "Every id booked as rejected is in linkt.rejects with the reason.",
        """
        select run_id, resource_type, resource_id from linkt.run_resources as named
        anti join linkt.rejects as kept
            on kept.resource_type = named.resource_type and kept.resource_id = named.resource_id
        where state = 'rejected'
        """,
    ),
    Check(
        "everything_is_settled",
        "run_resources",
        CheckSeverity.WARN,
        "Nothing is waiting to be fetched; `linkt-pipeline sync` fetches what is.",
        """
        select run_id, resource_type, count(*) as pending from linkt.run_resources
        where state = 'pending' group by all
        """,
    ),
    Check(
        "resources_belong_to_a_run",
        "run_resources",
        CheckSeverity.WARN,
        "Every booked id belongs to a landed run.",
        """
        select distinct run_id from linkt.run_resources anti join linkt.runs using (run_id)
        """,
    ),
    Check(
        "breakdown_adds_up",
        "run_credits",
        CheckSeverity.WARN,
        "Each run's credits by action add up to its total, to within one percent.",
        f"""
        select runs.run_id, any_value(runs.total_credits) as total_credits, sum(credits) as breakdown
        from linkt.runs as runs join linkt.run_credits using (run_id)
        where total_credits is not null
        group by runs.run_id
        having abs(breakdown - any_value(total_credits))
            > {CREDIT_TOLERANCE} * greatest(1, abs(any_value(total_credits)))
        """,  # noqa: S608
    ),
    Check(
        "credits_belong_to_a_run",
        "run_credits",
        CheckSeverity.WARN,
        "Every credit row belongs to a landed run.",
        "select distinct run_id from linkt.run_credits anti join linkt.runs using (run_id)",
    ),
    Check(
        "newest_version_is_current",
        "entity_versions",
        CheckSeverity.ERROR,
        "The newest version in the history of each entity is the one in linkt.entities.",
        """
        with newest as (
            select entity_id,
                max_by(content_hash, (coalesce(updated_at, '-infinity'), fetched_at, content_hash)) as content_hash
            from linkt.entity_versions group by entity_id
        )
        select entity.entity_id, entity.content_hash, newest.content_hash as newest_version
        from linkt.entities as entity left join newest using (entity_id)
        where newest.content_hash is distinct from entity.content_hash
        """,
    ),
    Check(
        "parents_are_landed",
        "entities",
        CheckSeverity.WARN,
        "Every parent that an entity names is landed too (it may be filtered out or deleted at Linkt).",
        """
        select child.entity_id, child.parent_id from linkt.entities as child
        anti join linkt.entities as parent on parent.entity_id = child.parent_id
        where child.parent_id is not null
        """,
    ),
    Check(
        "entities_of_signals_are_landed",
        "signals",
        CheckSeverity.WARN,
        "Every entity that a signal speaks of is landed too.",
        """
        select signal_id, entity_id
        from (select signal_id, unnest(entity_ids) as entity_id from linkt.signals)
        anti join linkt.entities using (entity_id)
        """,
    ),
    Check(
        "finished_runs_are_landed",
        "executions",
        CheckSeverity.ERROR,
        "Every execution that is finished has its run in linkt.runs, or in linkt.rejects with the reason.",
        """
        select execution_id, task_key, execution.run_id from linkt.executions as execution
        anti join linkt.runs as runs on runs.run_id = execution.run_id
        anti join linkt.rejects as kept on kept.resource_type = 'run' and kept.resource_id = execution.run_id
        where state = 'finished' and execution.run_id is not null
        """,
    ),
    Check(
        "one_open_execution_per_task",
        "executions",
        CheckSeverity.ERROR,
        "No task has two executions open: one intention is one Linkt run.",
        """
        select task_key, count(*) as open from linkt.executions
        where state in ('intended', 'unknown', 'started') group by task_key having count(*) > 1
        """,
    ),
    Check(
        "one_execution_per_run",
        "executions",
        CheckSeverity.ERROR,
        "No run belongs to two executions.",
        """
        select run_id, count(*) as executions from linkt.executions
        where run_id is not null group by run_id having count(*) > 1
        """,
    ),
)


def _open_too_long(max_wait: Mapping[str, timedelta]) -> Check:
    default = timedelta(hours=4)
    limits = (
        ", ".join(f"({literal(task)}, {max_wait[task].total_seconds():.0f})" for task in sorted(max_wait))
        or f"(null, {default.total_seconds():.0f})"
    )
    return Check(
        "open_no_longer_than_max_wait",
        "executions",
        CheckSeverity.WARN,
        "No execution is open for longer than its task's max_wait; materialize the task again to go on waiting.",
        f"""
        with limits (task_key, seconds) as (values {limits})
        select execution_id, execution.task_key, state, run_id, intended_at
        from linkt.executions as execution left join limits on limits.task_key = execution.task_key
        where state in ('intended', 'unknown', 'started')
            and intended_at + to_seconds(coalesce(seconds, {default.total_seconds():.0f})) < now()
        """,  # noqa: S608
    )
