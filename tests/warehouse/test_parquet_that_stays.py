"""A Parquet file stays where it lies only if it would come out the same."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from linkt_pipeline.transform import (
    ModelGraph,
    build_model,
    load_models,
    prepare_builds,
    states_by_name,
    warehouse_sources,
)
from linkt_pipeline.warehouse.completion import all_models_are_built, begin_sync
from linkt_pipeline.warehouse.publish import parquet
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from linkt_pipeline.warehouse.state import last_change
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.warehouse.deliveries import entity, land

NUMBERS = Path("marts", "numbers.parquet")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "published"


@pytest.fixture
def filled(warehouse: Warehouse) -> Warehouse:
    with warehouse.write() as con:
        con.execute("create schema marts; create table marts.numbers as select 1 as n")
        con.execute("create view marts.doubles as select 2 * n as n from marts.numbers")
    return warehouse


def publish(warehouse: Warehouse, published: Path, state: str = "1", other: str = "1") -> None:
    publish_snapshot(
        warehouse, published, {"marts.doubles"}, lambda _: {"marts.numbers": state, "marts.doubles": other}
    )


def mark(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def test_only_files_of_other_rows_are_written(filled: Warehouse, published: Path) -> None:
    publish(filled, published)
    before = {path.name: mark(path) for path in (published / "marts").iterdir()}
    publish(filled, published, other="2")

    after = {path.name: mark(path) for path in (published / "marts").iterdir()}

    assert after["numbers.parquet"] == before["numbers.parquet"]
    assert after["doubles.parquet"] != before["doubles.parquet"]
    catalog = json.loads((published / "catalog.json").read_text())
    [numbers] = [table for table in catalog["tables"] if table["name"] == "numbers"]
    assert (numbers["rows"], numbers["parquet"]) == (1, str(NUMBERS))
    assert not (published / ".next").exists()


def test_a_caller_who_knows_no_states_has_all_written(filled: Warehouse, published: Path) -> None:
    publish_snapshot(filled, published)
    before = mark(published / NUMBERS)
    publish_snapshot(filled, published)
    assert mark(published / NUMBERS) != before


def _gone(published: Path) -> None:
    (published / NUMBERS).unlink()


def _other_file(published: Path) -> None:
    path = published / NUMBERS
    path.chmod(0o644)
    path.write_bytes(b"something else")


def _no_record(published: Path) -> None:
    (published / ".parquet.json").write_text("[1]")


@pytest.mark.parametrize("spoil", [_gone, _other_file, _no_record])
def test_a_file_that_is_not_the_one_that_was_published_is_written_again(
    filled: Warehouse, published: Path, spoil: object
) -> None:
    publish(filled, published)
    before = mark(published / NUMBERS)
    assert callable(spoil)
    spoil(published)

    publish(filled, published)

    assert mark(published / NUMBERS) != before
    assert pl.read_parquet(published / NUMBERS)["n"].to_list() == [1]


@pytest.mark.parametrize(
    "change",
    [
        "comment on table marts.numbers is 'Numbers.'",
        "comment on column marts.numbers.n is 'A number.'",
        "alter table marts.numbers alter n set data type bigint",
        "insert into marts.numbers values (3)",
    ],
)
def test_a_table_that_looks_otherwise_is_written_although_its_state_is_the_same(
    filled: Warehouse, published: Path, change: str
) -> None:
    publish(filled, published)
    before = mark(published / NUMBERS)
    with filled.write() as con:
        con.execute("drop view marts.doubles")
        con.execute(change)
    publish(filled, published)
    assert mark(published / NUMBERS) != before


def test_once_a_day_every_file_is_written(filled: Warehouse, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(filled, published)
    before = mark(published / NUMBERS)
    record = published / ".parquet.json"
    stored = json.loads(record.read_text())
    for file in stored.values():
        file["written_at"] = str(datetime.now(UTC) - timedelta(hours=23))
    record.write_text(json.dumps(stored))
    publish(filled, published)
    assert mark(published / NUMBERS) == before
    monkeypatch.setattr(parquet, "_STAYS_FOR", timedelta(hours=23))
    publish(filled, published)
    assert mark(published / NUMBERS) != before


HEADER = "-- description: d.\n-- grain: one row per thing.\n"
MODELS = {
    "macros/spelt.sql": "-- description: d.\n-- parameter t: a text.\n-- returns: a text.\nt",
    "staging/named.sql": HEADER + "select entity_id, spelt(data ->> '$.name.value') as name from linkt.entities",
    "staging/kept.sql": HEADER
    + "-- materialized: incremental\n-- incremental: entity_id, fetched_at from linkt.entities\n"
    "-- not_null: entity_id\nselect entity_id, fetched_at, spelt(data ->> '$.name.value') as name from linkt.entities",
    "marts/counts.sql": HEADER + "-- materialized: table\nselect name, count(*) as n from staging.named group by name",
    "marts/both.sql": HEADER + "select name from staging.named union all select name from marts.counts",
    "marts/runs.sql": HEADER + "select run_id from linkt.runs",
}


class Deployment:
    """Models over a warehouse, and whatever may happen to them between two publications."""

    def __init__(self, warehouse: Warehouse, sql: Path) -> None:
        self.warehouse, self.sql, self.minute = warehouse, sql, 0
        for name, text in MODELS.items():
            path = sql / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def graph(self) -> ModelGraph:
        with self.warehouse.read() as con:
            return load_models(self.sql, warehouse_sources(con))

    def land(self, name: str) -> None:
        self.minute += 1
        land(self.warehouse, entity("a", name, updated=self.minute, fetched=100 + self.minute))

    def sync(self) -> None:
        begin_sync(self.warehouse, "s")
        with self.warehouse.read() as con:
            change = last_change(con)
        self.build(*map(str, self.graph().models))
        all_models_are_built(self.warehouse, "s", change=change, code="c")

    def build(self, *names: str) -> None:
        graph = self.graph()
        wanted = [model for key, model in graph.models.items() if str(key) in names]
        with self.warehouse.session() as session:
            with session.transaction() as con:
                prepare_builds(con, graph, wanted)
            for model in wanted:
                with session.transaction() as con:
                    build_model(con, model)

    def rewrite(self, name: str, old: str, new: str) -> None:
        (self.sql / name).write_text(MODELS[name].replace(old, new))


CHANGES: list[tuple[str, Callable[[Deployment], None]]] = [
    ("a row is landed", lambda d: d.land("Bolt")),
    ("a row is landed and a table built alone", lambda d: (d.land("Cog"), d.build("marts.counts"))),
    ("a row is landed and a view built alone", lambda d: (d.land("Dyn"), d.build("staging.named"))),
    (
        "a macro is made another one by the build of something else",
        lambda d: (d.rewrite("macros/spelt.sql", "text.\nt", "text.\nupper(t)"), d.build("marts.runs")),
    ),
    (
        "a view is made another one, and those on it are not built",
        lambda d: (d.rewrite("staging/named.sql", "value')", "value') || '!'"), d.build("staging.named")),
    ),
    ("a table is built alone that a view reads", lambda d: d.build("marts.counts")),
]


def test_whatever_happens_each_file_holds_the_rows_of_the_published_table(
    warehouse: Warehouse, published: Path, tmp_path: Path
) -> None:
    deployment = Deployment(warehouse, tmp_path / "sql")
    deployment.land("Acme")
    deployment.sync()
    assert_published_rows(deployment, published, "the first")
    for told, change in CHANGES:
        change(deployment)
        assert_published_rows(deployment, published, told)
        if told != "a view is made another one, and those on it are not built":
            deployment.sync()
            assert_published_rows(deployment, published, f"{told}, then all is built")
    before = {path: mark(path) for path in published.glob("*/*.parquet")}
    deployment.sync()
    assert_published_rows(deployment, published, "nothing")
    assert {path: mark(path) for path in published.glob("*/*.parquet")} == before
    assert len(before) == len(MODELS) - 1


def assert_published_rows(deployment: Deployment, published: Path, told: str) -> None:
    graph = deployment.graph()
    result = publish_snapshot(deployment.warehouse, published, (), lambda con: states_by_name(con, graph))
    with duckdb.connect(str(result.path), read_only=True) as con:
        for table, path in result.parquet.items():
            shown = con.execute(f"select * from {table} order by all").fetchall()
            assert con.execute(f"select * from '{path}' order by all").fetchall() == shown, (told, table)
            assert result.rows[table] == len(shown)
