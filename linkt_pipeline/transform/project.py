"""All of sql/, read and tried on empty tables: what can be built, what is checked, and what is wrong with the rest.

The code location, its builds and ``models --check`` all start here, so they agree on every file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from linkt_pipeline.transform.binding import bind_models, empty_tables
from linkt_pipeline.transform.checks import Check, bind_checks, read_checks
from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.graph import DescendantError, ModelGraph
from linkt_pipeline.transform.loading import CHECKS_FOLDER, read_graph
from linkt_pipeline.transform.model import Columns, ModelKey
from linkt_pipeline.transform.sql_files import LANDED_CHECKS_FOLDER, SqlFiles, find_files, place_of


@dataclass(frozen=True)
class Project:
    """What the files of sql/ come to.

    Attributes:
        graph: the models that can be built, and those in quarantine.
        described: columns of the models that can be built.
        checks: checks of these models and of landed tables.
        problems: what is wrong, by the table that can't be built for it, or by the file where that stands for no
            table: a check, a macro, a file whose name can't be used.
        files: the files it was read from.
    """

    graph: ModelGraph
    described: Mapping[ModelKey, Columns]
    checks: list[Check]
    problems: Mapping[str, ModelFileError]
    files: SqlFiles

    @property
    def mistakes(self) -> list[ModelFileError]:
        """The problems that somebody has to correct: those that follow from another problem are left out."""
        return [problem for problem in self.problems.values() if not isinstance(problem, DescendantError)]


def load_project(sql_dirs: Sequence[Path], sources: Mapping[str, Columns]) -> Project:
    """Read everything below ``sql_dirs``; a file that can't be used takes only what is built from it along.

    Args:
        sql_dirs: folders of models, checks, macros and seeds, each of which lies over those before it.
        sources: columns of the landed tables, by ``schema.table``.
    """
    files = find_files(*sql_dirs)
    graph, found = read_graph(files, sources)
    with empty_tables(graph) as con:
        described, wrong = bind_models(con, graph)
        graph = graph.without(wrong)
        checks, unreadable = read_checks([*files.of(LANDED_CHECKS_FOLDER), *files.of(CHECKS_FOLDER)], graph)
        checks, unbound = bind_checks(con, checks)
    of_tables = {str(key): error for key, error in graph.quarantined.items()}
    known = {(error.path, error.problem) for error in of_tables.values()}
    others = [
        error for error in [*files.problems, *found, *unreadable, *unbound] if (error.path, error.problem) not in known
    ]
    return Project(graph, described, checks, {**of_tables, **_by_file(others)}, files)


def _by_file(problems: Iterable[ModelFileError]) -> dict[str, ModelFileError]:
    return {place_of(problem.path): problem for problem in problems}


def problem_text(problem: ModelFileError) -> str:
    """A problem in one line, with the file as seen from the project, for tables that others read."""
    return f"{place_of(problem.path)}:{problem.line}: {' '.join(problem.problem.split())}"
