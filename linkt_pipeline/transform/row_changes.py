"""``linkt.row_changes``: which rows the last builds and landings have changed, for the models that follow a table.

Each step leads from one mark of a table's rows to the next and holds the ids of all rows that were added, taken away or
replaced between the two. A model that was built from the rows of an older mark follows the steps from there. If a step
is missing, because it was too large or is too old, nothing is known, and the model compares all rows.
"""

from collections.abc import Sequence

import duckdb

from linkt_pipeline.transform.model import ModelKey
from linkt_pipeline.warehouse.catalog import literal, quoted

CHANGED_ROWS = "changed"
_STEPS_KEPT = 20


def record_step(
    con: duckdb.DuckDBPyConnection, source: ModelKey, before: str, after: str, names: Sequence[str], rows: str
) -> None:
    """Record a step.

    Args:
        con: the transaction that changes the rows.
        source: the table.
        before: mark of the table's rows until now.
        after: mark of the table's rows from now on.
        names: the columns whose values are kept.
        rows: a table, or a query in brackets: the changed rows as they were and as they are.
    """
    con.execute(
        # All tables share the numbers, so a table keeps these steps or fewer.
        "delete from linkt.row_changes where source = $1 and number <= "
        "(select max(number) - $2::bigint from linkt.row_changes where source = $1)",
        [str(source), _STEPS_KEPT - 1],
    )
    # One list holds columns of any type, so every value is kept as text.
    ids = ", ".join(f"cast({quoted(name)} as varchar)" for name in names)
    con.execute(
        f"""
        insert into linkt.row_changes by name
        select distinct $1 as source, (select coalesce(max(number), 0) + 1 from linkt.row_changes) as number,
            $2 as before, $3 as after, $4::varchar[] as names, [{ids}] as ids
        from {rows}
        """,  # noqa: S608
        [str(source), before, after, list(names)],
    )


def show_changed_rows(
    con: duckdb.DuckDBPyConnection, source: ModelKey, since: str, now: str, names: Sequence[str]
) -> bool:
    """Make the temporary table ``changed`` of all rows that were changed between two marks.

    Returns:
        Whether the changed rows are known. If not, there is no such table.
    """
    steps = con.execute(
        "select distinct before, after, number from linkt.row_changes where source = $1 and names = $2::varchar[]",
        [str(source), list(names)],
    ).fetchall()
    # Steps that hold other columns date from before the header was changed; the query leaves them out.
    following = {before: (after, number) for before, after, number in steps}
    numbers: list[int] = []
    mark = since
    while mark != now:
        # No mark comes twice, so the steps form no circle; if a damaged table held one, the loop would still end.
        if mark not in following or len(numbers) > len(steps):
            return False
        mark, number = following[mark]
        numbers.append(number)
    columns = ", ".join(f"ids[{place}] as {quoted(name)}" for place, name in enumerate(names, start=1))
    con.execute(
        f"create or replace temp table {CHANGED_ROWS} as select distinct {columns} from linkt.row_changes "  # noqa: S608
        f"where source = {literal(str(source))} and number in (select unnest($1::bigint[]))",
        [numbers],
    )
    return True


def show_no_rows(con: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """The temporary table ``changed`` without a row, for SQL that is only to be checked."""
    columns = ", ".join(f"cast(null as varchar) as {quoted(name)}" for name in names)
    con.execute(f"create or replace temp table {CHANGED_ROWS} as select {columns} limit 0")


def hide_changed_rows(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the temporary table."""
    con.execute(f"drop table if exists temp.{CHANGED_ROWS}")
