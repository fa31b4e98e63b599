"""What is known about one record of a CRM. This module reads it from a snapshot; live_record.py asks the API."""

from dataclasses import dataclass
from typing import Any

import duckdb
import orjson

from linkt_pipeline.plain_text import word

Row = dict[str, Any]

_OF_THE_KEY = "external_id = $1 and ($2::varchar is null or external_source = $2)"

_ACCOUNTS = f"from marts.crm_accounts where {_OF_THE_KEY} order by external_source"

_ENTITIES = f"""
with named as (
    select external_source, external_id, entity_id, true as carries_id from staging.crm_entities where {_OF_THE_KEY}
    union all
    select external_source, external_id, entity_id, false as carries_id from staging.crm_people
    anti join staging.crm_entities using (external_source, external_id, entity_id)
    where {_OF_THE_KEY}
)
select named.external_source, named.external_id, named.carries_id, entity.entity_id, entity.entity_type,
    coalesce(company.name, person.name) as name, company.domain, person.title, person.email, person.mobile_phone,
    entity.icp_id, icp.name as icp_name, entity.status, entity.updated_at
from named
join staging.entities as entity using (entity_id)
left join marts.companies as company using (entity_id)
left join marts.people as person using (entity_id)
left join staging.icps as icp on icp.icp_id = entity.icp_id
order by named.external_source, entity.entity_type, named.carries_id desc, name, entity.entity_id
"""  # noqa: S608

_SIGNALS = f"""
select link.external_source, link.external_id, signal.signal_id, signal.detected_at, signal.signal_type,
    signal.signal_label, signal.strength_level, signal.score, signal.summary, signal.entity_ids, signal."references",
    signal.metadata
from staging.crm_signals as link
join staging.signals as signal using (signal_id)
where {_OF_THE_KEY}
order by signal.detected_at desc nulls last, signal.signal_id
"""  # noqa: S608


@dataclass(frozen=True)
class Record:
    """What is known of one external id.

    Attributes:
        external_id: the id.
        source: the system that was asked for, None for any.
        accounts: rows of marts.crm_accounts, one for each system that owns such an id; empty from the API.
        entities: those that carry the id, and the people of its companies.
        signals: newest first.
    """

    external_id: str
    source: str | None
    accounts: list[Row]
    entities: list[Row]
    signals: list[Row]


def read_record(con: duckdb.DuckDBPyConnection, external_id: str, source: str | None) -> Record:
    """Read a record from a published snapshot.

    Args:
        con: an open snapshot.
        external_id: the record's id, trimmed.
        source: the system, in any case; None for any.
    """
    accounts, entities, signals = (
        _rows(con, sql, [external_id, word(source)]) for sql in (_ACCOUNTS, _ENTITIES, _SIGNALS)
    )
    return Record(external_id, source, accounts, entities, signals)


def _rows(con: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any]) -> list[Row]:
    cursor = con.execute(sql, parameters)
    columns = [(column[0], str(column[1]) == "JSON") for column in cursor.description or ()]
    return [
        {name: _part(value) if is_json else value for (name, is_json), value in zip(columns, row, strict=True)}
        for row in cursor.fetchall()
    ]


def _part(text: str | None) -> orjson.Fragment | None:
    """A JSON column for a JSON document: its text, with every digit."""
    return None if text is None else orjson.Fragment(text)
