"""How many requests the planner and the polling schedule need: counted on the real thing, no time involved."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.contenders import KEY
from bench.outcome import Section
from bench.server import ENTITY, ICP, fast_server

_RUN = timedelta(minutes=163)


def run(quick: bool) -> Section:
    """Fetch with pages allowed, against the same ids one by one."""
    section = Section("Requests")
    section.say(
        "A plan's requests are scarcer than any machine. Each row is one real fetch against the C server, which counts."
    )
    per_icp = 340
    spread_out = [icp * per_icp + n for icp in range(3) for n in range(334)][:1_000]
    deep = [icp * 10_000 + n for icp in range(3) for n in range(0, 33)]  # lists show the newest first: these are last
    every_tenth = [icp * per_icp + n for icp in range(3) for n in range(0, per_icp, 10)]
    cases = [
        ("1,000 ids, three ICPs of 340", spread_out, per_icp),
        ("102 ids, every tenth of three ICPs of 340", every_tenth, per_icp),
        ("worst case: 99 ids, the oldest of three ICPs of 10,000", deep, 10_000),
    ]
    rows, requests = [], {}
    for name, numbers, size in cases:
        requests[name] = _count(numbers, size)
        rows.append([name, len(numbers), requests[name], f"{len(numbers) / requests[name]:.1f}"])
    section.table(["", "by id", "with pages", "times fewer"], rows)
    first, _, worst = (requests[name] for name, _, _ in cases)
    section.goal("1,000 ids in three ICPs: 20 times fewer requests", f"{1_000 / first:.0f} times", 1_000 / first >= 20)
    section.goal("worst case: no more than by id + 2", f"by id + {worst - len(deep)}", worst <= len(deep) + 2)
    _polling(section)
    return section


def _polling(section: Section) -> None:
    from linkt_pipeline.executions.polling import PollSchedule

    schedule = PollSchedule(timedelta(seconds=10))
    looks = schedule.requests_for(_RUN)
    queue = int(_RUN / schedule.queue_interval)
    section.say(
        f"Waiting for a run of {_RUN.total_seconds() / 60:.0f} minutes costs {looks} looks at the run and at most "
        f"{queue} at its queue, {looks + queue} requests; looking every 10 s as the vendor's loop does costs 978."
    )
    section.goal("a 163-minute run costs under 200 requests", str(looks + queue), looks + queue < 200)


def _count(numbers: list[int], per_icp: int) -> int:
    with tempfile.TemporaryDirectory() as folder, fast_server(per_icp=per_icp) as server:
        done = asyncio.run(_fetch(Path(folder), server.url, numbers, per_icp))
        assert done.landed == len(numbers), done
        served = server.stats()["served"]
        assert served == done.pages + done.reads
        return served


async def _fetch(folder: Path, url: str, numbers: list[int], per_icp: int) -> Any:
    import polars as pl
    from pydantic import SecretStr

    from linkt_pipeline.access.client import connect
    from linkt_pipeline.collection.fetch import fetch_pending
    from linkt_pipeline.collection.resources import ENTITIES
    from linkt_pipeline.warehouse.engines.file import FileWarehouse
    from linkt_pipeline.warehouse.landing import land_runs
    from linkt_pipeline.warehouse.schemas import RUN_CREDITS_FRAME, RUN_RESOURCES_FRAME, RUNS_FRAME, UTC

    warehouse = FileWarehouse(folder / "warehouse.duckdb")
    icps = sorted({number // per_icp for number in numbers})
    at = pl.lit("2026-01-01").str.to_datetime(time_unit="us").cast(UTC)
    runs = pl.DataFrame(
        {"run_id": [f"{icp:024x}" for icp in icps], "icp_id": [ICP.format(icp) for icp in icps]}
    ).with_columns(updated_at=at, fetched_at=at, payload=pl.lit("{}"))
    runs = pl.concat([pl.DataFrame(schema=RUNS_FRAME), runs.cast({"fetched_at": UTC})], how="diagonal_relaxed")
    named = pl.DataFrame(
        [(f"{n // per_icp:024x}", "entity", "created", ENTITY.format(n), 0) for n in numbers],
        schema=RUN_RESOURCES_FRAME, orient="row",
    )  # fmt: skip
    with warehouse.write() as con:
        land_runs(con, runs, pl.DataFrame(schema=RUN_CREDITS_FRAME), named)
    async with connect(url, SecretStr(KEY), warehouse) as client:
        return await fetch_pending(client, warehouse, ENTITIES)
