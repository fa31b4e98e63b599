"""Which rows of a table have changed since somebody looked, by key.

So whoever builds, checks or publishes from a big table needs to read those rows alone. ``linkt.changed_keys`` is a
journal: each transaction that changes rows of a followed table appends their keys under a number of its own.
``linkt.table_contents`` has, for each of these tables, the number of the last change and what the rows come to (their
count and a sum over them). A change that found no way into the journal shows, because the rows then come to something
else: the table begins a new epoch, of which nothing is known of before, and everybody reads all of it. So the journal
may be deleted at any time, which costs a whole reading at most.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from linkt_pipeline.warehouse.catalog import literal

_KEPT = 200  # changes; whoever has not looked for longer reads everything
MOST_KEYS = 100_000  # of a table in the journal; beyond that, reading everything is no dearer


@dataclass(frozen=True)
class FollowedTable:
    """A landed table whose changes are in the journal.

    Attributes:
        key: the column whose values are.
        total: an aggregate that comes to something else when a row does.
    """

    key: str
    total: str


# Landing gives each row it changes another time; the books about ids have none, and are settled once.
_MOMENTS = "coalesce(sum(epoch_us(fetched_at)::hugeint), 0)"
FOLLOWED: Mapping[str, FollowedTable] = {
    "linkt.entities": FollowedTable("entity_id", _MOMENTS),
    "linkt.entity_versions": FollowedTable("entity_id", _MOMENTS),
    "linkt.signals": FollowedTable("signal_id", _MOMENTS),
    "linkt.run_resources": FollowedTable("run_id", "count(*) filter (state = 'landed')"),
}


@dataclass(frozen=True)
class Contents:
    """What a table holds: equal contents are equal rows.

    Attributes:
        epoch: of two epochs it is not known what differs.
        number: of the last change within the epoch.
    """

    epoch: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.epoch}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> "Contents":
        """What :func:`str` wrote; any other text is an epoch of its own."""
        epoch, _, number = text.rpartition(":")
        return cls(epoch, int(number)) if epoch and number.isdigit() else cls(text)

    @classmethod
    def unknown(cls) -> "Contents":
        """Contents that no table has had."""
        return cls(uuid.uuid4().hex)


@dataclass(frozen=True)
class Change:
    """What a transaction does to a followed table.

    Attributes:
        table: its name, with the schema.
        keys: a query for the keys of the rows that changed, appeared or vanished.
        rows: how many more rows there are.
        total: how much more they come to, by the table's ``total``.
    """

    table: str
    keys: str
    rows: int = 0
    total: int = 0


def note_changes(con: duckdb.DuckDBPyConnection, changes: Sequence[Change]) -> None:
    """Put changes of landed tables into the journal, in the transaction that makes them.

    A table whose contents nobody has looked at yet is passed over: there is nothing to compare it with.
    """
    if not changes:
        return
    keys = " union all ".join(
        f"select distinct {literal(change.table)} as table_name, key::varchar as key from ({change.keys}) as k(key)"  # noqa: S608
        for change in changes
    )
    con.execute(
        "insert into linkt.changed_keys (table_name, number, key) "  # noqa: S608
        f"select table_name, number + 1, key from ({keys}) join linkt.table_contents using (table_name)"
    )
    more = ", ".join(f"({literal(change.table)}, {change.rows}, {change.total}::hugeint)" for change in changes)
    con.execute(
        "update linkt.table_contents as held set number = held.number + 1, "  # noqa: S608
        "row_count = held.row_count + more.row_count, total = held.total + more.total "
        f"from (values {more}) as more(table_name, row_count, total) where more.table_name = held.table_name"
    )


def contents_of(con: duckdb.DuckDBPyConnection, table: str) -> Contents | None:
    """What a landed table holds now; None if that is not in the journal. Nothing is written."""
    held = con.execute(
        "select epoch, number, row_count, total from linkt.table_contents where table_name = $1", [table]
    ).fetchone()
    if held is None or held[2:] != _measure(con, table):
        return None
    return Contents(held[0], held[1])


def look_at(con: duckdb.DuckDBPyConnection, table: str) -> Contents:
    """What a landed table holds now; begins a new epoch if that is not in the journal."""
    known = contents_of(con, table)
    if known is not None and _keys_in_journal(con, table) <= MOST_KEYS:
        con.execute(
            "delete from linkt.changed_keys where table_name = $1 and number <= $2", [table, known.number - _KEPT]
        )
        return known
    contents = Contents.unknown()
    forget(con, table)
    con.execute(
        "insert into linkt.table_contents (table_name, epoch, number, row_count, total) values ($1, $2, 0, $3, $4)",
        [table, contents.epoch, *_measure(con, table)],
    )
    return contents


def forget(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Take a table out of the journal."""
    con.execute("delete from linkt.changed_keys where table_name = $1", [table])
    con.execute("delete from linkt.table_contents where table_name = $1", [table])


def forget_all(con: duckdb.DuckDBPyConnection) -> None:
    """Begin the journal anew: everybody reads everything once. A warehouse of an earlier release may have none."""
    if con.execute("from duckdb_tables() where schema_name = 'linkt' and table_name = 'table_contents'").fetchone():
        con.execute("delete from linkt.changed_keys; delete from linkt.table_contents")


def keys_since(table: str, before: Contents, now: Contents, column: str | None = None) -> str | None:
    """A query for the keys that changed between two contents of a table; None if that is not known.

    Args:
        table: its name, with the schema.
        before: what it held then.
        now: what it holds now.
        column: a column other than its key, of whose values those of before and of now are meant.
    """
    if before.epoch != now.epoch or before.number > now.number or before.number < now.number - _KEPT:
        return None
    of_column = "column_name is null" if column is None else f"column_name = {literal(column)}"
    return (
        f"select distinct key from linkt.changed_keys where table_name = {literal(table)} and {of_column} "  # noqa: S608
        f"and number > {before.number} and number <= {now.number}"
    )


def _measure(con: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int]:
    ((rows, total),) = con.execute(f"select count(*), {FOLLOWED[table].total} from {table}").fetchall()  # noqa: S608
    return int(rows), int(total)


def _keys_in_journal(con: duckdb.DuckDBPyConnection, table: str) -> int:
    row = con.execute("select count(*) from linkt.changed_keys where table_name = $1", [table]).fetchone()
    return int(row[0]) if row else 0
