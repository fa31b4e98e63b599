"""``linkt-pipeline ui``: a web server that obeys every page is not left running."""

import logging
import socket
import subprocess
import sys
import urllib.request

import pytest

from linkt_pipeline.cli import dagster_dev
from linkt_pipeline.cli.errors import UnguardedUiError
from linkt_pipeline.cli.ui import require_guard

from .command import wait_until


def test_a_server_that_answers_to_every_name_is_stopped(tmp_path):
    """As if a later Dagster started its web server in a way that can't be guarded."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "server_info").write_text("{}")
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(port), "the server", 20)

        with pytest.raises(UnguardedUiError, match="could start paid runs; the server was stopped"):
            require_guard(f"http://127.0.0.1:{port}", server)

        assert server.poll() is not None
    finally:
        server.kill()
        server.wait()


def test_a_project_hears_nothing_of_its_dagster_yaml(monkeypatch, caplog):
    """The command has copied it to where Dagster reads it."""
    logger = logging.getLogger("dagster")
    monkeypatch.setattr(logger, "filters", [])

    def warn(module: str) -> None:
        logger.warning("Found a dagster instance configuration value (dagster.yaml) in the current folder")
        logger.warning("something else")

    monkeypatch.setattr(dagster_dev, "run_dev_with_webserver", warn)
    dagster_dev.main()
    assert caplog.messages == ["something else"]


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2):
            return True
    except OSError:
        return False
