"""What speaks against an erasure."""

from typing import ClassVar

from linkt_pipeline.errors import LinktPipelineError


class ErasureError(LinktPipelineError):
    """Nothing can be erased as asked; nothing was removed."""

    exit_code: ClassVar[int] = 2


class StillNeededError(ErasureError):
    """The ledger needs what is to be erased, to recognise a run that goes on or is owed."""

    def __init__(self, execution_id: str, task_key: str) -> None:
        super().__init__(
            f"execution {execution_id} of task {task_key} was started with it and is not settled yet; without its "
            f"parameters the run could be bought twice. Let it end (linkt-pipeline run {task_key}) or cancel it, take "
            "it out of tasks.yaml, and erase again; nothing was removed"
        )
