"""Removes what an erasure is about from every table of the warehouse, in one transaction.

Rows of entities and signals are deleted. Everywhere else the words go and the rest of the row stays: a run has cost
what it has cost. The tables of the models are dropped, because builds compute them again from what is left.
"""

import re
from collections.abc import Mapping

import duckdb
import polars as pl

from linkt_pipeline.warehouse.catalog import CatalogTable, quoted, read_catalog
from linkt_pipeline.warehouse.erasure.errors import StillNeededError
from linkt_pipeline.warehouse.erasure.targets import Target
from linkt_pipeline.warehouse.landing.content import content_hashes
from linkt_pipeline.warehouse.landing.kept_out import settle_erased
from linkt_pipeline.warehouse.landing.staging import count
from linkt_pipeline.warehouse.tombstones import ERASED, Mentions, keyed_hash, salt_of
from linkt_pipeline.warehouse.warehouse import Warehouse

Counts = Mapping[str, int]
"""Rows that were removed or changed, by what was done to which table."""

_OWN_RECORD = "linkt.erasures"
# Tables of the user's own may have columns of any type. A value that can't be made of a text again becomes null.
_HOLDS_TEXT = re.compile(r"VARCHAR|JSON|BLOB|ENUM")
_NO_TEXT_AGAIN = re.compile(r"BLOB|ENUM")


def preview_removal(warehouse: Warehouse, target: Target) -> Counts:
    """What :func:`remove_from_warehouse` would do; nothing is changed.

    Raises:
        ErasureError: see there.
    """
    counts: Counts = {}
    try:
        with warehouse.write(news=False) as con:
            counts = remove_from_warehouse(con, target)
            raise _NothingIsKeptError
    except _NothingIsKeptError:
        return counts


class _NothingIsKeptError(Exception):
    """Ends the transaction without keeping anything."""


def remove_from_warehouse(con: duckdb.DuckDBPyConnection, target: Target) -> Counts:
    """Remove the rows and the words. A second call finds nothing left to do.

    Args:
        con: a transaction.
        target: what goes.

    Returns:
        How many rows of each table; a table without any is left out.

    Raises:
        ErasureError: the ledger needs the words, to recognise a run that goes on or is owed.
    """
    mentions = target.mentions
    _require_unneeded(con, mentions)
    counts = {}
    signals = _signals_about(con, target)
    for name, key, ids in (
        ("linkt.entities", "entity_id", target.entities),
        ("linkt.entity_versions", "entity_id", target.entities),
        ("linkt.signals", "signal_id", signals),
    ):
        counts[name] = _delete(con, name, key, ids)
    rejected = _rejects_about(con, target)
    counts["linkt.rejects"] = len(rejected)
    counts["linkt.run_resources (marked as erased)"] = settle_erased(
        con, "entity", [*target.entities, *(id_ for kind, id_ in rejected if kind == "entity")]
    ) + settle_erased(con, "signal", [*signals, *(id_ for kind, id_ in rejected if kind == "signal")])
    counts["linkt.rejects (emptied)"] = _empty_rejects(con, mentions)
    counts["linkt.ingest_rows (emptied)"] = _empty_ingested_rows(con, target)
    # Before the words are searched for: tables that are built again need no search.
    counts |= _drop_models(con)
    if not mentions.is_empty:
        for table in read_catalog(con):
            if not table.is_view and table.key != _OWN_RECORD:
                counts[f"{table.key} (without the words)"] = _erase_words(con, table, mentions)
    return {name: rows for name, rows in counts.items() if rows}


def _require_unneeded(con: duckdb.DuckDBPyConnection, mentions: Mentions) -> None:
    """Refuse if the ledger needs the words: without its parameters an open start would be bought again."""
    if mentions.is_empty:
        return
    rows = con.execute(
        """
        select task_key, execution_id, parameters::varchar from linkt.executions
        where regexp_matches(parameters::varchar, $1) and (
            state in ('intended', 'unknown', 'started')
            or execution_id in (select execution_id from linkt.undelivered where published_at is null)
        )
        """,
        [mentions.loose_pattern],
    ).fetchall()
    for task, execution, parameters in rows:
        if mentions.are_in(parameters):
            raise StillNeededError(execution, task)


def _signals_about(con: duckdb.DuckDBPyConnection, target: Target) -> list[str]:
    found = con.execute(
        "select signal_id from linkt.signals "
        "where list_has_any(list_transform(entity_ids, lambda id: lower(id)), $1::varchar[])",
        [[entity.lower() for entity in target.entities]],
    ).fetchall()
    ids = {signal_id for (signal_id,) in found}
    mentions = target.mentions
    if not mentions.is_empty:
        rows = con.execute(
            "select signal_id, payload::varchar from linkt.signals where regexp_matches(payload::varchar, $1)",
            [mentions.loose_pattern],
        ).fetchall()
        # The loose pattern lets DuckDB leave out most rows; the exact search decides.
        ids |= {signal_id for signal_id, payload in rows if mentions.are_in(payload)}
    return sorted(ids)


def _delete(con: duckdb.DuckDBPyConnection, table: str, key: str, ids: tuple[str, ...] | list[str]) -> int:
    return count(
        con,
        f"delete from {table} where lower({key}) in (select lower(unnest($1::varchar[])))",  # noqa: S608
        [list(ids)],
    )


def _rejects_about(con: duckdb.DuckDBPyConnection, target: Target) -> list[tuple[str, str]]:
    """Type and id of those that go, by the rules of ``keep_out_rejects``."""
    mentions = target.mentions
    ids = {entity.lower() for entity in target.entities}
    rows = con.execute(
        "select resource_type, resource_id, payload from linkt.rejects where resource_type in ('entity', 'signal')"
    ).fetchall()
    return [
        (kind, resource_id)
        for kind, resource_id, payload in rows
        if (resource_id.lower() in ids if kind == "entity" else mentions.are_in(payload))
    ]


def _empty_rejects(con: duckdb.DuckDBPyConnection, mentions: Mentions) -> int:
    """Empty bodies of other entities that mention the words: nothing says whose bodies these are."""
    rows = con.execute("select rowid, payload from linkt.rejects where resource_type = 'entity'").fetchall()
    found = [row for row, payload in rows if mentions.are_in(payload)]
    return count(con, "update linkt.rejects set payload = null where rowid in (select unnest($1::bigint[]))", [found])


def _empty_ingested_rows(con: duckdb.DuckDBPyConnection, target: Target) -> int:
    """Empty the rows of files that mention the words. The rows stay, because rows are counted."""
    mentions = target.mentions
    rows = con.execute(
        """
        with file_rows as (
            select
                rowid,
                data::varchar as text,
                list_has_any(
                    list_transform(json_extract_string(data, '$.*'), lambda value: lower(trim(value))), $ids::varchar[]
                ) as has_id
            from linkt.ingest_rows
        )
        select * from file_rows where has_id or $has_words and regexp_matches(text, $pattern)
        """,
        {
            "ids": [entity.lower() for entity in target.entities],
            "has_words": not mentions.is_empty,
            "pattern": mentions.loose_pattern,
        },
    ).fetchall()
    found = [row for row, text, has_id in rows if has_id or mentions.are_in(text)]
    con.execute(  # of their own runs: the same name in another file may be somebody else's
        """
        update linkt.run_candidates as candidate set name = $1
        from linkt.ingest_rows as file_row
        join linkt.ingests as ingest on ingest.ingest_id = file_row.ingest_id
        join linkt.executions as execution on execution.execution_id = ingest.execution_id
        where file_row.rowid in (select unnest($2::bigint[])) and candidate.run_id = execution.run_id
            and lower(trim(candidate.name)) = lower(file_row.primary_value)
        """,
        [ERASED, found],
    )
    return count(
        con,
        "update linkt.ingest_rows set primary_value = $1, data = '{}' where rowid in (select unnest($2::bigint[]))",
        [ERASED, found],
    )


def _drop_models(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Drop the tables that builds made. Each build after this one computes all of their rows."""
    built = {name for (name,) in con.execute("select model from linkt.model_builds").fetchall()}
    dropped = 0
    for table in read_catalog(con):
        if table.key in built and not table.is_view:
            con.execute(f"drop table {table.relation}")
            dropped += 1
    con.execute("delete from linkt.row_changes; delete from linkt.seen_rows")  # of ids, for the next build alone
    # A problem stays recorded without its build, so that `status` still shows it.
    con.execute("delete from linkt.model_builds where problem is null")
    con.execute("update linkt.model_builds set code_version = null, cursor = null, contents = null, rows = null")
    return {"tables of models (built again)": dropped}


def _erase_words(con: duckdb.DuckDBPyConnection, table: CatalogTable, mentions: Mentions) -> int:
    """Replace the words in every column of a table. Returns the number of rows that held one."""
    columns = {
        column.name: (column.type, erased)
        for column in table.columns
        if _HOLDS_TEXT.search(column.type) and (erased := _erased_of(con, table, column.name, column.type, mentions))
    }
    changed = {row for _, erased in columns.values() for row in erased}
    if changed:
        _replace_texts(con, table, sorted(changed), columns)
    if changed and table.key == "linkt.entities":
        _fingerprint_again(con, changed)
    if changed and table.key == "linkt.entity_versions":
        _refingerprint_versions(con, changed)
    return len(changed)


def _erased_of(
    con: duckdb.DuckDBPyConnection, table: CatalogTable, column: str, kind: str, mentions: Mentions
) -> dict[int, str]:
    """The texts of a column without the words, by row, where there are some."""
    name = quoted(column)
    is_plain = kind in ("VARCHAR", "JSON") or _NO_TEXT_AGAIN.search(kind)
    text = f"{name}::varchar" if is_plain else f"to_json({name})::varchar"
    rows = con.execute(
        f"select rowid, {text} from {table.relation} where regexp_matches({text}, $1)",  # noqa: S608
        [mentions.loose_pattern],
    ).fetchall()
    erase = mentions.erased_from if kind == "VARCHAR" else mentions.erased_from_json
    return {row: erase(found) for row, found in rows if mentions.are_in(found)}


def _replace_texts(
    con: duckdb.DuckDBPyConnection,
    table: CatalogTable,
    rows: list[int],
    columns: Mapping[str, tuple[str, Mapping[int, str]]],
) -> None:
    """Replace all columns at once: after DuckDB has replaced a nested value, the row has another ``rowid``."""
    lists, assignments = ["unnest($1::bigint[]) as row"], []
    for number, (name, (kind, _)) in enumerate(columns.items(), 2):
        text = f"given.text_{number}"
        value = "null" if _NO_TEXT_AGAIN.search(kind) else text if kind == "VARCHAR" else f"{text}::json::{kind}"
        lists.append(f"unnest(${number}::varchar[]) as text_{number}")
        assignments.append(f"{quoted(name)} = case when {text} is null then stored.{quoted(name)} else {value} end")
    con.execute(
        f"update {table.relation} as stored set {', '.join(assignments)} "  # noqa: S608
        f"from (select {', '.join(lists)}) as given where stored.rowid = given.row",
        [rows, *([erased.get(row) for row in rows] for _, erased in columns.values())],
    )


def _fingerprint_again(con: duckdb.DuckDBPyConnection, rows: set[int]) -> None:
    """Compute the fingerprint of changed entities again, in the row and in the version that equals it."""
    found = con.execute(
        "select rowid, entity_id, content_hash, payload::varchar from linkt.entities "
        "where rowid in (select unnest($1::bigint[]))",
        [sorted(rows)],
    ).fetchall()
    # By the rules of landing, so that the same content, delivered again without the words, is no new version.
    hashes = content_hashes(pl.Series([payload for *_, payload in found], dtype=pl.String)).to_list()
    _set_hashes(con, "linkt.entities", [row for row, *_ in found], hashes)
    con.execute(
        """
        update linkt.entity_versions as stored set content_hash = given.new
        from (
            select unnest($1::varchar[]) as entity_id, unnest($2::varchar[]) as old, unnest($3::varchar[]) as new
        ) as given
        where stored.entity_id = given.entity_id and stored.content_hash = given.old
        """,
        [[entity for _, entity, _, _ in found], [old for _, _, old, _ in found], hashes],
    )


def _refingerprint_versions(con: duckdb.DuckDBPyConnection, rows: set[int]) -> None:
    """Replace the fingerprints of old versions: the fingerprint of an erased text could confirm a guess at the text.

    A version that is the present one has its new fingerprint already.
    """
    found = con.execute(
        """
        select version.rowid, version.content_hash from linkt.entity_versions as version
        left join linkt.entities as entity using (entity_id)
        where version.rowid in (select unnest($1::bigint[]))
            and version.content_hash is distinct from entity.content_hash
        """,
        [sorted(rows)],
    ).fetchall()
    salt = salt_of(con)
    hashes = [keyed_hash(salt, "version", old) for _, old in found]
    _set_hashes(con, "linkt.entity_versions", [row for row, _ in found], hashes)


def _set_hashes(con: duckdb.DuckDBPyConnection, table: str, rows: list[int], hashes: list[str]) -> None:
    con.execute(
        f"update {table} as stored set content_hash = given.hash "  # noqa: S608
        "from (select unnest($1::bigint[]) as row, unnest($2::varchar[]) as hash) as given "
        "where stored.rowid = given.row",
        [rows, hashes],
    )
