"""Which execution answered which question: ``linkt.answers``.

A Dagster run asks once for each of its tasks, and every Dagster run that executes it again asks the same question. What
answered it is written down in the transaction of the claim: an execution that it bought, adopted, or was owed. So the
question can be repeated at any time, whoever else has started the task since, and by any clock. A question may have
several names, such as those of a Dagster run and of its backfill; each of them leads to the answer.
"""

from collections.abc import Collection
from datetime import datetime

import duckdb


def answers_to(con: duckdb.DuckDBPyConnection, names: Collection[str], task_key: str) -> frozenset[str]:
    """Executions that were given to a question about a task, whatever became of them."""
    rows = con.execute(
        "select execution_id from linkt.answers where question in (select unnest(?::varchar[])) and task_key = ?",
        [list(names), task_key],
    ).fetchall()
    return frozenset(row[0] for row in rows)


def remember_answer(
    con: duckdb.DuckDBPyConnection,
    names: Collection[str],
    task_key: str,
    execution_id: str,
    now: datetime,
) -> None:
    """Write down under each name of a question that an execution is given to it, where that is not known yet."""
    con.execute(
        """
        insert into linkt.answers (question, task_key, execution_id, given_at)
        select asked.name, $2, $3, $4 from (select unnest($1::varchar[]) as name) as asked
        where not exists (
            from linkt.answers as given
            where given.question = asked.name and given.task_key = $2 and given.execution_id = $3
        )
        """,
        [list(names), task_key, execution_id, now],
    )
