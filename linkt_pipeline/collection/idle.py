"""Is there anything to do? What the command and the sensor ask before they start a Dagster run.

The question is cheap: it loads no Dagster, no polars and no SQL parser, and needs one request if nothing goes on in
Linkt. It changes nothing. The answer is "nothing" only if every source says so. An unclear case is left to the sync,
which knows how to wait and what to report.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from linkt_pipeline.access.aside import Aside
from linkt_pipeline.api import LinktClient
from linkt_pipeline.collection.news import look_for_news
from linkt_pipeline.collection.unfinished import find_unfinished
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.warehouse import Warehouse

PATIENCE = timedelta(seconds=4)  # with an API that does not answer; a sync has more
_LONGEST_LOOK = 40.0  # seconds; Dagster gives a sensor a minute


def find_work(
    warehouse: Warehouse,
    published_dir: Path,
    mark_of_code: Callable[[], str],
    connect: Callable[[], AbstractAsyncContextManager[LinktClient]],
) -> str | None:
    """What a sync would have to do, in words; None if there is nothing.

    Args:
        warehouse: the deployment's.
        published_dir: folder of its published files.
        mark_of_code: gives the mark of the code as it is now.
        connect: gives a client; called only when the warehouse itself shows nothing to do.

    Raises:
        WarehouseError: the warehouse can't be read.
    """
    now = datetime.now(UTC)
    if left := find_unfinished(warehouse, published_dir, code=mark_of_code(), now=now):
        return left
    try:
        news = asyncio.run(_look(warehouse, connect))
    except (LinktPipelineError, TimeoutError) as error:
        return f"whether Linkt has news is unknown: {error or 'no answer in time'}"
    if news is None:
        Aside(warehouse).note_look(now)
    return news


async def _look(warehouse: Warehouse, connect: Callable[[], AbstractAsyncContextManager[LinktClient]]) -> str | None:
    async with asyncio.timeout(_LONGEST_LOOK), connect() as client:
        return await look_for_news(client, warehouse)
