"""Which execution answered which question: ``linkt.answers``.

A Dagster run asks once for each of its tasks, and every Dagster run that executes it again asks the same question. What
answered it is written down in the transaction of the claim: an execution that it bought, adopted, or was owed. So the
question can be repeated at any time, whoever else has started the task since, and by any clock.
"""

from collections.abc import Collection
from datetime import datetime

import duckdb


def answers_to(con: duckdb.DuckDBPyConnection, question: str | None, task_key: str) -> frozenset[str]:
    """Executions that were given to a question about a task, whatever became of them."""
    if question is None:
        return frozenset()
    rows = con.execute(
        "select execution_id from linkt.answers where question = ? and task_key = ?", [question, task_key]
    ).fetchall()
    return frozenset(row[0] for row in rows)


def remember_answer(
    con: duckdb.DuckDBPyConnection,
    question: str | None,
    task_key: str,
    execution_id: str,
    now: datetime,
    known: Collection[str],
) -> None:
    """Write down that an execution is given to a question, unless it is ``known`` to have been given before."""
    if question is not None and execution_id not in known:
        con.execute(
            "insert into linkt.answers (question, task_key, execution_id, given_at) values (?, ?, ?, ?)",
            [question, task_key, execution_id, now],
        )
