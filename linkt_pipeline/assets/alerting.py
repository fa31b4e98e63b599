"""Alerts of what Dagster does by itself: a sensor sends what is due, so that no Dagster run waits for a channel."""

from collections.abc import Sequence

import dagster as dg

from linkt_pipeline.alerts.delivery import PATIENCE, deliver_alerts
from linkt_pipeline.alerts.errors import AppriseMissingError
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.dagster_address import find_address
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.tasks import AlertChannel
from linkt_pipeline.warehouse.engines.choice import warehouse_of

_EVERY_SECONDS = 30


def build_alert_sensor(placement: Placement, backend: Backend, channels: Sequence[AlertChannel]) -> dg.SensorDefinition:
    """The sensor ``send_alerts``, created running because it is free; it starts no Dagster run.

    Args:
        placement: where the assets stand.
        backend: their warehouse.
        channels: of tasks.yaml; at least one.
    """

    @dg.sensor(
        name=placement.name("send_alerts"),
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Free: sends alerts that are due to the channels of tasks.yaml, and tries again those that a "
        "channel has not taken. Where nothing is due it reads the warehouse once.",
    )
    def send_alerts() -> dg.SkipReason:
        settings = backend.settings
        try:
            done = deliver_alerts(warehouse_of(settings, lock_timeout=PATIENCE), channels, find_address(settings))
        except LinktPipelineError as error:  # busy, for example: what is due is kept
            return dg.SkipReason(f"nothing was sent this time: {error}")
        if done.not_installed:
            return dg.SkipReason(str(AppriseMissingError()))
        failed = [f"{name} has taken nothing: {reason}" for name, reason in done.failed.items()]
        sent = f"{done.sent} alert{'' if done.sent == 1 else 's'} sent"
        return dg.SkipReason("; ".join([sent, *failed]))

    return send_alerts
