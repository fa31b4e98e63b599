"""What the books of a warehouse leave to be done: nothing after a sync that came to its end; each thing by itself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from linkt_pipeline.collection.unfinished import WHOLE_SYNC_EVERY, find_unfinished
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.warehouse.completion import all_is_published, all_models_are_built, begin_sync
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from linkt_pipeline.warehouse.state import last_change
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.engines import WITH_EACH_ENGINE, last_write

CODE = "the code"
MINUTE = timedelta(minutes=1)


class Books:
    """A warehouse with one landed run, a model built, and all of it published."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse = warehouse
        self.published = folder / "published"
        with self.warehouse.write() as con:
            con.execute(
                "insert into linkt.runs by name select 'r1' as run_id, 'COMPLETED' as status, now() as fetched_at"
            )
            con.execute(
                "insert into linkt.run_resources by name select 'r1' as run_id, 'entity' as resource_type, "
                "'created' as action, 'e1' as resource_id, 'landed' as state"
            )
            con.execute("create schema marts; create table marts.one as select 1 as one")
            con.execute(
                "insert into linkt.model_builds by name select 'marts.one' as model, now() as built_at, 'i' as cursor"
            )
        self.edit_ledger(
            "insert into linkt.executions "
            "(execution_id, task_key, task_id, parameters, attempt, state, run_id, intended_at) "
            "values ('x1', 'search', 't1', '{}', 1, 'finished', 'r1', now())"
        )
        self.edit_ledger("insert into linkt.undelivered (execution_id, published_at) values ('x1', now())")
        self.as_of = self.sync()

    def sync(self, *, publish: bool = True) -> datetime:
        """What a sync writes down: that it began, that the models are built, that all is published."""
        begin_sync(self.warehouse, "s1")
        all_models_are_built(self.warehouse, "s1", change=self.change(), code=CODE)
        as_of = publish_snapshot(self.warehouse, self.published).as_of
        if publish:
            all_is_published(self.warehouse, "s1", as_of, self.published)
        return as_of

    def change(self) -> str | None:
        with self.warehouse.read() as con:
            return last_change(con)

    def write(self, sql: str, *, news: bool = False) -> None:
        with self.warehouse.write(news=news) as con:
            con.execute(sql)

    def edit_ledger(self, sql: str) -> None:
        with ledger_of(self.warehouse).write(news=False) as rows:
            rows._write(sql, [])

    def left(self, *, code: str = CODE, later: timedelta = MINUTE) -> str | None:
        return find_unfinished(self.warehouse, self.published, code=code, now=self.as_of + later)


@pytest.fixture
def books(warehouse: Warehouse, tmp_path: Path) -> Books:
    return Books(warehouse, tmp_path)


@WITH_EACH_ENGINE
def test_after_a_sync_that_came_to_its_end_nothing_is_left_and_asking_writes_nothing(books: Books) -> None:
    files = [path for path in books.published.parent.rglob("*") if path.is_file()]
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
    written = last_write(books.warehouse)

    (books.published / "notes.txt").write_text("of somebody who reads there")
    assert books.left() is None
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files} == before
    assert last_write(books.warehouse) == written


def overwrite(path: Path) -> None:
    """Keeps its size."""
    size = path.stat().st_size
    path.chmod(0o600)
    path.write_bytes(b"x" * size)


@WITH_EACH_ENGINE
def test_hosts_that_share_a_warehouse_publish_once_each(books: Books) -> None:
    """What one host publishes is no reason for the other to publish again, and its files are none of the other's."""
    here, there = books.published, books.published.parent / "other host"
    books.write("select 1", news=True)
    books.sync()
    books.published = there
    assert "published files are others" in str(books.left())

    books.as_of = books.sync()

    assert books.left() is None
    books.published = here
    assert books.left() is None
    books.write("select 1", news=True)
    books.sync()
    books.published = there
    assert "published files are others" in str(books.left()), "they are of before"


LEFT: dict[str, tuple[Callable[[Books], object], str]] = {
    "an id is pending": (
        lambda books: books.write("update linkt.run_resources set state = 'pending'"),
        "1 ids are still to be fetched",
    ),
    "a model is stale": (
        lambda books: books.write("update linkt.model_builds set problem = 'no such column', problem_since = now()"),
        "marts.one can't be built",
    ),
    "a model was never built": (
        lambda books: books.write("insert into linkt.model_builds (model, problem) values ('marts.two', 'typo')"),
        "marts.two can't be built",
    ),
    "a mart was dropped by hand": (
        lambda books: books.write("drop table marts.one"),
        "marts.one no longer exists",
    ),
    "a model depends on the clock": (
        lambda books: books.write("update linkt.model_builds set cursor = null"),
        "marts.one depends on when it is built",
    ),
    "rows were landed": (lambda books: books.write("select 1", news=True), "rows have changed"),
    "a sync has begun": (lambda books: begin_sync(books.warehouse, "s2"), "did not come to its end"),
    "a sync was killed before it could say that it published": (
        lambda books: books.sync(publish=False),
        "did not come to its end",
    ),
    "a sync built models from rows that have changed since": (
        lambda books: [
            begin_sync(books.warehouse, "s2"),
            all_models_are_built(books.warehouse, "s2", change="of before", code=CODE),
            all_is_published(books.warehouse, "s2", books.as_of, books.published),
        ],
        "rows have changed",
    ),
    "two syncs at once, of which the one that began last did not end": (
        lambda books: [
            begin_sync(books.warehouse, "s2"),
            begin_sync(books.warehouse, "s3"),
            all_models_are_built(books.warehouse, "s2", change=books.change(), code=CODE),
            all_is_published(books.warehouse, "s2", books.as_of, books.published),
        ],
        "did not come to its end",
    ),
    "a snapshot without all models": (
        lambda books: [
            begin_sync(books.warehouse, "s2"),
            all_is_published(books.warehouse, "s2", books.as_of, books.published),
        ],
        "did not come to its end",
    ),
    "somebody published anew": (
        lambda books: publish_snapshot(books.warehouse, books.published),
        "others than those of the last sync",
    ),
    "the published database is gone": (
        lambda books: (books.published / "warehouse.duckdb").unlink(),
        "others than those of the last sync",
    ),
    "a published Parquet file is gone": (
        lambda books: (books.published / "marts" / "one.parquet").unlink(),
        "others than those of the last sync",
    ),
    "the published database is damaged": (
        lambda books: overwrite(books.published / "warehouse.duckdb"),
        "others than those of the last sync",
    ),
    "no sync of this release has run": (
        lambda books: books.write("delete from linkt.sync_state"),
        "did not come to its end",
    ),
}


@pytest.mark.parametrize(("happen", "told"), LEFT.values(), ids=LEFT)
def test_something_is_left(books: Books, happen: Callable[[Books], object], told: str) -> None:
    happen(books)

    assert told in str(books.left())


@WITH_EACH_ENGINE
@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ("update linkt.undelivered set published_at = null", "a paid outcome is not published"),
        ("update linkt.executions set run_id = 'r2'", "run r2 of a finished execution is not landed"),
        (
            "update linkt.executions set state = 'started', started_at = now()",
            "run r1 has ended and its execution is open",
        ),
    ],
)
def test_something_is_left_by_the_ledger(books: Books, edit: str, told: str) -> None:
    books.edit_ledger(edit)

    assert told in str(books.left())


def test_where_there_is_no_warehouse_everything_is_left(tmp_path: Path) -> None:
    missing = FileWarehouse(tmp_path / "warehouse.duckdb")

    left = find_unfinished(missing, tmp_path / "published", code=CODE, now=datetime.now(UTC))

    assert "there is no warehouse yet" in str(left)
    assert not missing.path.exists()


def test_other_code_leaves_a_sync(books: Books) -> None:
    assert "have changed" in str(books.left(code="of the next release"))


@pytest.mark.parametrize("later", [WHOLE_SYNC_EVERY, -MINUTE], ids=["a day later", "the clock was set back"])
def test_once_a_day_everything_is_looked_at(books: Books, later: timedelta) -> None:
    assert books.left(later=WHOLE_SYNC_EVERY - MINUTE) is None
    assert "once a day" in str(books.left(later=later))


@WITH_EACH_ENGINE
def test_an_execution_that_a_living_process_waits_for_leaves_nothing(books: Books) -> None:
    books.edit_ledger(
        f"update linkt.executions set state = 'started', lease_owner = '{Owner.this_process().name}', "
        "lease_until = now() + interval '1 hour'"
    )
    assert books.left() is None


def test_a_warehouse_of_an_older_version_is_not_done(books: Books) -> None:
    """Whoever opens it brings it up to date, and what became of its rows is published by nobody yet."""
    books.write("drop view linkt.run_costs; create table linkt.run_costs as select 'r1' as run_id")

    assert "rows have changed" in str(books.left())
