"""Moments of models are TIMESTAMP in UTC, from the first model on.

A TIMESTAMP WITH TIME ZONE is shown, truncated and cast in the zone of each reader. As a TIMESTAMP it is the same day
for everyone, in the warehouse as in the published copy, so that a view gives the same rows in both and nothing has to
be converted when it is published.
"""

import duckdb

from linkt_pipeline.transform.model import Columns
from linkt_pipeline.warehouse.catalog import quoted

_MOMENT = "TIMESTAMP WITH TIME ZONE"
_PUBLISHED = {_MOMENT: "TIMESTAMP", f"{_MOMENT}[]": "TIMESTAMP[]"}


def in_utc(select: str, columns: Columns) -> str:
    """A SELECT with every moment among its columns, and every list of moments, in UTC; lines stay what they are.

    Args:
        select: the SELECT.
        columns: its columns, as :func:`columns_of` gives them.
    """
    converted = {
        name: _moment_in_utc(quoted(name)) if kind == _MOMENT else _list_in_utc(quoted(name))
        for name, kind in columns.items()
        if kind in _PUBLISHED
    }
    if not converted:
        return select
    replaced = ", ".join(f"{expression} as {quoted(name)}" for name, expression in converted.items())
    return f"select * replace ({replaced}) from ({select}\n)"  # noqa: S608


def has_moments(columns: Columns) -> bool:
    """Whether :func:`in_utc` has something to convert."""
    return not _PUBLISHED.keys().isdisjoint(columns.values())


def columns_in_utc(columns: Columns) -> Columns:
    """The columns that :func:`in_utc` of a SELECT with ``columns`` has."""
    return {name: _PUBLISHED.get(kind, kind) for name, kind in columns.items()}


def columns_of(con: duckdb.DuckDBPyConnection, select: str) -> Columns:
    """The columns of a SELECT as it is written. DuckDB binds it for that, which takes up to 80 ms: ask once a build."""
    return {row[0]: row[1] for row in con.execute(f"describe {select}").fetchall()}


def _moment_in_utc(moment: str) -> str:
    # A cast asks the session for its zone, at thirty times the cost. An infinite moment has no microseconds.
    return f"case when isfinite({moment}) then make_timestamp(epoch_us({moment})) else timezone('UTC', {moment}) end"


def _list_in_utc(moments: str) -> str:
    return f"list_transform({moments}, lambda moment: {_moment_in_utc('moment')})"
