"""Dagster's default run launcher, which notices runs that went down with their code server."""

from typing import Any

import dagster as dg

from linkt_pipeline.assets.dagster_internals import can_ask_code_servers, worker_health


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Runs are executed by the code server, as by default. One that was killed with it does not look alive for ever.

    The default launcher can't tell, so such a run stays STARTED and keeps its place among the concurrent runs. With
    this one, run monitoring marks it as failed once the code server is back, and ``run_retries`` execute it again.
    ``dagster.yaml`` names it as ``run_launcher``.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Tells run monitoring to ask."""
        return can_ask_code_servers()

    def check_run_worker_health(self, run: dg.DagsterRun) -> Any:
        """Ask the code server that the run was launched on."""
        return worker_health(self, run)
