"""What landing a batch costs in an empty warehouse and in a big one."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import polars as pl

from bench.generate_warehouse import FIRST, _text_id, fill
from bench.outcome import Section, median, spread
from bench.scale import big_warehouse
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.landing import land_entities, land_runs
from linkt_pipeline.warehouse.landing.content import content_hashes
from linkt_pipeline.warehouse.queries import pending_resources, unlanded_run_ids
from linkt_pipeline.warehouse.schemas import ENTITIES_FRAME, RUN_CREDITS_FRAME, RUN_RESOURCES_FRAME, RUNS_FRAME
from linkt_pipeline.warehouse.warehouse import Warehouse


@contextmanager
def timed(times: dict[str, list[float]], name: str) -> Iterator[None]:
    """Keep how long the block took."""
    begun = time.perf_counter()
    yield
    times.setdefault(name, []).append(time.perf_counter() - begun)


def payload(entity_id: str, value: str, at: datetime) -> str:
    """About 2.5 KB, as a company with eight fields has."""
    attribute = {
        "value": value,
        "display": value,
        "references": [f"https://source.example/page/{value}", "https://registry.example/filings"],
        "created_at": "2026-04-07T09:41:10Z",
        "updated_at": at.isoformat(),
    }
    data = {f"field_{i}": {**attribute, "value": f"{value} {i}"} for i in range(8)}
    return orjson.dumps({"id": entity_id, "data": data, "updated_at": at.isoformat()}).decode()


def batch(ids: list[str], value: str, at: datetime) -> pl.DataFrame:
    """A frame of one version of each id."""
    rows = [
        {"entity_id": i, "updated_at": at, "fetched_at": at, "payload": payload(i, value, at), "status": "new"}
        for i in ids
    ]
    return pl.DataFrame(rows, schema=ENTITIES_FRAME)


def land_batch(warehouse: Warehouse, run_id: str, ids: list[str], times: dict[str, list[float]]) -> None:
    """One run and what it names, as a sync lands them, timed step by step."""
    at = datetime.now(UTC)
    run = pl.DataFrame([{"run_id": run_id, "updated_at": at, "fetched_at": at, "payload": "{}"}], schema=RUNS_FRAME)
    named = pl.DataFrame(
        [
            {"run_id": run_id, "resource_type": "entity", "action": "updated", "resource_id": i, "position": n}
            for n, i in enumerate(ids)
        ],
        schema=RUN_RESOURCES_FRAME,
    )
    frame = batch(ids, run_id, at + timedelta(seconds=1))
    with timed(times, "hash 1,000 payloads"):
        frame = frame.with_columns(content_hashes(frame["payload"]))
    with timed(times, "land a run naming 1,000"), warehouse.write() as con:
        land_runs(con, run, pl.DataFrame(schema=RUN_CREDITS_FRAME), named)
    with timed(times, "read 1,000 pending ids"), warehouse.read() as con:
        found = len(pending_resources(con, "entity"))
        assert found == len(ids), f"{found} pending, {len(ids)} named"
    with timed(times, "land 1,000 entities"):
        with warehouse.write() as con:
            with timed(times, "  in the transaction"):
                land_entities(con, frame)
            committing = time.perf_counter()
        times.setdefault("  commit and close", []).append(time.perf_counter() - committing)
    with timed(times, "land them again, unchanged"), warehouse.write() as con:
        assert land_entities(con, frame).unchanged == len(ids)
    with timed(times, "look for work, none there"), warehouse.read() as con:
        assert pending_resources(con, "entity").is_empty()
        unlanded_run_ids(con)


def measure(path: Path, entities: int, rounds: int) -> dict[str, list[float]]:
    """Land ``rounds`` batches into a warehouse of this size."""
    warehouse = FileWarehouse(path)
    with warehouse.read() as con:
        filled = con.execute("select count(*) from linkt.entities").fetchall()[0][0]
    if filled < entities:
        with FileWarehouse(path, memory_limit="4GB").write() as con:
            fill(con, entities)
            con.execute("update linkt.entities set payload = data")
    times: dict[str, list[float]] = {}
    step = max(entities // 500, 1)
    for number in range(rounds):
        fresh = [f"{FIRST + entities:08x}9{time.time_ns() % 16**11:011x}{i:04x}" for i in range(500)]
        known = [_text_id((i * step + number) % max(entities, 500), "a").strip("'") for i in range(500)]
        land_batch(warehouse, f"{time.time_ns():024x}", fresh + known, times)
    return times


def run(quick: bool) -> Section:
    """The same batches into warehouses of growing size, and a sync that finds nothing to do."""
    section = Section("Landing")
    sizes = (0, 50_000) if quick else (0, 100_000, 1_000_000)
    rounds = 3 if quick else 7
    found: dict[int, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = big_warehouse(quick)[0] if size == max(sizes) else Path(folder) / f"{size}.duckdb"
            found[size] = measure(path, size, rounds)
    section.say(
        "Batches of 1,000 entities of about 2 KB that a new run names, half of them new and half changed, landed into "
        f"warehouses of growing size; milliseconds, median of {rounds} (smallest-largest)."
    )
    head = ["", *(f"{size:,} entities" if size else "empty" for size in sizes)]
    names = list(found[sizes[0]])
    section.table(
        head, [[name, *(spread([t * 1e3 for t in found[size][name]], "{:.0f}") for size in sizes)] for name in names]
    )
    growth = median(found[max(sizes)]["land 1,000 entities"]) / median(found[0]["land 1,000 entities"])
    section.goal("landing 1,000 costs about the same as on an empty warehouse", f"{growth:.1f} times", growth < 2)
    idle = median(found[max(sizes)]["look for work, none there"])
    section.goal("a sync with nothing new under 1 s of work", f"{idle * 1e3:.0f} ms in the warehouse", idle < 1)
    return section
