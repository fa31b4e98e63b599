"""Small values that must outlive a process, such as the cursor of a listing."""

import uuid
from datetime import UTC, datetime

import duckdb

_CHANGE = "change"


def read_state(con: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """The value kept under ``name``; None when there is none."""
    rows = con.execute("select value from linkt.sync_state where name = ?", [name]).fetchall()
    return rows[0][0] if rows else None


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


def note_change(con: duckdb.DuckDBPyConnection) -> None:
    """Leave a mark that none of the warehouse's transactions has left before; in the transaction that changes rows."""
    mark, now = uuid.uuid4().hex, datetime.now(UTC)
    # Half the time of a merge, in every transaction.
    updated = con.execute("update linkt.sync_state set value = ?, updated_at = ? where name = ?", [mark, now, _CHANGE])
    if updated.fetchall() == [(0,)]:
        con.execute("insert into linkt.sync_state (name, value, updated_at) values (?, ?, ?)", [_CHANGE, mark, now])


def last_change(con: duckdb.DuckDBPyConnection) -> str | None:
    """The mark of the last transaction that changed rows; as long as it is the same, so are they."""
    return read_state(con, _CHANGE)
