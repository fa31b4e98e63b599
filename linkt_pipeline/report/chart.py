"""What a chart shows, apart from how it is drawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

OTHERS = "other"


@dataclass(frozen=True)
class Series:
    """One colour of a chart.

    Attributes:
        name: as the legend has it.
        values: one for each category, None where there is nothing to show.
        muted: drawn in grey: a sum of the rest, or something to compare with.
    """

    name: str
    values: tuple[float | None, ...]
    muted: bool = False


@dataclass(frozen=True)
class BarChart:
    """Bars, stacked or side by side.

    Attributes:
        title: what it shows, in a few words.
        note: how to read it, in a sentence; may be empty.
        unit: of the values, in the plural ("credits", "minutes").
        heading: what a category is ("Week of", "Run").
        categories: labels, in reading order.
        series: at most eight, so that a reader can distinguish their colours.
        horizontal: bars from left to right, for long labels.
        stacked: series on top of each other; else side by side.
    """

    title: str
    note: str
    unit: str
    heading: str
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    horizontal: bool = False
    stacked: bool = True

    @property
    def is_empty(self) -> bool:
        """True if there is no bar to draw."""
        return not any(value for series in self.series for value in series.values)


def pivot(
    cells: Mapping[tuple[str, str], float], categories: Sequence[str], *, most: int = 7, first: Iterable[str] = ()
) -> tuple[Series, ...]:
    """Series out of a sum for each (category, series name).

    Args:
        cells: the sums.
        categories: all categories, also those without a cell.
        most: so many series at most; the smaller ones are summed up as "other".
        first: names to put first, in this order; the rest follows by size.
    """
    totals: dict[str, float] = {}
    for (_, name), value in cells.items():
        totals[name] = totals.get(name, 0) + value
    fixed = [name for name in first if name in totals]
    names = fixed + sorted((name for name in totals if name not in fixed), key=lambda name: (-totals[name], name))
    shown = names if len(names) <= most else names[: most - 1]
    series = [Series(name, tuple(cells.get((category, name), 0) for category in categories)) for name in shown]
    rest = names[len(shown) :]
    if rest:
        values = tuple(sum(cells.get((category, name), 0) for name in rest) for category in categories)
        series.append(Series(f"{OTHERS} ({len(rest)})", values, muted=True))
    return tuple(series)
