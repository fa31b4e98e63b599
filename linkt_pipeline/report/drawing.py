"""Charts as SVG text, drawn by pygal, without its scripts, its styles and its web addresses.

Colours are CSS variables, so that the same drawing reads well on light and dark ground and in print. pygal's own
tooltips need a script from the internet; the browser's own, from ``<title>``, do not.
"""

import re
from base64 import b64encode
from math import ceil
from pathlib import Path
from typing import Any

import pygal
from pygal.etree import etree

from linkt_pipeline.display import shown_value
from linkt_pipeline.report.chart import BarChart

MIME = "image/svg+xml"
_HERE = Path(__file__).resolve().parent
_WIDTH, _NARROW = 540, 330  # in CSS pixels, so that text is drawn about as large as that around it
_LABEL_SPACE = 52
_ROW = 24
_GREY = "color-7"
_LEGEND_COLUMNS = 3
_LEGEND_ROW = 18
_LONGEST_LABEL, _LONGEST_NARROW_LABEL = 34, 17
_DROPPED = frozenset({"script", "style", "desc"})


def chart_svg(chart: BarChart, *, narrow: bool = False, standalone: bool = False) -> str:
    """The chart as one ``<svg>`` element.

    Args:
        chart: what to draw.
        narrow: for the screen of a phone.
        standalone: with title, legend, colours and light ground inside, to be used as an image wherever; without, for
            a page that has ``chart.css`` and shows title and legend as text.
    """
    root = _plot(chart, narrow, standalone).render_tree()
    _strip(root)
    _mute(root, chart)
    for name in ("id", "class"):
        root.attrib.pop(name, None)
    if standalone:
        root.set("width", str(_WIDTH))
        style = etree.SubElement(root, "style")
        style.text = read_asset("palette.css") + read_asset("chart.css") + "svg { background: var(--ground); }"
        root.set("class", "chart-palette")
    root.set("role", "img")
    root.set("aria-label", f"Bar chart: {clean(chart.title)}. {clean(chart.note)}".strip())
    text: str = etree.tostring(root, encoding="unicode")
    return text


def chart_markdown(chart: BarChart) -> str:
    """The chart as a markdown image with the drawing inside of its address, for places that show markdown."""
    encoded = b64encode(chart_svg(chart, standalone=True).encode()).decode()
    alt = re.sub(r"[\[\]\\<>]", " ", clean(chart.title))
    return f"![{alt}](data:{MIME};base64,{encoded})"


def read_asset(name: str) -> str:
    """A text file that ships beside this module."""
    return (_HERE / name).read_text(encoding="utf-8")


def clean(text: str) -> str:
    """Text as it may be shown, on one line; XML has no way to write control characters."""
    return shown_value(text).replace("\n", " ").replace("\t", " ")


def shorten(text: str, longest: int = _LONGEST_LABEL) -> str:
    """Text of at most ``longest`` characters."""
    text = " ".join(clean(text).split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def number(value: float) -> str:
    """A number for a person's eyes: at most two decimals, thousands set apart."""
    return f"{value:,.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"


def _plot(chart: BarChart, narrow: bool, standalone: bool) -> Any:
    kinds = {
        (True, True): pygal.HorizontalStackedBar,
        (True, False): pygal.HorizontalBar,
        (False, True): pygal.StackedBar,
        (False, False): pygal.Bar,
    }
    width = _NARROW if narrow else _WIDTH
    categories = [
        shorten(category, _LONGEST_NARROW_LABEL if narrow else _LONGEST_LABEL) for category in chart.categories
    ]
    indices = range(len(categories))
    if chart.horizontal:  # pygal draws the first one at the bottom
        indices = range(len(categories) - 1, -1, -1)
    columns = min(_LEGEND_COLUMNS, len(chart.series)) or 1
    # pygal makes room for whole rows of the legend only, and forgets the last one that is not full.
    forgotten = ceil(len(chart.series) / columns) - len(chart.series) // columns
    legend_height = _LEGEND_ROW * ceil(len(chart.series) / columns) if standalone else 0
    height = 80 + _ROW * max(3, len(categories)) if chart.horizontal else 270
    values = [value for series in chart.series for value in series.values if value]
    highest = max(
        map(sum, zip(*([value or 0 for value in series.values] for series in chart.series), strict=True)), default=0
    )
    few_whole = 0 < highest < 6 and not any(value % 1 for value in values)  # halves of a signal mean nothing
    plot = kinds[chart.horizontal, chart.stacked](
        js=[],
        css=[],
        disable_xml_declaration=True,
        width=width,
        height=height + legend_height,
        margin=6,
        margin_bottom=6 + _LEGEND_ROW * forgotten if standalone else 6,
        spacing=6,
        title=clean(chart.title) if standalone else None,
        x_title=chart.unit if chart.horizontal else None,
        y_title=None if chart.horizontal else chart.unit,
        show_legend=standalone,
        legend_at_bottom=True,
        legend_at_bottom_columns=columns,
        truncate_legend=28,
        truncate_label=-1,
        x_labels_major_every=None if chart.horizontal else ceil(len(categories) * _LABEL_SPACE / width) or 1,
        show_minor_x_labels=chart.horizontal,
        min_scale=3,
        max_scale=6,
        include_x_axis=True,
        range=None if not chart.is_empty else (0, 1),
        value_formatter=number,
        print_values=False,
        style=_STYLE,
    )
    if few_whole:
        plot.y_labels = range(int(highest) + 1)
    plot.x_labels = [categories[index] for index in indices]
    for series in chart.series:
        name = clean(series.name)
        plot.add(
            name,
            [
                None
                if not (value := series.values[index])
                else {
                    "value": value,
                    "tooltip": f"{clean(chart.categories[index])}\n{name}: {number(value)} {chart.unit}",
                }
                for index in indices
            ],
        )
    return plot


# Only what pygal measures text by; everything seen comes from chart.css.
_STYLE = pygal.style.Style(label_font_size=12, major_label_font_size=12, legend_font_size=12, title_font_size=15)


def _strip(node: Any) -> None:
    for child in list(node):
        tag = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else None  # a comment's tag is a function
        if tag is None or tag in _DROPPED or "tooltip" in (child.get("class") or "").split():
            node.remove(child)
        elif tag == "title" and node.get("class") != "bar":
            node.remove(child)  # of the whole chart and of its guides: they would hide those of the bars
        else:
            _strip(child)


def _mute(root: Any, chart: BarChart) -> None:
    """Grey is the last colour, while pygal numbers colours by the order of series."""
    muted = {f"color-{place}" for place, series in enumerate(chart.series) if series.muted}
    for node in root.iter():
        classes = (node.get("class") or "").split()
        if muted.intersection(classes):
            node.set("class", " ".join(_GREY if name in muted else name for name in classes))
