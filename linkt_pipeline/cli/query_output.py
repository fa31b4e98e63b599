"""The result of a query as a table, CSV or JSON, row by row so that its size does not matter.

Values come from the web, by way of Linkt, and a result ends in a terminal, a file or a spreadsheet:

* A table is for a person: values are shown clean, and cut.
* JSON holds every character; control characters are written as escapes, which any parser reads back.
* CSV has no escapes. Control characters are shown as Python writes them, and a text that a spreadsheet would execute as
  a formula gets an apostrophe. ``raw`` leaves every text as it is stored.
"""

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import click
import duckdb
import orjson

from linkt_pipeline.display import escape_controls, escape_json
from linkt_pipeline.redaction import redact_registered

_BATCH = 2_000
_ORJSON_BITS = 63
# The characters that begin a formula in a spreadsheet. A telephone number or an amount may begin with + or - too.
_FORMULA = re.compile(r"\s*(?:[=@＝＠]|[+＋-](?![\d\s().,/+-]*$))|\t")
_NARROWEST = 8  # characters a column needs to be worth showing side by side
_JSON_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATETIME


def write_result(result: duckdb.DuckDBPyConnection, form: str, most_rows: int, *, raw: bool = False) -> None:
    """Write what a query gave to stdout.

    Args:
        result: the executed query.
        form: ``table``, ``csv`` or ``json``.
        most_rows: after so many rows a table ends with a line that says so.
        raw: CSV with texts as they are stored.
    """
    description = result.description or []
    columns = [column[0] for column in description]
    json_columns = {index for index, column in enumerate(description) if str(column[1]) == "JSON"}
    match form:
        case "csv":
            _write_csv(columns, _rows(result), json_columns, raw=raw)
        case "json":
            _write_json(columns, _rows(result), json_columns)
        case _:
            _write_table(columns, _rows(result), most_rows)


def _rows(result: duckdb.DuckDBPyConnection) -> Iterator[Sequence[Any]]:
    while batch := result.fetchmany(_BATCH):
        yield from batch


def _write_csv(columns: Sequence[str], rows: Iterator[Sequence[Any]], json_columns: set[int], *, raw: bool) -> None:
    def field(value: Any, is_json: bool) -> str:
        if value is None:
            return ""
        text = as_text(value)
        if raw or not isinstance(value, str | list | tuple | dict):
            return text
        return safe_field(text) if isinstance(value, str) and not is_json else _document(text)

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(field(column, is_json=False) for column in columns)
    for row in rows:
        writer.writerow(field(value, index in json_columns) for index, value in enumerate(row))


def safe_field(text: str) -> str:
    """A text for a CSV file that a terminal may show and a spreadsheet may open."""
    clean = escape_controls(redact_registered(text))
    return f"'{clean}" if _FORMULA.match(clean) else clean


def _document(text: str) -> str:
    """A JSON text for a CSV file: it begins no formula, and JSON has escapes for its control characters."""
    return escape_json(redact_registered(text))


def _write_json(columns: Sequence[str], rows: Iterator[Sequence[Any]], json_columns: set[int]) -> None:
    names = _distinct(columns)
    separator = "[\n"
    for row in rows:
        values = (_parsed(value) if index in json_columns else value for index, value in enumerate(row))
        click.echo(separator + _document(as_json(dict(zip(names, values, strict=True)))), nl=False)
        separator = ",\n"
    click.echo("[]" if separator == "[\n" else "\n]")


def _write_table(columns: Sequence[str], rows: Iterator[Sequence[Any]], most_rows: int) -> None:
    from linkt_pipeline.cli.output import echo, make_console, print_table, show

    shown = [row for row, _ in zip(rows, range(most_rows), strict=False)]
    more = next(rows, None) is not None
    console = make_console()
    if columns and len(columns) * _NARROWEST > console.width:
        for number, row in enumerate(shown, 1):
            click.echo(f"-- row {number}")
            width = max(map(len, columns))
            for name, value in zip(columns, row, strict=True):
                echo(f"{name:<{width}}  {show(_for_eyes(value))}")
    else:
        numeric = {name for name, value in zip(columns, shown[0], strict=True) if _is_number(value)} if shown else set()
        print_table(console, "", columns, ([_for_eyes(value) for value in row] for row in shown), right=numeric)
    if more:
        click.echo(f"... more rows; --rows N shows more than {most_rows}, --format csv or json all")
    elif not shown:
        click.echo("no rows")


def as_json(value: Any) -> str:
    """Any DuckDB value as JSON: numbers keep every digit, times are ISO 8601, what JSON lacks becomes text."""
    try:
        return orjson.dumps(value, default=_plain, option=_JSON_OPTIONS).decode()
    except TypeError:  # integers beyond 64 bits and odd keys: refused before `default` is asked
        return orjson.dumps(_representable(value), default=_plain, option=_JSON_OPTIONS).decode()


def as_text(value: Any) -> str:
    """A value for one CSV field: times in ISO 8601, lists and structs as JSON."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime() | date() | time() | timedelta() | bytes() | Decimal():
            return _as_written(value)
        case list() | tuple() | dict():
            return as_json(value)
        case _:
            return str(value)


def _plain(value: Any) -> Any:
    """What orjson can't write by itself."""
    match value:
        case Decimal():
            return orjson.Fragment(str(value)) if value.is_finite() else None
        case _:
            return _as_written(value)


def _representable(value: Any) -> Any:
    match value:
        case dict():
            return {as_text(key): _representable(item) for key, item in value.items()}
        case list() | tuple():
            return [_representable(item) for item in value]
        case int() if value.bit_length() > _ORJSON_BITS:
            return orjson.Fragment(str(value))
        case _:
            return value


def _as_written(value: Any) -> str:
    match value:
        case datetime():
            # A time without a zone is UTC: the session's zone is, and so are all times that are published.
            moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
            return moment.isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _parsed(value: Any) -> Any:
    """A JSON column's text, put into the output as it is."""
    if not isinstance(value, str):
        return value
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    return orjson.Fragment(value)


def _distinct(names: Sequence[str]) -> list[str]:
    """Give each column a key of its own: column names may repeat, keys of a JSON object may not."""
    distinct: list[str] = []
    for name in names:
        number, candidate = 2, name
        while candidate in distinct:
            candidate, number = f"{name}_{number}", number + 1
        distinct.append(candidate)
    return distinct


def _for_eyes(value: Any) -> Any:
    return as_json(value) if isinstance(value, dict) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
