"""Whose turn it is to write into a lake: a lock that PostgreSQL gives to one connection at a time.

The lock belongs to a connection, so it ends with its process, its host or its network, without a lease and without a
clock. Whoever waits gets it in the order of asking. A proxy that hands out connections by transaction can't carry it.
"""

import hashlib
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from linkt_pipeline.warehouse.engines.lake.errors import is_passing, lake_error, turn_lost
from linkt_pipeline.warehouse.engines.lake.place import LakePlace
from linkt_pipeline.warehouse.errors import WarehouseBusyError
from linkt_pipeline.warehouse.liveness import OF_SERVER

T = TypeVar("T")

_PAUSE = 0.2  # seconds between two attempts to reach PostgreSQL
_LONGEST_NAME = 63  # bytes of an application_name
_NAME = re.compile(r"(?P<program>.+) \(PID (?P<pid>\d+)\) on (?P<host>.+)")
# No setting of a role ends a wait.
_SERVER_SETTINGS = {"statement_timeout": "0", "idle_session_timeout": "0", **OF_SERVER}
_HOLDER = """
select activity.application_name
from pg_locks as held join pg_stat_activity as activity using (pid)
where held.locktype = 'advisory' and held.granted and held.objsubid = 1
    and held.database = (select oid from pg_database where datname = current_database())
    and (held.classid::bigint << 32) | held.objid::bigint = %s
"""
_IS_MINE = f"{_HOLDER} and pid = pg_backend_pid()"


class Turn:
    """One process's way to take the turn. Used by one thread at a time.

    Args:
        place: of the lake; the processes that write it take turns.
    """

    def __init__(self, place: LakePlace) -> None:
        self._place = place
        digest = hashlib.blake2b(f"linkt_pipeline {place.schema}".encode(), digest_size=8).digest()
        self._key = int.from_bytes(digest, "big", signed=True)
        self._con: psycopg.Connection | None = None

    @contextmanager
    def taken(self, timeout: timedelta) -> Iterator[None]:
        """Wait for the turn, and have it inside of the block unless the connection is lost.

        Args:
            timeout: how long to wait, for others and for PostgreSQL.

        Raises:
            WarehouseBusyError: somebody else had it for too long; names the holder.
            CatalogUnreachableError: PostgreSQL did not answer for too long.
            CatalogRefusedError: PostgreSQL does not let this deployment in.
        """
        self._take(timeout)
        try:
            yield
        finally:
            self._give_back()

    def require(self) -> None:
        """Go on only if the turn is still held.

        Raises:
            TurnLostError: the connection ended, so somebody else may write by now.
        """
        try:
            is_mine = self._con is not None and self._con.execute(_IS_MINE, [self._key]).fetchone() is not None
        except psycopg.Error:
            is_mine = False
        if not is_mine:
            self.close()
            raise turn_lost(str(self._place))

    @property
    def connection(self) -> psycopg.Connection:
        """The connection that holds the turn, in autocommit mode.

        Raises:
            TurnLostError: see :meth:`require`.
        """
        self.require()
        assert self._con is not None  # noqa: S101, else the turn is lost
        return self._con

    def ask(self, timeout: timedelta, question: Callable[[psycopg.Connection], T]) -> T:
        """Ask PostgreSQL something as soon as it answers, with or without the turn.

        Args:
            timeout: how long to wait for PostgreSQL.
            question: gets a connection in autocommit mode.

        Raises:
            CatalogUnreachableError, CatalogRefusedError: see :meth:`taken`.
        """
        try:
            return question(self._connected(timeout))
        except psycopg.Error as error:
            self.close()
            raise self._better(error) from None

    def close(self) -> None:
        """Give up the turn and its connection; the next use makes a new one."""
        con, self._con = self._con, None
        if con is not None:
            with suppress(psycopg.Error):
                con.close()

    def leave_to_parent(self) -> None:
        """In a forked process: the connection is the parent's, and closing it here would end the parent's turn."""
        if self._con is not None:
            _of_parents.append(self._con)
        self._con = None

    def _take(self, timeout: timedelta) -> None:
        started = time.monotonic()
        try:
            con = self._connected(timeout)
            con.execute(f"set lock_timeout = {max(1, int(timeout.total_seconds() * 1000))}")
            con.execute("select pg_advisory_lock(%s)", [self._key])
        except psycopg.errors.LockNotAvailable:
            raise self._busy(time.monotonic() - started) from None
        except psycopg.Error as error:
            self.close()
            raise self._better(error) from None
        except BaseException:  # nobody knows whether the lock was given by then
            self.close()
            raise

    def _give_back(self) -> None:
        if self._con is None:
            return
        try:
            self._con.execute("select pg_advisory_unlock(%s)", [self._key])
        except BaseException as error:
            self.close()  # which ends the turn as well
            if not isinstance(error, psycopg.Error):
                raise

    def _connected(self, timeout: timedelta) -> psycopg.Connection:
        """A connection that answers, as soon as PostgreSQL does within the timeout."""
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            try:
                if self._con is None:
                    self._con = _connect(self._place)
                self._con.execute("select 1")
                return self._con
            except psycopg.Error as error:
                self.close()
                if not is_passing(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)

    def _busy(self, waited: float) -> WarehouseBusyError:
        """The error that names whoever has the turn."""
        row = self._con.execute(_HOLDER, [self._key]).fetchone() if self._con else None
        found = _NAME.fullmatch(row[0]) if row and row[0] else None
        return WarehouseBusyError(
            f"{self._place} has been written by {found[0] if found else 'another process'} for {waited:.0f} s and "
            "more, so nothing was read or written. Let that process finish, or end it; then run the same command again",
            holder=found["program"] if found else None,
            pid=int(found["pid"]) if found else None,
        )

    def _better(self, error: psycopg.Error) -> Exception:
        return lake_error(error, str(self._place)) or error


@contextmanager
def alone(place: LakePlace, work: str) -> Iterator[bool]:
    """Keep the processes of all hosts from a piece of work, by a lock on a connection of its own.

    If the connection is lost, another process may begin: it must be work that two may do at once in the end.

    Args:
        place: of the lake.
        work: its name.

    Yields:
        Whether this process may do it.

    Raises:
        CatalogUnreachableError, CatalogRefusedError: see :meth:`Turn.taken`.
    """
    try:
        con = _connect(place)
    except psycopg.Error as error:
        raise lake_error(error, str(place)) or error from None
    with closing(con):
        name = f"{place.schema}/{work}"
        yield con.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchone() == (True,)


_of_parents: list[psycopg.Connection] = []


def _connect(place: LakePlace) -> psycopg.Connection:
    catalog = place.catalog
    address = make_conninfo(
        host=catalog.host,
        port=catalog.port,
        dbname=catalog.database,
        user=catalog.user,
        password=catalog.password.get_secret_value() if catalog.password else None,
        application_name=_own_name(),
        **catalog.options,
    )
    con = psycopg.connect(address, autocommit=True)
    for name, value in _SERVER_SETTINGS.items():
        con.execute("select set_config(%s, %s, false)", [name, value])
    return con


def _own_name() -> str:
    """Program, process and host: for people who look at PostgreSQL's activity, and for messages."""
    program = Path(sys.argv[0]).name or "python"
    name = f"{program} (PID {os.getpid()}) on {socket.gethostname()}"
    return name.encode()[:_LONGEST_NAME].decode(errors="ignore")
