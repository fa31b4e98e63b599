"""Tasks, ICPs and sheets: a few rows that turn ids into names."""

from dataclasses import dataclass
from datetime import UTC, datetime

from linkt_pipeline.api import LinktClient
from linkt_pipeline.runs.frames import icps_frame, sheets_frame, tasks_frame
from linkt_pipeline.warehouse import landing
from linkt_pipeline.warehouse.connection import Warehouse


@dataclass(frozen=True)
class ReferenceCounts:
    """Rows the API lists today. Rows it lists no more stay in the warehouse: old runs still refer to them."""

    tasks: int
    icps: int
    sheets: int


async def refresh_reference_data(client: LinktClient, warehouse: Warehouse) -> ReferenceCounts:
    """Read the lists and merge them, in one transaction."""
    tasks = [task async for task in client.list_tasks()]
    icps = [icp async for icp in client.list_icps()]
    sheets = [sheet async for sheet in client.list_sheets()]
    now = datetime.now(UTC)
    with warehouse.write() as con:
        landing.land_tasks(con, tasks_frame(tasks, now))
        landing.land_icps(con, icps_frame(icps, now))
        landing.land_sheets(con, sheets_frame(sheets, now))
    return ReferenceCounts(len(tasks), len(icps), len(sheets))
