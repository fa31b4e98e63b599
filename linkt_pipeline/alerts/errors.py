"""What can go wrong with a channel."""

from linkt_pipeline.errors import ConfigError, LinktPipelineError

INSTALL = "pip install 'linkt-pipeline[alerts]'"


class AppriseMissingError(ConfigError):
    """tasks.yaml names alerts, and what sends them is not installed."""

    def __init__(self) -> None:
        super().__init__(f"tasks.yaml names alerts, and Apprise, which sends them, is not installed: {INSTALL}")


class NoChannelsError(ConfigError):
    """tasks.yaml names no alerts."""

    def __init__(self, tasks_file: object) -> None:
        super().__init__(
            f"{tasks_file} names no channel. Add one as a top-level key: alerts: [{{to: ${{OPS_WEBHOOK}}}}], where the "
            "variable OPS_WEBHOOK holds an Apprise address such as json://host/path"
        )


class NotSentError(LinktPipelineError):
    """A channel has not taken a message. The text never holds a part of its address."""
