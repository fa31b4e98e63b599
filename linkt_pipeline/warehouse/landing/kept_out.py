"""Keeps out of a delivery what was erased: see :mod:`linkt_pipeline.warehouse.tombstones`.

An erasure removes exactly what is kept out later, because both use the rules of this file. An entity that was erased
does not land, nor does a signal that speaks of it. A row of a file that speaks of it is kept as an empty row. Anything
else lands without the words.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import orjson
import polars as pl

from linkt_pipeline.warehouse.landing.content import content_hashes
from linkt_pipeline.warehouse.landing.staging import count
from linkt_pipeline.warehouse.tombstones import (
    Mentions,
    Tombstones,
    is_person,
    own_emails,
    own_hosts,
    read_tombstones,
    text_without_erased,
)

ERASED_REASON = "erased here; the tombstone keeps it out"

_Row = dict[str, Any]


def keep_out_entities(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """An entity is kept out by its id, a person by an address, a company by its website, and people by their company.

    Args:
        con: a transaction.
        frame: what was delivered.

    Returns:
        What may land, and the ids of what was erased.
    """
    return _kept_out(con, frame, "entity_id", _is_erased_entity)


def keep_out_signals(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """A signal is kept out if it speaks of what was erased, by id or by word; as :func:`keep_out_entities`."""
    return _kept_out(con, frame, "signal_id", _is_erased_signal)


def keep_out_rejects(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """A body that can't be used is not kept if it is of something erased, or mentions it.

    Nothing says whose body it is: an entity's body may be of a company that only mentions somebody. So the entity's id
    is asked for again, like the id of every reject.

    Returns:
        What may land, and type and id of what was erased.
    """
    tombstones = read_tombstones(con)
    if tombstones is None or frame.is_empty():
        return frame, []
    kept, erased = [], []
    for row in frame.iter_rows(named=True):
        kind, in_body = row["resource_type"], tombstones.mentions_in(row["payload"])
        if (kind == "entity" and tombstones.has_entity(row["resource_id"])) or (
            kind == "signal" and not in_body.is_empty
        ):
            erased.append((kind, row["resource_id"]))
            continue
        row = _without(row, in_body) | {"reason": text_without_erased(tombstones, row["reason"])}
        kept.append(row | {"payload": None} if kind == "entity" and not in_body.is_empty else row)
    return pl.DataFrame(kept, schema=frame.schema), erased


def erase_mentions(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of runs or reference data without the words that were erased."""
    tombstones = read_tombstones(con)
    if tombstones is None or frame.is_empty():
        return frame
    rows = [_without(row, tombstones.mentions_in(row["payload"])) for row in frame.iter_rows(named=True)]
    return pl.DataFrame(rows, schema=frame.schema)


def is_erased_row(tombstones: Tombstones | None, row: Mapping[str, str]) -> bool:
    """Whether a row of a file mentions what was erased, or holds the id of an entity that was."""
    if tombstones is None:
        return False
    if any(tombstones.has_entity(value.strip()) for value in row.values()):
        return True
    return not tombstones.mentions_in(orjson.dumps(dict(row)).decode()).is_empty


def erased_ids(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> list[str]:
    """Those of some ids of entities that were erased."""
    tombstones = read_tombstones(con)
    return [] if tombstones is None else sorted(filter(tombstones.has_entity, set(ids)))


def settle_erased(con: duckdb.DuckDBPyConnection, resource_type: str, ids: Sequence[str]) -> int:
    """Set the state of ids to ``erased``, whatever it was, and delete their rejects. Nothing asks for these ids again.

    Returns:
        Rows of ``linkt.run_resources`` that have changed.
    """
    if not ids:
        return 0
    changed = count(
        con,
        """
        update linkt.run_resources set state = 'erased', landed_at = null, last_error = $3
        where resource_type = $1 and lower(resource_id) in (select lower(unnest($2::varchar[]))) and state <> 'erased'
        """,
        [resource_type, list(ids), ERASED_REASON],
    )
    con.execute(
        "delete from linkt.rejects where resource_type = $1 "
        "and lower(resource_id) in (select lower(unnest($2::varchar[])))",
        [resource_type, list(ids)],
    )
    return changed


def _kept_out(
    con: duckdb.DuckDBPyConnection,
    frame: pl.DataFrame,
    key: str,
    is_erased: Callable[[Tombstones, _Row, Mentions], bool],
) -> tuple[pl.DataFrame, list[str]]:
    tombstones = read_tombstones(con)
    if tombstones is None or frame.is_empty():
        return frame, []
    kept: list[_Row] = []
    erased: list[str] = []
    changed = False
    for row in frame.iter_rows(named=True):
        mentions = tombstones.mentions_in(row["payload"])
        if is_erased(tombstones, row, mentions):
            erased.append(row[key])
            continue
        kept.append(_without(row, mentions))
        changed = changed or not mentions.is_empty
    if not erased and not changed:
        return frame, []
    left = pl.DataFrame(kept, schema=frame.schema)
    # A fingerprint of the payload with the words could confirm a guess at them.
    if changed and "content_hash" in left.columns:
        left = left.with_columns(content_hashes(left["payload"]))
    return left, erased


def _is_erased_entity(tombstones: Tombstones, row: _Row, mentions: Mentions) -> bool:
    if tombstones.has_entity(row["entity_id"]):
        return True
    if is_person(row["entity_type"]):
        if tombstones.has_parent(row["parent_id"]):
            return True
        return not mentions.is_empty and bool(tombstones.erased_emails(own_emails(_data(row["payload"]))))
    return bool(mentions.domains) and bool(tombstones.erased_hosts(own_hosts(_data(row["payload"]))))


def _is_erased_signal(tombstones: Tombstones, row: _Row, mentions: Mentions) -> bool:
    return not mentions.is_empty or any(map(tombstones.has_entity, row["entity_ids"] or ()))


def _data(payload: str | None) -> Any:
    try:
        document = orjson.loads(payload or "null")
    except orjson.JSONDecodeError:
        return None
    return document.get("data") if isinstance(document, dict) else None


def _without(row: _Row, mentions: Mentions) -> _Row:
    """A row without the words, in its payload and in the columns that were made of it."""
    if mentions.is_empty:
        return row
    return {name: _erased(value, mentions, is_json=name == "payload") for name, value in row.items()}


def _erased(value: Any, mentions: Mentions, *, is_json: bool) -> Any:
    match value:
        case str():
            return mentions.erased_from_json(value) if is_json else mentions.erased_from(value)
        case list():
            return [_erased(item, mentions, is_json=False) for item in value]
    return value
