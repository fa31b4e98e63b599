"""Removes what is erased from Dagster's history: its SQLite files, and what steps printed.

Materializations carry previews of rows and drawings, and failed checks carry the first offenders. Their text does not
show whom they are about, so all of them go; the next materialization brings new ones. Anywhere else the words go.

The files are read as the SQLite files that they are, whatever tables a release of Dagster has in them.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.tombstones import Mentions

PREVIEW_REMOVED = "*removed by an erasure; the next materialization shows it again*"

_FOLDERS = ("history", "schedules")
_PRINTED = "storage"
_SQLITE = b"SQLite format 3\0"
_PREVIEW = "md_str"  # where Dagster keeps a text in markdown, whatever the release calls what is around it
_PATIENCE = 30.0  # seconds; a web server or daemon that uses a file has it for milliseconds
_PAUSE = 0.1


class HistoryBusyError(LinktPipelineError):
    """Another process keeps a file of Dagster's history so busy that it can't be rewritten."""

    def __init__(self, path: Path, said: str) -> None:
        super().__init__(
            f"{path} could not be rewritten: {said}. Stop what uses it (linkt-pipeline ui, dagster dev), then "
            "run linkt-pipeline erase again: it goes on where it stopped"
        )


def erase_from_history(root: Path, mentions: Mentions) -> int:
    """Remove previews and words from all of Dagster's files in a deployment's folder. It may be repeated.

    Args:
        root: the folder of the deployment.
        mentions: the words.

    Returns:
        How many records and files were changed.

    Raises:
        HistoryBusyError: a file is in use for too long.
    """
    changed = sum(_erase_from_database(path, mentions) for path in databases(root))
    return changed + sum(_erase_from_file(path, mentions) for path in printed_files(root))


def databases(root: Path) -> Iterator[Path]:
    """Dagster's SQLite files."""
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*.db")):
            with path.open("rb") as file:
                if file.read(len(_SQLITE)) == _SQLITE:
                    yield path


def printed_files(root: Path) -> Iterator[Path]:
    """What steps printed."""
    return (path for path in sorted((root / _PRINTED).rglob("*")) if path.is_file())


def _erase_from_database(path: Path, mentions: Mentions) -> int:
    try:
        with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as con:
            con.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
            con.execute("pragma secure_delete = on")
            con.execute("begin immediate")
            changed = sum(_erase_from_table(con, table, mentions) for table in _tables(con))
            con.execute("commit")
            con.execute("vacuum")
            _empty_log(con, path)
    except sqlite3.OperationalError as error:
        raise HistoryBusyError(path, str(error)) from error
    return changed


def _empty_log(con: sqlite3.Connection, path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        busy, *_ = con.execute("pragma wal_checkpoint(truncate)").fetchone()
        if not busy:
            return
        if time.monotonic() > deadline:
            raise HistoryBusyError(path, "its log is being read")
        time.sleep(_PAUSE)


def _tables(con: sqlite3.Connection) -> list[str]:
    rows = con.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'").fetchall()
    return [name for (name,) in rows]


def _erase_from_table(con: sqlite3.Connection, table: str, mentions: Mentions) -> int:
    name = _quoted(table)
    columns = [column for _, column, *_ in con.execute(f"pragma table_info({name})")]
    changed = 0
    for column in map(_quoted, columns):
        rows = con.execute(f"select rowid, {column} from {name} where typeof({column}) = 'text'")  # noqa: S608
        erased = [(new, row) for row, text in rows if (new := _erased(text, mentions)) != text]
        # Two keys that differed in the words alone are one key now: one of the rows goes.
        con.executemany(f"update or replace {name} set {column} = ? where rowid = ?", erased)  # noqa: S608
        changed += len(erased)
    return changed


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _erased(text: str, mentions: Mentions) -> str:
    if _PREVIEW in text:
        with suppress(ValueError):  # no JSON: the words go all the same
            text = json.dumps(_without_previews(json.loads(text)))
    return mentions.erased_from_json(text) if mentions.are_in(text) else text


def _without_previews(value: Any) -> Any:
    match value:
        case dict():
            return {
                name: PREVIEW_REMOVED if name == _PREVIEW and item is not None else _without_previews(item)
                for name, item in value.items()
            }
        case list():
            return [_without_previews(item) for item in value]
    return value


def _erase_from_file(path: Path, mentions: Mentions) -> int:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    if not mentions.are_in(text):
        return 0
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(mentions.erased_from(text).encode("utf-8", "surrogateescape"))
    beside.chmod(path.stat().st_mode)
    beside.replace(path)
    return 1
