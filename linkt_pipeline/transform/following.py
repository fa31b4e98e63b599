"""Models that follow tables: which of their keys change with the changed rows of what they are computed from.

Such a model does not compare all its rows: the build of a table records its changed rows (row_changes.py), and the
header of the model that reads the table says which of its own keys these rows touch.
"""

from collections.abc import Mapping
from dataclasses import replace

import duckdb

from linkt_pipeline.transform.columns import relation
from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.model import Follow, Incremental, ModelKey, SqlModel
from linkt_pipeline.transform.row_changes import CHANGED_ROWS, hide_changed_rows, show_changed_rows, show_no_rows
from linkt_pipeline.transform.seen_rows import IDS
from linkt_pipeline.warehouse.catalog import quoted

# With more changed keys, computing all rows costs no more.
_FEW_SHARE = 0.2
_FEW_KEYS = 1_000


def resolve_follows(
    models: Mapping[ModelKey, SqlModel],
) -> tuple[dict[ModelKey, SqlModel], dict[ModelKey, ModelFileError]]:
    """Give each line ``follows`` the columns that its table records. Returns the models, and wrong lines."""
    resolved, problems = dict(models), {}
    for key, model in models.items():
        if model.header.incremental is None or not model.header.incremental.follows:
            continue
        try:
            follows = tuple(_resolved(model, follow, models) for follow in model.header.incremental.follows)
        except ModelFileError as error:
            problems[key] = error
            continue
        incremental = replace(model.header.incremental, follows=follows)
        resolved[key] = replace(model, header=replace(model.header, incremental=incremental))
    return resolved, problems


def _resolved(model: SqlModel, follow: Follow, models: Mapping[ModelKey, SqlModel]) -> Follow:
    def problem(text: str) -> ModelFileError:
        lines = model.sql.lower().splitlines()
        line = next((n for n, text in enumerate(lines, 1) if f"follows {follow.table}" in text), 1)
        return ModelFileError(model.path, line, f"follows: {text}")

    if follow.table not in model.inputs:
        inputs = ", ".join(sorted(map(str, model.inputs)))
        raise problem(f"the model is not computed from {follow.table}; behind views it is from {inputs}")
    if follow.table in IDS:
        return replace(follow, columns=(IDS[follow.table],))
    columns = models[follow.table].header.tells if follow.table in models else ()
    if not columns:
        raise problem(f"{follow.table} does not tell what changes; give its model a line '-- tells: column, column'")
    return replace(follow, columns=columns)


def insert_following_keys(
    con: duckdb.DuckDBPyConnection, model: SqlModel, keys: str, before: Mapping[str, str], now: Mapping[str, str]
) -> bool:
    """Collect the keys of ``model`` that change with the rows of its inputs.

    Args:
        con: a transaction.
        model: an incremental model whose table is there.
        keys: the temporary table to make, with the key column.
        before: marks of the inputs that the model's rows were computed from.
        now: marks of the inputs as they are now.

    Returns:
        Whether the keys are known, and few. If not, the caller must not use the table.
    """
    settings = model.header.incremental
    # An input that has a mark on one side only gives no step to begin from or to end with.
    if settings is None or not settings.follows or before.keys() != now.keys():
        return False
    follows = {str(follow.table): follow for follow in settings.follows}
    changed = [name for name in now if now[name] != before[name]]
    # The header says nothing of such an input, so its change may touch any key.
    if not all(name in follows for name in changed):
        return False
    # An empty table first: without a changed input no key has changed, which is an answer too.
    _make_empty(con, settings, model, keys)
    try:
        for name in changed:
            follow = follows[name]
            if not show_changed_rows(con, follow.table, before[name], now[name], follow.columns):
                return False
            con.execute(f"insert into {keys} {follow.select}")
    finally:
        hide_changed_rows(con)
    (key,) = map(quoted, settings.key)
    con.execute(f"create or replace temp table {keys} as select distinct {key} from {keys} where {key} is not null")  # noqa: S608
    ((found, rows),) = con.execute(
        f"select (select count(*) from {keys}), (select count(*) from {relation(model.key)})"  # noqa: S608
    ).fetchall()
    return bool(found <= max(_FEW_KEYS, rows * _FEW_SHARE))


def bind_follows(con: duckdb.DuckDBPyConnection, model: SqlModel, keys: str) -> None:
    """Let DuckDB check the SELECTs of a model's lines ``follows``; nothing is run.

    Raises:
        ModelFileError: DuckDB refuses one.
    """
    settings = model.header.incremental
    for follow in settings.follows if settings else ():
        show_no_rows(con, follow.columns)
        try:
            con.execute(f"explain insert into {keys} {follow.select}")
        except duckdb.Error as error:
            problem = f"follows {follow.table}: {str(error).partition(chr(10))[0]}"
            raise ModelFileError(model.path, 1, f"{problem}; {CHANGED_ROWS} has {', '.join(follow.columns)}") from None
        finally:
            hide_changed_rows(con)


def _make_empty(con: duckdb.DuckDBPyConnection, settings: Incremental, model: SqlModel, keys: str) -> None:
    (key,) = map(quoted, settings.key)
    con.execute(f"create or replace temp table {keys} as select {key} from {relation(model.key)} limit 0")  # noqa: S608
