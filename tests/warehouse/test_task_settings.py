"""What tasks.yaml says is where SQL models read it, and written only when it has changed."""

from typing import Any

from linkt_pipeline.tasks import CommonSettings, TaskSpec
from linkt_pipeline.warehouse.state import last_change
from linkt_pipeline.warehouse.task_settings import record_settings
from linkt_pipeline.warehouse.warehouse import Warehouse

IDS = {"a": "6964b9b45a4d0beef1000031", "b": "6964b9b45a4d0beef1000032"}


def task(key: str, **values: Any) -> TaskSpec:
    return TaskSpec(key=key, task_id=IDS[key], **values)


def stored(warehouse: Warehouse) -> tuple[list[Any], str | None]:
    with warehouse.read() as con:
        settings = con.execute("select value from linkt.settings").fetchall()
        entries = con.execute("from linkt.task_entries order by task_key").fetchall()
        return [*settings, *entries], last_change(con)


def test_entries_are_kept_replaced_and_dropped(warehouse: Warehouse) -> None:
    a, b = task("a", monthly_credit_limit=5), task("b", timezone="Asia/Tokyo", max_wait="1h")
    assert record_settings(warehouse, CommonSettings(timezone="Europe/Berlin", monthly_credit_limit=7.5), [a, b])
    assert stored(warehouse)[0] == [
        ("Europe/Berlin",),
        ("7.5",),
        ("a", IDS["a"], "UTC", 5.0, 14400.0),
        ("b", IDS["b"], "Asia/Tokyo", None, 3600.0),
    ]

    assert record_settings(warehouse, CommonSettings(), [task("a")], entries=["a", "b"])
    assert stored(warehouse)[0] == [
        ("UTC",),
        ("a", IDS["a"], "UTC", None, 14400.0),
        ("b", IDS["b"], "Asia/Tokyo", None, 3600.0),
    ]

    assert record_settings(warehouse, CommonSettings(), [task("a")])
    assert stored(warehouse)[0] == [("UTC",), ("a", IDS["a"], "UTC", None, 14400.0)]


def test_nothing_is_written_while_nothing_has_changed(warehouse: Warehouse) -> None:
    record_settings(warehouse, CommonSettings(), [task("a"), task("b")])
    before = stored(warehouse)
    assert not record_settings(warehouse, CommonSettings(), [task("a"), task("b")])
    assert not record_settings(warehouse, CommonSettings(), [task("b")], entries=["a", "b"])
    assert stored(warehouse) == before
