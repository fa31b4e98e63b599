"""What keeps a request from leaving."""

from linkt_pipeline.errors import LinktPipelineError


class NoRequestError(LinktPipelineError):
    """A request was stopped here, before it left."""


class RequestsNotCountedError(NoRequestError):
    """A limit on requests is set, and the file that counts them can't be written."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"requests can't be counted, so none is made: {cause}. Free space, or repair the data folder")


class DailyLimitReachedError(NoRequestError):
    """``LINKT_DAILY_REQUEST_LIMIT`` is used up for this UTC day."""
