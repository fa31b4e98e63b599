"""A project that is kept in a file: reading and binding all models takes seconds, in every process that runs Dagster.

Only a project without a mistake is kept. It is used as long as its files, the landed tables, DuckDB and the code of
this room are what it was read from, byte for byte. A file that is missing, damaged or can't be written costs time and
nothing else.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import duckdb
import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from linkt_pipeline.transform.checks import Check
from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.macro import Macro
from linkt_pipeline.transform.model import Columns, ModelKey, SqlModel
from linkt_pipeline.transform.project import Project, load_project
from linkt_pipeline.transform.sql_files import SqlFiles, find_files
from linkt_pipeline.transform.statement import fingerprint

KEPT_PROJECT = ".models.json"

# Mark, macros, models in the order of their builds, their columns, checks.
_Kept = tuple[str, list[Macro], list[SqlModel], list[Columns], list[Check]]


def load_kept_project(sql_dirs: Sequence[Path], sources: Mapping[str, Columns], folder: Path) -> Project:
    """As :func:`~linkt_pipeline.transform.project.load_project`, from the file ``.models.json`` where that is current.

    Args:
        sql_dirs: folders of models, checks, macros and seeds, each of which lies over those before it.
        sources: columns of the landed tables, by ``schema.table``.
        folder: where the file is kept; it is not made if it does not exist.
    """
    path = folder / KEPT_PROJECT
    files = find_files(*sql_dirs)
    mark = None if files.problems else _mark(files, sources)
    if mark is not None and (kept := _read(path, mark, files, sources)):
        return kept
    project = load_project(sql_dirs, sources)
    if mark is not None and not project.problems and mark == _mark(find_files(*sql_dirs), sources):
        _write(path, mark, project)
    return project


def forget_project(folder: Path) -> None:
    """Remove the file; it holds the rows of seeds."""
    (folder / KEPT_PROJECT).unlink(missing_ok=True)


def _mark(files: SqlFiles, sources: Mapping[str, Columns]) -> str | None:
    """A mark of all that a project comes from; None if a file can't be read."""
    # The order of columns is part of a table, that of tables is not.
    landed = orjson.dumps([(name, list(sources[name].items())) for name in sorted(sources)]).decode()
    paths = sorted(path for folder in files.folders for path in files.of(folder))
    try:
        contents = [f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths]
    except OSError:
        return None
    return fingerprint(duckdb.__version__, _mark_of_code(), landed, *contents)


@cache
def _mark_of_code() -> str:
    """The code that reads the files: a clone's may change while its version stays."""
    return fingerprint(*(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))))


def _read(path: Path, mark: str, files: SqlFiles, sources: Mapping[str, Columns]) -> Project | None:
    try:
        found, macros, models, columns, checks = _adapter().validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    if found != mark:
        return None
    graph = ModelGraph(
        {model.key: model for model in models},
        {ModelKey.parse(name): columns for name, columns in sources.items()},
        {macro.name: macro for macro in macros},
    )
    return Project(graph, dict(zip(graph.models, columns, strict=True)), checks, {}, files)


def _write(path: Path, mark: str, project: Project) -> None:
    graph = project.graph
    columns = [project.described[key] for key in graph.models]
    kept: _Kept = (mark, list(graph.macros.values()), list(graph.models.values()), columns, project.checks)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        try:
            beside.write_bytes(_adapter().dump_json(kept))
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


@cache
def _adapter() -> TypeAdapter[_Kept]:
    # A check may carry a ModelFileError, which no check of a project without a mistake does.
    return TypeAdapter(_Kept, config=ConfigDict(arbitrary_types_allowed=True))
