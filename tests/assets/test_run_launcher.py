"""A run that was killed with its code server is noticed; none that lives, or can't be asked about, is given up."""

import sys
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._grpc.types import CanCancelExecutionResult
from dagster._serdes import serialize_value

from linkt_pipeline.assets.run_launcher import WatchedRunLauncher

LAUNCHER = {"module": "linkt_pipeline.assets.run_launcher", "class": "WatchedRunLauncher"}


class CodeServer:
    """What the launcher asks; a stand-in for the gRPC client."""

    def __init__(self, executes: bool | None) -> None:
        self.executes = executes

    def can_cancel_execution(self, request: object, timeout: int) -> str:
        if self.executes is None:
            raise dg.DagsterError("Could not reach user code server")
        return serialize_value(CanCancelExecutionResult(can_cancel=self.executes))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(overrides={"run_launcher": LAUNCHER, "run_monitoring": {"enabled": True}}) as made:
        yield made


def health(instance: dg.DagsterInstance, server: CodeServer | None, monkeypatch: pytest.MonkeyPatch) -> str:
    @dg.job
    def job() -> None: ...

    launcher = instance.run_launcher
    assert isinstance(launcher, WatchedRunLauncher)
    monkeypatch.setattr(launcher, "_get_grpc_client_for_termination", lambda run_id: server)
    return str(launcher.check_run_worker_health(instance.create_run_for_job(job)).status.value)


@pytest.mark.parametrize(
    ("server", "found"),
    [
        (CodeServer(executes=True), "RUNNING"),
        (CodeServer(executes=False), "NOT_FOUND"),
        (CodeServer(executes=None), "RUNNING"),
        (None, "RUNNING"),
    ],
    ids=["executes it", "was restarted", "does not answer", "launched by something else"],
)
def test_lost_is_only_what_the_code_server_does_not_execute(
    instance: dg.DagsterInstance, server: CodeServer | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert health(instance, server, monkeypatch) == found


def test_monitoring_asks_only_where_the_release_can_be_asked(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert instance.run_launcher.supports_check_run_worker_health
    monkeypatch.setitem(sys.modules, "dagster._grpc.types", None)
    assert not instance.run_launcher.supports_check_run_worker_health
