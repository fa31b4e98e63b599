"""Alerts after a command. They are sent when its work is done; a failure to send them changes nothing of the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import echo
from linkt_pipeline.dagster_address import find_address


@contextmanager
def alerts_afterwards(deployment: Deployment) -> Iterator[None]:
    """Send what is due at the end, also of work that failed; an interrupt ends the command at once."""
    began = datetime.now(UTC)
    try:
        yield
    except Exception:
        _deliver(deployment, began)
        raise
    _deliver(deployment, began)


def _deliver(deployment: Deployment, began: datetime) -> None:
    try:
        if _may_name_channels(deployment.settings.active_tasks_file) and deployment.common.alerts:
            _send(deployment, began)
    except KeyboardInterrupt:
        echo("note: alerts were not sent now; they are sent later", err=True)
    except Exception as error:  # whatever it is: the command has done its work
        echo(f"note: alerts could not be sent this time: {error}", err=True)


def _may_name_channels(tasks_file: Path) -> bool:
    """Whether tasks.yaml holds the word. An idle sync needs nothing else of the file, so it can skip parsing it."""
    return tasks_file.is_file() and b"alerts" in tasks_file.read_bytes()


def _send(deployment: Deployment, began: datetime) -> None:
    from linkt_pipeline.alerts.delivery import PATIENCE, deliver_alerts
    from linkt_pipeline.alerts.errors import AppriseMissingError
    from linkt_pipeline.warehouse.engines.choice import warehouse_of

    settings = deployment.settings
    warehouse = warehouse_of(settings, lock_timeout=PATIENCE)
    delivered = deliver_alerts(warehouse, deployment.common.alerts, find_address(settings), since=began)
    if delivered.not_installed:
        echo(f"note: {AppriseMissingError()}", err=True)
    for name, reason in delivered.failed.items():
        echo(f"note: alert channel {name} took no alert and is tried again later: {reason}", err=True)
