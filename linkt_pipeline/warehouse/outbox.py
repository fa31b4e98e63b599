"""The outbox: events that alerts may report, each written in the transaction of what it reports.

An event is recorded once, by its key: retries, restarts and a second process find it there. Whether a channel wants it
is decided when alerts are sent, never here. Their texts are made then, too, from the facts that are kept here: figures,
ids, names of tasks, tables and checks. These facts hold no content of a row, so they hold no contact data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
import orjson

from linkt_pipeline.tasks import AlertEvent


@dataclass(frozen=True)
class Alert:
    """An event that alerts may report.

    Attributes:
        event: its kind.
        subject: with the kind, what makes it one and the same.
        facts: what its text is made of; JSON values.
        task_key: the entry of tasks.yaml that it is about.
        run_id: the Linkt run that it is about.
        dagster_run_id: the Dagster run that shows more of it.
    """

    event: AlertEvent
    subject: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    task_key: str | None = None
    run_id: str | None = None
    dagster_run_id: str | None = None

    @property
    def key(self) -> str:
        """Key of its row."""
        return f"{self.event}/{self.subject}"


def tell(con: duckdb.DuckDBPyConnection, alert: Alert) -> bool:
    """Record an event, unless it is recorded already.

    Args:
        con: the transaction of what the event reports.
        alert: the event.

    Returns:
        Whether it is new.
    """
    if con.execute("select 1 from linkt.alerts where event_key = ?", [alert.key]).fetchall():
        return False
    con.execute(
        "insert into linkt.alerts by name select $1 as event_key, $2 as event, $3 as task_key, $4 as run_id, "
        "$5 as dagster_run_id, $6::json as facts, $7::timestamptz as happened_at",
        [
            alert.key,
            alert.event.value,
            alert.task_key,
            alert.run_id,
            alert.dagster_run_id,
            orjson.dumps(dict(alert.facts)).decode(),
            datetime.now(UTC),
        ],
    )
    return True


def tell_rejects(con: duckdb.DuckDBPyConnection, rejected: str) -> None:
    """Record that rows were rejected: once per run for the rows that it names, once per object for all others.

    Args:
        con: the transaction that lands them.
        rejected: a table with ``resource_type``, ``resource_id`` and ``run_id`` of rejects, before they are stored.
    """
    rows: Sequence[tuple[str, str | None, str, int]] = con.execute(
        f"""
        select resource_type, run_id, subject, count(*)
        from (
            select newer.*, case when newer.resource_type in ('entity', 'signal')
                then coalesce(newer.run_id, 'no run, ' || current_date) else newer.resource_id end as subject
            from {rejected} as newer
            anti join linkt.rejects as stored
                on stored.resource_type = newer.resource_type and stored.resource_id = newer.resource_id
        )
        group by resource_type, run_id, subject
        """  # noqa: S608
    ).fetchall()
    for resource_type, run_id, subject, rejects in rows:
        facts = {"resource_type": resource_type, "subject": subject, "rejects": rejects}
        tell(con, Alert(AlertEvent.REJECTED, f"{resource_type}/{subject}", facts, run_id=run_id))


def tell_unclear_start(
    con: duckdb.DuckDBPyConnection, execution_id: str, task_key: str, dagster_run_id: str | None
) -> None:
    """Record that a person has to say which run a start has made. Until then the task starts no run."""
    tell(con, Alert(AlertEvent.UNCLEAR_START, execution_id, {}, task_key, dagster_run_id=dagster_run_id))
