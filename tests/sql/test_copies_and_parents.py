"""Copies count as their original, people as their company's, each once; chains and circles come to an end."""

from itertools import permutations
from typing import Any

import pytest

from linkt_pipeline.transform import load_checks, run_check

from .conftest import SQL_DIR, Bench


def _copy(bench: Bench, entity_id: str, of: str | None, **values: Any) -> None:
    original = "null" if of is None else f'"{of}"'
    info = f'{{"is_duplicate": true, "is_primary": false, "primary_entity_id": {original}}}'
    bench.entity(entity_id, {"name": entity_id}, duplicate_info=info, **values)


def _roots(bench: Bench) -> dict[str, tuple[str, str]]:
    bench.build("staging.entity_roots")
    rows = bench.rows("select entity_id, original_entity_id, root_entity_id from staging.entity_roots")
    return {row["entity_id"]: (row["original_entity_id"], row["root_entity_id"]) for row in rows}


def test_a_copy_of_a_copy_stands_for_the_first(bench: Bench) -> None:
    bench.entity("original", {})
    for entity_id, of in (("a", "original"), ("b", "a"), ("c", "b")):
        _copy(bench, entity_id, of)
    assert _roots(bench) == dict.fromkeys("abc", ("original", "original"))


@pytest.mark.parametrize("order", list(permutations("abc")), ids="".join)
def test_a_circle_of_copies_stands_for_its_smallest_id_whoever_comes_first(
    bench: Bench, order: tuple[str, str, str]
) -> None:
    for entity_id in order:
        _copy(bench, entity_id, {"a": "b", "b": "c", "c": "a"}[entity_id])
    _copy(bench, "0", "c")
    assert _roots(bench) == dict.fromkeys("0abc", ("a", "a"))


def test_a_chain_of_hundreds_is_followed_to_its_end(bench: Bench) -> None:
    bench.entity("c000", {})
    bench.con.execute(
        "insert into linkt.entities by name select printf('c%03d', n) as entity_id, 'company' as entity_type, "
        "json_object('is_duplicate', true, 'primary_entity_id', printf('c%03d', n - 1)) as duplicate_info, "
        "current_timestamp as fetched_at, 'h' as content_hash from range(1, 600) as r(n)"
    )
    assert set(_roots(bench).values()) == {("c000", "c000")}


def test_copies_of_what_is_not_landed_stand_for_one_of_them(bench: Bench) -> None:
    for entity_id, of in (("b", "gone"), ("a", "b"), ("c", "gone")):
        _copy(bench, entity_id, of)
    assert _roots(bench) == dict.fromkeys("abc", ("gone", "b"))
    bench.build("marts.companies", "marts.duplicates")
    shown = bench.rows("select entity_id from marts.companies where entity_id = root_entity_id")
    assert shown == [{"entity_id": "b"}]
    bench.entity("gone", {})
    assert _roots(bench) == dict.fromkeys("abc", ("gone", "gone"))
    bench.con.execute("delete from linkt.entities where entity_id in ('gone', 'b')")
    assert _roots(bench) == {"a": ("b", "a"), "c": ("gone", "c")}


def test_what_can_be_no_copy_stands_for_itself(bench: Bench) -> None:
    bench.entity("company", {})
    _copy(bench, "itself", "itself")
    _copy(bench, "of nobody", None)
    _copy(bench, "person", "company", entity_type="person")
    assert _roots(bench) == {}
    bench.build("marts.companies", "marts.people")
    for table in ("companies", "people"):
        assert bench.rows(f"select entity_id from marts.{table} where entity_id <> root_entity_id") == []


def test_a_company_and_its_copies_have_their_people_and_signals_together_each_once(bench: Bench) -> None:
    bench.entity("acme", {"name": "Acme"})
    _copy(bench, "acme-emea", "acme")
    _copy(bench, "acme-sales", "acme-emea")
    bench.entity("ann", {}, entity_type="person", parent_id="acme")
    _copy(bench, "ann-emea", "ann", entity_type="person", parent_id="acme-emea")
    bench.entity("bob", {}, entity_type="person", parent_id="acme-sales")
    bench.signal("both", entity_ids=["acme", "acme-emea"], created_at="2026-04-01 00:00:00+00")
    bench.signal("copy", entity_ids=["acme-sales"], created_at="2026-04-03 00:00:00+00")
    bench.signal("person", entity_ids=["ann-emea", "ann"], created_at="2026-04-02 00:00:00+00")
    bench.build()
    for row in bench.rows("select * from marts.companies"):
        assert (row["root_entity_id"], row["people_count"], row["signal_count"]) == ("acme", 2, 3)
        assert row["latest_signal_at"].isoformat().startswith("2026-04-03")
    pairs = bench.rows("select company_id, signal_id from marts.company_signals order by all")
    assert [tuple(row.values()) for row in pairs] == [("acme", "both"), ("acme", "copy"), ("acme", "person")]
    feed = bench.rows("select company_count, company_names from marts.signal_feed")
    assert {tuple(row.values()) for row in feed} == {(1, "Acme")}
    people = bench.rows(
        "select entity_id, company_id, company_root_id, company_signal_count from marts.people order by 1"
    )
    assert [tuple(row.values()) for row in people] == [
        ("ann", "acme", "acme", 3),
        ("ann-emea", "acme-emea", "acme", 3),
        ("bob", "acme-sales", "acme", 3),
    ]
    copies = bench.rows("select entity_id, primary_entity_id, primary_name from marts.duplicates order by 1")
    assert [tuple(row.values()) for row in copies] == [
        ("acme-emea", "acme", "Acme"),
        ("acme-sales", "acme", "Acme"),
        ("ann-emea", "ann", None),
    ]
    failed = [check for check in load_checks(SQL_DIR, bench.graph) if not run_check(bench.con, check).passed]
    assert [f"{check.model} {check.name}" for check in failed] == ["staging.entities references"]  # no ICP is landed


def test_a_company_that_turns_out_to_be_a_copy_takes_its_people_and_signals_along(bench: Bench) -> None:
    bench.entity("a", {"name": "Acme"})
    bench.entity("b", {"name": "Acme Inc"})
    bench.entity("p", {}, entity_type="person", parent_id="b")
    bench.signal("s", entity_ids=["p"], created_at="2026-04-01 00:00:00+00")
    bench.build()
    counts = "select entity_id, root_entity_id, people_count, signal_count from marts.companies order by 1"
    assert [tuple(row.values()) for row in bench.rows(counts)] == [("a", "a", 0, 0), ("b", "b", 1, 1)]
    _copy(bench, "b", "a")
    bench.build()
    assert [tuple(row.values()) for row in bench.rows(counts)] == [("a", "a", 1, 1), ("b", "a", 1, 1)]


@pytest.mark.parametrize("entity_type", ["Company", " COMPANY"])
def test_a_type_is_read_whatever_its_case(bench: Bench, entity_type: str) -> None:
    bench.entity("c", {"name": "Acme"}, entity_type=entity_type)
    bench.build("marts.companies")
    assert bench.row("select name from marts.companies")["name"] == "Acme"


def test_entities_that_are_in_no_mart_are_named_by_a_check(bench: Bench) -> None:
    bench.entity("c", {})
    bench.entity("p", {}, entity_type="person")
    bench.entity("x", {}, entity_type=None)
    bench.entity("y", {}, entity_type="product")
    bench.entity("z", {}, entity_type="product")
    bench.build()
    (check,) = [check for check in load_checks(SQL_DIR, bench.graph) if check.name == "entity_types_known"]
    assert check.severity == "warn"
    found = run_check(bench.con, check)
    assert set(found.sample) == {(None, 1, "x"), ("product", 2, "y")}


def test_people_and_signals_of_an_original_that_is_not_landed_reach_the_copy_that_stands_for_it(bench: Bench) -> None:
    _copy(bench, "a", "gone")
    _copy(bench, "b", "gone")
    bench.entity("person", {}, entity_type="person", parent_id="gone")
    bench.signal("of the original", entity_ids=["gone"])
    bench.signal("of a copy", entity_ids=["b"])
    bench.build("marts.company_signals")
    assert bench.rows("select entity_id, people_count, signal_count from marts.companies order by all") == [
        {"entity_id": "a", "people_count": 1, "signal_count": 2},
        {"entity_id": "b", "people_count": 1, "signal_count": 2},
    ]
    reached = bench.rows("select company_id, signal_id from marts.company_signals order by all")
    assert [tuple(row.values()) for row in reached] == [("a", "of a copy"), ("a", "of the original")]


def test_an_entity_that_a_signal_names_twice_counts_once(bench: Bench) -> None:
    bench.entity("a", {})
    bench.signal("s", entity_ids=["a", "a", "not landed"])
    bench.build("marts.signal_feed")
    assert bench.row("select entity_count from marts.signal_feed") == {"entity_count": 2}
