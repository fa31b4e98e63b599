"""Rows as markdown: what comes from the web is shown as text and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import duckdb
import pytest

from linkt_pipeline.assets.metadata import LARGEST_TEXT, bounded
from linkt_pipeline.assets.previews import figures_markdown, preview_markdown, readable_columns, rows_markdown

CELLS = {
    "nothing": (None, ""),
    "a pipe": ("a|b", "a\\|b"),
    "markup": ("**bold** <script> [x](y)", "\\*\\*bold\\*\\* \\<script\\> \\[x\\](y)"),
    "lines": ("one\n two\t three", "one two three"),
    "a moment": (datetime(2026, 11, 23, 6, 5, tzinfo=UTC), "2026-11-23 06:05"),
    "a fraction": (1234.5678, "1,234.57"),
    "a whole float": (3.0, "3"),
    "what controls a terminal": ("\x1b[2J\u202e", "\\\\x1b\\[2J\\\\u202e"),
    "a key": ("sk-live-0123456789abcdef", "\\[redacted\\]"),
    "something long": ("x" * 100, "x" * 47 + "…"),
}


@pytest.mark.parametrize(("value", "shown"), CELLS.values(), ids=CELLS)
def test_a_value_is_shown_as_text(value: object, shown: str) -> None:
    assert rows_markdown(["column"], [(value,)]).splitlines()[2] == f"| {shown} |"


def test_the_newest_rows_come_first() -> None:
    with duckdb.connect() as con:
        con.execute(
            "create table runs as select i as n, timestamp '2026-01-01' + to_days(i::int) as at from range(30) r(i)"
        )
        text = preview_markdown(con, "runs", {"n": "BIGINT", "at": "TIMESTAMP"}, 30)
    assert text.splitlines()[2].startswith("| 29 |")
    assert text.endswith("10 of 30 rows")


def test_names_and_figures_come_before_ids_and_nested_values() -> None:
    columns = {"id_of_x_id": "VARCHAR", "name": "VARCHAR", "data": "JSON", "tags": "VARCHAR[]", "size": "BIGINT"}
    assert readable_columns(columns, 2) == ["name", "size"]
    assert readable_columns(columns, 3) == ["id_of_x_id", "name", "size"]


def test_figures_are_sorted_by_size() -> None:
    assert figures_markdown(("action", "credits"), {"a": 1.5, "b": 3.0}).splitlines()[2:] == [
        "| b | 3 |",
        "| a | 1.5 |",
    ]


@pytest.mark.parametrize("make", [str, dg.MetadataValue.md, dg.MetadataValue.text])
def test_no_text_of_any_length_gets_into_the_history_whole(make: Callable[[str], Any]) -> None:
    kept = bounded({"usual": make("x" * LARGEST_TEXT), "long": make("x" * 5_000_000), "number": 5})

    shown = {name: getattr(value, "value", value) for name, value in kept.items()}
    assert shown["usual"] == "x" * LARGEST_TEXT
    assert len(shown["long"]) < LARGEST_TEXT + 100
    assert shown["long"].endswith("… (cut: 5,000,000 characters)")
    assert shown["number"] == 5


def test_a_drawing_that_is_too_large_is_left_out_whole() -> None:
    kept = bounded({"chart": dg.MetadataValue.md("![Credits](data:image/svg+xml;base64," + "A" * 500_000 + ")")})

    assert kept["chart"].value == "*A drawing of 500,038 characters is too large to be shown here.*"


def test_names_that_need_quotes_are_quoted() -> None:
    with duckdb.connect() as con:
        con.execute('create schema marts; create table marts."order" as select 1 as "a ""b""", now() as "select"')
        text = preview_markdown(con, 'marts."order"', {'a "b"': "INTEGER", "select": "TIMESTAMP WITH TIME ZONE"}, 1)
    assert text.startswith('| a "b" | select |')
