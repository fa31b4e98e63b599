"""The demo's API: a sandbox that lives as long as the demo does."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from linkt_pipeline.sandbox.errors import SandboxError
from linkt_pipeline.sandbox.process.background import find_sandbox

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_IDLE_MINUTES = 2  # so that not even a killed demo leaves it behind


@contextmanager
def sandbox_beside(state_dir: Path) -> Iterator[str]:
    """A sandbox for ``state_dir`` in this process group, on a free port; its URL.

    If a sandbox serves the folder already (of a UI that is open), that one is used and left running.

    Raises:
        SandboxError: it does not start.
    """
    running = find_sandbox(state_dir)
    if running is not None:
        yield running
        return
    state_dir.mkdir(parents=True, exist_ok=True)
    log = state_dir / "sandbox.log"
    options = ["--port", "0", "--state-dir", str(state_dir), "--idle-minutes", str(_IDLE_MINUTES)]
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 our own interpreter and module
            [sys.executable, "-m", "linkt_pipeline.sandbox", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield _wait_until_ready(state_dir, child, log)
    finally:
        child.terminate()
        try:
            child.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_until_ready(state_dir: Path, child: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while (url := find_sandbox(state_dir)) is None:
        if child.poll() is not None:
            raise SandboxError(f"the sandbox did not start (exit code {child.returncode}); its log is {log}")
        if time.monotonic() > deadline:
            raise SandboxError(f"the sandbox did not answer within {_START_SECONDS:g} s; its log is {log}")
        time.sleep(0.02)
    return url
