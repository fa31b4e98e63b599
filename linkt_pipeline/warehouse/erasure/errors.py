"""What speaks against an erasure."""

from typing import ClassVar

from linkt_pipeline.errors import LinktPipelineError


class ErasureError(LinktPipelineError):
    """Nothing can be erased as asked; nothing was removed."""

    exit_code: ClassVar[int] = 2
