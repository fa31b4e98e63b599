"""What Linkt has deleted is in the tables that tell the past, and an id that others point at; else it is nowhere."""

import json

from .conftest import NOW, Bench

_TELLS_WHAT_WAS = {
    ("staging.entity_versions", "entity_id"),
    ("staging.run_resources", "resource_id"),
    ("marts.entity_discovery", "entity_id"),
    ("staging.signal_entities", "entity_id"),
}
_OF_OTHERS = {  # the entities that point at it, and the copies that stand for it
    *(("staging.entities", column) for column in ("parent_id", "primary_entity_id")),
    ("staging.entity_versions", "parent_id"),
    ("staging.entity_links", "linked_entity_id"),
    ("staging.entity_roots", "original_entity_id"),
    ("staging.entity_companies", "entity_id"),
    ("marts.people", "company_id"),
    *((f"marts.{mart}", "primary_entity_id") for mart in ("companies", "people", "duplicates")),
}


def _delete(bench: Bench, *entity_ids: str) -> None:
    for entity_id in entity_ids:
        bench.con.execute("update linkt.entities set deleted_at = fetched_at where entity_id = $1", [entity_id])


def _columns_with(bench: Bench, entity_id: str) -> set[tuple[str, str]]:
    columns = bench.con.execute(
        "select schema_name || '.' || table_name, column_name from duckdb_columns() "
        "where schema_name in ('staging', 'marts') and data_type = 'VARCHAR'"
    ).fetchall()
    return {
        (table, column)
        for table, column in columns
        if bench.con.execute(f'select count(*) from {table} where "{column}" = $1', [entity_id]).fetchone() != (0,)
    }


def _copy_of(entity_id: str) -> str:
    return json.dumps({"is_duplicate": True, "primary_entity_id": entity_id})


def test_a_deleted_entity_is_only_where_the_past_is_told(bench: Bench) -> None:
    key = {"external_id": "001A", "external_source": "salesforce"}
    of_gone = {"entity_type": "person", "parent_id": "gone"}
    bench.entity("gone", {"name": "Acme"}, **key)
    bench.entity("gone person", {"name": "Ann"}, entity_type="person", parent_id="stays")
    bench.entity("gone original", {"name": "Bolt"}, **key)
    bench.entity("copy", {"name": "Bolt"}, duplicate_info=_copy_of("gone original"), **key)
    bench.entity("gone ann", {"name": "Ann"}, entity_type="person", parent_id="stays")
    bench.entity(
        "ann copy", {"name": "Ann"}, entity_type="person", parent_id="stays", duplicate_info=_copy_of("gone ann")
    )
    bench.entity("stays", {"name": "Core"}, **key)
    bench.entity("left", {"name": "Ben"}, **of_gone)
    gone = ["gone", "gone person", "gone original", "gone ann"]
    bench.run("run", {("entity", "created"): [*gone, "stays"]}, created_at=NOW)
    bench.signal("s", entity_ids=[*gone, "left", "stays"], created_at=NOW)
    _delete(bench, *gone)
    bench.build()
    for entity_id in gone:
        found = _columns_with(bench, entity_id)
        assert found >= _TELLS_WHAT_WAS
        assert found - _TELLS_WHAT_WAS - _OF_OTHERS == set()
    states = bench.rows("select entity_id, state from marts.entity_discovery")
    assert {row["entity_id"]: row["state"] for row in states} == {**dict.fromkeys(gone, "deleted"), "stays": "landed"}
    reached = bench.rows("select company_id from staging.signal_companies order by all")
    assert [row["company_id"] for row in reached] == ["copy", "stays"]
    activity = "select company_id, people_count, signal_count from staging.company_activity order by all"
    assert [tuple(row.values()) for row in bench.rows(activity)] == [("copy", 0, 1), ("stays", 1, 1)]
    assert bench.row("select people_count from marts.crm_accounts") == {"people_count": 1}

    bench.con.execute("update linkt.entities set deleted_at = null")
    bench.build("marts.entity_discovery")
    assert bench.rows("select 1 from marts.entity_discovery where state <> 'landed'") == []
