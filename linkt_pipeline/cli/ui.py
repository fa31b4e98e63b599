"""``linkt-pipeline ui``."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import FrameType

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.errors import PortTakenError, UnguardedUiError
from linkt_pipeline.cli.output import echo
from linkt_pipeline.dagster_address import forget_address, note_address
from linkt_pipeline.package_files import WORKSPACE

_HOST = "127.0.0.1"
_DEFAULT_PORT = 3000
_PORTS_TRIED = 20
_START_SECONDS = 120.0
_STOP_SECONDS = 90.0
_ANSWER_SECONDS = 30.0
_FORBIDDEN = 403


@click.command("ui")
@click.option("--port", type=click.IntRange(1, 65_535), help=f"Default: {_DEFAULT_PORT}, or the next one that is free.")
def ui(port: int | None) -> int:
    """Start Dagster's web UI and daemon with this deployment's instance; Ctrl-C stops both.

    The UI shows the runs of this command too. Only this machine can reach it, because Dagster's UI has no login, and
    it refuses web pages of other sites. To put it behind a proxy with a login: LINKT_UI_HOSTS, see docs/deploy.md.

    \b
    Examples:
      linkt-pipeline ui
      linkt-pipeline ui --port 8080
    """  # noqa: D301
    deployment = Deployment.from_environment()
    _ = deployment.tasks  # reports a mistake in tasks.yaml here, before a code location that fails to load would

    from linkt_pipeline.cli.instance import prepare_instance

    prepare_instance(deployment.settings)
    port = _free_port(port)
    if deployment.settings.sandbox:
        from linkt_pipeline.sandbox import ensure_sandbox

        echo(f"stand-in for the Linkt API: {ensure_sandbox(deployment.settings.root / 'api')}")
    url = f"http://{_HOST}:{port}"
    echo(f"starting Dagster on {url} ...")
    # If a script started this in the background, SIGINT is ignored. Dagster would inherit that, and then only a kill
    # could stop it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    dagster = subprocess.Popen(_command(port), env=_environment())  # noqa: S603 our own interpreter and module
    signal.signal(signal.SIGTERM, _stopping(dagster))
    try:
        if _wait_until_ready(url, dagster):
            require_guard(url, dagster)
            echo(f"Dagster UI: {url}  (Ctrl-C stops it)")
            note_address(deployment.settings.root, url)
        code = dagster.wait()
    except KeyboardInterrupt:
        return _wait_until_stopped(dagster)
    finally:
        forget_address(deployment.settings.root, url)
    echo(f"error: Dagster stopped by itself (exit code {code}); its messages are above", err=True)
    return 1


def _command(port: int) -> list[str]:
    options = ["-w", str(WORKSPACE), "-h", _HOST, "-p", str(port), "--log-level", "warning"]
    return [sys.executable, "-W", "ignore", "-m", "linkt_pipeline.cli.dagster_dev", *options]


def _environment() -> dict[str, str]:
    """Suppress Dagster's advice to use another command, in this process and in those that it starts."""
    return {**os.environ, "PYTHONWARNINGS": "ignore"}


def _free_port(wanted: int | None) -> int:
    candidates = [wanted] if wanted else range(_DEFAULT_PORT, _DEFAULT_PORT + _PORTS_TRIED)
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise PortTakenError(
        f"port {wanted} on {_HOST} is taken; choose another with --port"
        if wanted
        else f"ports {_DEFAULT_PORT} to {candidates[-1]} on {_HOST} are taken; choose one with --port"
    )


def _wait_until_ready(url: str, dagster: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and dagster.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=2):  # noqa: S310 loopback, http
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def require_guard(url: str, dagster: subprocess.Popen[bytes]) -> None:
    """Stop a server that answers to a name that is not its own: any web page could spend credits through it."""
    asked = urllib.request.Request(f"{url}/server_info", headers={"host": "another-name.invalid"})  # noqa: S310 see above
    try:
        with urllib.request.urlopen(asked, timeout=_ANSWER_SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as refused:
        if refused.code == _FORBIDDEN:
            return
    dagster.send_signal(signal.SIGINT)
    try:
        dagster.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        dagster.kill()
        dagster.wait()
    raise UnguardedUiError


def _stopping(dagster: subprocess.Popen[bytes]) -> Callable[[int, FrameType | None], None]:
    """A handler of SIGTERM that stops Dagster: Ctrl-C reaches the whole process group, SIGTERM only this process."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        dagster.send_signal(signal.SIGINT)
        raise KeyboardInterrupt

    return stop


def _wait_until_stopped(dagster: subprocess.Popen[bytes]) -> int:
    try:
        dagster.wait(timeout=_STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        dagster.terminate()
    echo("stopped. Linkt runs that were started go on and are adopted next time", err=True)
    return 0
