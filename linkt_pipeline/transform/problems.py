"""What keeps models from being built, kept in ``linkt.model_builds`` beside the build that still stands.

From there the snapshot, the catalog and ``status`` know which tables are stale, since when and why.
"""

from collections.abc import Mapping

import duckdb


def record_problems(con: duckdb.DuckDBPyConnection, problems: Mapping[str, str]) -> None:
    """Record the problems of files, by table or file; known problems are not written again.

    A solved problem of a file without a table is deleted. A table stays stale until it is built.
    """
    known = _known(con)
    for name, text in problems.items():
        if known.get(name) != text:
            record_problem(con, name, text)
    for name in known.keys() - problems.keys():
        con.execute("delete from linkt.model_builds where model = $1 and built_at is null", [name])


def record_problem(con: duckdb.DuckDBPyConnection, name: str, text: str) -> None:
    """Record why a table can't be built; the time of the first such record is kept."""
    con.execute(
        "insert into linkt.model_builds by name select $1 as model "
        "where not exists (from linkt.model_builds where model = $1)",
        [name],
    )
    con.execute(
        "update linkt.model_builds set problem = $2, problem_since = coalesce(problem_since, current_timestamp) "
        "where model = $1",
        [name, text],
    )


def clear_problem(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Record that a table was built, or was up to date; writes nothing if there was no problem."""
    if name in _known(con):
        con.execute("update linkt.model_builds set problem = null, problem_since = null where model = $1", [name])


def _known(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(con.execute("select model, problem from linkt.model_builds where problem is not null").fetchall())
