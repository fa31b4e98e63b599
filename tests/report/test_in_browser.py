"""The page in a real browser: it asks for nothing, complains about nothing, and fits the screen."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from linkt_pipeline.report import write_report
from tests.report.conftest import few_rows

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def report(publish) -> Path:
    snapshot = publish(few_rows)
    return write_report(snapshot, snapshot.parent / "report.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_asks_for_nothing_and_fits(browser, report, scheme, width):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri(), timeout=20_000)
    page.get_by_text("Show as table").first.click()
    assert page.get_by_role("table", name="Credits by week and task").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    hidden = "found => found.filter(box => box.scrollWidth > box.clientWidth + 1).length"
    assert page.eval_on_selector_all(".scroll, .plot", hidden) == 0, "nothing is cut off"
    page.close()
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert said == []


def test_colours_follow_the_scheme(browser, report):
    grounds = set()
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(report.as_uri(), timeout=20_000)
        grounds.add(page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor"))
        page.close()
    assert len(grounds) == 2


def test_charts_are_named_for_screen_readers(browser, report):
    page = browser.new_page()
    page.goto(report.as_uri(), timeout=20_000)
    names = page.eval_on_selector_all("svg[role=img]", "found => found.map(svg => svg.getAttribute('aria-label'))")
    page.close()
    assert len(names) == 2 * 4
    assert all(name.startswith("Bar chart: ") for name in names)
