"""``linkt.erasures``: each erasure is recorded before it begins, so that it goes on after any kill.

While copies of the data are still to be searched, the words to search for must be known: ``pending`` holds them, and
nothing else does. They are removed before the file is rewritten, so that their last copy goes with the old file.
"""

import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import duckdb
import orjson

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.erasure.removal import Counts, remove_from_warehouse
from linkt_pipeline.warehouse.erasure.targets import Kind, Target, find_target
from linkt_pipeline.warehouse.tombstones import read_tombstones, write_tombstones
from linkt_pipeline.warehouse.warehouse import Warehouse


class Phase(StrEnum):
    """How far an erasure has come."""

    INTENDED = "intended"
    REMOVED = "removed"
    FORGOTTEN = "forgotten"
    FINISHED = "finished"


@dataclass(frozen=True)
class Erasure:
    """An erasure.

    Attributes:
        erasure_id: its id.
        kind: what was asked for.
        phase: how far it has come.
        target: what is to be erased; None once that is forgotten.
        removed: rows by table, as far as they are removed.
    """

    erasure_id: str
    kind: Kind
    phase: Phase
    target: Target | None
    removed: Counts


def begin_erasure(warehouse: Warehouse, kind: Kind, values: Iterable[str]) -> str:
    """Record an erasure. From now on nothing that it erases is landed, and the next command finishes it.

    The same transaction looks up what is meant, so that everything that was landed before it goes.

    Args:
        warehouse: of the deployment.
        kind: of the values.
        values: what is to be erased, as :func:`~linkt_pipeline.warehouse.erasure.targets.find_target` takes it.

    Returns:
        Its id.

    Raises:
        ErasureError: the values name nobody.
    """
    with warehouse.write(news=False) as con:
        return write_erasure(con, kind, values)


def write_erasure(con: duckdb.DuckDBPyConnection, kind: Kind, values: Iterable[str]) -> str:
    """What :func:`begin_erasure` does, in the caller's transaction."""
    erasure_id = uuid.uuid4().hex
    target = find_target(con, kind, values)
    con.execute(
        "insert into linkt.erasures (erasure_id, kind, asked_at, phase, pending) values (?, ?, ?, ?, ?)",
        [erasure_id, kind.value, datetime.now(UTC), Phase.INTENDED.value, target.to_json()],
    )
    write_tombstones(con, erasure_id, target.tombstones)
    return erasure_id


def unfinished_erasures(warehouse: Warehouse) -> list[Erasure]:
    """Erasures that have not come to their end, oldest first."""
    if not warehouse.exists:
        return []
    with warehouse.read() as con:
        rows = con.execute(
            "select erasure_id, kind, phase, pending::varchar, removed::varchar from linkt.erasures "
            "where phase <> 'finished' order by asked_at, erasure_id"
        ).fetchall()
    return [
        Erasure(
            erasure_id,
            Kind(kind),
            Phase(phase),
            Target.from_json(pending) if pending else None,
            _counts(removed),
        )
        for erasure_id, kind, phase, pending, removed in rows
    ]


def removed_by(warehouse: Warehouse, erasure_id: str) -> Counts:
    """What an erasure has removed from the warehouse, as far as it has come."""
    with warehouse.read() as con:
        ((removed,),) = con.execute(
            "select removed::varchar from linkt.erasures where erasure_id = ?", [erasure_id]
        ).fetchall()
    return _counts(removed)


def _counts(removed: str | None) -> Counts:
    return orjson.loads(removed) if removed else {}


def remove_target(warehouse: Warehouse, erasure: Erasure) -> Counts:
    """Take the step from ``intended`` to ``removed``, unless another process has taken it meanwhile.

    Returns:
        What was removed, by this process or the other one.

    Raises:
        ErasureError: see :func:`~linkt_pipeline.warehouse.erasure.removal.remove_from_warehouse`.
    """
    if erasure.target is None or erasure.phase is not Phase.INTENDED:
        return erasure.removed
    with warehouse.write() as con:
        ((phase, removed),) = con.execute(
            "select phase, removed::varchar from linkt.erasures where erasure_id = ?", [erasure.erasure_id]
        ).fetchall()
        # Read again inside of the transaction: another process may have removed it since the caller looked.
        if phase != Phase.INTENDED:
            return _counts(removed)
        counts = remove_from_warehouse(con, erasure.target)
        con.execute(
            "update linkt.erasures set phase = ?, removed = ? where erasure_id = ?",
            [Phase.REMOVED.value, orjson.dumps(counts).decode(), erasure.erasure_id],
        )
    return counts


def forget_target(warehouse: Warehouse, erasure_id: str) -> None:
    """Take the step from ``removed`` to ``forgotten``: the record no longer holds what was asked for."""
    _set(warehouse, erasure_id, Phase.FORGOTTEN, "pending = null")


def finish_erasure(warehouse: Warehouse, erasure_id: str) -> None:
    """Take the last step: the file was rewritten and published, and nothing is left."""
    _set(warehouse, erasure_id, Phase.FINISHED, "finished_at = now(), last_error = null")


def note_failure(warehouse: Warehouse, error: Exception) -> None:
    """Record why erasures could not be finished, without any word that was erased; for ``status``.

    Erasures go one after the other, so what stops one stops all. A full disk stops this record as well.
    """
    text = str(error) if isinstance(error, LinktPipelineError) else f"{type(error).__name__}: {error}"
    with suppress(LinktPipelineError, duckdb.Error, OSError), warehouse.write(news=False) as con:
        tombstones = read_tombstones(con)
        shown = tombstones.mentions_in(text).erased_from(text) if tombstones else text
        con.execute("update linkt.erasures set last_error = ? where phase <> 'finished'", [shown])


def _set(warehouse: Warehouse, erasure_id: str, phase: Phase, change: str) -> None:
    """Set a later phase, never an earlier one: two processes may finish the same erasure."""
    later = [each.value for each in list(Phase)[list(Phase).index(phase) :]]
    with warehouse.write(news=False) as con:
        con.execute(
            f"update linkt.erasures set phase = ?, {change} "  # noqa: S608
            "where erasure_id = ? and phase not in (select unnest(?::varchar[]))",
            [phase.value, erasure_id, later],
        )
