"""What landing a batch costs in an empty warehouse and in a big one."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import polars as pl

from bench.generate_warehouse import FIRST, _text_id
from bench.outcome import Section, median, spread
from bench.scale import big_warehouse, fill_file
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


@dataclass(frozen=True)
class Batch:
    """One run and what it names, as a sync has read them: frames for ``land_runs`` and ``land_entities``."""

    run: pl.DataFrame
    named: pl.DataFrame
    entities: pl.DataFrame

    @classmethod
    def of(cls, run_id: str, ids: Sequence[str]) -> "Batch":
        """Make up a version of each id."""
        at = datetime.now(UTC)
        run = [{"run_id": run_id, "updated_at": at, "fetched_at": at, "payload": "{}"}]
        named = [
            {"run_id": run_id, "resource_type": "entity", "action": "updated", "resource_id": i, "position": n}
            for n, i in enumerate(ids)
        ]
        later = at + timedelta(seconds=1)
        entities = [
            {
                "entity_id": i,
                "updated_at": later,
                "fetched_at": later,
                "payload": payload(i, run_id, later),
                "status": "new",
            }
            for i in ids
        ]
        return cls(
            pl.DataFrame(run, schema=RUNS_FRAME),
            pl.DataFrame(named, schema=RUN_RESOURCES_FRAME),
            pl.DataFrame(entities, schema=ENTITIES_FRAME),
        )


def next_batch(entities: int, number: int, size: int = 1_000) -> Batch:
    """A run that names half new and half known entities.

    Args:
        entities: that the warehouse was filled with.
        number: of the batch; each changes other entities, which lie all over the warehouse.
        size: of the batch.
    """
    half = size // 2
    fresh = [f"{FIRST + entities:08x}9{time.time_ns() % 16**11:011x}{i:04x}" for i in range(half)]
    step = max(entities // half, 1)
    known = [_text_id((i * step + number) % max(entities, half), "a").strip("'") for i in range(half)]
    return Batch.of(f"{time.time_ns():024x}", fresh + known)


def land_batch(warehouse: Warehouse, batch: Batch, times: dict[str, list[float]]) -> None:
    """Land it as a sync does, timed step by step."""
    frame, size = batch.entities, len(batch.entities)
    with timed(times, "hash 1,000 payloads"):
        frame = frame.with_columns(content_hashes(frame["payload"]))
    with timed(times, "land a run naming 1,000"), warehouse.write() as con:
        land_runs(con, batch.run, pl.DataFrame(schema=RUN_CREDITS_FRAME), batch.named)
    with timed(times, "read 1,000 pending ids"), warehouse.read() as con:
        found = len(pending_resources(con, "entity"))
        assert found == size, f"{found} pending, {size} named"
    with timed(times, "land 1,000 entities"):
        with warehouse.write() as con:
            with timed(times, "  in the transaction"):
                land_entities(con, frame)
            committing = time.perf_counter()
        times.setdefault("  commit and close", []).append(time.perf_counter() - committing)
    with timed(times, "land them again, unchanged"), warehouse.write() as con:
        assert land_entities(con, frame).unchanged == size
    with timed(times, "look for work, none there"), warehouse.read() as con:
        assert pending_resources(con, "entity").is_empty()
        unlanded_run_ids(con)


def measure(path: Path, entities: int, rounds: int) -> dict[str, list[float]]:
    """Land ``rounds`` batches into a warehouse of this size."""
    fill_file(path, entities)
    times: dict[str, list[float]] = {}
    for number in range(rounds):
        land_batch(FileWarehouse(path), next_batch(entities, number), times)
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
