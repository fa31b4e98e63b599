"""A run that a person named on the command line."""

from typing import TYPE_CHECKING

from linkt_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from linkt_pipeline.api import LinktClient, Run


class UnknownRunError(ConfigError):
    """Linkt has no run with the id that was given."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"Linkt has no run {run_id!r} for this key. `linkt-pipeline status` lists the runs that are being waited "
            "for, marts.run_history all that are landed"
        )


async def look_up_run(client: "LinktClient", run_id: str) -> "Run":
    """The run.

    Raises:
        UnknownRunError: there is none.
    """
    from linkt_pipeline.api import NotFoundError

    try:
        return await client.get_run(run_id)
    except NotFoundError:
        raise UnknownRunError(run_id) from None
