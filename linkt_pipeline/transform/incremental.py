"""Brings an incremental table up to date, with the same result as a full refresh.

The usual "rows newer than the newest we have" loses rows that arrive late. This module compares no times. A build finds
the changed keys in one of two ways:

- The model follows all inputs that have changed, and their changed rows are recorded: these rows name the keys
  (following.py).
- Otherwise the build compares the pairs (key, cursor) that the SELECT gives now with the pairs in the table. A key has
  changed if its pair appeared, changed or vanished.

The build computes the changed keys again, replaces those whose rows came out otherwise, and leaves every other key
alone. The result equals a full refresh on one condition: whenever rows of a key change, the way that the build takes
finds the key, by its cursor or by a line ``follows``. The header promises that, and tests/sql proves it for each model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb

from linkt_pipeline.transform.columns import relation, table_columns
from linkt_pipeline.transform.following import bind_follows, insert_following_keys
from linkt_pipeline.transform.model import Columns, Incremental, SqlModel
from linkt_pipeline.transform.moments import in_utc
from linkt_pipeline.transform.row_changes import record_step
from linkt_pipeline.warehouse.catalog import quoted

CHANGED = "linkt_changed_keys"
_NEW = "linkt_new_rows"
_DIFFERENT = "linkt_different_rows"
# Rows of more keys are replaced without comparing them: each would be held three times.
_FEW = 50_000


@dataclass(frozen=True)
class Delta:
    """What an incremental build did.

    Attributes:
        keys: keys computed again.
        deleted: rows taken out.
        inserted: rows put in.
        keeps_keys: the rows that were put in keep the header's ``unique`` and ``not_null``, by themselves and beside
            the rows that were there. So if all rows kept them before, all rows keep them now.
    """

    keys: int
    deleted: int
    inserted: int
    keeps_keys: bool


def find_changed_keys(
    con: duckdb.DuckDBPyConnection,
    model: SqlModel,
    columns: Columns,
    before: Mapping[str, str],
    now: Mapping[str, str],
    *,
    is_whole: bool,
) -> bool:
    """Collect the keys to compute again, for :func:`apply_changes` in the same transaction.

    Args:
        con: a transaction.
        model: an incremental model whose table is there.
        columns: those of its SELECT as it is written.
        before: marks of the inputs that the table was computed from, by ``schema.table``.
        now: marks of the inputs as they are now.
        is_whole: the table has the rows that its last build left.

    Returns:
        Whether the changed keys are known. If not, the caller computes the model in full.
    """
    settings = _settings(model)
    # The recorded steps lead to the rows that the last build left. Rows that somebody deleted or inserted by hand since
    # are in none of them.
    if is_whole and insert_following_keys(con, model, CHANGED, before, now):
        return True
    if settings.cursor is None:
        return False
    _compare_pairs(con, model, columns, (*settings.key, settings.cursor))
    return True


def _compare_pairs(con: duckdb.DuckDBPyConnection, model: SqlModel, columns: Columns, names: tuple[str, ...]) -> None:
    settings = _settings(model)
    pair = _list(names)
    # A null equals a null, or a row without a cursor would count as changed in every build.
    same = " and ".join(f"present.{name} is not distinct from stored.{name}" for name in map(quoted, names))
    # One join that keeps both sides' leftovers: two anti joins would build two hash tables, the one over all rows of
    # a table that may hold many for each key.
    either = ", ".join(f"case when is_present then present.{k} else stored.{k} end" for k in map(quoted, settings.key))
    con.execute(
        f"""
        create or replace temp table {CHANGED} ({_list(settings.key)}) as
        select distinct {either}
        from (select {pair}, true as is_present {_pairs(con, model, columns, names)}) as present
        full join (select {pair}, true as is_stored from {relation(model.key)}) as stored on {same}
        where is_present is null or is_stored is null
        """  # noqa: S608
    )


def apply_changes(
    con: duckdb.DuckDBPyConnection, model: SqlModel, columns: Columns, before: str | None, after: str
) -> Delta:
    """Compute the changed keys again and put their rows in place; runs in the caller's transaction.

    Args:
        con: the transaction in which the keys were found.
        model: the model.
        columns: those of its SELECT as it is written.
        before: mark of the table's rows until now.
        after: mark of the table's rows if any of them changes.
    """
    settings, table = _settings(model), relation(model.key)
    try:
        changed = _count(con, f"select count(*) from {CHANGED}")  # noqa: S608
        if not changed:
            return Delta(0, 0, 0, keeps_keys=True)
        # A line ``narrow`` may let rows of unchanged keys through.
        select = f"select * from ({in_utc(narrowed(model), columns)}\n) where {_is_changed(settings)}"  # noqa: S608
        if changed <= _FEW:
            con.execute(f"create or replace temp table {_NEW} as {select}")
            select = f"select * from {_NEW} where {_is_changed(settings)}"  # noqa: S608
            # A key whose rows came out the same is left alone, so that the models that follow have nothing to do.
            changed = _leave_equal_rows(con, model)
            # A step needs a mark to lead from; rows that somebody changed by hand have none.
            if before is not None and changed and model.header.tells:
                record_step(con, model.key, before, after, model.header.tells, _DIFFERENT)
        deleted = _count(con, f"delete from {table} where {_is_changed(settings)}")  # noqa: S608
        inserted = _count(con, f"insert into {table} by name {select}")
        return Delta(changed, deleted, inserted, _keeps_keys(con, model))
    finally:
        for name in (CHANGED, _NEW, _DIFFERENT):
            con.execute(f"drop table if exists temp.{name}")


def compute_and_record(
    con: duckdb.DuckDBPyConnection, model: SqlModel, columns: Columns, before: str, after: str
) -> int | None:
    """Compute a table in full and record the rows that have changed; if none has, the table stays as it is.

    Returns:
        The rows that were written; None if the table stays.
    """
    try:
        con.execute(f"create or replace temp table {_NEW} as {in_utc(model.sql, columns)}")
        _find_different_rows(con, model, "")
        different = _count(con, f"select count(*) from {_DIFFERENT}")  # noqa: S608
        if not different:
            return None
        # Without a step the models that follow find a gap and compare all their rows, which then costs no more.
        if different <= _FEW:
            record_step(con, model.key, before, after, model.header.tells, _DIFFERENT)
        return _count(con, f"create or replace table {relation(model.key)} as from {_NEW}")
    finally:
        for name in (_NEW, _DIFFERENT):
            con.execute(f"drop table if exists temp.{name}")


def _find_different_rows(con: duckdb.DuckDBPyConnection, model: SqlModel, condition: str) -> None:
    columns = _list(tuple(table_columns(con, model.key)))
    # Both name the table's columns, because `except` compares by place. `all` counts rows: two where there was one
    # differ.
    old = f"select {columns} from {relation(model.key)} {condition}"  # noqa: S608
    new = f"select {columns} from {_NEW}"  # noqa: S608
    con.execute(
        f"create or replace temp table {_DIFFERENT} as ({old} except all {new}) union all ({new} except all {old})"
    )


def _leave_equal_rows(con: duckdb.DuckDBPyConnection, model: SqlModel) -> int:
    """Remove the keys whose rows are the same as before from the changed keys. Returns how many are left."""
    settings = _settings(model)
    _find_different_rows(con, model, f"where {_is_changed(settings)}")
    con.execute(f"create or replace temp table {CHANGED} as select distinct {_list(settings.key)} from {_DIFFERENT}")  # noqa: S608
    return _count(con, f"select count(*) from {CHANGED}")  # noqa: S608


def _keeps_keys(con: duckdb.DuckDBPyConnection, model: SqlModel) -> bool:
    """Whether the header's ``unique`` and ``not_null`` hold for the rows of the changed keys."""
    return all(con.execute(f"{query} limit 1").fetchone() is None for query in _offenders(model))


def _offenders(model: SqlModel) -> Iterator[str]:
    """Queries that give a row if a row of a changed key breaks the header's ``unique`` or ``not_null``."""
    settings, header, table = _settings(model), model.header, relation(model.key)
    changed = f"from {table} where {_is_changed(settings)}"
    if header.not_null:
        empty = " or ".join(f"{quoted(name)} is null" for name in header.not_null)
        yield f"select 1 {changed} and ({empty})"
    for names in header.unique:
        columns = _list(names)
        if set(settings.key) <= set(names):  # rows of other keys differ from them by the key alone
            yield f"select 1 {changed} group by {columns} having count(*) > 1"
            continue
        # A row of a changed key may clash with a row of a key that was left alone, so the whole table is searched.
        same = " and ".join(f"stored.{name} is not distinct from touched.{name}" for name in map(quoted, names))
        yield (
            f"select 1 from (select {columns} from {table}) as stored "  # noqa: S608
            f"semi join (select distinct {columns} {changed}) as touched on {same} "
            f"group by {columns} having count(*) > 1"
        )


def bind_narrowed(con: duckdb.DuckDBPyConnection, model: SqlModel, columns: Columns) -> None:
    """Let DuckDB check the SQL of an incremental build against an empty table of the model; nothing is run.

    Args:
        con: a database with the table.
        model: the model.
        columns: those of its SELECT as it is written.

    Raises:
        duckdb.Error: DuckDB refuses the SQL.
        ModelFileError: DuckDB refuses a line ``follows``.
    """
    settings = _settings(model)
    table = relation(model.key)
    con.execute(f"create or replace temp table {CHANGED} as select {_list(settings.key)} from {table} limit 0")  # noqa: S608
    try:
        con.execute(f"explain insert into {table} by name {in_utc(narrowed(model), columns)}")
        if settings.cursor is not None:
            pair = (*settings.key, settings.cursor)
            con.execute(f"explain select {_list(pair)} {_pairs(con, model, columns, pair)}")
        bind_follows(con, model, CHANGED)
    finally:
        con.execute(f"drop table if exists temp.{CHANGED}")


def narrowed(model: SqlModel) -> str:
    """The model's SELECT over the changed keys alone: its spine and the tables of lines ``narrow`` are cut down.

    It has the columns of the whole SELECT. If the spine has the key under another name, a line ``narrow`` gives that
    name.
    """
    settings = _settings(model)
    conditions = {
        settings.spine: _is_changed(settings),
        **{
            narrow.target: f"{quoted(narrow.target_column)} in (select {quoted(narrow.column)} from {CHANGED})"  # noqa: S608
            for narrow in settings.narrow
        },
    }
    # DuckDB gives places in bytes. The last name is replaced first, because a replacement moves all that comes after.
    data = model.sql.encode()
    for read in reversed(model.reads):
        if condition := conditions.get(read.key):
            # The SELECT may write `table.column`, so the subquery keeps the table's name.
            alias = "" if read.alias else f" as {quoted(read.key.name)}"
            subquery = f"(select * from {relation(read.key)} where {condition}){alias}"  # noqa: S608
            data = data[: read.start] + subquery.encode() + data[_end_of_name(data, read.start) :]
    return data.decode()


def _settings(model: SqlModel) -> Incremental:
    if model.header.incremental is None:
        raise ValueError(f"{model.key} is not an incremental model")
    return model.header.incremental


def _pairs(con: duckdb.DuckDBPyConnection, model: SqlModel, columns: Columns, names: tuple[str, ...]) -> str:
    """The FROM clause for the pairs: the spine if it has the cursor too, else the model's own SELECT.

    DuckDB computes only the columns that are asked for, so even the SELECT reads no JSON.
    """
    spine = _settings(model).spine
    if set(names) <= set(table_columns(con, spine)):
        return f"from {relation(spine)}"
    return f"from ({in_utc(model.sql, columns)}\n)"


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
