"""Names and queue counts are the newest seen; state and what ``status`` shows."""

import polars as pl
import pytest

from linkt_pipeline.warehouse.catalog import read_catalog
from linkt_pipeline.warehouse.landing import LandingCounts, land_icps, land_queue_counts, land_sheets, land_tasks
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.schemas import ICPS_FRAME, QUEUE_COUNTS_FRAME, SHEETS_FRAME, TASKS_FRAME
from linkt_pipeline.warehouse.state import read_state, write_state
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.warehouse.deliveries import at, fetch

LANDERS = {
    "tasks": (land_tasks, TASKS_FRAME, "task_id", "task_config"),
    "icps": (land_icps, ICPS_FRAME, "icp_id", "entity_targets"),
    "sheets": (land_sheets, SHEETS_FRAME, "sheet_id", "entity_schema"),
}


@pytest.mark.parametrize("table", LANDERS)
def test_the_newest_name_is_kept(warehouse: Warehouse, table: str) -> None:
    land, schema, key, json_column = LANDERS[table]

    def deliver(name: str, *, updated: float | None, fetched: float) -> LandingCounts:
        row = {
            key: "x",
            "name": name,
            "updated_at": at(updated),
            "fetched_at": at(fetched),
            "payload": f'{{"name":"{name}","{json_column}":{{"deep":[1]}}}}',
        }
        with warehouse.write() as con:
            return land(con, pl.DataFrame([row, row], schema=schema))

    assert deliver("old", updated=1, fetched=10) == LandingCounts(inserted=1)
    assert deliver("old", updated=1, fetched=11) == LandingCounts(unchanged=1)
    assert deliver("new", updated=2, fetched=12) == LandingCounts(updated=1)
    assert deliver("late", updated=1, fetched=13) == LandingCounts(unchanged=1)
    assert fetch(warehouse, f"select name, {json_column} from linkt.{table}") == [("new", '{"deep":[1]}')]


def test_queue_counts_are_the_last_look(warehouse: Warehouse) -> None:
    def look(minutes: float, **counts: int) -> None:
        rows = [("r", state, entities, at(minutes)) for state, entities in counts.items()]
        with warehouse.write() as con:
            land_queue_counts(con, pl.DataFrame(rows, schema=QUEUE_COUNTS_FRAME, orient="row"))

    look(1, queued=5, processing=2)
    look(3, processing=1, completed=6)
    look(2, queued=4)

    rows = fetch(warehouse, "select state, entities from linkt.run_queue_counts order by 1")
    assert rows == [("completed", 6), ("processing", 1)]


def test_state_is_replaced(warehouse: Warehouse) -> None:
    with warehouse.write() as con:
        write_state(con, "cursor", "1")
        write_state(con, "cursor", None)
        write_state(con, "other", "x")

    with warehouse.read() as con:
        assert (read_state(con, "cursor"), read_state(con, "other"), read_state(con, "never")) == (None, "x", None)


def test_an_empty_warehouse_has_the_tables_of_a_real_one(warehouse: Warehouse) -> None:
    with warehouse.read() as con, empty_warehouse() as empty:
        assert read_catalog(con) == read_catalog(empty) != []
