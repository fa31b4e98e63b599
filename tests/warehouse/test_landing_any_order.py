"""Property: whatever the order, batching and repetition of deliveries, the tables end up the same."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.landing import land_entities
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.engines import FILE, LAKE
from tests.warehouse.deliveries import at, dump, entities_frame, entity, land_run, run

UNDATED = 0
NewWarehouse = Callable[[], AbstractContextManager[Warehouse]]


@contextmanager
def new_file() -> Iterator[Warehouse]:
    with tempfile.TemporaryDirectory() as folder:
        yield FileWarehouse(Path(folder) / "warehouse.duckdb")


@pytest.fixture
def new_warehouse(engine: str, request: pytest.FixtureRequest) -> NewWarehouse:
    """Makes one for each example."""
    if engine == FILE:
        return new_file
    lakes = request.getfixturevalue("lakes")

    @contextmanager
    def new_lake() -> Iterator[Warehouse]:
        with tempfile.TemporaryDirectory() as folder, lakes.warehouse(Path(folder)) as lake:
            yield lake

    return new_lake


def _version(entity_id: str, number: int) -> dict:
    """Version 0 has no date, which makes it the oldest; versions are fetched in the order they were written."""
    return entity(entity_id, f"version {number}", updated=None if number == UNDATED else number, fetched=100 + number)


VERSIONS = [_version(entity_id, number) for entity_id in ("a", "b") for number in range(4)]


@st.composite
def histories(draw: st.DrawFn) -> list[list[dict]]:
    """Every version at least once, some more often, shuffled and cut into batches."""
    repeats = draw(st.lists(st.sampled_from(VERSIONS), max_size=6))
    order = draw(st.permutations(VERSIONS + repeats))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    return [order[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(order)], strict=True)]


def _outcome(new_warehouse: NewWarehouse, batches: list[list[dict]], run_before: int) -> list[list[tuple]]:
    """Land the batches, with a run that names both ids before batch number ``run_before``."""
    with new_warehouse() as warehouse:
        land_run(warehouse, run("first"), created=["a", "b"])
        for number, batch in enumerate(batches):
            if number == run_before:
                land_run(warehouse, run("second", fetched=50), updated=["a", "b"])
            with warehouse.write() as con:
                land_entities(con, entities_frame(*batch))
        land_run(warehouse, run("second", fetched=50), updated=["a", "b"])
        with warehouse.write() as con:
            land_entities(con, entities_frame(*batches[-1]))
            land_entities(con, entities_frame(*VERSIONS))
            return [
                dump(con, "entities", "entity_id, updated_at, fetched_at, content_hash, data, payload"),
                dump(con, "entity_versions", "entity_id, updated_at, fetched_at, content_hash, data"),
                dump(con, "run_resources", "run_id, action, resource_id, position, state"),
            ]


@cache
def _in_order() -> list[list[tuple]]:
    """On either engine: what lands in a lake is what lands in a file."""
    return _outcome(new_file, [[version] for version in VERSIONS], run_before=0)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "examples"), [(FILE, 25), (LAKE, 4)])
def test_any_interleaving_ends_in_the_same_tables(new_warehouse: NewWarehouse, examples: int) -> None:
    in_order = _in_order()

    @settings(max_examples=examples, deadline=None)
    @given(batches=histories(), run_before=st.integers(0, 6))
    def land(batches: list[list[dict]], run_before: int) -> None:
        assert _outcome(new_warehouse, batches, run_before) == in_order

    land()
    assert len(in_order[1]) == len(VERSIONS)
    assert {row[-1] for row in in_order[2]} == {"landed"}


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "examples"), [(FILE, 15), (LAKE, 3)])
def test_any_interleaving_of_runs_ends_in_the_newest(new_warehouse: NewWarehouse, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(order=st.permutations([1, 2, 3]), repeats=st.lists(st.sampled_from([1, 2, 3]), max_size=3))
    def land(order: list[int], repeats: list[int]) -> None:
        with new_warehouse() as warehouse:
            for number in [*order, *repeats]:
                land_run(
                    warehouse,
                    run("r", updated=number, fetched=50 + number, total_credits=float(number)),
                    credits={f"action {i}": 1.0 for i in range(number)},
                    created=["a", "b", "c"][:number],
                )

            with warehouse.read() as con:
                assert dump(con, "runs", "run_id, updated_at, total_credits") == [("r", at(3), 3.0)]
                assert dump(con, "run_credits", "action_type, credits") == [(f"action {i}", 1.0) for i in range(3)]
                assert dump(con, "run_resources", "resource_id, position") == [("a", 0), ("b", 1), ("c", 2)]

    land()
