"""Fills a warehouse with made-up rows at a chosen scale, through SQL alone, so that a million entities take seconds.

    python bench/generate_warehouse.py data/bench.duckdb --entities 1000000

Half of the entities are companies, half people of those companies; each has five fields and one in five has a second
version; one company in fifty is a copy of another, some of them of a copy. There are as many signals as entities, of
which one in ten names a person beside a company, and one run for a hundred entities. ``add_batch`` lands a batch the
way a sync does: some new entities, some changed ones, some signals, one run.
"""

import argparse
import time
from pathlib import Path

import duckdb

FIRST = 1_700_000_000  # ids begin with their creation time, as Linkt's do


def fill(con: duckdb.DuckDBPyConnection, entities: int) -> None:
    """Fill the empty tables of schema ``linkt``."""
    icps = 20
    con.execute(
        f"""
        insert into linkt.icps by name
        select {_id("i", "'c'")} as icp_id, 'ICP ' || i as name, 'made up' as description,
            '[]'::json as entity_targets, to_timestamp({FIRST}) as fetched_at
        from range({icps}) as r(i)
        """
    )
    con.execute(
        f"""
        insert into linkt.tasks by name
        select {_id("i", "'d'")} as task_id, 'Task ' || i as name, 'search' as flow_name,
            '{{"type":"search"}}'::json as task_config, to_timestamp({FIRST}) as fetched_at
        from range({icps}) as r(i)
        """
    )
    add_entities(con, 0, entities, FIRST)
    _add_versions(
        con, "entity_id in (select entity_id from linkt.entities where right(entity_id, 1) in ('0', '5', 'a'))"
    )
    add_signals(con, 0, entities, entities, FIRST)
    runs = max(entities // 100, 1)
    con.execute(
        f"""
        insert into linkt.runs by name
        select {_id("i", "'e'")} as run_id, {_id(f"i % {icps}", "'d'")} as task_id,
            {_id(f"i % {icps}", "'c'")} as icp_id,
            'search' as task_type, case when i % 20 = 0 then 'FAILED' else 'COMPLETED' end as status,
            status as status_normalised,
            '{{"parameters":{{}}}}'::json as input, 105.5 as total_credits, 1000.0 + i % 5000 as run_time_seconds,
            to_timestamp({FIRST} + i * 600) as created_at, to_timestamp({FIRST} + i * 600 + 3000) as updated_at,
            to_timestamp({FIRST} + i * 600 + 3001) as fetched_at
        from range({runs}) as r(i)
        """
    )
    con.execute(
        "insert into linkt.run_credits by name select run_id, a as action_type, 52.75 as credits "
        "from linkt.runs, (values ('search_company'), ('enrich_person')) as t(a)"
    )
    for kind, letter in (("entity", "'a'"), ("signal", "'b'")):
        con.execute(
            f"""
            insert into linkt.run_resources by name
            select {_id(f"i // 100 % {runs}", "'e'")} as run_id, '{kind}' as resource_type, 'created' as action,
                {_id("i", letter)} as resource_id, i % 100 as position, 'landed' as state,
                to_timestamp({FIRST}) as landed_at, to_timestamp({FIRST}) as named_at
            from range({entities}) as r(i)
            """
        )


def add_entities(con: duckdb.DuckDBPyConnection, start: int, stop: int, at: float) -> None:
    """Insert entities ``start`` to ``stop`` with one version each."""
    con.execute(
        f"""
        insert into linkt.entities by name
        select
            {_id("i", "'a'")} as entity_id,
            {_id("i % 40", "'f'")} as sheet_id,
            'Sheet ' || i % 40 as sheet_name,
            {_id("i % 20", "'c'")} as icp_id,
            case when i % 2 = 0 then 'company' else 'person' end as entity_type,
            case when i % 2 = 1 then {_id("i - 1", "'a'")} end as parent_id,
            'new' as status,
            case when i % 2 = 0 then
                '{{"name":' || {_attribute("'Company ' || i")}
                || ',"website":' || {_attribute("'https://www.company-' || i || '.example'")}
                || ',"headquarters":{{"value":{{"city":"Dayton","state":"OH","country":"United States"}},'
                || '"references":["https://maps' || i % 50 || '.example/c"]}}'
                || ',"employees":' || {_attribute("(i % 900 + 1) || '-' || (i % 900 + 200)")}
                || ',"primary_product":' || {_attribute("'Product ' || i % 1000")} || '}}'
            else
                '{{"name":' || {_attribute("'Person ' || i")}
                || ',"title":' || {_attribute("'Title ' || i % 300")}
                || ',"email":' || {_attribute("'p' || i || '@company-' || (i - 1) || '.example'")}
                || ',"linkedin":{{"value":{{"platform":"linkedin","url":"https://social.example/in/' || i
                || '"}},"references":[]}}'
                || ',"seniority":' || {_attribute("'Level ' || i % 9")} || '}}'
            end::json as data,
            case when i % 100 in (2, 4) then
                '{{"is_duplicate":true,"is_primary":false,"primary_entity_id":"' || {_id("i - 2", "'a'")} || '"}}'
            end::json as duplicate_info,
            to_timestamp({at}) as created_at,
            to_timestamp({at} + i % 1000) as updated_at,
            to_timestamp({at} + 5000 + i * 0.001) as fetched_at,
            md5('v1-' || i) as content_hash
        from range({start}, {stop}) as r(i)
        """
    )
    con.execute(
        f"""
        insert into linkt.entity_versions by name
        select entity_id, content_hash, fetched_at, updated_at, sheet_id, icp_id, entity_type, parent_id, status,
            data, duplicate_info
        from linkt.entities where entity_id >= {_id(str(start), "'a'")} and entity_id < {_id(str(stop), "'a'")}
        """
    )


def _add_versions(con: duckdb.DuckDBPyConnection, condition: str) -> None:
    """Change some entities: a value of one field, and with it the version."""
    con.execute(
        f"""
        update linkt.entities
        set data = replace(data::varchar, '"value":"Product', '"value":"New product')::json,
            status = 'reviewed',
            updated_at = updated_at + interval 1 day,
            fetched_at = fetched_at + interval 1 day,
            content_hash = md5(content_hash)
        where {condition}
        """
    )
    con.execute(
        f"""
        insert into linkt.entity_versions by name
        select entity_id, content_hash, fetched_at, updated_at, sheet_id, icp_id, entity_type, parent_id, status,
            data, duplicate_info
        from linkt.entities where {condition}
        """
    )


def add_signals(con: duckdb.DuckDBPyConnection, start: int, stop: int, entities: int, at: float) -> None:
    """Insert signals ``start`` to ``stop``, each about one or two companies."""
    con.execute(
        f"""
        insert into linkt.signals by name
        select
            {_id("i", "'b'")} as signal_id,
            {_id("i % 20", "'c'")} as icp_id,
            ['funding', 'hiring_surge', 'other', null][i % 4 + 1] as signal_type,
            ['HIGH', 'weak', 'moderate', null][i % 4 + 1] as strength,
            (i % 100) / 100 as score,
            'Something happened, number ' || i as summary,
            ['https://news' || i % 200 || '.example/' || i] as "references",
            [
                {_id(f"i * 7 % {entities} // 2 * 2", "'a'")},
                {_id(f"i * 13 % {entities} // 2 * 2 + (i % 10 = 0)::integer", "'a'")}
            ] as entity_ids,
            to_timestamp({at} + i) as created_at,
            to_timestamp({at} + i + 60) as fetched_at,
            md5('s-' || i) as content_hash
        from range({start}, {stop}) as r(i)
        """
    )


def add_batch(con: duckdb.DuckDBPyConnection, entities: int, size: int) -> None:
    """Land ``size`` resources: half new entities, a quarter changed ones, a quarter signals."""
    at = time.time()
    add_entities(con, entities, entities + size // 2, at)
    step = max(entities // (size // 4), 1)
    changed = ", ".join(_text_id(i * step, "a") for i in range(size // 4))
    _add_versions(con, f"entity_id in ({changed})")
    add_signals(con, entities, entities + size // 4, entities, at)


def add_run(con: duckdb.DuckDBPyConnection, named: int) -> None:
    """Land one more run, which has updated the first ``named`` entities in a way that changes none of them."""
    row = con.execute("select count(*) from linkt.runs").fetchone()
    number = row[0] if row else 0
    run, moment = _text_id(number, "e"), f"to_timestamp({time.time()})"
    con.execute(
        f"""
        insert into linkt.runs by name
        select {run} as run_id, task_id, icp_id, task_type, 'COMPLETED' as status, 'COMPLETED' as status_normalised,
            input, 105.5 as total_credits, 1000.0 as run_time_seconds,
            {moment} as created_at, {moment} as updated_at, {moment} as fetched_at
        from linkt.runs limit 1
        """
    )
    con.execute(
        f"insert into linkt.run_credits by name select {run} as run_id, 'search' as action_type, 105.5 as credits"
    )
    con.execute(
        f"""
        insert into linkt.run_resources by name
        select {run} as run_id, 'entity' as resource_type, 'updated' as action, {_id("i", "'a'")} as resource_id,
            i as position, 'landed' as state, {moment} as landed_at, {moment} as named_at
        from range({named}) as r(i)
        """
    )


def _id(number: str, letter: str) -> str:
    """SQL for an id as Linkt makes them, growing with ``number``: a time, what tells the kind, and a counter."""
    return f"printf('%08x', {FIRST} + ({number})) || {letter} || '1f9c3d4e5' || printf('%06x', {number})"


def _text_id(number: int, letter: str) -> str:
    return f"'{FIRST + number:08x}{letter}1f9c3d4e5{number:06x}'"


def _attribute(value: str) -> str:
    return (
        f'\'{{"value":"\' || {value} || \'","display":"\' || {value} || \'","references":["https://source\''
        f' || i % 997 || \'.example/page/\' || i || \'"],"created_at":"2026-04-07T09:41:10Z",'
        f'"updated_at":"2026-04-07T09:41:10Z"}}\''
    )


def main() -> None:
    """Write a warehouse of the asked size."""
    from linkt_pipeline.warehouse.engines.file import FileWarehouse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--entities", type=int, default=100_000)
    options = parser.parse_args()
    with FileWarehouse(options.path).write() as con:
        fill(con, options.entities)
    print(f"{options.path}: {options.path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
