"""Compiles and runs server.c: an API that is never the bottleneck."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WORK = Path(".bench")
SOURCE = Path(__file__).with_name("server.c")
ICP = "69d3cae85c41d0be{:08x}"
ENTITY = "69d4d136a5c3be7f{:08x}"


class NoCompilerError(RuntimeError):
    """Neither cc, gcc nor clang is here."""


@dataclass(frozen=True)
class FastServer:
    """The running server."""

    url: str

    def stats(self) -> dict[str, int]:
        """How many requests it ``served`` and ``refused``."""
        with urllib.request.urlopen(f"{self.url}/stats") as reply:
            return json.load(reply)


def compiled() -> Path:
    """The server's binary, built if the source is newer.

    Raises:
        NoCompilerError: there is no C compiler.
    """
    WORK.mkdir(exist_ok=True)
    binary = WORK / "server"
    if not binary.exists() or binary.stat().st_mtime < SOURCE.stat().st_mtime:
        compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
        if compiler is None:
            raise NoCompilerError(
                "the benchmark's server is 200 lines of C and needs a compiler; "
                "install one, on Debian or Ubuntu with `apt-get install gcc libc6-dev`"
            )
        subprocess.run([compiler, "-O2", "-o", str(binary), str(SOURCE)], check=True)
    return binary


@contextmanager
def fast_server(
    *, delay_ms: float = 0, per_icp: int = 1_000_000, limit: int = 0, window_ms: float = 60_000
) -> Iterator[FastServer]:
    """A server on a free port of loopback.

    Args:
        delay_ms: each answer is held back so long.
        per_icp: entities in each ICP.
        limit: requests that pass in any window of ``window_ms``, the others are answered 429; 0 = all pass.
        window_ms: length of the window.
    """
    options = {"--delay-ms": delay_ms, "--per-icp": per_icp, "--limit": limit, "--window-ms": window_ms}
    command = [str(compiled()), *(str(word) for pair in options.items() for word in pair)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield FastServer(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()
