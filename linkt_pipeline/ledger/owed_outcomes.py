"""Outcomes that were paid for and are still owed to whoever asked: ``linkt.undelivered``.

A run that ended is used up only when everything that was asked for with it is done: its ids fetched, the models built,
the snapshot published. Until then every start of its task gets this outcome and buys nothing. A row is written in the
transaction that lands the run, so that no crash can come between, and deleted by the step that comes last.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import duckdb

from linkt_pipeline.warehouse.warehouse import Warehouse

# Published rows can be read by everybody. Whoever asks a day later wants news, not what a crash left behind.
_WANTED_FOR = timedelta(hours=24)


def owe(con: duckdb.DuckDBPyConnection, execution_id: str, asked_by: str | None) -> None:
    """Keep the outcome of an execution that has just finished, in the transaction that finishes it."""
    con.execute("insert into linkt.undelivered (execution_id, asked_by) values (?, ?)", [execution_id, asked_by])


def supersede(con: duckdb.DuckDBPyConnection, execution_id: str) -> None:
    """An execution has just finished: of its task, no earlier outcome answers a start any more."""
    con.execute(
        """
        delete from linkt.undelivered where execution_id in (
            select other.execution_id
            from linkt.executions as other join linkt.executions as ended using (task_key)
            where ended.execution_id = ?
        )
        """,
        [execution_id],
    )


def is_owed(con: duckdb.DuckDBPyConnection, execution_id: str, finished_at: datetime | None, now: datetime) -> bool:
    """Whether the next start of a task gets this outcome.

    Always while its rows are not published; for 24 hours once they are, because whoever asked was not answered.
    """
    owed = con.execute("select published_at from linkt.undelivered where execution_id = ?", [execution_id]).fetchall()
    return bool(owed) and (owed[0][0] is None or finished_at is None or finished_at > now - _WANTED_FOR)


def ask_for(con: duckdb.DuckDBPyConnection, execution_id: str, asked_by: str) -> None:
    """Somebody else asks for an outcome that is owed, and is the one to deliver it to now."""
    con.execute("update linkt.undelivered set asked_by = ? where execution_id = ?", [asked_by, execution_id])


def deliver(warehouse: Warehouse, asked_by: str, execution_ids: Collection[str] | None = None) -> None:
    """Whoever asked has what was asked for; the next start of these tasks buys.

    Args:
        warehouse: where the outcomes are kept.
        asked_by: who asked.
        execution_ids: of these executions; default: all that were asked for.
    """
    if execution_ids is None:
        condition, parameters = "asked_by = ?", [asked_by]
    else:
        condition, parameters = "asked_by = ? and execution_id in (select unnest(?::varchar[]))", [asked_by]
        parameters.append(list(execution_ids))  # type: ignore[arg-type]
    with warehouse.write(news=False) as con:
        con.execute(f"delete from linkt.undelivered where {condition}", parameters)  # noqa: S608


def complete_outcomes(warehouse: Warehouse) -> list[str]:
    """Executions whose outcome is owed and whose run has no id left to fetch: a snapshot taken now holds all of it."""
    with warehouse.read() as con:
        rows = con.execute(
            """
            select execution_id
            from linkt.undelivered join linkt.executions as execution using (execution_id)
            where not exists (
                from linkt.run_resources as named where named.run_id = execution.run_id and named.state = 'pending'
            )
            """
        ).fetchall()
    return [row[0] for row in rows]


def deliver_published(warehouse: Warehouse, asked_by: str, execution_ids: Collection[str], now: datetime) -> None:
    """A snapshot with all rows of these executions is in place.

    Args:
        warehouse: where the outcomes are kept.
        asked_by: whoever published: what it asked for is delivered, what others asked for is only published.
        execution_ids: as :func:`complete_outcomes` had them before the snapshot was taken.
        now: when it was published.
    """
    if not execution_ids:
        return
    deliver(warehouse, asked_by, execution_ids)
    with warehouse.write(news=False) as con:
        con.execute(
            "update linkt.undelivered set published_at = ? "
            "where published_at is null and execution_id in (select unnest(?::varchar[]))",
            [now, list(execution_ids)],
        )


def owed_outcomes(con: duckdb.DuckDBPyConnection, task_keys: Collection[str]) -> list[tuple[str, str, str | None]]:
    """What is owed of some tasks: execution id, task key and who asked, oldest first."""
    return con.execute(
        """
        select execution_id, task_key, asked_by
        from linkt.undelivered join linkt.executions using (execution_id)
        where task_key in (select unnest(?::varchar[]))
        order by intended_at
        """,
        [list(task_keys)],
    ).fetchall()


def dagster_runs_of_open_outcomes(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Who started or asked for what is not settled yet: ids of Dagster runs, and of commands."""
    rows = con.execute(
        """
        select dagster_run_id from linkt.executions
        where state in ('intended', 'unknown', 'started')
            or execution_id in (select execution_id from linkt.undelivered)
        union
        select asked_by from linkt.undelivered
        """
    ).fetchall()
    return {name for (name,) in rows if name}
