"""A published snapshot of whatever rows a test puts into a warehouse."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from linkt_pipeline.transform import ModelGraph, load_models, warehouse_sources
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from tests.paths import PROJECT_ROOT
from tests.sql.conftest import Bench

TODAY = datetime.now(UTC)
Publish = Callable[[Callable[[Bench], None]], Path]


@pytest.fixture(scope="session")
def graph() -> ModelGraph:
    with empty_warehouse() as con:
        return load_models(PROJECT_ROOT / "sql", warehouse_sources(con))


@pytest.fixture(scope="session")
def few_rows_published(graph: ModelGraph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a warehouse of :func:`few_rows` and what was published of it, to be copied."""
    folder = tmp_path_factory.mktemp("few_rows")
    _publish(folder, graph, few_rows)
    return folder


@pytest.fixture
def publish(tmp_path: Path, graph: ModelGraph, few_rows_published: Path) -> Publish:
    """Fill a warehouse, build all models, publish; gives the snapshot's path."""

    def run(fill: Callable[[Bench], None]) -> Path:
        if fill is few_rows:
            shutil.copytree(few_rows_published, tmp_path, symlinks=True, dirs_exist_ok=True)
            return tmp_path / "published" / "warehouse.duckdb"
        return _publish(tmp_path, graph, fill)

    return run


def _publish(folder: Path, graph: ModelGraph, fill: Callable[[Bench], None]) -> Path:
    warehouse = FileWarehouse(folder / "warehouse.duckdb")
    with warehouse.write() as con:
        bench = Bench(con, graph)
        fill(bench)
        bench.build()
    return publish_snapshot(warehouse, folder / "published").path


def few_rows(bench: Bench) -> None:
    """Two runs a month apart, one failed run, a company with a person and a signal, a copy of it, a lost id."""
    bench.put("tasks", task_id="t1", name="SaaS search", flow_name="search")
    bench.put("task_entries", task_key="search", task_id="t1", timezone="UTC", monthly_credit_limit=10.0)
    bench.run(
        "r1",
        {("entity", "created"): ["c1", "p1"], ("signal", "created"): ["s1"]},
        task_id="t1",
        task_type="search",
        total_credits=12.5,
        run_time_seconds=1800.0,
        created_at=TODAY,
    )
    bench.run(
        "r2", {("entity", "updated"): ["c1"]}, task_id="t1", task_type="search", total_credits=4.0,
        created_at=TODAY - timedelta(days=35),
    )  # fmt: skip
    bench.run(
        "r3", task_id="t1", task_type="search", status="FAILED", error="Rate limit exceeded", error_kind="rate_limit"
    )
    bench.put("run_credits", run_id="r1", action_type="search_company", credits=12.5)
    bench.put("run_credits", run_id="r2", action_type="enrich_person", credits=4.0)
    bench.put(
        "run_resources", run_id="r1", resource_type="entity", action="created", resource_id="gone", position=2,
        state="missing", last_error="404: gone", named_at=TODAY,
    )  # fmt: skip
    bench.entity("c1", {"name": {"value": "Nordlicht GmbH"}, "website": {"value": "https://www.nordlicht.example"}})
    bench.entity(
        "c2", {"name": {"value": "Nordlicht copy"}}, duplicate_info='{"is_duplicate": true, "primary_entity_id": "c1"}'
    )
    bench.entity(
        "p1",
        {"name": {"value": "Zoë Ohm"}, "email": {"value": "zoe@nordlicht.example"}},
        entity_type="person",
        parent_id="c1",
    )
    bench.signal(
        "s1", signal_type="funding", strength="HIGH", summary="Raised a Series B", entity_ids=["c1"], created_at=TODAY,
        references=["https://www.news.example/a"],
    )  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of the page: its tags, addresses and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.addresses: list[str] = []
        self._text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href", "action")]

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._text).split())
