"""Five ways to bring entities from the API into DuckDB; each is run in a process of its own.

    python -m bench.contenders ours http://127.0.0.1:8000 20000 .bench/run

``ours`` and ``ours-pages`` are the product as it ships: pending ids read from the warehouse, fetched, validated,
versioned, landed in batches and booked. ``transport`` is its HTTP client alone, bodies thrown away. ``dlt`` is a
resource that yields what ``requests.get`` returns by id, merged into DuckDB by dlt's defaults. ``serial`` is the
vendor page's manner: one request after the other, then ``INSERT OR REPLACE`` row by row.
"""

import argparse
import asyncio
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.outcome import Measured, measure, print_measured
from bench.server import ENTITY, ICP

KEY = "bench-key"
Facts = tuple[int, dict[str, Any]]


def _ids(count: int) -> list[str]:
    return [ENTITY.format(number) for number in range(count)]


def _warehouse(folder: Path, ids: list[str], run: int = 1) -> Any:
    """A warehouse in which a run names these ids."""
    import polars as pl

    from linkt_pipeline.warehouse.engines.file import FileWarehouse
    from linkt_pipeline.warehouse.landing import land_runs
    from linkt_pipeline.warehouse.schemas import RUN_CREDITS_FRAME, RUN_RESOURCES_FRAME, RUNS_FRAME

    warehouse = FileWarehouse(folder / "warehouse.duckdb")
    at, run_id = datetime.now(UTC), f"{run:024x}"
    row = {"run_id": run_id, "icp_id": ICP.format(0), "updated_at": at, "fetched_at": at, "payload": "{}"}
    named = {"run_id": run_id, "resource_type": "entity", "action": "created", "resource_id": ids}
    resources = pl.DataFrame(named | {"position": range(len(ids))}, schema=RUN_RESOURCES_FRAME)
    with warehouse.write() as con:
        land_runs(con, pl.DataFrame([row], schema=RUNS_FRAME), pl.DataFrame(schema=RUN_CREDITS_FRAME), resources)
    return warehouse


def ours(url: str, count: int, folder: Path, *, by_pages: bool = False) -> Measured:
    """Everything the product does with pending ids; then once more, named by another run with nothing changed."""
    from pydantic import SecretStr

    from linkt_pipeline.access.client import connect
    from linkt_pipeline.collection.fetch import fetch_pending
    from linkt_pipeline.collection.lander import Fetched
    from linkt_pipeline.collection.resources import ENTITIES

    warehouse = _warehouse(folder, _ids(count))

    async def fetch() -> Fetched:
        async with connect(url, SecretStr(KEY), warehouse) as client:
            return await fetch_pending(client, warehouse, ENTITIES, by_pages=by_pages)

    def work() -> Facts:
        done = asyncio.run(fetch())
        assert done.landed == done.inserted == count, done
        return done.landed, {"requests": done.pages + done.reads}

    first = measure(work)
    _warehouse(folder, _ids(count), run=2)
    again = asyncio.run(fetch())
    assert again.landed == count, again
    first.facts["written_again"] = again.inserted + again.updated + again.versions
    return first


def ours_pages(url: str, count: int, folder: Path) -> Measured:
    """The same, with the planner free to read list pages."""
    return ours(url, count, folder, by_pages=True)


def transport(url: str, count: int, folder: Path) -> Measured:
    """The product's HTTP client alone."""
    from pydantic import SecretStr

    from linkt_pipeline.api import LinktClient

    async def fetch() -> int:
        total = 0
        async with LinktClient(url, SecretStr(KEY)) as client:
            remaining = iter(_ids(count))

            async def read_on() -> None:
                nonlocal total
                for entity_id in remaining:
                    body = await client.get_entity_body(entity_id)
                    total += len(body)

            async with asyncio.TaskGroup() as readers:
                for _ in range(32):
                    readers.create_task(read_on())
        return total

    return measure(lambda: (count, {"bytes": asyncio.run(fetch())}))


def aiohttp_alone(url: str, count: int, folder: Path) -> Measured:
    """The HTTP library under it, without even a limiter: what the product's client is measured against."""
    import aiohttp

    async def fetch() -> int:
        total = 0
        async with aiohttp.ClientSession() as session:
            remaining = iter(_ids(count))

            async def read_on() -> None:
                nonlocal total
                for entity_id in remaining:
                    async with session.get(f"{url}/v1/entity/{entity_id}") as reply:
                        body = await reply.read()
                        total += len(body)

            async with asyncio.TaskGroup() as readers:
                for _ in range(32):
                    readers.create_task(read_on())
        return total

    return measure(lambda: (count, {"bytes": asyncio.run(fetch())}))


def dlt_default(url: str, count: int, folder: Path) -> Measured:
    """dlt with its defaults and its own requests session."""
    import dlt
    from dlt.sources.helpers import requests

    @dlt.resource(name="entities", primary_key="id", write_disposition="merge")
    def entities() -> Any:
        for entity_id in _ids(count):
            reply = requests.get(f"{url}/v1/entity/{entity_id}", headers={"x-api-key": KEY})
            yield reply.json()

    def work() -> Facts:
        pipeline = dlt.pipeline(
            f"bench_{count}",
            pipelines_dir=str(folder / "pipelines"),
            destination=dlt.destinations.duckdb(str(folder / "dlt.duckdb")),
            dataset_name="linkt",
        )
        pipeline.run(entities())
        with pipeline.sql_client() as client, client.execute_query("select count(*) from entities") as rows:
            landed = rows.fetchone()[0]
        assert landed == count, landed
        return landed, {}

    return measure(work)


def serial_script(url: str, count: int, folder: Path) -> Measured:
    """One request after the other, then executemany."""
    import duckdb
    import requests

    def work() -> Facts:
        con = duckdb.connect(str(folder / "serial.duckdb"))
        con.execute(
            "create table entities (id varchar primary key, icp_id varchar, entity_type varchar, status varchar, "
            "data json, created_at timestamptz, updated_at timestamptz)"
        )
        rows = []
        for entity_id in _ids(count):
            reply = requests.get(f"{url}/v1/entity/{entity_id}", headers={"x-api-key": KEY}, timeout=30)
            reply.raise_for_status()
            entity = reply.json()
            rows.append(
                (entity["id"], entity["icp_id"], entity["entity_type"], entity["status"], json.dumps(entity["data"]),
                entity["created_at"], entity["updated_at"])
            )  # fmt: skip
        con.executemany("insert or replace into entities values (?, ?, ?, ?, ?, ?, ?)", rows)
        landed = con.execute("select count(*) from entities").fetchall()[0][0]
        assert landed == count, landed
        con.close()
        return landed, {}

    return measure(work)


CONTENDERS = {
    "ours": ours,
    "ours-pages": ours_pages,
    "transport": transport,
    "aiohttp": aiohttp_alone,
    "dlt": dlt_default,
    "serial": serial_script,
}


def main() -> None:
    """Run one contender and print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    try:
        print_measured(CONTENDERS[options.name](options.url, options.count, options.folder))
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
