"""The sensor that sends alerts: there where somebody is to be told, and it starts no Dagster run."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from linkt_pipeline import build_definitions
from linkt_pipeline.tasks import AlertEvent
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.outbox import Alert, tell
from tests.alerts.receivers import http_receiver

TASKS = {"search": {"task_id": "507f1f77bcf86cd799439013"}}


def location(folder: Path, alerts: list[dict[str, Any]], **options: Any) -> dg.Definitions:
    return build_definitions({"tasks": TASKS, "alerts": alerts}, data_dir=folder, api_key="sk-of-nobody", **options)


def names(definitions: dg.Definitions) -> set[str]:
    return {sensor.name for sensor in definitions.sensors or ()}


def test_the_sensor_sends_what_is_due_and_requests_no_run(tmp_path: Path) -> None:
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb")
    with warehouse.write() as con:
        tell(con, Alert(AlertEvent.UNCLEAR_START, "e1", {}, "search", dagster_run_id="d1"))

    with http_receiver() as receiver:
        options: dict[str, Any] = {"settings": {"dagster_url": "http://dagster:3000"}}
        sensor = location(tmp_path, [{"to": receiver.address()}], **options).get_sensor_def("send_alerts")
        with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance) as context:
            told = [sensor.evaluate_tick(context) for _ in range(2)]

    assert [tick.run_requests for tick in told] == [[], []]
    assert [tick.skip_message for tick in told] == ["1 alert sent", "0 alerts sent"]
    assert receiver.titles == ["A start of task search needs a decision"]
    assert "http://dagster:3000/runs/d1" in receiver.texts
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


@pytest.mark.parametrize(("alerts", "automation"), [([], True), ([{"to": "json://nobody"}], False)])
def test_there_is_no_sensor_without_channels_or_automation(
    tmp_path: Path, alerts: list[dict[str, Any]], automation: bool
) -> None:
    assert "send_alerts" not in names(location(tmp_path, alerts, automation=automation))
