"""Whether the inputs of a model have changed since its last build.

A model that reads the same rows again gives the same rows again, so its build is skipped. For a table that a model
builds, ``linkt.model_builds`` says whether rows were written since. A landed table has no such mark: the rows of the
two biggest are compared with those that the last build saw (seen_rows.py), the rows of the others are counted and
digested. That takes some tenths of a second for a million rows, once for all models of a session.
"""

from collections.abc import Mapping

import duckdb
import orjson

from linkt_pipeline.transform.build_records import Builds
from linkt_pipeline.transform.columns import relation
from linkt_pipeline.transform.known_tables import KnownTables
from linkt_pipeline.transform.model import Columns, ModelKey, SqlModel
from linkt_pipeline.transform.seen_rows import IDS, mark_of_landed_rows
from linkt_pipeline.transform.statement import fingerprint
from linkt_pipeline.warehouse.catalog import quoted
from linkt_pipeline.warehouse.state import last_change

_ROW_VERSION = ("fetched_at", "content_hash")
_BESIDE_THE_ROW = frozenset({"deleted_at"})  # changes while the payload, and so its hash, stays


class LandedTables:
    """Marks of the rows of landed tables, each computed once for a connection.

    Give one instance to all builds of a session. While the session's connection is open nobody else can land rows. The
    next connection computes the marks again, unless the warehouse says that nothing has changed in between. Code that
    writes to landed tables between two builds of one connection needs a new instance.

    Args:
        tables: what the tables are.
    """

    def __init__(self, tables: KnownTables) -> None:
        self._tables = tables
        self._con: duckdb.DuckDBPyConnection | None = None
        self._change: str | None = None
        self._known: dict[ModelKey, str] = {}

    def mark(self, con: duckdb.DuckDBPyConnection, key: ModelKey) -> str:
        """A text that changes whenever the table's rows or columns change; the order of the rows does not matter."""
        if con is not self._con:
            change = last_change(con)
            if change is None or change != self._change:
                self._known = {}
            self._con, self._change = con, change
        if key not in self._known:
            self._known[key] = mark_of_landed_rows(con, key) if key in IDS else self._fingerprint(con, key)
        return self._known[key]

    def _fingerprint(self, con: duckdb.DuckDBPyConnection, key: ModelKey) -> str:
        columns = self._tables.columns(con, key)
        values = ", ".join(_as_text(name, columns[name]) for name in _telling(columns))
        # A sum does not depend on the order, and equal rows don't cancel. 96 bits of each, so that it can't overflow.
        digest = f"sum((md5_number(json_array({values})::varchar) >> 32)::hugeint)"
        row = con.execute(f"select count(*), {digest} from {relation(key)}").fetchone()  # noqa: S608
        return fingerprint(str(row), str(columns))


def state_of_inputs(
    con: duckdb.DuckDBPyConnection, model: SqlModel, builds: Builds, landed: LandedTables
) -> str | None:
    """The marks of all rows that ``model`` is computed from; None if these alone don't decide its rows."""
    if not model.is_repeatable:
        return None
    marks = {}
    for key in sorted(model.inputs):
        build = builds.get(str(key))
        marks[str(key)] = build.contents if build and build.contents else landed.mark(con, key)
    return orjson.dumps(marks).decode()


def marks_in(state: str | None) -> Mapping[str, str]:
    """The marks that a state is made of, by ``schema.table``; none of a state that an earlier release wrote."""
    return dict(orjson.loads(state)) if state is not None and state.startswith("{") else {}


def _as_text(name: str, data_type: str) -> str:
    """A moment as its microseconds: as a text it would depend on the session's time zone."""
    return f"epoch_us({quoted(name)})" if data_type == "TIMESTAMP WITH TIME ZONE" else quoted(name)


def _telling(columns: Columns) -> list[str]:
    """The columns of which at least one changes whenever a row changes.

    Landing gives a changed row another ``content_hash`` and ``fetched_at``. Reading the payload too would mean reading
    nearly the whole warehouse. Tables without a hash are small, or have short rows.
    """
    names = list(columns)
    if not set(_ROW_VERSION).issubset(names):
        return names
    return [names[0], *_ROW_VERSION, *(name for name in names if name in _BESIDE_THE_ROW)]
