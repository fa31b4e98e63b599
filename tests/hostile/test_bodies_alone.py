"""Any body of any kind, read and landed without a server between: it lands or is rejected, and nothing else happens."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkt_pipeline.api import MalformedBodyError
from linkt_pipeline.api.models import Entity, Execution, Icp, Run, RunQueue, Sheet, Signal, Task, WireModel
from linkt_pipeline.api.wire import parse_one, parse_page
from linkt_pipeline.collection import frames
from linkt_pipeline.collection.land_runs import land_queue, land_runs, run_duration
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.transform import Severity
from linkt_pipeline.warehouse import landing
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.landed_checks import landed_checks

from .bodies import Harm, harms
from .server import Answer

SAMPLES = Path(__file__).parent.parent / "samples"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
Rows = Callable[[list[Any], datetime], pl.DataFrame]
Land = Callable[[duckdb.DuckDBPyConnection, pl.DataFrame], landing.LandingCounts]


@dataclass(frozen=True)
class Kind:
    """How one kind of object is landed."""

    model: type[WireModel]
    sample: str
    items: str
    frame: Rows
    land: Land
    table: str
    key: str


KINDS = {
    "entity": Kind(
        Entity, "entity_company", "entities",
        lambda rows, at: frames.entities_frame([frames.entity_row(row) for row in rows], at),
        landing.land_entities, "entities", "entity_id",
    ),
    "signal": Kind(
        Signal, "signal_full", "signals",
        lambda rows, at: frames.signals_frame([frames.signal_row(row) for row in rows], at),
        landing.land_signals, "signals", "signal_id",
    ),
    "task": Kind(Task, "task_search", "tasks", frames.tasks_frame, landing.land_tasks, "tasks", "task_id"),
    "icp": Kind(Icp, "icp", "icps", frames.icps_frame, landing.land_icps, "icps", "icp_id"),
    "sheet": Kind(Sheet, "sheet", "sheets", frames.sheets_frame, landing.land_sheets, "sheets", "sheet_id"),
}  # fmt: skip
_ids = count(1)
M = TypeVar("M", bound=WireModel)
# After these, nobody can tell where a row ends and the next one begins.
UNCLOSED = {"cut", "an open bracket", "nothing", "empty", "followed by more", "twice", "after a byte order mark",
            "utf-16", "latin-1", "gzip", "gzip, cut", "a bomb", "429, nested", "500, large", "503", "html"}  # fmt: skip


def sample(name: str) -> dict[str, Any]:
    wire: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return {**wire, "id": f"{next(_ids):024x}"}


def harmed(wire: dict[str, Any], harm: Harm) -> bytes:
    return harm.apply(Answer(json.dumps(wire).encode())).body


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return FileWarehouse(tmp_path_factory.mktemp("hostile") / "linkt.duckdb")


def ids_in(warehouse: Warehouse, table: str, key: str) -> set[str]:
    with warehouse.read() as con:
        return {found for (found,) in con.execute(f"select {key} from linkt.{table}").fetchall()}


def readable(model: type[M], bodies: list[bytes]) -> list[M]:
    """Those that can be read; every other one says what is wrong with it."""
    read = []
    for body in bodies:
        try:
            read.append(parse_one(model, body))
        except MalformedBodyError as error:
            if not error.reason:
                raise
    return read


@pytest.mark.parametrize("name", KINDS)
@given(harms=st.lists(harms, min_size=5, max_size=20))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_each_row_lands_or_is_a_reject(warehouse: Warehouse, name: str, harms: list[Harm]) -> None:
    kind = KINDS[name]
    good = sample(kind.sample)
    bodies = [harmed(sample(kind.sample), harm) for harm in harms]
    rows = readable(kind.model, [*bodies, json.dumps(good).encode()])

    with warehouse.write() as con:
        kind.land(con, kind.frame(rows, NOW))

    landed = ids_in(warehouse, kind.table, kind.key)
    assert good["id"] in landed
    assert {row.id for row in rows} <= landed | ids_in(warehouse, "rejects", "resource_id")


@given(harms=st.lists(harms, min_size=5, max_size=20))
@settings(max_examples=16, deadline=None, derandomize=True)
def test_each_run_lands_or_is_a_reject(warehouse: Warehouse, harms: list[Harm]) -> None:
    good = sample("run_completed_search")
    bodies = [harmed(sample("run_completed_search"), harm) for harm in harms]
    runs = readable(Run, [*bodies, json.dumps(good).encode()])

    land_runs(warehouse, [SeenRun(run, NOW) for run in runs])

    landed = ids_in(warehouse, "runs", "run_id")
    assert good["id"] in landed
    assert {run.id for run in runs} <= landed | ids_in(warehouse, "rejects", "resource_id")
    assert all(run_duration(run) is not None for run in runs)
    with warehouse.read() as con:
        for check in landed_checks():
            if check.severity is Severity.ERROR and check.model.name.startswith("run"):
                assert con.execute(check.sql).fetchall() == [], check.name


@given(harms=st.lists(harms, min_size=5, max_size=20))
@settings(max_examples=6, deadline=None, derandomize=True)
def test_a_queue_and_a_reply_to_a_start_are_read_or_refused(warehouse: Warehouse, harms: list[Harm]) -> None:
    sent = {name: json.loads((SAMPLES / f"{name}.json").read_text()) for name in ("run_queue_page", "execute_response")}

    started = readable(Execution, [harmed(sent["execute_response"], harm) for harm in harms])
    queues = readable(RunQueue, [harmed(sent["run_queue_page"], harm) for harm in harms])
    for queue in queues:
        land_queue(warehouse, "r", queue.state_counts)

    assert all(each.run_id for each in started)


@pytest.mark.parametrize("name", KINDS)
@given(harm=harms, place=st.integers(0, 2))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_row_of_a_page_hides_no_neighbour(name: str, harm: Harm, place: int) -> None:
    kind = KINDS[name]
    rows = [json.dumps(sample(kind.sample)).encode() for _ in range(3)]
    good = {json.loads(row)["id"] for at, row in enumerate(rows) if at != place}
    rows[place] = harmed(json.loads(rows[place]), harm)
    body = b'{"%s": [%s], "total": 3}' % (kind.items.encode(), b",".join(rows))
    try:
        page = parse_page(kind.model, kind.items, body, page=1, page_size=100)
    except MalformedBodyError:  # brackets or quotes that are not closed: where a row ends can't be told
        assert harm.how in UNCLOSED
        return

    assert good <= {item.id for item in page.items}
    assert len(page.items) + len(page.malformed) >= 3 or harm.how in ("empty", "nothing")
