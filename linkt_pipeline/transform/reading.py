"""Reads one model from its file: header, SELECT, and whether the two fit."""

from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb

from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.header import parse_header
from linkt_pipeline.transform.macro import Macro, used_macros
from linkt_pipeline.transform.model import Header, ModelKey, SqlModel, TableReference
from linkt_pipeline.transform.row_changes import CHANGED_ROWS
from linkt_pipeline.transform.sql_files import read_text
from linkt_pipeline.transform.statement import fingerprint, is_repeatable, normalise, read_select, select_of


def read_model(
    con: duckdb.DuckDBPyConnection, path: Path, macros: Mapping[str, Macro], known: Collection[ModelKey] = ()
) -> SqlModel:
    """Read one file.

    Args:
        con: used for its parser only.
        path: the file.
        macros: those that it may call.
        known: the tables there are, for suggestions.

    Raises:
        ModelFileError: the file can't be used.
    """
    text = read_text(path)
    header = parse_header(path, text)
    reads = read_select(con, path, text, known)
    key = ModelKey(path.parent.name, path.stem)
    _require_narrowable(path, header, reads)
    _require_followable(con, path, key, header, reads)
    if header.rows:
        _require_countable(con, path, header.rows, reads)
    called = used_macros(con, path, text, macros)
    version = fingerprint(
        normalise(text),
        str(header.materialization),
        repr(header.incremental),
        str(header.rows),
        *(macro.version for macro in called),
    )
    return SqlModel(
        key=key,
        path=path,
        header=header,
        sql=select_of(text),
        reads=reads,
        code_version=version,
        is_repeatable=is_repeatable(con, path, text) and all(macro.is_repeatable for macro in called),
        macros=tuple(macro.name for macro in called),
    )


def _require_narrowable(path: Path, header: Header, reads: Collection[TableReference]) -> None:
    if header.incremental:
        if missing := sorted(set(header.incremental.key).difference(header.not_null)):
            raise ModelFileError(
                path, 1, f"the key of an incremental model is never empty: write '-- not_null: {', '.join(missing)}'"
            )
        mentions = [read for read in reads if read.key == header.incremental.spine]
        if len(mentions) != 1:
            raise ModelFileError(
                path,
                mentions[1].line if mentions else 1,
                f"an incremental model reads the table of its keys, {header.incremental.spine}, exactly once, "
                f"and this one does {len(mentions)} times; only then can it be narrowed to the changed keys",
            )
        for narrow in header.incremental.narrow:
            if narrow.column not in header.incremental.key:
                raise ModelFileError(path, 1, f"narrow: '{narrow.column}' is no column of the incremental key")
            if narrow.target == header.incremental.spine and narrow.target_column == narrow.column:
                problem = (
                    f"narrow: {narrow.target} is the table of the keys, which is cut down by '{narrow.column}' anyway"
                )
                raise ModelFileError(path, 1, problem)
            if narrow.target not in {read.key for read in reads}:
                problem = f"narrow: {narrow.target} is not a table that the model reads"
                raise ModelFileError(path, 1, problem)


def _require_followable(
    con: duckdb.DuckDBPyConnection, path: Path, key: ModelKey, header: Header, reads: Collection[TableReference]
) -> None:
    """A line ``follows`` may read only what is built before the model: changed rows, its inputs, and its own rows."""
    for follow in header.incremental.follows if header.incremental else ():
        try:
            select = f"with {CHANGED_ROWS} as (select 1) select * from ({follow.select})"  # noqa: S608
            asked = {read.key for read in read_select(con, path, select)}
        except ModelFileError as error:
            raise ModelFileError(path, 1, f"follows {follow.table}: {error.problem}") from None
        if strange := sorted(asked.difference({key, *(read.key for read in reads)})):
            raise ModelFileError(path, 1, f"follows {follow.table}: the model itself does not read {strange[0]}")


def _require_countable(
    con: duckdb.DuckDBPyConnection, path: Path, rows: str, reads: Collection[TableReference]
) -> None:
    """A count that reads what the view does not would go on being shown when the view's own rows have changed."""
    try:
        counted = {read.key for read in read_select(con, path, rows)}
    except ModelFileError as error:
        raise ModelFileError(path, 1, f"rows: {error.problem}") from None
    if strange := sorted(counted.difference(read.key for read in reads)):
        raise ModelFileError(path, 1, f"rows: the view itself does not read {strange[0]}")
