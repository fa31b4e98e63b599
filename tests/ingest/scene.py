"""A file, the sandbox's ingest task, and what the sandbox has seen of both."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from linkt_pipeline.ingest.desk import Desk
from linkt_pipeline.ingest.ingest import Checked, Ingested, Request, check_file, ingest_file
from linkt_pipeline.sandbox.world.reference_data import FAIR, INGEST_TASK
from linkt_pipeline.tasks import TaskSpec
from tests.executions.scene import Scene, run, search

LIST = "company_name,website\nLarkspur Dynamics,larkspurdynamics.example\nUnknown,\nMoorgate Cranes,\n"


def fair(**changes: Any) -> TaskSpec:
    return search(**{"key": "fair", "task_id": INGEST_TASK, "icp_id": FAIR, "parameters": {}, **changes})


@dataclass
class IngestScene(Scene):
    """What a test has at hand."""

    file: Path = field(kw_only=True)

    def ingest(self, file: Path | None = None, *, processing: float = 5, worker: Any = None, **given: Any) -> Ingested:
        """Ingest a file in this process, to the end."""
        request = Request(**{"task": fair(), "path": file or self.file, **given})

        async def work() -> Ingested:
            async with self.worker() as mine:
                desk = Desk(replace(mine, **(worker or {})), processing=timedelta(seconds=processing))
                return await ingest_file(desk, request, await check_file(desk, request))

        return run(work())

    def check(self, file: Path) -> Checked:
        """Check a file; nothing is sent."""

        async def work() -> Checked:
            async with self.worker() as mine:
                return await check_file(Desk(mine), Request(fair(), file))

        return run(work())

    @property
    def uploads(self) -> int:
        """Uploaded files that Linkt has, apart from its own."""
        return len(self.sandbox.world.own.reference["file"]) - 1

    @property
    def bought(self) -> int:
        return self.sandbox.run_count(INGEST_TASK)

    @property
    def seen(self) -> dict[str, int]:
        """How many requests that change something the server has seen."""
        count = self.sandbox.world.requests.count
        return {name: count(name) for name in ("upload_file", "update_task", "execute")}

    @property
    def task_config(self) -> dict[str, Any]:
        return self.sandbox.world.own.reference["task"][INGEST_TASK]["task_config"]

    def change_task(self, **config: Any) -> None:
        """Somebody changes the task in Linkt's own screens."""
        reply = httpx.put(
            f"{self.sandbox.url}/v1/task/{INGEST_TASK}",
            json={"task_config": {**self.task_config, **config}},
            headers={"x-api-key": self.sandbox.api_key},
        )
        assert reply.status_code == 200

    def state(self) -> str:
        """State of the newest ingest."""
        ((state,),) = self.query("select state from linkt.ingests order by intended_at desc limit 1")
        return str(state)
