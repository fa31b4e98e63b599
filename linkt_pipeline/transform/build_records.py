"""``linkt.model_builds``: from what each model was last built, and how many rows it had then.

``cursor`` is a fingerprint of all that the build read (see :mod:`linkt_pipeline.transform.changes`). ``contents`` is a
mark that changes with each build that writes rows: the models that read this one see from it whether they have to be
built.
"""

import uuid
from dataclasses import dataclass

import duckdb

from linkt_pipeline.transform.model import SqlModel
from linkt_pipeline.transform.statement import fingerprint

_BUILDER = "moments in UTC"  # a change of it builds every table in full, because the same SQL then gives other rows


@dataclass(frozen=True)
class LastBuild:
    """The record of a model's last build; all None if it was never built.

    Attributes:
        version: of the code, the ancestors' included as they were then; see :meth:`Builds.version_of`.
        inputs: fingerprint of all that was read; None if that is not known: then the next build reads again.
        contents: mark of the rows; None for a view, whose rows are never written.
        rows: how many there were.
        lineage: of its columns, as JSON; None if nothing has asked for it since the code changed.
    """

    version: str | None = None
    inputs: str | None = None
    contents: str | None = None
    rows: int | None = None
    lineage: str | None = None


class Builds(dict[str, LastBuild]):
    """The records of all models' last builds, by ``schema.table``."""

    def last(self, model: SqlModel) -> LastBuild:
        """The record of the last build of ``model``."""
        return self.get(str(model.key), LastBuild())

    def version_of(self, model: SqlModel) -> str:
        """A hash of the code of a model and its ancestors. If the last build's differs, the build is a full one.

        For an ancestor the code counts that it was last *built* with, because the model reads what that build left: an
        ancestor whose file was changed may still be waiting for its build.
        """
        built = [f"{key} {self[str(key)].version if str(key) in self else None}" for key in sorted(model.depends_on)]
        return fingerprint(_BUILDER, model.code_version, *built)


def read_builds(con: duckdb.DuckDBPyConnection) -> Builds:
    """The records as they are now."""
    rows = con.execute("select model, code_version, cursor, contents, rows, lineage from linkt.model_builds").fetchall()
    return Builds({model: LastBuild(*record) for model, *record in rows})


def new_contents() -> str:
    """A mark that no build has had."""
    return uuid.uuid4().hex


def record(con: duckdb.DuckDBPyConnection, model: SqlModel, build: LastBuild) -> None:
    """Record a build in place of the last one."""
    con.execute("delete from linkt.model_builds where model = $1", [str(model.key)])
    con.execute(
        "insert into linkt.model_builds by name select $1 as model, $2 as code_version, current_timestamp as built_at, "
        "$3 as cursor, $4 as contents, $5::bigint as rows, $6::json as lineage",
        [str(model.key), build.version, build.inputs, build.contents, build.rows, build.lineage],
    )
