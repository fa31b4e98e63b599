"""Newer wins, once: whatever is delivered twice, late or out of order ends in the same rows."""

from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl
import pytest
from pydantic_core import from_json

from linkt_pipeline.warehouse.landing import LandingCounts
from linkt_pipeline.warehouse.landing.content import content_hash, content_hashes
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.warehouse.deliveries import entity, fetch, land, land_run, name_of, run, versions_of


@dataclass(frozen=True)
class Case:
    deliveries: list[dict[str, Any]]
    name: str
    versions: list[str]


def A(**at: Any) -> dict:  # noqa: N802
    return entity("e", "A", **at)


def B(**at: Any) -> dict:  # noqa: N802
    return entity("e", "B", **at)


CASES = {
    "one": Case([A()], "A", ["A"]),
    "delivered again": Case([A(), A(fetched=101)], "A", ["A"]),
    "touched": Case([A(updated=1), A(updated=2)], "A", ["A"]),
    "changed": Case([A(updated=1), B(updated=2)], "B", ["A", "B"]),
    "changed back": Case([A(updated=1), B(updated=2), A(updated=3)], "A", ["A", "B", "A"]),
    "older arrives late": Case([B(updated=2), A(updated=1)], "B", ["A", "B"]),
    "older arrives between touches": Case([A(updated=1), A(updated=3), B(updated=2)], "A", ["A", "B", "A"]),
    "same time, fetched later wins": Case([A(updated=1, fetched=100), B(updated=1, fetched=101)], "B", ["A", "B"]),
    "same time, fetched earlier loses": Case([B(updated=1, fetched=101), A(updated=1, fetched=100)], "B", ["A", "B"]),
    "no time is oldest": Case([A(updated=0), B(updated=None, fetched=500)], "A", ["B", "A"]),
    "no time, then a time": Case([B(updated=None), A(updated=0)], "A", ["B", "A"]),
    "no time at all": Case([A(updated=None, fetched=1), B(updated=None, fetched=2)], "B", ["A", "B"]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_deliveries_one_by_one(warehouse: Warehouse, case: Case) -> None:
    for delivery in case.deliveries:
        land(warehouse, delivery)

    assert name_of(warehouse, "e") == case.name
    assert versions_of(warehouse, "e") == case.versions


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_deliveries_in_one_batch(warehouse: Warehouse, case: Case) -> None:
    counts = land(warehouse, *case.deliveries)

    assert counts.inserted == 1
    assert name_of(warehouse, "e") == case.name
    assert versions_of(warehouse, "e") == case.versions
    assert fetch(warehouse, "select count(*) from linkt.entities") == [(1,)]


def test_landing_the_same_again_writes_no_row(warehouse: Warehouse) -> None:
    land(warehouse, entity("a"), entity("b"))
    before = fetch(warehouse, "select * from linkt.entities order by all")

    counts = land(warehouse, entity("a", fetched=999), entity("b", fetched=999))

    assert counts == LandingCounts(unchanged=2)
    assert fetch(warehouse, "select * from linkt.entities order by all") == before


def test_a_change_of_attribute_timestamps_alone_is_no_change(warehouse: Warehouse) -> None:
    land(warehouse, entity("e", updated=1))  # its attribute's updated_at moves along with the entity's own

    assert land(warehouse, entity("e", updated=9)).versions == 0


def test_a_timestamp_inside_a_value_is_content(warehouse: Warehouse) -> None:
    land(warehouse, entity("e", {"created_at": "2026-01-01"}, updated=1))

    assert land(warehouse, entity("e", {"created_at": "2026-01-02"}, updated=2)).versions == 1


def test_key_order_is_no_change(warehouse: Warehouse) -> None:
    row = entity("e")
    turned = dict(reversed(orjson.loads(row["payload"]).items()))
    land(warehouse, row)

    assert land(warehouse, {**row, "payload": orjson.dumps(turned).decode()}) == LandingCounts(unchanged=1)


ODD_PAYLOADS = {
    "odd keys": '{"data":{"$.a[\\"x\\"]":{"value":1},"a b.c":{"value":"\\u0000"},"":{"value":null},"A":1,"a":2}}',
    "unicode": '{"data":{"name":{"value":"Zoë 株式会社 🚀 \\u202e"}}}',
    "big integers": '{"data":{"n":{"value":123456789012345678901234567890},"m":{"value":9223372036854775808}}}',
    "scalars and nulls": '{"data":{"a":null,"b":"bare","c":[1,{"d":null}],"e":{"value":null}},"status":null}',
    "no data": "{}",
    "data is null": '{"data":null,"duplicate_info":null}',
}


@pytest.mark.parametrize("payload", ODD_PAYLOADS.values(), ids=ODD_PAYLOADS)
def test_odd_payloads_are_kept_as_they_came(warehouse: Warehouse, payload: str) -> None:
    row = {**entity("e"), "payload": payload}

    land(warehouse, row)

    assert fetch(warehouse, "select payload::varchar from linkt.entities") == [(payload,)]
    assert land(warehouse, row) == LandingCounts(unchanged=1)


def test_big_integers_that_differ_in_the_last_digit_are_a_change(warehouse: Warehouse) -> None:
    body = '{"data":{"n":{"value":12345678901234567890123456789%d}}}'
    land(warehouse, {**entity("e", updated=1), "payload": body % 1})

    assert land(warehouse, {**entity("e", updated=2), "payload": body % 2}).versions == 1
    assert fetch(warehouse, "select data ->> '$.n.value' from linkt.entities") == [("123456789012345678901234567892",)]


def test_numbers_beyond_a_float_are_told_apart() -> None:
    body = '{"data":{"n":{"value":%s}}}'
    parsed = [content_hash(from_json(body % number)) for number in ("1e400", "-1e400", "null")]

    frame = content_hashes(pl.Series([body % number for number in ("1e400", "-1e400", "null")]), pl.Series(parsed))

    assert frame.n_unique() == 3


def test_null_duplicate_info_is_null_and_an_object_is_kept(warehouse: Warehouse) -> None:
    land(warehouse, entity("a", duplicate_info=None), entity("b", duplicate_info={"is_duplicate": True}))

    rows = fetch(warehouse, "select entity_id, duplicate_info from linkt.entities order by 1")

    assert rows == [("a", None), ("b", '{"is_duplicate":true}')]


def test_a_payload_that_duckdb_refuses_is_rejected_and_the_rest_lands(warehouse: Warehouse) -> None:
    land_run(warehouse, run("r"), created=["bad", "good"])
    bad = {**entity("bad"), "payload": '{"data":{"name":{"value":"\\ud800"}}}'}

    counts = land(warehouse, bad, entity("good"))

    assert (counts.inserted, counts.rejected) == (1, 1)
    assert fetch(warehouse, "select resource_id, payload from linkt.rejects") == [("bad", bad["payload"])]
    assert fetch(warehouse, "select resource_id, state from linkt.run_resources order by 1") == [
        ("bad", "rejected"),
        ("good", "landed"),
    ]


def test_ten_thousand_rows_land_in_one_batch(warehouse: Warehouse) -> None:
    rows = [entity(f"{i:024x}", f"company {i}") for i in range(10_000)]

    counts = land(warehouse, *rows)

    assert counts == LandingCounts(inserted=10_000, versions=10_000)
    assert fetch(warehouse, "select count(distinct content_hash) from linkt.entity_versions") == [(10_000,)]


def test_an_empty_batch_is_fine(warehouse: Warehouse) -> None:
    assert land(warehouse) == LandingCounts()


def test_a_version_knows_the_newest_run_that_named_it(warehouse: Warehouse) -> None:
    land_run(warehouse, run("first", updated=1), created=["e"])
    land_run(warehouse, run("second", updated=2), updated=["e"])

    land(warehouse, entity("e"), entity("unnamed"))

    assert fetch(warehouse, "select entity_id, run_id from linkt.entity_versions order by 1") == [
        ("e", "second"),
        ("unnamed", None),
    ]


def test_another_external_id_is_a_version(warehouse: Warehouse) -> None:
    def linked(external_id: str | None, minutes: float) -> dict:
        keys = {"external_id": external_id, "external_source": external_id and "salesforce"}
        return entity("e", updated=minutes, **keys) | keys

    for minutes, external_id in enumerate([None, "001A", "001A", "001B"]):
        land(warehouse, linked(external_id, minutes))

    assert fetch(warehouse, "select external_id, external_source from linkt.entities") == [("001B", "salesforce")]
    versions = "select external_id, external_source, external_unknown from linkt.entity_versions order by updated_at"
    assert fetch(warehouse, versions) == [
        (None, None, None), ("001A", "salesforce", None), ("001B", "salesforce", None),
    ]  # fmt: skip
