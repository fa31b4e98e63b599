"""Every change of a followed table is in the journal; one that is not makes everybody read everything."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pytest

from linkt_pipeline.warehouse import changed_keys
from linkt_pipeline.warehouse.changed_keys import (
    FOLLOWED,
    Change,
    Contents,
    contents_of,
    forget,
    keys_since,
    look_at,
    note_changes,
)
from linkt_pipeline.warehouse.file import Warehouse
from linkt_pipeline.warehouse.landing import mark_missing, reopen_resources
from tests.warehouse.deliveries import at, entity, land, land_run, land_signal_rows, reject, run, signal

Rows = dict[str, set[tuple]]


def rows_of(con: duckdb.DuckDBPyConnection) -> Rows:
    """Each followed table: key and whole row."""
    return {
        table: set(con.execute(f"select {followed.key}, t::varchar from {table} as t").fetchall())
        for table, followed in FOLLOWED.items()
    }


def look(con: duckdb.DuckDBPyConnection) -> dict[str, Contents]:
    return {table: look_at(con, table) for table in FOLLOWED}


def known_keys(con: duckdb.DuckDBPyConnection, table: str, before: Contents) -> set[str] | None:
    now = contents_of(con, table)
    query = now and keys_since(table, before, now)
    return None if query is None else {key for (key,) in con.execute(query).fetchall()}


def ids(rng: random.Random, letter: str) -> list[str]:
    return [f"{letter}{number:023}" for number in rng.sample(range(5), rng.randint(1, 3))]


def _deliver_entities(warehouse: Warehouse, rng: random.Random) -> None:
    """New, changed, touched, late and repeated ones; an id may come twice, and one payload can't be stored."""
    rows = [
        entity(
            entity_id,
            rng.choice(["x", "y", "refused" if rng.random() < 0.1 else "z"]),
            updated=rng.choice([None, 0, 1, 2, 3]),
            fetched=100 + rng.choice([0, 1, rng.random()]),
        )
        for entity_id in [*ids(rng, "e"), *ids(rng, "e")]
    ]
    land(warehouse, *({**row, "payload": row["payload"].replace("refused", "\\ud800")} for row in rows))


def _deliver_run(warehouse: Warehouse, rng: random.Random) -> None:
    named = [*ids(rng, "e"), "no id"] if rng.random() < 0.3 else ids(rng, "e")
    fetched = rng.choice([50, 99, 150])
    land_run(
        warehouse,
        run(f"r{rng.randint(0, 4)}", updated=rng.randint(0, 9), fetched=fetched),
        created=named,
        updated=ids(rng, "e"),
        signals=ids(rng, "b"),
    )


def _deliver_signals(warehouse: Warehouse, rng: random.Random) -> None:
    land_signal_rows(
        warehouse, *(signal(i, rng.choice("ab"), fetched=100 + rng.choice([0, 1, 2])) for i in ids(rng, "b"))
    )


def _lose_some(warehouse: Warehouse, rng: random.Random) -> None:
    with warehouse.write() as con:
        mark_missing(con, "entity", ids(rng, "e"), at(200))


def _reject_one(warehouse: Warehouse, rng: random.Random) -> None:
    reject(warehouse, ids(rng, "e")[0], received=rng.choice([100, 200]))


def _reopen(warehouse: Warehouse, rng: random.Random) -> None:
    with warehouse.write() as con:
        reopen_resources(con, "entity")


DELIVERIES: list[Callable[[Warehouse, random.Random], None]] = [
    _deliver_entities, _deliver_entities, _deliver_run, _deliver_run, _deliver_signals, _lose_some, _reject_one,
    _reopen,
]  # fmt: skip


class OneTransaction:
    """A warehouse whose transactions are all the same one, which is quicker."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        yield self.con


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_landed_its_keys_are_in_the_journal(warehouse: Warehouse, seed: int) -> None:
    rng = random.Random(seed)
    seen = dict.fromkeys(FOLLOWED, 0)
    with warehouse.write() as con:
        contents, rows = look(con), rows_of(con)
        for _ in range(60):
            rng.choice(DELIVERIES)(OneTransaction(con), rng)  # type: ignore[arg-type]
            for table, now in rows_of(con).items():
                changed = {key for key, _ in now ^ rows[table]}
                known = known_keys(con, table, contents[table])
                assert known is not None, table
                assert changed <= known, table
                seen[table] += len(changed)
            if rng.random() < 0.8:  # others look less often
                contents, rows = look(con), rows_of(con)
    assert all(seen.values())


@pytest.fixture
def looked(warehouse: Warehouse) -> Warehouse:
    """With an entity, and everything looked at."""
    land_run(warehouse, run("r"), created=["a"])
    land(warehouse, entity("a"))
    with warehouse.write() as con:
        look(con)
    return warehouse


@pytest.mark.parametrize(
    "by_hand",
    [
        "delete from linkt.entities",
        "update linkt.entities set fetched_at = fetched_at + interval 1 second",
        "insert into linkt.entities by name select * replace ('b' as entity_id) from linkt.entities",
    ],
)
def test_a_change_that_is_in_no_journal_begins_a_new_epoch(looked: Warehouse, by_hand: str) -> None:
    with looked.write() as con:
        before = contents_of(con, "linkt.entities")
        assert before is not None
        con.execute(by_hand)

        assert contents_of(con, "linkt.entities") is None
        now = look_at(con, "linkt.entities")

        assert keys_since("linkt.entities", before, now) is None
        assert contents_of(con, "linkt.entities") == now


def test_nothing_is_known_of_contents_that_were_forgotten_or_are_too_old(looked: Warehouse) -> None:
    with _entities(looked) as (con, before):
        for _ in range(changed_keys._KEPT + 1):
            note_changes(con, [Change("linkt.entities", "select 'x'")])
        now = look_at(con, "linkt.entities")
        assert now.epoch == before.epoch
        assert keys_since("linkt.entities", before, now) is None
        assert keys_since("linkt.entities", Contents(now.epoch, now.number - 1), now) is not None
        assert con.execute("select count(*) from linkt.changed_keys").fetchall() == [(changed_keys._KEPT,)]

        forget(con, "linkt.entities")
        assert contents_of(con, "linkt.entities") is None
        assert look_at(con, "linkt.entities").epoch != before.epoch


def test_a_journal_longer_than_it_is_worth_is_thrown_away(looked: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_keys, "MOST_KEYS", 3)
    with _entities(looked) as (con, before):
        note_changes(con, [Change("linkt.entities", "select i::varchar from range(4) as r(i)")])
        assert look_at(con, "linkt.entities").epoch != before.epoch
        assert con.execute("select count(*) from linkt.changed_keys").fetchall() == [(0,)]


def test_a_table_that_nobody_has_looked_at_has_no_journal(warehouse: Warehouse) -> None:
    land(warehouse, entity("a"))
    with warehouse.read() as con:
        assert con.execute("select count(*) from linkt.changed_keys").fetchall() == [(0,)]


@contextmanager
def _entities(warehouse: Warehouse) -> Iterator[tuple[duckdb.DuckDBPyConnection, Contents]]:
    with warehouse.write() as con:
        before = contents_of(con, "linkt.entities")
        assert before is not None
        yield con, before
