"""Whether anything has changed of all that a model is computed from.

A model that reads what its last build read comes out the same, so its build is spared. For a table that a model builds
the books say whether rows were written since. A landed table has no such mark. The rows of the two biggest are compared
with those that the last build saw (seen_rows.py), those of the others are counted and digested: some tenths of a second
for a million rows, once for all models of a session.
"""

from collections.abc import Mapping

import duckdb
import orjson

from linkt_pipeline.transform.build_records import contents_of_models
from linkt_pipeline.transform.columns import relation, table_columns
from linkt_pipeline.transform.model import Columns, ModelKey, SqlModel
from linkt_pipeline.transform.seen_rows import IDS, mark_of_landed_rows
from linkt_pipeline.transform.statement import fingerprint
from linkt_pipeline.warehouse.catalog import quoted
from linkt_pipeline.warehouse.state import last_change

_STAND_FOR_THE_ROW = ("fetched_at", "content_hash")
_BESIDE_THE_ROW = frozenset({"deleted_at"})  # says something that the payload does not


class LandedTables:
    """Marks of the rows of landed tables, each found once for a connection.

    Give one to all builds of a session. While the session's connection is open nobody else can land rows; with the
    next connection everything is looked at anew, unless the warehouse says that nothing has changed in between. Whoever
    writes to landed tables between two builds of one connection takes a new one.
    """

    def __init__(self) -> None:
        self._con: duckdb.DuckDBPyConnection | None = None
        self._change: str | None = None
        self._known: dict[ModelKey, str] = {}

    def mark(self, con: duckdb.DuckDBPyConnection, key: ModelKey) -> str:
        """A text that is another one whenever the table's rows, whatever their order, or its columns are others."""
        if con is not self._con:
            change = last_change(con)
            if change is None or change != self._change:
                self._known = {}
            self._con, self._change = con, change
        if key not in self._known:
            self._known[key] = mark_of_landed_rows(con, key) if key in IDS else _fingerprint(con, key)
        return self._known[key]


def state_of_inputs(con: duckdb.DuckDBPyConnection, model: SqlModel, landed: LandedTables) -> str | None:
    """The marks of all rows that ``model`` is computed from; None if these alone don't decide its rows."""
    if not model.is_repeatable:
        return None
    contents = contents_of_models(con)
    marks = {str(key): contents.get(str(key)) or landed.mark(con, key) for key in sorted(model.inputs)}
    return orjson.dumps(marks).decode()


def marks_in(state: str | None) -> Mapping[str, str]:
    """The marks that a state is made of, by ``schema.table``; none of a state that an earlier release wrote."""
    return dict(orjson.loads(state)) if state is not None and state.startswith("{") else {}


def _fingerprint(con: duckdb.DuckDBPyConnection, key: ModelKey) -> str:
    columns = table_columns(con, key)
    told = ", ".join(_as_text(name, columns[name]) for name in _telling(columns))
    # A sum does not depend on the order, and equal rows don't cancel. 96 bits of each, so that it can't overflow.
    digest = f"sum((md5_number(json_array({told})::varchar) >> 32)::hugeint)"
    row = con.execute(f"select count(*), {digest} from {relation(key)}").fetchone()  # noqa: S608
    return fingerprint(str(row), str(columns))


def _as_text(name: str, data_type: str) -> str:
    """A moment as its microseconds: as a text it would depend on the session's time zone."""
    return f"epoch_us({quoted(name)})" if data_type == "TIMESTAMP WITH TIME ZONE" else quoted(name)


def _telling(columns: Columns) -> list[str]:
    """The columns of which one differs whenever a row differs.

    Landing gives a changed row another ``content_hash`` and ``fetched_at``; to read what they stand for as well would
    mean reading nearly the whole warehouse. Tables without a hash are small, or have short rows.
    """
    names = list(columns)
    if not set(_STAND_FOR_THE_ROW).issubset(names):
        return names
    return [names[0], *_STAND_FOR_THE_ROW, *(name for name in names if name in _BESIDE_THE_ROW)]
