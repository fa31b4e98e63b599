"""Entities as large as what is read, and larger ones that an earlier release let in: every model builds."""

from typing import Any

import pytest

from .conftest import Bench

MB = 2**20
_PARTS = {str(n): {"a": n} for n in range(8 * MB // 22)}
_FIELDS = {f"f{n}": {"value": n, "references": ["https://e.com"]} for n in range(130_000)}
SHAPES: dict[str, tuple[int, dict[str, Any]]] = {
    "a field of many parts": (2, {"name": "Giant", "other": {"value": _PARTS}}),
    "many fields": (2, {"name": "Giant", **_FIELDS}),
    "one text": (1, {"name": {"value": "Giant"}, "summary": {"value": "x" * 20 * MB}}),
    "a name without an end": (1, {"name": "x" * 8 * MB, "industry": {"value": "Giants"}}),
}


@pytest.mark.parametrize(("copies", "data"), SHAPES.values(), ids=SHAPES.keys())
def test_models_build_whatever_the_size_of_an_entity(bench: Bench, copies: int, data: dict[str, Any]) -> None:
    for n in range(20):
        bench.entity(f"e{n}", {"name": {"value": f"Name {n}"}, "industry": {"value": "Mining"}})
    for n in range(copies):
        bench.entity(f"giant{n}", data)
        bench.entity(f"giant{n}", {**data, "industry": "Quarrying"})

    bench.build()

    usual = "select count(*) as n from {} where entity_id like 'e%' and {}"
    assert bench.row(usual.format("marts.companies", "name like 'Name %' and industry = 'Mining'"))["n"] == 20
    assert bench.row(usual.format("staging.entity_attributes", "value_text is not null"))["n"] == 40
    giants = bench.rows("select name, industry from marts.companies where entity_id like 'giant%'")
    assert len(giants) == copies
    assert {row["industry"] for row in giants} == {"Quarrying"}
    assert {row["name"] for row in giants} == ({"Giant"} if "Giant" in str(data)[:60] else {None})
    kept = bench.row("select min(strlen(data)) as size from linkt.entities where entity_id like 'giant%'")
    assert kept["size"] > 7 * MB
