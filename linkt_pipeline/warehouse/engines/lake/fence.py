"""What keeps a transaction from committing whose turn was lost in the middle.

Every transaction that writes changes the one row of a table. DuckLake lets only one of two transactions that change a
row commit, so of two that overlap, whatever they wrote, one fails.
"""

import uuid

import duckdb

from linkt_pipeline.warehouse.descriptions import SCHEMA

_FENCE = f"{SCHEMA}.fence"


def create_fence(con: duckdb.DuckDBPyConnection) -> None:
    """Make it, in a lake that has none."""
    con.execute(f"create table {_FENCE} (transaction_id varchar not null)")
    con.execute(f"insert into {_FENCE} values ('made')")  # noqa: S608


def pass_fence(con: duckdb.DuckDBPyConnection) -> None:
    """Make this transaction one that can't overlap with another; its first statement."""
    con.execute(f"update {_FENCE} set transaction_id = $1", [uuid.uuid4().hex])  # noqa: S608
