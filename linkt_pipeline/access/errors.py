"""What keeps a request from leaving."""

from datetime import date

from linkt_pipeline.errors import LinktPipelineError


class NoRequestError(LinktPipelineError):
    """A request was stopped here, before it left."""


class RequestsNotCountedError(NoRequestError):
    """A limit on requests is set, and what counts them can't be written."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"requests can't be counted, so none is made: {cause}")


class DailyLimitReachedError(NoRequestError):
    """``LINKT_DAILY_REQUEST_LIMIT`` is used up for this UTC day."""

    def __init__(self, used: int, day: date, limit: int) -> None:
        super().__init__(
            f"{used} API requests were made on {day} (UTC) and LINKT_DAILY_REQUEST_LIMIT is {limit}; what is fetched "
            "is landed, the rest stays pending. Go on tomorrow, or raise the limit"
        )
