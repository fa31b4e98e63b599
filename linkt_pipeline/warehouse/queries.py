"""What the rest of the pipeline asks the warehouse. Every function takes a connection and changes nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.ids import WELL_FORMED_ID

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Settlement:
    """Rows of ``run_resources`` of one resource type, by state."""

    pending: int = 0
    landed: int = 0
    missing: int = 0
    rejected: int = 0
    erased: int = 0

    @property
    def named(self) -> int:
        """All of them."""
        return self.pending + self.landed + self.missing + self.rejected + self.erased


def pending_resources(con: duckdb.DuckDBPyConnection, resource_type: str, limit: int = 50_000) -> "pl.DataFrame":
    """Ids that are still to be fetched.

    Args:
        con: any connection.
        resource_type: ``entity`` or ``signal``.
        limit: how many ids at most.

    Returns:
        ``resource_id``, ``run_id`` and ``icp_id`` of the newest run that names it; one row per id, oldest first.
    """
    import polars as pl  # where it is needed, because to look whether there is anything to do needs none

    # Given as parameters, the values would make DuckDB keep a copy of the result: twice the time.
    pending = con.sql(
        f"""
        select named.resource_id,
            max_by(named.run_id, (named.named_at, named.run_id)) as run_id,
            max_by(runs.icp_id, (named.named_at, named.run_id)) filter (runs.icp_id is not null) as icp_id
        from linkt.run_resources as named
        left join linkt.runs as runs on runs.run_id = named.run_id
        where named.state = 'pending' and named.resource_type = {literal(resource_type)}
        group by named.resource_id
        order by named.resource_id
        limit {int(limit)}
        """  # noqa: S608
    )
    return pl.DataFrame(pending)


EXECUTIONS = "linkt.executions"


def unlanded_run_ids(con: duckdb.DuckDBPyConnection, executions: str = EXECUTIONS) -> list[str]:
    """Runs of finished executions that are neither in ``linkt.runs`` nor rejected, oldest first."""
    rows = con.execute(
        f"""
        select execution.run_id
        from {executions} as execution
        anti join linkt.runs as runs on runs.run_id = execution.run_id
        anti join linkt.rejects as kept on kept.resource_type = 'run' and kept.resource_id = execution.run_id
        where regexp_full_match(execution.run_id, ?) and execution.state = 'finished'
        group by execution.run_id
        order by min(execution.intended_at)
        """,  # noqa: S608
        [WELL_FORMED_ID],
    ).fetchall()
    return [row[0] for row in rows]


def known_run_ids(con: duckdb.DuckDBPyConnection, limit: int, executions: str = EXECUTIONS) -> list[str]:
    """Runs that were seen before, landed or in the ledger, and that can be asked for; the newest first."""
    rows = con.execute(
        f"""
        select run_id
        from (
            select run_id, coalesce(created_at, fetched_at) as since from linkt.runs
            union all
            select run_id, intended_at from {executions}
        )
        where regexp_full_match(run_id, ?)
        group by run_id
        order by max(since) desc
        limit ?
        """,  # noqa: S608
        [WELL_FORMED_ID, limit],
    ).fetchall()
    return [row[0] for row in rows]


def landed_run_versions(con: duckdb.DuckDBPyConnection, run_ids: Collection[str]) -> dict[str, datetime | None]:
    """``updated_at`` of those of ``run_ids`` that are landed."""
    if not run_ids:
        return {}
    rows = con.execute(
        "select run_id, updated_at from linkt.runs where run_id in (select unnest($1::varchar[]))", [list(run_ids)]
    ).fetchall()
    return {run_id: updated_at.astimezone(UTC) if updated_at else None for run_id, updated_at in rows}


def completed_runs(con: duckdb.DuckDBPyConnection, run_ids: Collection[str]) -> frozenset[str]:
    """Those of ``run_ids`` that are landed and completed."""
    rows = con.execute(
        "select run_id from linkt.runs "
        "where run_id in (select unnest($1::varchar[])) and status_normalised = 'COMPLETED'",
        [list(run_ids)],
    ).fetchall()
    return frozenset(row[0] for row in rows)


def unfetched_runs(con: duckdb.DuckDBPyConnection, run_ids: Collection[str]) -> frozenset[str]:
    """Those of ``run_ids`` that name an id which is still to be fetched."""
    rows = con.execute(
        "select distinct run_id from linkt.run_resources "
        "where run_id in (select unnest($1::varchar[])) and state = 'pending'",
        [list(run_ids)],
    ).fetchall()
    return frozenset(row[0] for row in rows)


def rejected_runs(con: duckdb.DuckDBPyConnection, run_ids: Collection[str] | None = None) -> dict[str, datetime]:
    """When each of the rejected runs was read, of all of them or of ``run_ids``."""
    rows = con.execute(
        """
        select resource_id, received_at from linkt.rejects
        where resource_type = 'run' and ($1 is null or resource_id in (select unnest($1::varchar[])))
        order by received_at, resource_id
        """,
        [None if run_ids is None else list(run_ids)],
    ).fetchall()
    return {run_id: received_at.astimezone(UTC) for run_id, received_at in rows}


def landed_run_payload(con: duckdb.DuckDBPyConnection, run_id: str) -> tuple[str, datetime]:
    """The JSON text of a landed run, as it arrived, and when it did."""
    ((payload, fetched_at),) = con.execute(
        "select payload, fetched_at from linkt.runs where run_id = ?", [run_id]
    ).fetchall()
    return str(payload), fetched_at.astimezone(UTC)


def known_icp_ids(con: duckdb.DuckDBPyConnection) -> set[str]:
    """ICPs of reference data, runs and entities (deleted ones too: they may be back), by ids that can be asked for."""
    rows = con.execute(
        """
        select icp_id from linkt.icps where regexp_full_match(icp_id, $1)
        union
        select icp_id from linkt.runs where regexp_full_match(icp_id, $1)
        union
        select icp_id from linkt.entities where regexp_full_match(icp_id, $1)
        """,
        [WELL_FORMED_ID],
    ).fetchall()
    return {icp_id for (icp_id,) in rows}


def known_entity_ids(con: duckdb.DuckDBPyConnection, icp_id: str) -> dict[str, datetime | None]:
    """The entities of an ICP, by their word or, where they say nothing, that of a run; with when each was deleted."""
    rows = con.execute(
        """
        select entity_id, deleted_at from linkt.entities where icp_id = $1
        union
        select entity_id, deleted_at from linkt.entities as entity
        join linkt.run_resources as named on named.resource_type = 'entity' and named.resource_id = entity.entity_id
        join linkt.runs as runs on runs.run_id = named.run_id
        where entity.icp_id is null and runs.icp_id = $1
        """,
        [icp_id],
    ).fetchall()
    return dict(rows)


@dataclass(frozen=True)
class StoredEntity:
    """What decides whether a listed row is news of an entity.

    Attributes:
        entity_id: as the warehouse spells it.
        icp_id, updated_at: of its row.
        is_deleted: whether it is marked so.
    """

    entity_id: str
    icp_id: str | None
    updated_at: datetime | None
    is_deleted: bool


def stored_entities(con: duckdb.DuckDBPyConnection, ids: Collection[str]) -> list[StoredEntity]:
    """Those of ``ids``, which are in lower case, that the warehouse has in any spelling."""
    rows = con.execute(
        """
        select entity_id, icp_id, updated_at, deleted_at is not null from linkt.entities
        where lower(entity_id) in (select unnest($1::varchar[]))
        """,
        [list(ids)],
    ).fetchall()
    return [StoredEntity(*row) for row in rows]


def rejected_ids(con: duckdb.DuckDBPyConnection, resource_type: str) -> set[str]:
    """Ids of a type that are kept as rejects."""
    rows = con.execute("select resource_id from linkt.rejects where resource_type = $1", [resource_type]).fetchall()
    return {resource_id for (resource_id,) in rows}


def erasure_is_pending(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether an erasure was begun and has not come to its end."""
    return bool(con.execute("select 1 from linkt.erasures where phase <> 'finished' limit 1").fetchall())


def settlements(con: duckdb.DuckDBPyConnection) -> dict[str, Settlement]:
    """How many named ids are pending, landed, missing, rejected and erased, by resource type."""
    rows = con.execute(
        """
        select resource_type,
            count(*) filter (state = 'pending'), count(*) filter (state = 'landed'),
            count(*) filter (state = 'missing'), count(*) filter (state = 'rejected'),
            count(*) filter (state = 'erased')
        from linkt.run_resources group by resource_type order by resource_type
        """
    ).fetchall()
    return {resource_type: Settlement(*counts) for resource_type, *counts in rows}


def malformed_ids(con: duckdb.DuckDBPyConnection) -> int:
    """How many of the rejected rows of ``run_resources`` name no id at all, so that the API can't be asked for it."""
    row = con.execute(
        "select count(*) from linkt.run_resources where state = 'rejected' and not regexp_full_match(resource_id, $1)",
        [WELL_FORMED_ID],
    ).fetchone()
    return int(row[0]) if row else 0
