"""SQL files that come with a room of the package: views, and the steps of its migrations."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Migration:
    """One step from an older version."""

    version: int
    name: str
    sql: str


@cache
def sql_texts(room: str, folder: str) -> Mapping[str, str]:
    """Text of each SQL file, by its name without the ending, in the order of the names.

    Args:
        room: a package, such as ``linkt_pipeline.warehouse``.
        folder: in it.
    """
    entries = (resources.files(room) / folder).iterdir()
    texts = {entry.name: entry.read_text(encoding="utf-8") for entry in entries if entry.name.endswith(".sql")}
    return {name.removesuffix(".sql"): texts[name] for name in sorted(texts)}


@cache
def migrations_of(room: str) -> tuple[Migration, ...]:
    """The steps ``migrations/NNNN_name.sql`` of a room, oldest first."""
    return tuple(Migration(int(name[:4]), name[5:], sql) for name, sql in sql_texts(room, "migrations").items())
