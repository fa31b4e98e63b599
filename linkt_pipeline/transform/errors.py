"""What can be wrong with a SQL model."""

from pathlib import Path
from typing import ClassVar

import duckdb

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.duckdb_errors import sql_failure


class ModelError(LinktPipelineError):
    """The models in sql/ can't be used as they are, or one of them failed to build."""


class ModelFileError(ModelError):
    """A .sql file can't be used: the message begins with ``file:line:``, as editors and terminals link it.

    Attributes:
        path: the file.
        line: the line, counted from 1.
        problem: what is wrong and what to do, without the place.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")
        self.path = path
        self.line = line
        self.problem = problem


class ModelBuildError(ModelError):
    """DuckDB refused or failed a model's SQL; the table of the last good build is still in place.

    Attributes:
        model: the model's name, ``schema.table``.
        reason: what DuckDB said, in one line.
    """

    def __init__(self, model: str, path: Path, reason: duckdb.Error) -> None:
        text, advice = sql_failure(reason)
        super().__init__(
            f"model {model} ({path}) failed: {text}\n"
            f"The table of its last good build is unchanged. {advice} and build it again."
        )
        self.model = model
        self.reason = " ".join(text.split())
