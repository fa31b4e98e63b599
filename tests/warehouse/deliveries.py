"""Builds what Linkt delivers, short enough to read in a test."""

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import orjson
import polars as pl

from linkt_pipeline.warehouse.landing import LandingCounts, land_entities, land_rejects, land_runs, land_signals
from linkt_pipeline.warehouse.schemas import (
    ENTITIES_FRAME,
    REJECTS_FRAME,
    RUN_CREDITS_FRAME,
    RUN_RESOURCES_FRAME,
    RUNS_FRAME,
    SIGNALS_FRAME,
)
from linkt_pipeline.warehouse.warehouse import Warehouse

T0 = datetime(2026, 4, 7, 9, 0, tzinfo=UTC)


def at(minutes: float | None) -> datetime | None:
    return None if minutes is None else T0 + timedelta(minutes=minutes)


def entity(entity_id: str, name: Any = "Acme", *, updated: float | None = 0, fetched: float = 100, **more: Any) -> dict:
    stamp = None if updated is None else at(updated).isoformat()
    body = {"id": entity_id, "data": {"name": {"value": name, "updated_at": stamp}}, "updated_at": stamp, **more}
    return {
        "entity_id": entity_id,
        "updated_at": at(updated),
        "fetched_at": at(fetched),
        "payload": orjson.dumps(body).decode(),
    }


def signal(signal_id: str, summary: str = "raised money", *, fetched: float = 100) -> dict:
    body = orjson.dumps({"id": signal_id, "summary": summary}).decode()
    return {
        "signal_id": signal_id,
        "summary": summary,
        "references": [],
        "entity_ids": ["e"],
        "fetched_at": at(fetched),
        "payload": body,
    }


def run(run_id: str, *, updated: float | None = 0, fetched: float = 50, **columns: Any) -> dict:
    body = orjson.dumps({"id": run_id, "updated": updated, **columns}).decode()
    return {"run_id": run_id, "status": "COMPLETED", "updated_at": at(updated), "fetched_at": at(fetched),
            "payload": body, **columns}  # fmt: skip


def entities_frame(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=ENTITIES_FRAME)


def land(warehouse: Warehouse, *rows: dict) -> LandingCounts:
    with warehouse.write() as con:
        return land_entities(con, entities_frame(*rows))


def land_signal_rows(warehouse: Warehouse, *rows: dict) -> LandingCounts:
    with warehouse.write() as con:
        return land_signals(con, pl.DataFrame(list(rows), schema=SIGNALS_FRAME))


def land_run(
    warehouse: Warehouse,
    row: dict,
    *,
    credits: dict[str, float] | None = None,
    created: list[str] | None = None,
    updated: list[str] | None = None,
    signals: list[str] | None = None,
) -> LandingCounts:
    run_id = row["run_id"]
    lists = (("entity", "created", created), ("entity", "updated", updated), ("signal", "created", signals))
    named = [
        (run_id, kind, action, resource_id, position)
        for kind, action, ids in lists
        for position, resource_id in enumerate(ids or [])
    ]
    with warehouse.write() as con:
        return land_runs(
            con,
            pl.DataFrame([row], schema=RUNS_FRAME),
            pl.DataFrame([(run_id, *item) for item in (credits or {}).items()], schema=RUN_CREDITS_FRAME, orient="row"),
            pl.DataFrame(named, schema=RUN_RESOURCES_FRAME, orient="row"),
        )


def reject(warehouse: Warehouse, resource_id: str, *, reason: str = "cut off", received: float = 100) -> int:
    row = ("entity", resource_id, reason, '{"id":', at(received))
    with warehouse.write() as con:
        return land_rejects(con, pl.DataFrame([row], schema=REJECTS_FRAME, orient="row"))


def fetch(warehouse: Warehouse, sql: str) -> list[tuple]:
    with warehouse.read() as con:
        return con.execute(sql).fetchall()


def versions_of(warehouse: Warehouse, entity_id: str) -> list[str]:
    """Names in the history of an entity, oldest first."""
    return [
        name
        for (name,) in fetch(
            warehouse,
            f"""select data ->> '$.name.value' from linkt.entity_versions where entity_id = '{entity_id}'
            order by updated_at nulls first, fetched_at, content_hash""",
        )
    ]


def name_of(warehouse: Warehouse, entity_id: str) -> str:
    return fetch(warehouse, f"select data ->> '$.name.value' from linkt.entities where entity_id = '{entity_id}'")[0][0]


def states(warehouse: Warehouse) -> dict[tuple[str, str], str]:
    """State by run and id."""
    rows = fetch(warehouse, "select run_id, resource_id, state from linkt.run_resources")
    return {(run_id, resource_id): state for run_id, resource_id, state in rows}


def dump(con: duckdb.DuckDBPyConnection, table: str, columns: str) -> list[tuple]:
    return con.execute(f"select {columns} from linkt.{table} order by all").fetchall()
