"""``linkt.seen_rows``: the big landed tables as the last build saw them, to find the rows that have changed since.

A row counts as changed when its landing time, its deletion time or the first 32 bits of its content hash differ from
what the last build saw. It does not matter who changed the row, or in which order rows came. Times are compared for
equality only, so no clock is trusted, and landing does not have to record what it does.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from linkt_pipeline.transform.columns import table_columns
from linkt_pipeline.transform.model import ModelKey
from linkt_pipeline.transform.row_changes import record_step
from linkt_pipeline.transform.statement import fingerprint
from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.state import read_state, write_state

_DIFFERING = "linkt_differing_rows"
# With more changed rows, computing the following tables from all rows costs no more.
_TELLABLE_SHARE = 0.1
_TELLABLE_ROWS = 1_000
# Of the content hash. The landing time is compared beside it, so two versions of a row hardly ever look the same.
_DIGITS = 8


@dataclass(frozen=True)
class _Identity:
    """What identifies a row.

    Attributes:
        id: the column by which models know the row.
        deleted_at: the moment that is not part of what landing fetched.
    """

    id: str
    deleted_at: str = "null"


_TABLES = {
    ModelKey("linkt", "entities"): _Identity("entity_id", "deleted_at"),
    ModelKey("linkt", "signals"): _Identity("signal_id"),
}

IDS: Mapping[ModelKey, str] = {key: identity.id for key, identity in _TABLES.items()}
"""The landed tables whose changes are known, with the column that names a changed row."""


def mark_of_landed_rows(con: duckdb.DuckDBPyConnection, source: ModelKey) -> str:
    """A mark that changes whenever rows of a landed table change. The ids of few changed rows go to linkt.row_changes.

    Args:
        con: a connection that may write.
        source: one of :data:`IDS`.
    """
    # A replaced row comes out of the join twice: as it is, and as it was seen.
    identity, name = _TABLES[source], f"seen {source}"
    known = read_state(con, name)
    con.execute(
        f"""
        create or replace temp table {_DIFFERING} as
        select case when is_present then present.id else stored.id end as id, present.* exclude (id)
        from (
            select {identity.id} as id, fetched_at, cast({identity.deleted_at} as timestamptz) as deleted_at,
                left(content_hash, {_DIGITS}) as digest, true as is_present
            from linkt.{source.name}
        ) as present
        full join (select * exclude (source), true as is_stored from linkt.seen_rows where source = $1) as stored
            on present.id = stored.id
                and present.fetched_at is not distinct from stored.fetched_at
                and present.deleted_at is not distinct from stored.deleted_at
                and present.digest is not distinct from stored.digest
        where is_present is null or is_stored is null
        """,  # noqa: S608
        [str(source)],
    )
    try:
        changed, rows = _number(con, f"from {_DIFFERING}"), _number(con, f"from linkt.{source.name}")
        columns = fingerprint(str(table_columns(con, source)))
        # The number of rows is part of the mark: an equal copy of a row differs from nothing that was seen. So are the
        # columns: a new one may reach a model's rows while every landed row stays as it was.
        if known is not None and not changed and known.endswith(f" {rows} {columns}"):
            return known
        mark = f"{uuid.uuid4().hex} {rows} {columns}"
        if changed:
            _remember(con, source)
        is_tellable = changed <= max(_TELLABLE_ROWS, rows * _TELLABLE_SHARE)
        # With ids that are not unique, nothing says which rows are new.
        kept = _number(con, f"from linkt.seen_rows where source = {literal(str(source))}")
        # A step leads from one known state to the next. After a change of columns every row may be another one.
        if known is not None and known.endswith(columns) and is_tellable and changed > 0 and kept == rows:
            record_step(con, source, known, mark, [identity.id], f"(select id as {identity.id} from {_DIFFERING})")  # noqa: S608
        write_state(con, name, mark)
        return mark
    finally:
        con.execute(f"drop table if exists temp.{_DIFFERING}")


def _remember(con: duckdb.DuckDBPyConnection, source: ModelKey) -> None:
    con.execute(
        f"delete from linkt.seen_rows where source = $1 and id in (select id from {_DIFFERING})",  # noqa: S608
        [str(source)],
    )
    present = f"select $1 as source, * exclude (is_present) from {_DIFFERING} where is_present"  # noqa: S608
    con.execute(f"insert into linkt.seen_rows by name {present}", [str(source)])


def _number(con: duckdb.DuckDBPyConnection, of: str) -> int:
    ((number,),) = con.execute(f"select count(*) {of}").fetchall()
    return int(number)
