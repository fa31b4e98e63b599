"""The record of the last sync: how far it came, and what it was about.

A sync replaces the record when it begins. The step that builds all models and the step that publishes add what they
have done, each as its last act. So only a sync that reached its end leaves a whole record; a sync that was killed
leaves a part. Of two syncs at once, the one that began last has the record.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import orjson

from linkt_pipeline.warehouse.publish.mark import note_publication
from linkt_pipeline.warehouse.state import last_change, read_state, write_state
from linkt_pipeline.warehouse.warehouse import Warehouse

# These records are written with `news=False`: a record that counted as a change of rows would make itself outdated.
_NAME = "last_sync"
_CHECKED = "checked_change"


@dataclass(frozen=True)
class Completion:
    """How far a sync came.

    Attributes:
        sync: its id.
        built: all models were built, and none failed.
        change: the mark of the rows that the models were built from, see
            :func:`~linkt_pipeline.warehouse.state.last_change`.
        code: the mark of the code that did so.
        as_of: of the publication that holds all of it, in UTC; None while there is none, or a check has failed.
    """

    sync: str
    built: bool = False
    change: str | None = None
    code: str | None = None
    as_of: datetime | None = None


def read_completion(con: duckdb.DuckDBPyConnection) -> Completion | None:
    """The record; None in a warehouse that has none yet."""
    stored = read_state(con, _NAME)
    if stored is None:
        return None
    value = orjson.loads(stored)
    value.pop("published", None)  # of an earlier release; each host notes it beside its files
    as_of = value["as_of"]
    return Completion(**{**value, "as_of": datetime.fromisoformat(as_of).astimezone(UTC) if as_of else None})


def begin_sync(warehouse: Warehouse, sync: str) -> None:
    """Record that a sync begins: nothing is complete until that sync reaches its end."""
    with warehouse.write(news=False) as con:
        _write(con, Completion(sync))


def all_models_are_built(warehouse: Warehouse, sync: str, *, change: str | None, code: str) -> None:
    """Record that a sync has built all models.

    Args:
        warehouse: holds the models.
        sync: its id; nothing is written unless it is the sync that began last.
        change: the mark of the last change before the first model was built.
        code: the mark of the code that built the models.
    """
    with warehouse.write(news=False) as con:
        if (found := read_completion(con)) and found.sync == sync:
            _write(con, replace(found, built=True, change=change, code=code))


def all_is_published(warehouse: Warehouse, sync: str, as_of: datetime, folder: Path) -> None:
    """Record that a sync has reached its end: what it built is published, and no check failed.

    What the files of this host hold is noted beside them. So of hosts that share a warehouse, each publishes what it
    lacks, and none takes the publication of another for a reason to publish again.

    Args:
        warehouse: what was published.
        sync: its id; nothing is written unless this sync has the record and has built all models.
        as_of: of the publication.
        folder: of the published files.
    """
    with warehouse.write(news=False) as con:
        found = read_completion(con)
        if found is None or found.sync != sync or not found.built:
            return
        _write(con, replace(found, as_of=as_of))
    note_publication(folder, found.change, found.code)


def begin_build(warehouse: Warehouse, build: str) -> None:
    """Record that models are about to be built: nothing counts as checked until this build or a later one is."""
    with warehouse.write(news=False) as con:
        # The id of a build is no mark of a change, so nothing counts as checked until `note_checked` replaces it.
        write_state(con, _CHECKED, build)


def note_checked(con: duckdb.DuckDBPyConnection, build: str, change: str | None) -> None:
    """Record that every check of a model that can hold publication back has passed.

    Args:
        con: the warehouse.
        build: as given to :func:`begin_build`; if another build has begun since, nothing is written.
        change: the mark of the last change of the rows that the checks have read.
    """
    if read_state(con, _CHECKED) == build:
        write_state(con, _CHECKED, change)


def is_checked(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the checks have passed on the present rows: nothing was landed or built since."""
    change = last_change(con)
    return change is not None and change == read_state(con, _CHECKED)


def _write(con: duckdb.DuckDBPyConnection, completion: Completion) -> None:
    write_state(con, _NAME, orjson.dumps(completion).decode())
