"""JSON bodies: what they hold stays as it is, and no row of a page is lost to a bad neighbour."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkt_pipeline.api import Entity, MalformedBodyError, Signal, parse_entity
from linkt_pipeline.api.json_text import end_of_value
from linkt_pipeline.api.wire import parse_page

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet=st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=12,
)
entities = st.fixed_dictionaries(
    {
        "id": st.text(alphabet="0123456789abcdef", min_size=1, max_size=24),
        "data": st.dictionaries(st.text(alphabet=st.characters(exclude_categories=["Cs"])), json_values, max_size=4),
    },
    optional={"status": json_values, "parent_id": json_values, "created_at": json_values, "novelty": json_values},
)


@given(entities, st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_body_keeps_its_text_and_its_data_whatever_the_other_fields_hold(wire, ascii_only):
    body = json.dumps(wire, ensure_ascii=ascii_only).encode()

    entity = parse_entity(body)

    assert entity.id == wire["id"]
    assert entity.payload == body.decode()
    assert entity.data == wire["data"]
    assert entity.document == wire


@given(st.lists(entities, max_size=5), st.dictionaries(st.text(alphabet="xyz", min_size=1), json_values), st.booleans())
@settings(max_examples=60, deadline=None)
def test_each_row_of_a_page_keeps_its_own_slice_of_the_text(wires, around, indented):
    envelope = {**around, "entities": wires, "total": 9, "page": 2, "page_size": 5}
    text = json.dumps(envelope, indent=2 if indented else None)

    page = parse_page(Entity, "entities", text.encode(), page=1, page_size=100)

    assert [json.loads(item.payload) for item in page.items] == wires
    assert all(item.payload in text for item in page.items)
    assert (page.total, page.page, page.page_size, page.malformed) == (9, 2, 5, ())


BAD = {
    "cut": (b'{"id": "b", "data": {"name": "Tarn', True, None),
    "empty": (b"", True, None),
    "html": (b"<html></html>", True, None),
    "a list": (b"[]", False, None),
    "null": (b"null", False, None),
    "two objects": (b'{"id": "b"},{"id": "c"}', True, None),
    "no id": (b'{"data": {}}', False, "id"),
    "NaN": (b'{"id": "b", "data": {"x": NaN}}', True, None),
    "Infinity": (b'{"id": "b", "data": {"x": -Infinity}}', True, None),
    "lone surrogate": (b'{"id": "b", "data": {"x": "\\ud83d"}}', True, None),
    "not utf-8": (b'{"id": "b", "data": {"x": "\xff"}}', True, None),
    "too deep": (b'{"id": "b", "data": {"x": ' + b"[" * 5000 + b"]" * 5000 + b"}}", True, None),
}


@pytest.mark.parametrize(("body", "truncated", "field"), BAD.values(), ids=BAD.keys())
def test_a_bad_body_is_refused_with_its_text_and_the_reason(body, truncated, field):
    with pytest.raises(MalformedBodyError) as caught:
        parse_entity(body)

    assert (caught.value.truncated, caught.value.field) == (truncated, field)
    assert caught.value.payload == body.decode("utf-8", "replace")
    assert caught.value.reason


def test_text_that_merely_speaks_of_nan_is_read():
    entity = parse_entity(b'{"id": "a", "data": {"name": "NaN Bread & Infinity Ltd"}}')

    assert entity.data == {"name": "NaN Bread & Infinity Ltd"}


def test_numbers_keep_their_value():
    big = 123456789012345678901234567890
    entity = parse_entity(b'{"id": "a", "data": {"x": %d, "y": 1.10, "z": 0.1}}' % big)

    assert entity.data == {"x": big, "y": 1.1, "z": 0.1}
    assert '"y": 1.10' in entity.payload


def test_a_bad_row_in_a_page_is_handed_over_beside_the_good_ones():
    body = b'{"signals": [{"id": "a"}, {"summary": "no id"}, 5, {"id": "b"}], "total": 4, "page": 1, "page_size": 4}'

    page = parse_page(Signal, "signals", body, page=1, page_size=4)

    assert [signal.id for signal in page.items] == ["a", "b"]
    assert [error.payload for error in page.malformed] == ['{"summary": "no id"}', "5"]


UNUSABLE = {
    "too deep": '{"id": "b", "x": ' + "[" * 10_000 + "]" * 10_000 + "}",
    "too many digits": '{"id": "b", "x": ' + "9" * 5_000 + "}",
    "NaN": '{"id": "b", "x": NaN}',
    "lone surrogate": '{"id": "b", "x": "\\ud800"}',
    "no value": '{"id": "b", "x": }',
    "brackets that do not match": '{"id": "b", "x": [}}',
    "an escaped quote": '{"summary": "\\"]}"}',
}


@pytest.mark.parametrize("row", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_row_that_is_no_json_hides_none_of_its_neighbours(row):
    body = f'{{"signals": [{{"id": "a"}}, {row} , {{"id": "c"}}], "total": 3}}'.encode()

    page = parse_page(Signal, "signals", body, page=1, page_size=4)

    assert [signal.id for signal in page.items] == ["a", "c"]
    assert [error.payload for error in page.malformed] == [row]


@pytest.mark.parametrize("count", ["1e3", "-1", "10" * 40, "9" * 5_000, '"3"', "true", "NaN", "[[", "null"])
def test_a_count_out_of_bounds_is_none(count):
    count = "[" * 9_000 + "]" * 9_000 if count == "[[" else count
    body = f'{{"total": {count}, "page": {count}, "page_size": {count}, "signals": [{{"id": "a"}}]}}'.encode()

    page = parse_page(Signal, "signals", body, page=7, page_size=50)

    assert (page.total, page.page, page.page_size, len(page.items)) == (None, 7, 50, 1)


@given(json_values, st.text(alphabet=" \n,]}:"), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_value_ends_where_json_says_it_ends(value, after, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)

    assert end_of_value(text + after, 0) == len(text)


@pytest.mark.parametrize("text", ['"' + "\\" * 999_999, "[" * 1_000_000, '{"a":' * 200_000, '["' * 500_000])
def test_a_long_text_without_an_end_is_seen_through_at_once(text):
    started = time.monotonic()

    with pytest.raises(ValueError, match=r"ends inside|expected"):
        end_of_value(text, 0)

    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"signals": null, "total": 0}', "signals"),
        (b'{"data": []}', "signals"),
        (b'{"signals": [{"id": "a"}, {"id"', None),
        (b'{"signals": [{"id": "a"}]', None),
        (b'{"signals": []} trailing', None),
        (b"[]", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_a_page_without_its_list_is_malformed(body, field):
    with pytest.raises(MalformedBodyError) as caught:
        parse_page(Signal, "signals", body, page=1, page_size=20)

    assert caught.value.field == field
    assert caught.value.truncated is (field is None)


@given(st.integers(min_value=0, max_value=60))
def test_no_beginning_of_a_page_passes_for_the_page(cut):
    whole = b'{"signals": [{"id": "a"}, {"id": "b"}], "total": 2, "page": 1}'

    with pytest.raises(MalformedBodyError):
        parse_page(Signal, "signals", whole[:cut], page=1, page_size=20)
