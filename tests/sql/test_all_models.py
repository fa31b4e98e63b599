"""What holds for every model of sql/."""

import random
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from linkt_pipeline.transform import (
    SEEDS_FOLDER,
    BuildMode,
    Materialization,
    ModelGraph,
    ModelKey,
    column_lineage,
    describe_models,
    load_checks,
    load_models,
    run_check,
    warehouse_sources,
)
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot

from .conftest import NOW, SQL_DIR, Bench

pytestmark = pytest.mark.slow


def test_every_column_is_described_and_every_model_says_what_is_unique(graph: ModelGraph) -> None:
    described = describe_models(graph)
    for key, model in graph.models.items():
        assert set(model.column_descriptions) == set(described[key]), key
        assert model.header.not_null, key
        assert model.header.unique or key == ModelKey("staging", "entity_versions"), key
        assert model.description.endswith("."), key
        assert model.grain.endswith("."), key


def test_no_column_is_of_a_type_that_parquet_and_bi_tools_turn_into_something_else(graph: ModelGraph) -> None:
    found = {
        (str(key), name, data_type)
        for key, columns in describe_models(graph).items()
        for name, data_type in columns.items()
        if "HUGEINT" in data_type or data_type in ("INTERVAL", "UBIGINT")
    }
    assert found == set()


def test_every_model_builds_on_an_empty_warehouse_and_passes_its_checks(bench: Bench) -> None:
    bench.build()
    failed = [check.name for check in load_checks(SQL_DIR, bench.graph) if not run_check(bench.con, check).passed]
    assert failed == []


def test_every_model_takes_every_sample_body_and_passes_its_checks(bench: Bench) -> None:
    bench.load_samples()
    results = bench.build()
    assert results["staging.entity_attributes"].rows > 30
    failed = [
        f"{check.model} {check.name}"
        for check in load_checks(SQL_DIR, bench.graph)
        if check.severity == "error" and not run_check(bench.con, check).passed
    ]
    assert failed == []


def test_lineage_is_found_for_nearly_every_column(graph: ModelGraph) -> None:
    described = describe_models(graph)
    without = {
        f"{key}.{column}"
        for key, model in graph.models.items()
        for column, parents in column_lineage(model, graph, described).items()
        if not parents and key.schema != SEEDS_FOLDER
    }
    assert without == {
        "staging.entity_links.link_type",
        "staging.recent_signals.signals_30_days",
        "marts.account_status_history.period",
        "marts.entity_changes.version_number",
        "marts.duplicates.basis",
        "marts.data_freshness.dataset",
    }


def test_loading_is_quick_and_brings_no_sql_parser(graph: ModelGraph) -> None:
    sources = {str(key): columns for key, columns in graph.sources.items()}
    started = time.process_time()
    load_models(SQL_DIR, sources)
    assert time.process_time() - started < 2  # a third of a second on an idle machine; with a parser in Python, many


VALUES: list[Any] = [
    "x",
    "",
    None,
    7,
    0.5,
    True,
    ["a", None],
    [],
    {"city": "Dayton"},
    {"amount": "$4M"},
    "51-200",
    "1,000+",
    "NaN",
    "$5M - €6M",
    "[not json",
    '["a", {"b": 1}]',
    {"min": 1, "max": None},
    {"min": "x", "low": [1]},
    "https://xn--a.example",
    [["nested"], {"name": None}],
    -1e300,
]
NAMES = [
    "name",
    "full_name",
    "Name",
    "employees",
    "revenue",
    "headquarters",
    "website",
    "odd field/%~",
    "title",
    "custom",
]


def _random_data(rng: random.Random) -> Any:
    if rng.random() < 0.05:
        return rng.choice([{}, [], "text", None])
    return {
        name: rng.choice([value, {"value": value, "references": ["https://www.a.example/1", "b.example"]}, None])
        for name in rng.sample(NAMES, rng.randint(0, 6))
        for value in [rng.choice(VALUES)]
    }


def _copy_of(rng: random.Random) -> str:
    """Chains and circles come about by chance; three of the originals are never landed."""
    return f'{{"is_duplicate": true, "primary_entity_id": "e{rng.randint(0, 17)}"}}'


def _random_batch(bench: Bench, rng: random.Random) -> None:
    """A sync's worth of changes: new, changed and vanished entities, late ones, signals, an ICP with a new name."""
    for _ in range(rng.randint(1, 6)):
        parent = rng.choice([None, f"e{rng.randint(0, 9)}"])
        bench.entity(
            f"e{rng.randint(0, 14)}",
            _random_data(rng),
            entity_type=rng.choice(["company", "Company", "person", "product", None]),
            parent_id=parent,
            status=rng.choice([None, "new", "passed"]),
            external_id=rng.choice([None, "", "001A", " 001A ", "\t001A\u00a0", "001B"]),
            external_source=rng.choice([None, "salesforce", "Salesforce"]),
            icp_id=rng.choice(["icp", "other", None]),
            duplicate_info=rng.choice([None, _copy_of(rng), _copy_of(rng), "[]", '"x"']),
            # Landed now, fetched whenever: another process may have been slow.
            fetched_at=f"2026-04-{rng.randint(1, 28):02} 00:00:{rng.random() * 59:09.6f}+00",
        )
    for _ in range(rng.randint(0, 3)):
        signal = f"s{rng.randint(0, 9)}"
        bench.con.execute("delete from linkt.signals where signal_id = $1", [signal])
        named = rng.sample([f"e{n}" for n in range(15)], rng.randint(0, 3))
        bench.signal(
            signal,
            entity_ids=[*named, *named[:1], None],
            created_at="2026-04-01",
            strength=rng.choice(["LOW", "high", "?", None]),
            metadata=rng.choice([None, {}, {"n": 1}]),
            references=rng.choice(
                [None, [], ["https://www.a.example/1", "http://A.example", None], ["b.example", "x"]]
            ),
        )
    if rng.random() < 0.3:
        bench.con.execute("delete from linkt.entities where entity_id = $1", [f"e{rng.randint(0, 14)}"])
    if rng.random() < 0.2:  # deleted in Linkt, or back again
        marked = "update linkt.entities set deleted_at = case when deleted_at is null then fetched_at end"
        bench.con.execute(f"{marked} where entity_id = $1", [f"e{rng.randint(0, 14)}"])
    if rng.random() < 0.2:
        bench.con.execute("delete from linkt.signals where signal_id = $1", [f"s{rng.randint(0, 9)}"])
    if rng.random() < 0.2:
        bench.con.execute("delete from linkt.entity_versions where entity_id = $1", [f"e{rng.randint(0, 14)}"])
    if rng.random() < 0.3:
        bench.con.execute("delete from linkt.icps")
        bench.put("icps", icp_id="icp", name=f"name {rng.random()}")


@pytest.mark.parametrize("seed", range(2))
def test_incremental_equals_a_full_refresh(bench: Bench, seed: int) -> None:
    rng = random.Random(seed)
    incremental = [k for k, m in bench.graph.models.items() if m.materialization is Materialization.INCREMENTAL]
    assert len(incremental) >= 5
    modes, filled = [], set()
    for number in range(5):
        for _ in range(4):
            _random_batch(bench, rng)
        if number % 4 == 0:
            bench.run(f"r{number}", {("entity", rng.choice(["created", "updated"])): [f"e{n}" for n in range(9)]})
        built = bench.build(*map(str, incremental))
        modes.append(built["staging.account_profiles"].mode)
        filled |= {key for key in incremental if built[str(key)].rows}
    assert BuildMode.INCREMENTAL in modes  # which has no cursor, so that it follows what others tell
    kept = {key: bench.con.execute(f"select * from {key} order by all").fetchall() for key in incremental}
    bench.build(*map(str, incremental), full_refresh=True)
    for key in incremental:
        assert kept[key] == bench.con.execute(f"select * from {key} order by all").fetchall(), key
    assert filled == set(incremental)


@pytest.mark.parametrize("seed", range(2))
def test_what_a_build_leaves_out_equals_a_full_refresh(bench: Bench, seed: int) -> None:
    """Any selection of models between, a run or a queue count now and then, rows taken out of models by hand."""
    rng = random.Random(seed)
    names = [str(key) for key in bench.graph.models]
    bench.build()
    for number in range(8):
        _random_batch(bench, rng)
        if rng.random() < 0.5:
            named = {("entity", "created"): [f"e{number}"], ("signal", "created"): [f"s{number}"]}
            bench.run(f"r{number}", named, task_id=rng.choice(["t", None]), total_credits=rng.choice([1.5, None]))
        if rng.random() < 0.3:
            bench.put("run_queue_counts", run_id="r1", state="discarded", entities=number, observed_at=NOW)
        if rng.random() < 0.3:
            bench.con.execute(f"delete from {rng.choice(['marts.companies', 'staging.entity_attributes'])} where true")
        if rng.random() < 0.5:
            bench.build(*rng.sample(names, 3))
    built = bench.build()
    kept = {name: bench.con.execute(f"select * from {name} order by all").fetchall() for name in names}
    counted = {name: result.rows for name, result in built.items()}
    bench.build(full_refresh=True)
    for name in names:
        assert kept[name] == bench.con.execute(f"select * from {name} order by all").fetchall(), name
        assert counted[name] == len(kept[name]), name


def test_counts_that_headers_give_are_the_rows_of_the_views(bench: Bench) -> None:
    rng = random.Random(0)
    given = {str(key): model.header.rows for key, model in bench.graph.models.items() if model.header.rows}
    assert len(given) >= 2
    most = dict.fromkeys(given, 0)
    for number in range(8):
        _random_batch(bench, rng)
        bench.run(f"r{number}", {("entity", "created"): ["e1", "e2"], ("entity", "updated"): ["e2", "e3"]})
        built = bench.build(*given)
        for name, sql in given.items():
            [(rows,)] = bench.con.execute(f"select count(*) from {name}").fetchall()
            assert built[name].rows == rows, f"{name}: {sql}"
            most[name] = max(most[name], rows)
    assert all(most.values())


def test_views_that_are_published_as_views_give_the_same_rows_in_every_time_zone(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb")
    rng = random.Random(7)
    with warehouse.write() as con:
        with empty_warehouse() as empty:
            bench = Bench(con, load_models(SQL_DIR, warehouse_sources(empty)))
        bench.load_samples()
        for _ in range(8):
            _random_batch(bench, rng)
        bench.run("r", {("entity", "created"): ["e1"]})
        bench.build()
    views = bench.graph.published_views
    assert len(views) >= 6
    with warehouse.read() as con:
        expected = {view: con.execute(f"select * from {view} order by all").fetchall() for view in views}
    assert all(expected.values())

    path = publish_snapshot(warehouse, tmp_path / "published", views).path

    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        with duckdb.connect(str(path), read_only=True) as con:
            con.execute(f"set TimeZone = '{zone}'")
            for view in views:
                assert con.execute(f"select * from {view} order by all").fetchall() == expected[view], (view, zone)


def test_a_build_after_nothing_has_happened_computes_nothing(bench: Bench) -> None:
    bench.load_samples()
    bench.build()
    modes = {result.mode for result in bench.build().values()}
    assert modes == {BuildMode.VIEW, BuildMode.UNCHANGED}
