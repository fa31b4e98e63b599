"""What keeps free work from being done."""

from collections.abc import Sequence
from typing import ClassVar

from linkt_pipeline.errors import LinktPipelineError


class OtherOrganizationError(LinktPipelineError):
    """The key shows nothing of what the warehouse knows, so its answers say nothing about the warehouse's ids."""

    exit_code: ClassVar[int] = 2

    def __init__(self, run_ids: Sequence[str]) -> None:
        super().__init__(
            "LINKT_API_KEY seems to belong to another organization: with it, Linkt shows none of the runs that this "
            f"warehouse knows ({', '.join(run_ids)}). Nothing was settled as missing and nothing forgotten. Use the "
            "key of that organization, or set another LINKT_DATA_DIR for the other one. (Were these runs deleted in "
            "Linkt? Then the next `linkt-pipeline run TASK` shows that the key is right)"
        )


class RefreshGoingError(LinktPipelineError):
    """Another process refreshes the same warehouse."""

    def __init__(self) -> None:
        super().__init__("another refresh of this warehouse is going on; let that one finish")
