"""The stretch of time that a chart can show: a date in the year 9999 would stretch the axis over 8,000 years."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TypeVar

_LONGEST = timedelta(days=400)
_CLOCKS_DIFFER_BY = timedelta(days=1)

R = TypeVar("R", tuple[date, str, float], tuple[date, str, int])


def within_span(rows: Sequence[R], as_of: date) -> tuple[list[R], str]:
    """The rows whose date (their first value) can be shown, and a sentence about the others.

    Args:
        rows: date, name and amount.
        as_of: the last day.

    Returns:
        The rows from 400 days before ``as_of`` to a day after it, and a sentence to put behind a chart's note: empty
        if all rows are among them.
    """
    first, last = as_of - _LONGEST, as_of + _CLOCKS_DIFFER_BY
    shown = [row for row in rows if first <= row[0] <= last]
    hidden = [row[0] for row in rows if not first <= row[0] <= last]
    if not hidden:
        return shown, ""
    amount = sum(row[2] for row in rows) - sum(row[2] for row in shown)
    return shown, f" Not drawn: {amount:,.10g} with a time that can't be, such as {hidden[-1]}."
