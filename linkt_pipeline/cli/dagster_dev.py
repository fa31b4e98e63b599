"""``dagster dev`` with the guarded web server in place of Dagster's own: ``python -m`` this module.

Daemon, code servers and the way they start and stop stay Dagster's. ``dagster dev`` has no option for another web
server, so the name of the module it starts is exchanged. Should a later Dagster start its web server in another way,
nothing would be exchanged; that is why ``linkt-pipeline ui`` asks the server whether it is guarded before it names it.
"""

import subprocess
from collections.abc import Sequence
from typing import Any

import dagster._cli.dev
from dagster_shared.ipc import open_ipc_subprocess

_DAGSTERS = "dagster_webserver"
_GUARDED = "linkt_pipeline.cli.webserver"


def start_guarded(parts: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
    """Start one of Dagster's services."""
    return open_ipc_subprocess([_GUARDED if part == _DAGSTERS else part for part in parts], **options)


def main() -> None:
    """Run until interrupted."""
    dagster._cli.dev.open_ipc_subprocess = start_guarded  # type: ignore[attr-defined]
    dagster._cli.dev.dev_command()


if __name__ == "__main__":
    main()
