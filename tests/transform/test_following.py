"""Tables that follow others: a build computes the keys that the changed rows of its inputs touch, and no others."""

import random
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.transform import BuildMode, Known, ModelFileError, build_model
from linkt_pipeline.warehouse.migration import empty_warehouse
from tests.engines import WITH_EACH_ENGINE

from .conftest import HEADER, Folder

KEPT = """-- materialized: incremental
-- incremental: entity_id from linkt.entities
-- follows linkt.entities: entity_id
-- tells: entity_id, parent_id
-- not_null: entity_id
select entity_id, parent_id, status
from linkt.entities
where deleted_at is null
"""
SIZES = """-- materialized: incremental
-- incremental: parent_id from staging.kept
-- follows staging.kept: parent_id
-- not_null: parent_id
select parent_id, count(*) as size, max(status) as status
from staging.kept
where parent_id is not null
group by parent_id
"""
BIG = """-- materialized: table
-- tells: parent_id
select parent_id from marts.sizes where size > 2
"""
NAMED = """-- materialized: incremental
-- incremental: entity_id from staging.kept
-- follows staging.kept: entity_id
-- follows marts.big: select entity_id from staging.kept where parent_id in (select parent_id from changed)
-- not_null: entity_id
select kept.entity_id, big.parent_id is not null as is_big
from staging.kept left join marts.big on kept.parent_id = big.parent_id
"""
TABLES = ("staging.kept", "marts.sizes", "marts.big", "marts.named")


class World:
    """The models above on the tables of a warehouse."""

    def __init__(self, con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
        self.con, self.folder = con, folder
        for name, sql in zip(TABLES, (KEPT, SIZES, BIG, NAMED), strict=True):
            folder.write(name, sql)

    def put(self, entity: str, parent: str | None, status: str = "new", at: int = 0) -> None:
        self.take(entity)
        self.con.execute(
            "insert into linkt.entities (entity_id, parent_id, status, fetched_at, content_hash) "
            "values ($1, $2, $3, to_timestamp($4), md5(concat($2::varchar, $3)))",
            [entity, parent, status, at],
        )

    def take(self, entity: str) -> None:
        self.con.execute("delete from linkt.entities where entity_id = $1", [entity])

    def build(self, *, full_refresh: bool = False) -> dict[str, BuildMode]:
        known = Known()
        return {
            str(key): build_model(self.con, model, full_refresh=full_refresh, known=known).mode
            for key, model in self.folder.load().models.items()
        }

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        return {name: self.con.execute(f"select * from {name} order by all").fetchall() for name in TABLES}

    def computed(self) -> dict[str, list[tuple[object, ...]]]:
        """The same from each model's SELECT, whose inputs come before it."""
        models = self.folder.load()
        return {name: self.con.execute(f"from ({models[name].sql}) order by all").fetchall() for name in TABLES}


@pytest.fixture
def world(tmp_path: Path, lake: duckdb.DuckDBPyConnection | None) -> Iterator[World]:
    with nullcontext(lake) if lake else empty_warehouse() as con:
        yield World(con, Folder(tmp_path, con))


@WITH_EACH_ENGINE
def test_only_the_touched_keys_are_computed_and_told(world: World) -> None:
    for number in range(6):
        world.put(f"e{number}", f"p{number % 3}")
    assert set(world.build().values()) == {BuildMode.FULL}
    world.put("e1", "p2", at=1)
    assert set(world.build().values()) == {BuildMode.INCREMENTAL, BuildMode.FULL}
    assert world.rows()["marts.sizes"] == [("p0", 2, "new"), ("p1", 1, "new"), ("p2", 3, "new")]
    assert [row for row in world.rows()["marts.named"] if row[1]] == [("e1", True), ("e2", True), ("e5", True)]


@WITH_EACH_ENGINE
def test_rows_that_come_out_as_they_were_are_not_told(world: World) -> None:
    world.put("e", "p")
    world.build()
    world.put("e", "p", at=1)
    assert set(world.build().values()) == {BuildMode.UNCHANGED}


@pytest.mark.parametrize(
    "loss",
    [
        "delete from linkt.row_changes",
        "delete from linkt.seen_rows",
        "delete from linkt.sync_state",
        "delete from marts.sizes where parent_id = 'p0'",
        "update linkt.model_builds set cursor = null",
    ],
)
def test_where_the_changes_are_not_known_everything_is_computed(world: World, loss: str) -> None:
    for number in range(6):
        world.put(f"e{number}", f"p{number % 3}")
    world.build()
    world.put("e1", "p2", at=1)
    # The build in between tells its step, and what is lost then is lost to the next.
    build_model(world.con, world.folder.load()["staging.kept"])
    world.con.execute(loss)
    world.build()
    kept = world.rows()
    world.build(full_refresh=True)
    assert kept == world.rows()


@WITH_EACH_ENGINE
def test_a_row_taken_out_by_hand_whose_key_is_gone_is_gone_where_it_is_followed(world: World) -> None:
    world.put("a", "p")
    world.put("b", "q")
    world.build()
    world.con.execute("delete from staging.kept where entity_id = 'b'")
    world.take("b")
    world.build()
    assert world.rows() == world.computed()
    assert world.rows()["marts.sizes"] == [("p", 1, "new")]


@pytest.mark.parametrize("seed", range(6))
def test_following_equals_a_full_build(world: World, seed: int) -> None:
    """Random changes: new rows, late ones, deleted ones and some back again, edited SQL, rows taken out by hand."""
    rng = random.Random(seed)
    seen: set[BuildMode] = set()
    for number in range(12):
        for _ in range(rng.randint(0, 5)):
            world.put(
                f"e{rng.randint(0, 12)}", rng.choice(["p0", "p1", "p2", None]), rng.choice("ab"), rng.randint(0, 99)
            )
        if rng.random() < 0.4:
            world.take(f"e{rng.randint(0, 12)}")
        if rng.random() < 0.4:
            world.con.execute(
                "update linkt.entities set deleted_at = case when deleted_at is null then fetched_at end "
                f"where entity_id = 'e{rng.randint(0, 12)}'"
            )
        if rng.random() < 0.15:
            world.con.execute(f"delete from {rng.choice(TABLES)} where random() < 0.5" if number else "select 1")
        if rng.random() < 0.15:
            world.folder.write("marts.sizes", SIZES.replace("count(*)", f"count(*) + {rng.randint(0, 2)}"))
        if rng.random() < 0.3:  # one model alone, so that it is further than those that follow it
            build_model(world.con, world.folder.load()["staging.kept"])
        seen |= set(world.build(full_refresh=rng.random() < 0.1).values())
        assert world.rows() == world.computed()
    assert BuildMode.INCREMENTAL in seen


@pytest.mark.parametrize(
    ("name", "before", "after", "problem"),
    [
        ("marts.sizes", "-- follows staging.kept: parent_id\n", "", "without a cursor beside the key"),
        ("marts.sizes", "staging.kept: parent_id", "linkt.runs: parent_id", "not computed from linkt.runs"),
        ("marts.sizes", "staging.kept: parent_id", "kept: parent_id", "write '-- follows schema.table: column'"),
        ("marts.sizes", "staging.kept: parent_id", "staging.kept:", "'follows' has no value"),
        ("staging.kept", "-- tells: entity_id, parent_id\n", "", "does not tell what changes"),
        ("marts.sizes", "kept: parent_id", "kept: select parent_id from linkt.runs", "does not read linkt.runs"),
        ("marts.big", "-- materialized: table", "-- materialized: view", "'tells' is for tables"),
        ("marts.big", "-- tells", "-- follows marts.sizes: parent_id\n-- tells", "'follows' is for incremental models"),
        ("marts.sizes", "-- incremental: parent_id", "-- incremental: parent_id, size, status", "one key column"),
    ],
)
def test_what_is_wrong_with_a_header_is_said(world: World, name: str, before: str, after: str, problem: str) -> None:
    sql = dict(zip(TABLES, (KEPT, SIZES, BIG, NAMED), strict=True))[name]
    assert before in sql
    world.folder.write(name, sql.replace(before, after), header=HEADER.format(name=name))
    with pytest.raises(ModelFileError, match=problem):
        world.folder.load()
