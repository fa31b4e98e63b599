"""Brings an incremental table up to date, with the same result as a full refresh.

The usual "rows newer than the newest we have" loses whatever arrives late. Here no time is compared at all: the pairs
(key, cursor) that the model has now are held against the pairs its table was built from. A key whose pair appeared,
changed or vanished is computed again and replaced as a whole; every other key is left alone. That equals a full
refresh as long as the rows of a key depend on nothing that can change without its cursor, which the header promises
and tests/sql proves for each model.
"""

from dataclasses import dataclass

import duckdb

from linkt_pipeline.transform.columns import relation, table_columns
from linkt_pipeline.transform.model import Incremental, SqlModel
from linkt_pipeline.transform.moments import in_utc
from linkt_pipeline.warehouse.catalog import quoted

CHANGED = "linkt_changed_keys"


@dataclass(frozen=True)
class Delta:
    """What an incremental build did: keys computed again, rows taken out and rows put in."""

    keys: int
    deleted: int
    inserted: int


def apply_changes(con: duckdb.DuckDBPyConnection, model: SqlModel) -> Delta:
    """Compute the changed keys again and put their rows in place; runs in the caller's transaction."""
    settings = _settings(model)
    table = relation(model.key)
    keys = _list(settings.key)
    pair = _list((*settings.key, settings.cursor))
    same = " and ".join(
        f"present.{quoted(name)} is not distinct from stored.{quoted(name)}"
        for name in (*settings.key, settings.cursor)
    )
    # One join that keeps both sides' leftovers: two anti joins would build two hash tables, the one over all rows of
    # a table that may hold many for each key.
    either = ", ".join(f"case when is_present then present.{k} else stored.{k} end" for k in map(quoted, settings.key))
    con.execute(
        f"""
        create or replace temp table {CHANGED} ({keys}) as
        select distinct {either}
        from (select {pair}, true as is_present {_pairs(con, model)}) as present
        full join (select {pair}, true as is_stored from {table}) as stored on {same}
        where is_present is null or is_stored is null
        """  # noqa: S608
    )
    try:
        changed = _count(con, f"select count(*) from {CHANGED}")  # noqa: S608
        if not changed:
            return Delta(0, 0, 0)
        deleted = _count(con, f"delete from {table} where {_is_changed(settings)}")  # noqa: S608
        inserted = _count(con, f"insert into {table} by name {in_utc(con, narrowed(model))}")
        return Delta(changed, deleted, inserted)
    finally:
        con.execute(f"drop table if exists temp.{CHANGED}")


def bind_narrowed(con: duckdb.DuckDBPyConnection, model: SqlModel) -> None:
    """Have DuckDB check the SQL of an incremental build against an empty table of the model; nothing is run.

    Raises:
        duckdb.Error: it refuses it.
    """
    settings = _settings(model)
    table = relation(model.key)
    con.execute(f"create or replace temp table {CHANGED} as select {_list(settings.key)} from {table} limit 0")  # noqa: S608
    try:
        con.execute(f"explain insert into {table} by name {in_utc(con, narrowed(model))}")
        con.execute(f"explain select {_list((*settings.key, settings.cursor))} {_pairs(con, model)}")
    finally:
        con.execute(f"drop table if exists temp.{CHANGED}")


def narrowed(model: SqlModel) -> str:
    """The model's SELECT with its spine, and what the header names beside it, cut down to the changed keys."""
    settings = _settings(model)
    conditions = {
        settings.spine: _is_changed(settings),
        **{
            narrow.target: f"{quoted(narrow.target_column)} in (select {quoted(narrow.column)} from {CHANGED})"  # noqa: S608
            for narrow in settings.narrow
        },
    }
    data = model.sql.encode()
    for read in reversed(model.reads):
        if condition := conditions.get(read.key):
            alias = "" if read.alias else f" as {quoted(read.key.name)}"
            subquery = f"(select * from {relation(read.key)} where {condition}){alias}"  # noqa: S608
            data = data[: read.start] + subquery.encode() + data[_end_of_name(data, read.start) :]
    return data.decode()


def _settings(model: SqlModel) -> Incremental:
    if model.header.incremental is None:
        raise ValueError(f"{model.key} is not an incremental model")
    return model.header.incremental


def _pairs(con: duckdb.DuckDBPyConnection, model: SqlModel) -> str:
    """Where the pairs are read: from the spine if it has the cursor too, else from the model itself.

    DuckDB computes only the columns asked for, so even the second reads no JSON.
    """
    settings = _settings(model)
    wanted = {*settings.key, settings.cursor}
    if wanted <= set(table_columns(con, settings.spine)):
        return f"from {relation(settings.spine)}"
    return f"from ({in_utc(con, model.sql)}\n)"


def _is_changed(settings: Incremental) -> str:
    keys = _list(settings.key)
    left = keys if len(settings.key) == 1 else f"({keys})"
    return f"{left} in (select {keys} from {CHANGED})"  # noqa: S608


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(quoted(name) for name in names)


def _count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _end_of_name(data: bytes, start: int) -> int:
    """Where ``schema.table`` ends that begins at ``start``; either part may be quoted."""
    end, parts = start, 0
    while parts < 2:
        while data[end : end + 1].isspace() or data[end : end + 1] == b".":
            end += 1
        if data[end : end + 1] == b'"':
            end = data.index(b'"', end + 1) + 1
        else:
            while data[end : end + 1].isalnum() or data[end : end + 1] == b"_":
                end += 1
        parts += 1
    return end
