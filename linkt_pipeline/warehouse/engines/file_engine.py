"""DuckDB itself, kept by a process between two openings of a file.

Starting a DuckDB takes 7 ms, attaching a file to one that runs takes 1. Nothing of the file stays behind: detaching
writes its log into it, frees its buffers and gives up its lock, and temporary tables go with their connection.
"""

from pathlib import Path

import duckdb

from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.running_duckdb import CATALOG, start_duckdb, usual_threads

# The oldest format that has ZSTD, which migration 3 asks for; DuckDB 1.2 and newer read it. A file of an older format
# gets it with its next checkpoint.
STORAGE_VERSION = "v1.2.0"


class Engine:
    """A running DuckDB for one file, used by one thread at a time.

    Args:
        path: the file.
        memory_limit: DuckDB's own limit, beyond which it spills into a folder beside the file.
    """

    def __init__(self, path: Path, memory_limit: str) -> None:
        self.memory_limit = memory_limit
        self._path = path
        self._spill = path.with_name(f"{path.name}.tmp")
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        self._may_be_attached = False
        self._settings = ""

    def attach(self, *, read_only: bool, threads: int | None, settings: str) -> duckdb.DuckDBPyConnection:
        """Open the file; its connection is to be given back to :meth:`detach`.

        Args:
            read_only: readers of other processes may have it open at the same time.
            threads: DuckDB's; default: :func:`usual_threads`.
            settings: statements to run first; they hold until the next call.

        Raises:
            duckdb.Error: another process has it open, or it is no DuckDB database.
        """
        if self._may_be_attached:
            self.stop()  # an interrupt came between this and detach
        con = self._running().cursor()
        self._may_be_attached = True
        try:
            settings = f"set threads = {int(threads or usual_threads())}; {settings}"
            if settings != self._settings:
                con.execute(settings)
                self._settings = settings
            self._attach(con, "read_only" if read_only else "read_write")
        except duckdb.IOException:  # another process has it, which is asked for again and again
            con.close()
            self._may_be_attached = False
            raise
        except BaseException:
            con.close()
            self.stop()
            raise
        return con

    def _attach(self, con: duckdb.DuckDBPyConnection, mode: str) -> None:
        attach = f"attach {literal(str(self._path))} as {CATALOG} ({mode}"
        try:
            con.execute(f"{attach}, storage_version {literal(STORAGE_VERSION)}); use {CATALOG}")
        except duckdb.InvalidInputException as error:
            if "cannot be lowered" not in str(error):
                raise
            con.execute(f"{attach}); use {CATALOG}")  # of a newer format, which suits as well

    def detach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Close the connection and the file."""
        try:
            con.close()
            self._running().execute(f"detach {CATALOG}")
            self._may_be_attached = False
        except duckdb.Error:  # a full disk, say: what was committed is in the log, and written from there next time
            self.stop()
        except BaseException:  # an interrupt must not leave others locked out
            self.stop()
            raise
        if self._spill.exists():
            self.stop()  # which removes it

    def stop(self) -> None:
        """Close everything, whatever state it is in; the next :meth:`attach` starts a new DuckDB."""
        running, self._duckdb, self._settings = self._duckdb, None, ""
        if running is not None:
            running.close()
        self._may_be_attached = False

    def _running(self) -> duckdb.DuckDBPyConnection:
        if self._duckdb is None:
            self._duckdb = start_duckdb(self._spill, self.memory_limit)
        return self._duckdb
