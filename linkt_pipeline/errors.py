"""The root of every error this product raises on purpose.

Each room extends the tree in an ``errors`` module of its own. A message says what happened, with which
value, and what to do next; the command prints it as it is and exits with :attr:`LinktPipelineError.exit_code`.
"""

from typing import ClassVar

from linkt_pipeline.display import shown


class LinktPipelineError(Exception):
    """Something went wrong that the user can understand and act upon.

    Attributes:
        exit_code: what the command exits with: 1 = a run or load failed, 2 = wrong usage or configuration,
            3 = a paid run's rows are not all landed and published.
    """

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        """The message, cleaned before it is shown, because it may quote what others sent."""
        return shown(super().__str__())


class ConfigError(LinktPipelineError):
    """The environment, tasks.yaml or a command line can't be used as it is."""

    exit_code: ClassVar[int] = 2
