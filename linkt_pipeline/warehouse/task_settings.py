"""What tasks.yaml says and SQL models read: ``linkt.task_entries`` and ``linkt.settings``.

They are tables, so that a changed zone or limit changes rows, and a build then computes what depends on these rows.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

import duckdb

from linkt_pipeline.tasks import CommonSettings, TaskSpec
from linkt_pipeline.warehouse.outbox_state import tell_budgets
from linkt_pipeline.warehouse.warehouse import Warehouse

_TIMEZONE = "timezone"
_LIMIT = "monthly_credit_limit"

_COLUMNS = "task_key, task_id, timezone, monthly_credit_limit, max_wait_seconds"
_Entry = tuple[str, str, str, float | None, float | None]


def record_settings(
    warehouse: Warehouse,
    common: CommonSettings,
    tasks: Iterable[TaskSpec],
    entries: Collection[str] | None = None,
) -> bool:
    """Bring both tables up to date; nothing is written where they are.

    Args:
        warehouse: of the deployment.
        common: what the file says of all tasks together.
        tasks: entries of tasks.yaml.
        entries: every name in the file, where ``tasks`` are only some of them; what is known of the others stays.

    Returns:
        Whether anything was written.
    """
    given = {task.key: _entry(task) for task in tasks}
    settings = [(_TIMEZONE, common.timezone)]
    if common.monthly_credit_limit is not None:
        settings.append((_LIMIT, repr(common.monthly_credit_limit)))
    names = given.keys() if entries is None else set(entries)
    with warehouse.read() as con:
        stored = _entries(con)
        wanted = {key: entry for key, entry in {**stored, **given}.items() if key in names}
        if wanted == stored and sorted(_settings(con)) == sorted(settings):
            return False
    with warehouse.write() as con:
        con.execute("delete from linkt.task_entries")
        for entry in wanted.values():
            con.execute(f"insert into linkt.task_entries ({_COLUMNS}) values (?, ?, ?, ?, ?)", entry)  # noqa: S608
        con.execute("delete from linkt.settings")
        for setting in settings:
            con.execute("insert into linkt.settings values (?, ?)", setting)
        tell_budgets(con, datetime.now(UTC))  # by the new limits
    return True


def _entry(task: TaskSpec) -> _Entry:
    return task.key, task.task_id, task.timezone, task.monthly_credit_limit, task.max_wait.total_seconds()


def _entries(con: duckdb.DuckDBPyConnection) -> dict[str, _Entry]:
    rows = con.execute(f"select {_COLUMNS} from linkt.task_entries").fetchall()  # noqa: S608
    return {row[0]: row for row in rows}


def _settings(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str | None]]:
    return con.execute("select name, value from linkt.settings").fetchall()
