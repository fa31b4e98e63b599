"""Dagster's default run launcher, which notices runs that went down with their code server."""

from typing import Any

import dagster as dg

from linkt_pipeline.assets.dagster_internals import can_ask_code_servers, worker_health


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """The code server executes runs, as by default. A run that was killed with the code server is noticed.

    The default launcher does not notice, so such a run stays STARTED and keeps its place among the concurrent runs.
    With this launcher, run monitoring marks the run as failed once the code server is back, and ``run_retries``
    executes it again. ``dagster.yaml`` names it as ``run_launcher``.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether run monitoring can ask this launcher."""
        return can_ask_code_servers()

    def check_run_worker_health(self, run: dg.DagsterRun) -> Any:
        """Ask the code server that the run was launched on."""
        return worker_health(self, run)
