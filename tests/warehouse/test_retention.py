"""Who was without activity for long enough is erased, and nobody else."""

from datetime import timedelta

import pytest

from linkt_pipeline.errors import ConfigError
from linkt_pipeline.tasks_yaml import read_tasks
from linkt_pipeline.warehouse.erasure import ErasureError, retention, unfinished_erasures
from linkt_pipeline.warehouse.erasure.records import Erasure
from linkt_pipeline.warehouse.erasure.retention import inactive_people, remove_inactive
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.warehouse.deliveries import at, fetch, land, land_run, land_signal_rows, run
from tests.warehouse.test_erasure import entity as _entity
from tests.warehouse.test_erasure import ids, signal

DAY = 24 * 60.0  # minutes
KEEP = timedelta(days=365)
TODAY = at(400 * DAY)
SILENT, CHANGED, SPOKEN, NAMED, NEW, COMPANY = (f"{number:024x}" for number in range(0xB0, 0xB6))
TASK = {"task_id": "507f1f77bcf86cd799439013"}


def person(entity_id: str, minute: float = 0) -> dict:
    return _entity(entity_id, "person", minute=minute, name=entity_id, email=f"{entity_id}@acme.com")


@pytest.fixture
def filled(warehouse: Warehouse) -> Warehouse:
    """People of 400 days ago, of whom something was heard since, but for one."""
    land_run(warehouse, run("old", updated=0), created=[SILENT, CHANGED, SPOKEN, NAMED, COMPANY])
    land_run(warehouse, run("new", updated=100 * DAY), updated=[NAMED.upper()])
    land(warehouse, *map(person, (SILENT, SPOKEN, NAMED)), person(CHANGED, 50 * DAY), person(NEW, 399 * DAY))
    land(warehouse, _entity(COMPANY, "company", name="Acme"))
    land_signal_rows(warehouse, {**signal("5" * 24, "spoke", SPOKEN.upper()), "created_at": at(60 * DAY)})
    return warehouse


def test_only_people_without_activity_are_found(filled: Warehouse) -> None:
    with filled.read() as con:
        assert inactive_people(con, TODAY, KEEP) == [SILENT]
        assert inactive_people(con, at(430 * DAY), KEEP) == [SILENT, CHANGED, SPOKEN]
        assert inactive_people(con, at(364 * DAY), KEEP) == []


def test_a_signal_without_a_date_is_activity_when_it_was_read(filled: Warehouse) -> None:
    land_signal_rows(filled, {**signal("6" * 24, "undated", SILENT), "fetched_at": at(100 * DAY)})

    with filled.read() as con:
        assert inactive_people(con, TODAY, KEEP) == []


def test_of_whom_something_is_heard_while_others_are_erased_stays(
    filled: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hear(warehouse: Warehouse) -> list[Erasure]:
        land_signal_rows(warehouse, {**signal("6" * 24, "spoke", SILENT), "created_at": at(399 * DAY)})
        return unfinished_erasures(warehouse)

    monkeypatch.setattr(retention, "unfinished_erasures", hear)

    assert remove_inactive(filled, TODAY, KEEP) == 0
    assert SILENT in ids(filled, "entities", "entity_id")


def test_they_are_erased_and_kept_out(filled: Warehouse) -> None:
    assert remove_inactive(filled, TODAY, KEEP) == 1

    (erasure,) = unfinished_erasures(filled)
    assert (erasure.kind, erasure.phase) == ("retention", "removed")
    assert SILENT not in ids(filled, "entities", "entity_id")
    assert land(filled, person(SILENT, 401 * DAY)).erased == 1
    assert remove_inactive(filled, TODAY, KEEP) == 0


def test_an_erasure_that_has_to_wait_is_not_begun_again_every_day(filled: Warehouse) -> None:
    with filled.write() as con:
        con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, parameters, attempt, state, intended_at) "
            "values ('x', 'search', 't', $1, 1, 'unknown', now())",
            [f'{{"prompt": "{SILENT}@acme.com"}}'],
        )
    with pytest.raises(ErasureError, match="bought twice"):
        remove_inactive(filled, TODAY, KEEP)

    assert remove_inactive(filled, TODAY, KEEP) == 0

    assert len(unfinished_erasures(filled)) == 1


def test_many_are_erased_a_part_at_a_time(filled: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 2)

    assert remove_inactive(filled, at(430 * DAY), KEEP) == 3

    assert ids(filled, "entities", "entity_id") == {NAMED, NEW, COMPANY}
    assert len(unfinished_erasures(filled)) == 2
    assert fetch(filled, "select kind, count(*) from linkt.tombstones group by kind order by kind") == [
        ("email", 3),
        ("entity", 3),
    ]


def test_tasks_yaml_says_for_how_long() -> None:
    _, common = read_tasks({"tasks": {"a": TASK}, "retention": {"people": "730d"}})

    assert common.retention is not None
    assert common.retention.people == timedelta(days=730)


@pytest.mark.parametrize("given", ["0d", "1y", 365, "-3d", ""])
def test_what_is_no_number_of_days_is_refused(given: object) -> None:
    with pytest.raises(ConfigError, match=r"retention.people.*number of days"):
        read_tasks({"tasks": {"a": TASK}, "retention": {"people": given}})
