"""``linkt.executions`` of a warehouse whose ledger is elsewhere: a copy, written when something is landed or built.

Checks, models and ``linkt.run_costs`` read the copy. What decides reads the ledger. Leases are not copied: they change
all the time and concern the ledger alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import orjson

from linkt_pipeline.ledger.values import Execution
from linkt_pipeline.warehouse.state import note_change
from linkt_pipeline.warehouse.tables import EXECUTIONS

COLUMNS = tuple(name for name in Execution.__dataclass_fields__ if name not in ("lease_owner", "lease_until"))
_TYPES: Mapping[str, str] = {column.name: column.type for column in EXECUTIONS.columns}
_NAMES = ", ".join(COLUMNS)
_GIVEN = "ledger_rows"
_NOW = "executions_now"
_DIFFERENT = f"select {_NAMES} from temp.{_GIVEN} except select {_NAMES} from linkt.executions"  # noqa: S608


def hand_over(con: duckdb.DuckDBPyConnection, rows: Sequence[Sequence[Any]]) -> None:
    """Give a connection rows of the ledger, in the order of :data:`COLUMNS`, for the other functions of this module."""
    # As one text: for each value in a list, DuckDB looks for Python modules that are not installed.
    given = orjson.dumps([dict(zip(COLUMNS, row, strict=True)) for row in rows]).decode()
    con.execute(
        f"create or replace temp table {_GIVEN} as "  # noqa: S608
        f"select {', '.join(f'value.{name}::{_TYPES[name]} as {name}' for name in COLUMNS)} "
        "from (select unnest(from_json(?, ?)) as value)",
        [given, orjson.dumps([dict.fromkeys(COLUMNS, "VARCHAR")]).decode()],
    )


def differs(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the copy holds one of the rows that were handed over otherwise, or not at all."""
    return bool(con.execute(f"{_DIFFERENT} limit 1").fetchall())


def write_down(con: duckdb.DuckDBPyConnection) -> None:
    """Bring the copy up to date with the rows that were handed over, in the caller's transaction."""
    if not differs(con):
        return
    con.execute(f"create or replace temp table {_GIVEN} as {_DIFFERENT}")
    con.execute(
        f"delete from linkt.executions where execution_id in (select execution_id from temp.{_GIVEN})"  # noqa: S608
    )
    con.execute(f"insert into linkt.executions ({_NAMES}) select {_NAMES} from temp.{_GIVEN}")  # noqa: S608
    note_change(con)  # even if the rest of the transaction is news to nobody: models read the copy


def show_now(con: duckdb.DuckDBPyConnection) -> str:
    """Lay the rows that were handed over on the copy. Returns the relation that shows both, for this connection."""
    con.execute(
        f"create or replace temp view {_NOW} as "  # noqa: S608
        f"select {_NAMES} from linkt.executions "
        f"where execution_id not in (select execution_id from temp.{_GIVEN}) "
        f"union all select {_NAMES} from temp.{_GIVEN}"
    )
    return f"temp.{_NOW}"
