"""Files of a deployment that an older version called ``linkt.duckdb``.

Opened by its name, such a file is a database called ``linkt`` with a schema ``linkt``, so ``from linkt.runs`` was
ambiguous. The first use under the new name renames it; there are never two.
"""

import os
from contextlib import suppress
from pathlib import Path

import duckdb

WAREHOUSE_NAME = SNAPSHOT_NAME = "warehouse.duckdb"
OLD_NAME = "linkt.duckdb"


def has_old_name(path: Path) -> bool:
    """Whether the file is there under its old name only."""
    old = path.with_name(OLD_NAME)
    return path.name == WAREHOUSE_NAME and not path.exists() and old.is_file() and not old.is_symlink()


def rename_warehouse(path: Path) -> None:
    """Give a warehouse its new name while no other process has it open.

    Raises:
        duckdb.IOException: another process has it open; try again later.
    """
    old = path.with_name(OLD_NAME)
    log = old.with_name(f"{OLD_NAME}.wal")
    con = duckdb.connect(str(old), config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    try:
        con.execute("checkpoint")  # the log goes by the file's name, so it must be empty before the name changes
        old.rename(path)
    finally:
        con.close()
    with suppress(FileNotFoundError):
        log.unlink()


def rename_snapshot(path: Path) -> None:
    """Give a published copy its new name; readers find it under both names at every moment."""
    if has_old_name(path):
        with suppress(FileExistsError):  # another process was faster
            os.link(path.with_name(OLD_NAME), path)
        link_old_name(path)


def link_old_name(path: Path) -> None:
    """Let the old name lead to a published copy, for readers that know no other yet."""
    beside = path.with_name(f".{OLD_NAME}.{os.getpid()}")
    with suppress(FileNotFoundError):
        beside.unlink()
    beside.symlink_to(path.name)
    beside.replace(path.with_name(OLD_NAME))
