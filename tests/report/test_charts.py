"""Charts: what they show, and that the drawing brings nothing along."""

import base64
import re
from datetime import date
from xml.etree import ElementTree

import pytest

from linkt_pipeline.report.chart import BarChart, Series, pivot
from linkt_pipeline.report.charts import credits_by_task, credits_over_time, signals_by_type, signals_over_time
from linkt_pipeline.report.drawing import chart_markdown, chart_svg, number, shorten


def bars(**changes) -> BarChart:
    given = {
        "title": "Credits <b>", "note": "", "unit": "credits", "heading": "Task",
        "categories": ("a & b", "<i>c</i>\x00"),
        "series": (Series('s"1', (1.0, 2.5)), Series("rest", (None, 3.0), muted=True)), **changes,
    }  # fmt: skip
    return BarChart(**given)


FORMS = [
    pytest.param({"horizontal": horizontal, "stacked": stacked}, id=f"{horizontal=} {stacked=}")
    for horizontal in (True, False)
    for stacked in (True, False)
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("standalone", [True, False])
def test_drawing_is_xml_without_script_or_address(form, standalone):
    svg = chart_svg(bars(**form), standalone=standalone)
    tree = ElementTree.fromstring(svg)
    tags = {node.tag.rpartition("}")[2] for node in tree.iter()}
    assert "script" not in tags
    assert ("style" in tags) == standalone
    assert re.findall(r"(?:https?:)?//[^\s\"<]+", svg.replace("http://www.w3.org/2000/svg", "")) == []


@pytest.mark.parametrize("form", FORMS)
def test_every_value_is_a_bar_that_says_what_it_is(form):
    tree = ElementTree.fromstring(chart_svg(bars(**form)))
    titles = [node.text for node in tree.iter() if node.tag.endswith("title")]
    assert sorted(titles) == [
        "<i>c</i>\\x00\nrest: 3 credits",
        '<i>c</i>\\x00\ns"1: 2.5 credits',
        'a & b\ns"1: 1 credits',
    ]


@pytest.mark.parametrize("form", FORMS)
def test_the_axis_of_values_says_its_unit(form):
    tree = ElementTree.fromstring(chart_svg(bars(unit="minutes", **form)))
    assert [node.text for node in tree.iter() if node.get("class") == "title"] == ["minutes"]


def test_reading_order_is_the_order_of_the_categories():
    svg = chart_svg(bars(horizontal=True, categories=("first", "second")))
    places = {text: float(y) for y, text in re.findall(r'y="([\d.]+)" class="">(first|second)<', svg)}
    assert places["first"] < places["second"]


def test_muted_series_are_grey():
    svg = chart_svg(bars())
    assert "color-7" in svg
    assert "color-1 " not in svg
    assert 'color-1"' not in svg


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@pytest.mark.parametrize("form", FORMS)
def test_legend_of_an_image_is_inside_of_it(form, count):
    series = tuple(Series(f"series {n}", (1.0, 2.0)) for n in range(count))
    svg = chart_svg(bars(series=series, **form), standalone=True)
    height = float(ElementTree.fromstring(svg).get("viewBox").split()[3])
    start = svg.index('class="legends"')
    (top,) = re.findall(r"translate\(\d+, (\d+)\)", svg[start - 60 : start])
    texts = [float(y) for y in re.findall(r'<text x="[\d.]+" y="([\d.]+)">series', svg[start:])]
    assert len(texts) == count
    assert float(top) + max(texts) < height


def test_image_reads_on_any_ground():
    svg = chart_svg(bars(), standalone=True)
    assert "prefers-color-scheme" not in svg
    assert "background: var(--ground)" in svg


def test_markdown_holds_the_whole_image():
    found = re.fullmatch(
        r"!\[([^\]]*)\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", chart_markdown(bars(title="A [b] <c>"))
    )
    assert found
    assert ElementTree.fromstring(base64.b64decode(found[2])).get("role") == "img"


def test_nothing_to_draw_is_known():
    assert bars(series=(), categories=()).is_empty
    assert bars(series=(Series("a", (0.0, None)),)).is_empty
    assert not bars().is_empty
    assert "<svg" in chart_svg(bars(series=(), categories=()))


def test_days_without_credits_are_shown_as_gaps():
    chart = credits_over_time([(date(2026, 4, 1), "a", 2.0), (date(2026, 4, 4), "a", 1.0)], date(2026, 4, 5))
    assert chart.categories[-5:] == ("1 Apr", "2 Apr", "3 Apr", "4 Apr", "5 Apr")
    assert chart.series == (Series("a", (0, 0, 0, 0, 0, 2.0, 0, 0, 1.0, 0)),)


def test_one_day_is_no_slab_over_the_whole_width():
    assert len(credits_over_time([(date(2026, 4, 1), "a", 2.0)], date(2026, 4, 1)).categories) == 10
    assert len(signals_over_time([(date(2026, 3, 30), "high", 1)], date(2026, 4, 1)).categories) == 8


def test_a_long_span_is_shown_by_week_and_sums_stay():
    credits = [(date(2026, 3, 2), "a", 1.0), (date(2026, 3, 8), "a", 2.0), (date(2026, 4, 1), "b", 4.0)]
    chart = credits_over_time(credits, date(2026, 4, 2))
    assert chart.heading == "Week of"
    assert chart.categories[-5:] == ("2 Mar", "9 Mar", "16 Mar", "23 Mar", "30 Mar")
    assert {series.name: sum(series.values) for series in chart.series} == {"a": 3.0, "b": 4.0}


def test_weeks_cross_the_year():
    chart = signals_over_time([(date(2025, 12, 22), "x", 1), (date(2026, 1, 5), "x", 2)], date(2026, 1, 6))
    assert chart.categories[-3:] == ("22 Dec", "29 Dec", "5 Jan")
    assert chart.series[0].values[-3:] == (1.0, 0, 2.0)


def test_types_of_signals_are_rows_and_none_is_other():
    chart = signals_by_type([(f"type {n}", 40 - n) for n in range(20)], 26)
    assert chart.categories == tuple(f"type {n}" for n in range(12))
    assert chart.note == "Of the last 26 weeks; the 12 most frequent of 20 types."
    assert [series.name for series in chart.series] == ["signals"]


@pytest.mark.parametrize("form", FORMS)
def test_a_narrow_drawing_is_for_a_phone_and_shows_the_same(form):
    wide, narrow = (ElementTree.fromstring(chart_svg(bars(**form), narrow=narrow)) for narrow in (False, True))
    assert [float(tree.get("viewBox").split()[2]) for tree in (wide, narrow)] == [540, 330]
    titles = [[node.text for node in tree.iter() if node.tag.endswith("title")] for tree in (wide, narrow)]
    assert titles[0] == titles[1]


def test_a_few_signals_are_counted_in_whole_ones():
    svg = chart_svg(bars(series=(Series("signals", (1.0, 2.0)),), unit="signals"))
    assert set(re.findall(r">([\d.]+)</text>", svg)) == {"0", "1", "2"}


@pytest.mark.parametrize("odd", [date(9999, 12, 27), date(1, 1, 1), date(2026, 4, 9), date(2024, 12, 30)])
def test_one_date_that_can_not_be_leaves_the_axis_as_it_is_and_is_told(odd):
    as_of, usual = date(2026, 4, 5), (date(2026, 4, 1), "a", 2)

    for draw in (credits_over_time, signals_over_time):
        chart = draw([usual, (odd, "b", 3)], as_of)
        assert chart.categories == draw([usual], as_of).categories
        assert [series.name for series in chart.series] == ["a"]
        assert chart.note.endswith(f" Not drawn: 3 with a time that can't be, such as {odd}.")


def test_a_clock_that_is_ahead_hides_nothing():
    assert credits_over_time([(date(2026, 4, 6), "a", 2.0)], date(2026, 4, 5)).categories[-1] == "6 Apr"


def test_small_series_are_summed_up_as_other():
    cells = {("c", f"s{n}"): float(n) for n in range(1, 11)}
    series = pivot(cells, ["c"], most=4)
    assert [one.name for one in series] == ["s10", "s9", "s8", "other (7)"]
    assert sum(one.values[0] or 0 for one in series) == 55
    assert series[-1].muted


def test_most_expensive_task_first():
    chart = credits_by_task([("cheap", "x", 1.0), ("dear", "x", 5.0), ("dear", "y", 5.0)])
    assert chart.categories == ("dear", "cheap")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234.5, "1,234.5"), (0.126, "0.13"), (12.0, "12"), (100, "100")]
)
def test_numbers(value, text):
    assert number(value) == text


def test_long_labels_are_cut():
    assert shorten("a\nb  c") == "a b c"
    assert len(shorten("x" * 99)) == 34
