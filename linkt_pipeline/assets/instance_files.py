"""Removes what Dagster's own deletion leaves of a run in SQLite files, and gives back the space in those files.

``delete_run`` empties the run's database without removing or shrinking it, keeps the evaluations of its checks, and
leaves the folder with what its steps printed. An instance with another kind of storage has no such files.
"""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import dagster as dg

from linkt_pipeline.assets.dagster_internals import SqliteFiles

_UNFINISHED_AFTER = 24 * 3600  # seconds; a run's file is younger than its row for a moment
_WORTH_IT = 1_000_000  # bytes
_PATIENCE = 1.0  # seconds; a process that uses a file has precedence


def delete_files(instance: dg.DagsterInstance, run_id: str) -> None:
    """Remove what is left of a run that was deleted."""
    shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)
    files = SqliteFiles(instance)
    files.forget_checks(run_id)
    if file := files.of_run(run_id):
        for path in (file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm"), file):
            path.unlink(missing_ok=True)  # the file comes last: by it an unfinished deletion is found


def finish_deletions(instance: dg.DagsterInstance) -> None:
    """Remove files of runs whose deletion was interrupted, or that Dagster made again for a look at such a run."""
    files = SqliteFiles(instance)
    before = time.time() - _UNFINISHED_AFTER
    for run_id in files.runs_with_a_file():
        file = files.of_run(run_id)
        if file and file.stat().st_mtime < before and not instance.has_run(run_id):
            instance.event_log_storage.delete_events(run_id)
            delete_files(instance, run_id)


def give_space_back(instance: dg.DagsterInstance) -> None:
    """Shrink Dagster's SQLite files of which a quarter is unused; one that somebody else is using is left alone."""
    for path in SqliteFiles(instance).databases():
        _vacuum(path)


def _vacuum(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as con:
            [[pages]], [[unused]], [[page_size]] = (
                con.execute(f"pragma {name}").fetchall() for name in ("page_count", "freelist_count", "page_size")
            )
            if unused * page_size < _WORTH_IT or unused * 4 < pages:
                return
            con.execute("vacuum")
            con.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.OperationalError:  # in use, or no room for the copy that SQLite makes: another day
        pass
