"""A lake in the hands of a move."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import psycopg
from psycopg import sql

from linkt_pipeline.warehouse.engines.lake.creation import is_made
from linkt_pipeline.warehouse.engines.lake.engine import LakeEngine
from linkt_pipeline.warehouse.engines.lake.place import LakePlace
from linkt_pipeline.warehouse.engines.lake.turn import Turn
from linkt_pipeline.warehouse.migration import Transaction


@dataclass(frozen=True)
class TakenLake:
    """A lake that nobody else writes.

    Attributes:
        place: where it is.
        engine: attaches it.
        turn: which is held.
        transaction: one of a connection of the engine.
    """

    place: LakePlace
    engine: LakeEngine
    turn: Turn
    transaction: Transaction

    @property
    def postgres(self) -> psycopg.Connection:
        """The connection that holds the turn: who loses it can't commit either.

        Raises:
            TurnLostError: it was lost.
        """
        return self.turn.connection

    @property
    def is_made(self) -> bool:
        """Whether there is a lake."""
        return is_made(self.place, self.postgres)

    @property
    def data_path(self) -> str | None:
        """Where the files of the lake lie that is there now; None if there is none."""
        if not self.is_made:
            return None
        metadata = sql.Identifier(self.place.schema, "ducklake_metadata")
        query = sql.SQL("select value from {} where key = 'data_path'").format(metadata)
        found = self.postgres.execute(query).fetchone()
        return None if found is None else str(found[0])

    @contextmanager
    def connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to it, outside of a transaction."""
        con = self.engine.connect()
        try:
            con.execute("rollback")
            yield con
        finally:
            con.close()

    def forget(self) -> None:
        """Drop the catalog with all that it knows, in the caller's transaction of :attr:`postgres`.

        The files that it named are removed by the first maintenance a day later.
        """
        self.engine.stop()
        self.postgres.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(self.place.schema)))
