"""A run as one single read showed it: the only source of what is landed about runs."""

from dataclasses import dataclass
from datetime import UTC, datetime

from linkt_pipeline.api import LinktClient, Run


@dataclass(frozen=True)
class SeenRun:
    """A run as a reply showed it, and when.

    Attributes:
        run: as the reply showed it.
        seen_at: when the reply came. Of two pictures of a run, the one seen later is newer, however late each is
            landed. Only a request that was sent after this moment settles an id that the run names.
    """

    run: Run
    seen_at: datetime


async def see_run(client: LinktClient, run_id: str, *, attempts: int | None = None) -> SeenRun:
    """Read a run now; raises as :meth:`~linkt_pipeline.api.LinktClient.get_run` does."""
    run = await client.get_run(run_id, attempts=attempts)
    return SeenRun(run, datetime.now(UTC))
