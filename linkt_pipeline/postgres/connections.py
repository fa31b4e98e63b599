"""The connections of this process to the PostgreSQL of a ledger: kept between transactions, never shared by two.

A transaction that is begun on a connection that was lost meanwhile begins again on a new one, for as long as the
caller waits for others, too. One that loses its connection later fails: only its caller knows whether it may be
repeated. A forked process leaves its parent's connections alone and makes its own.
"""

import atexit
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader

from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.postgres.errors import is_outage, is_refusal, ledger_error
from linkt_pipeline.postgres.migration import bring_up_to_date
from linkt_pipeline.warehouse.liveness import OF_CLIENT, OF_SERVER

_KEPT = 4  # idle connections of a process; threads that need more at a time make them and close them again
_PAUSE = 0.25  # seconds between two attempts to connect
# A database or role that does without would lose intentions and run ids in a crash, and what is lost is bought again.
DURABLE = "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"
_LONGEST_NAME = 63  # bytes of an application_name


class Connections:
    """The connections of this process to one database."""

    def __init__(self, address: PostgresAddress) -> None:
        self.address = address
        self._idle: list[psycopg.Connection] = []
        self._guard = threading.Lock()

    @contextmanager
    def transaction(self, begin: str, *, timeout: timedelta) -> Iterator[psycopg.Connection]:
        """One transaction: committed at the end, rolled back on any exception.

        Args:
            begin: the statement that begins it.
            timeout: how long to try to reach PostgreSQL, and to wait for a lock.

        Raises:
            WarehouseBusyError: it can't be reached. If it was reached before, the transaction may have been committed.
            LedgerRefusedError: it refuses this deployment.
            psycopg.Error: a statement failed; see :func:`ledger_error`.
        """
        con = self._begun(begin, timeout)
        try:
            yield con
            if con.execute("commit").statusmessage != "COMMIT":
                raise psycopg.InternalError("a statement had failed, so the transaction was rolled back")
        except BaseException:
            _roll_back(con)
            raise
        finally:
            self._give_back(con)

    def close(self) -> None:
        """Close what is idle."""
        with self._guard:
            idle, self._idle = self._idle, []
        for con in idle:
            con.close()

    def _begun(self, begin: str, timeout: timedelta) -> psycopg.Connection:
        since = time.monotonic()
        # Set for each transaction, because callers of one connection may wait for different times. Also, nobody is kept
        # waiting by a transaction whose process sleeps: it may wait once for the warehouse, and as long for its rows.
        wait = max(1, int(timeout.total_seconds() * 1000))
        statements = f"{begin}; set local lock_timeout = {wait}; "
        statements += f"set local idle_in_transaction_session_timeout = {4 * wait + 60_000}"
        while True:
            con = None
            try:
                con = self._take()
                con.execute(statements)
                return con
            except psycopg.Error as error:
                if con is not None:
                    con.close()
                seconds = time.monotonic() - since
                if is_refusal(error) or not is_outage(error) or seconds > timeout.total_seconds():
                    raise ledger_error(error, self.address, seconds) from None
                if con is None:  # an idle connection may just have been lost; making one failed
                    time.sleep(_PAUSE)
            except BaseException:
                if con is not None:
                    con.close()
                raise

    def _take(self) -> psycopg.Connection:
        with self._guard:
            if self._idle:
                return self._idle.pop()
        settings = {**OF_SERVER, "search_path": self.address.schema}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        given = {**OF_CLIENT, "options": options, "application_name": own_name()}
        con = psycopg.connect(make_conninfo(self.address.conninfo.get_secret_value(), **given), autocommit=True)
        try:
            con.adapters.register_loader("json", TextLoader)
            con.execute(DURABLE)
            bring_up_to_date(con, self.address)
        except BaseException:
            con.close()
            raise
        return con

    def _give_back(self, con: psycopg.Connection) -> None:
        with self._guard:
            if con.info.transaction_status is TransactionStatus.IDLE and len(self._idle) < _KEPT:
                self._idle.append(con)
                return
        con.close()


def connections_to(address: PostgresAddress) -> Connections:
    """The connections of this process to a database; the same for everybody who asks."""
    with _guard:
        return _all.setdefault(address, Connections(address))


def close_connections() -> None:
    """Close every idle connection of this process."""
    for connections in list(_all.values()):
        connections.close()


def _roll_back(con: psycopg.Connection) -> None:
    # After an interrupt in the middle of a statement, its answer is still to come: closing is the only way out.
    if con.info.transaction_status is TransactionStatus.ACTIVE:
        con.close()
    with suppress(psycopg.Error):
        con.execute("rollback")


def own_name() -> str:
    """Process and host, for people who look at PostgreSQL's activity, and for messages."""
    return f"linkt-pipeline PID {os.getpid()} on {socket.gethostname()}".encode()[:_LONGEST_NAME].decode(
        errors="ignore"
    )


_all: dict[PostgresAddress, Connections] = {}
_guard = threading.Lock()
_of_parents: list[dict[PostgresAddress, Connections]] = []


def _forget_parents() -> None:
    """In a forked process. The parent's connections are kept and never used: closing one would end the parent's."""
    global _all, _guard
    _of_parents.append(_all)
    _all, _guard = {}, threading.Lock()


os.register_at_fork(after_in_child=_forget_parents)
atexit.register(close_connections)
