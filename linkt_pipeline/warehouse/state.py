"""Small values that must outlive a process, such as the cursor of a listing."""

from datetime import UTC, datetime

import duckdb


def read_state(con: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """The value kept under ``name``; None when there is none."""
    row = con.execute("select value from linkt.sync_state where name = ?", [name]).fetchone()
    return None if row is None else row[0]


def write_state(con: duckdb.DuckDBPyConnection, name: str, value: str | None) -> None:
    """Keep ``value`` under ``name``, replacing what was there."""
    con.execute(
        """
        merge into linkt.sync_state as stored
        using (select $1::varchar as name, $2::varchar as value, $3::timestamptz as updated_at) as given
        on stored.name = given.name
        when matched then update set value = given.value, updated_at = given.updated_at
        when not matched then insert (name, value, updated_at) values (given.name, given.value, given.updated_at)
        """,
        [name, value, datetime.now(UTC)],
    )
