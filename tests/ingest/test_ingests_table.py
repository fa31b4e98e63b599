"""The execution of a file: the one its row names or, if that left no run, one started while the task had the file."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from linkt_pipeline.ingest.errors import IngestBusyError
from linkt_pipeline.ingest.ingests_table import IngestsTable
from linkt_pipeline.ingest.record import Ingest
from linkt_pipeline.ingest.source import read_source
from linkt_pipeline.ledger import duckdb_store
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.values import Execution, ExecutionState, Intention
from linkt_pipeline.warehouse.engines.file import FileWarehouse

TASK_ID = "6964b9b45a4d0beef1000031"


@dataclass
class Desk:
    """A warehouse, its ledger, and the record of its files."""

    folder: Path
    named: str | None = None

    def __post_init__(self) -> None:
        self.warehouse = warehouse = FileWarehouse(self.folder / "warehouse.duckdb")
        self.owner = Owner.this_process()
        self.ledger = ledger_of(warehouse)
        self.ingests = IngestsTable(warehouse, self.ledger, self.owner)

    def file(self, name: str, *, of: Execution | None = None) -> Ingest:
        """A file that the task has from now on; its row names an execution, or none."""
        path = self.folder / name
        path.write_text(f"name\n{name}\n", encoding="utf-8")
        ingest = self.ingests.claim("lists", TASK_ID, read_source(path), "name")
        before, self.named = {"task_config": {"file_id": self.named}}, name
        return self.ingests.update(
            ingest,
            configured_at=datetime.now(UTC),
            execution_id=of.execution_id if of else None,
            file_id=name,
            task_before=before,
        )

    def execution_of(self, file: Ingest) -> str | None:
        """The execution of a file, while the task names the file that was set last."""
        return self.ingests.execution_of(file, self.named)

    def start(self, *, task_id: str = TASK_ID, closed: bool = False) -> Execution:
        """Somebody starts the task; the start is refused, or goes on."""
        key = "lists" if task_id == TASK_ID else "others"
        row = self.ledger.claim(Intention(key, task_id, None, {}), self.owner).execution
        if closed:
            self.ledger.mark_closed(row.execution_id, self.owner, ExecutionState.REFUSED, error="no")
        return row

    def end(self, row: Execution) -> None:
        """The run of an execution has ended, and whoever asked has its outcome."""
        with self.ledger.write() as rows:
            rows.change(row.execution_id, {"state": ExecutionState.FINISHED})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_lease_is_live_by_the_ledgers_clock_whatever_the_host_says(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hosts that share a ledger may have clocks that differ by more than a lease."""
    behind = timedelta(hours=1)
    now = duckdb_store._now
    monkeypatch.setattr(duckdb_store, "_now", lambda: now() - behind)
    file = desk.file("a.csv")
    with desk.warehouse.write() as con:
        con.execute("update linkt.ingests set lease_owner = 'another-host/boot-1/7/0'")

    with pytest.raises(IngestBusyError, match="PID 7 on another-host"):
        desk.ingests.claim("lists", TASK_ID, read_source(desk.folder / "a.csv"), "name")

    assert file.intended_at < now() - behind / 2


def test_what_the_row_names_is_the_execution_of_a_file_while_it_may_have_a_run(desk: Desk) -> None:
    named = desk.start()
    file = desk.file("a.csv", of=named)

    assert desk.execution_of(file) == named.execution_id
    desk.end(named)
    desk.start()
    assert desk.execution_of(file) == named.execution_id


def test_a_start_while_the_task_had_the_file_is_its_execution_and_is_named_from_then_on(desk: Desk) -> None:
    refused = desk.start(closed=True)
    file = desk.file("a.csv", of=refused)
    assert desk.execution_of(file) is None

    later = desk.start()

    assert desk.execution_of(file) == later.execution_id
    assert desk.ingests.get(file).execution_id == later.execution_id


def test_a_start_before_the_task_had_the_file_is_another_ones(desk: Desk) -> None:
    desk.end(desk.start())

    assert desk.execution_of(desk.file("a.csv")) is None


def test_a_start_after_the_task_was_given_another_file_is_that_ones(desk: Desk) -> None:
    first, second = desk.file("a.csv"), desk.file("b.csv")
    bought = desk.start()

    assert desk.execution_of(first) is None
    assert desk.execution_of(second) == bought.execution_id


def test_a_start_that_another_file_names_is_that_ones(desk: Desk) -> None:
    first = desk.file("a.csv")
    bought = desk.start()
    second = desk.file("b.csv", of=bought)

    assert desk.execution_of(first) is None
    assert desk.execution_of(second) == bought.execution_id


def test_a_start_of_another_task_is_none_of_a_file(desk: Desk) -> None:
    file = desk.file("a.csv")
    desk.start(task_id="f" * 24)

    assert desk.execution_of(file) is None


def test_the_latest_of_several_starts_is_the_execution_of_a_file(desk: Desk) -> None:
    file = desk.file("a.csv")
    first = desk.start()
    desk.end(first)

    latest = desk.start()

    assert latest.execution_id != first.execution_id
    assert desk.execution_of(file) == latest.execution_id
