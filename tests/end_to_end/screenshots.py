"""Takes the pictures of the Dagster UI and of the report that the README shows: ``make screenshots``.

A sandbox deployment in a temporary folder executes its tasks twice, then headless Chromium looks at it. The report is
that of a deployment whose account has a history of scheduled runs.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from linkt_pipeline.report import write_report
from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.sandbox.process.background import stop_sandbox
from tests.end_to_end.dagster_dev import dagster_dev
from tests.paths import PROJECT_ROOT

IMAGES = PROJECT_ROOT / "docs" / "images"
TASKS = ("enterprise_saas_search", "trade_fair_ingest", "saas_signals", "grid_storage_topic")
_WIDTH = 1400
_REPORT_WIDTH, _REPORT_HEIGHT = 1280, 1980
_HISTORY_WEEKS = 12
_PATIENCE_MS = 60_000
_EXPANDED = "%2C".join(f"global%40global%3A{group}" for group in ("linkt", "marts", "published"))


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        name: of the file, without its ending.
        path: of the page.
        shows: text that is there once the page has loaded.
        height: of the window.
        prepare: what to do on the page before.
    """

    name: str
    path: str
    shows: str
    height: int
    prepare: Callable[[Page], None] = lambda page: None


def _hide_navigation(page: Page) -> None:
    """Narrow, so that the graph gets the room; it is laid out anew when the page loads."""
    page.get_by_text("Hide navigation").click()
    page.reload()
    page.get_by_text("companies").first.wait_for(timeout=_PATIENCE_MS)
    page.wait_for_timeout(5_000)


SHOTS = (
    Shot("asset-graph", f"/asset-groups?expanded={_EXPANDED}", "companies", 1000, _hide_navigation),
    Shot(
        "materialization",
        f"/assets/linkt/executions?view=partitions&partition={TASKS[0]}",
        "credits_per_result",
        1180,
    ),
    Shot("mart", "/assets/marts/task_efficiency?view=overview", "rows_written", 1500),
)


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def take(url: str, folder: Path, shots: tuple[Shot, ...] = SHOTS) -> None:
    """Take the pictures from a running Dagster."""
    with _chromium() as browser:
        for shot in shots:
            page = browser.new_page(viewport={"width": _WIDTH, "height": shot.height})
            page.goto(url + shot.path, wait_until="domcontentloaded")
            page.get_by_text(shot.shows).first.wait_for(timeout=_PATIENCE_MS)
            page.wait_for_timeout(5_000)  # the UI fetches piece by piece, and nothing tells which is the last
            shot.prepare(page)
            page.screenshot(path=str(folder / f"{shot.name}.png"))
            page.close()


def take_report(folder: Path, images: Path) -> None:
    """Take the picture of a report.

    Args:
        folder: an empty one, for the deployment.
        images: receives ``report.png``.
    """
    with running_sandbox(speed=10, history_weeks=_HISTORY_WEEKS) as api:
        environment = {"LINKT_API_KEY": api.api_key, "LINKT_BASE_URL": api.url, "LINKT_DATA_DIR": str(folder / "data")}
        begin = datetime.now(UTC) - timedelta(weeks=_HISTORY_WEEKS + 1)
        for arguments in (
            ("tasks", "pull"),
            ("run", *TASKS),
            ("run", *TASKS),
            ("sync", "--since", f"{begin:%Y-%m-%d}"),
        ):
            _command(folder, environment, *arguments)
    page_file = write_report(folder / "data" / "published" / "warehouse.duckdb", folder / "report.html", made_up=True)
    with _chromium() as browser:
        page = browser.new_page(viewport={"width": _REPORT_WIDTH, "height": _REPORT_HEIGHT})
        page.goto(page_file.as_uri())
        page.screenshot(path=str(images / "report.png"))


def _execute(folder: Path, environment: Mapping[str, str]) -> None:
    for _ in range(2):  # plots need two points, history two runs
        _command(folder, environment, "run", *TASKS)


def _command(folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "linkt_pipeline.cli", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        check=True,
    )


def main() -> None:
    """Make the deployments, take the pictures, leave nothing running."""
    with tempfile.TemporaryDirectory() as name:
        take_report(Path(name), IMAGES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data" / "sandbox"
        environment = {"LINKT_DATA_DIR": str(folder / "data")}
        for variable in ("LINKT_API_KEY", "LINKT_BASE_URL", "LINKT_TASKS_FILE"):
            os.environ.pop(variable, None)
        try:
            _execute(folder, environment)
            with dagster_dev(folder, environment, home=data) as dagster:
                take(dagster.url, IMAGES)
        finally:
            stop_sandbox(data / "api")


if __name__ == "__main__":
    main()
