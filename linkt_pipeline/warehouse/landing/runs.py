"""Lands terminal runs with what they cost and the ids they name."""

import duckdb
import polars as pl

from linkt_pipeline.warehouse.ids import WELL_FORMED_ID
from linkt_pipeline.warehouse.landing.counts import LandingCounts
from linkt_pipeline.warehouse.landing.delivery import cut_from_payload, set_aside_unstorable, stage_delivery
from linkt_pipeline.warehouse.landing.kept_out import erase_mentions, erased_ids, settle_erased
from linkt_pipeline.warehouse.landing.resources import forget_rejects, settle_rejected
from linkt_pipeline.warehouse.landing.rows import replace_rows
from linkt_pipeline.warehouse.landing.staging import count, stage
from linkt_pipeline.warehouse.schemas import RUN_CREDITS_FRAME, RUN_RESOURCES_FRAME, RUNS_FRAME

_KEPT = (  # where a newer body says nothing
    "task_id",
    "icp_id",
    "task_type",
    "flow_run_id",
    "input",
    "output_version",
    "total_credits",
    "run_time_seconds",
    "created_at",
)


def land_runs(
    con: duckdb.DuckDBPyConnection, runs: pl.DataFrame, credits: pl.DataFrame, resources: pl.DataFrame
) -> LandingCounts:
    """Merge runs; the one with the newer ``updated_at`` wins, then the one fetched later.

    A field that the newer body leaves out keeps its value: Linkt later shows some runs without their output, and what
    they cost and named stays true.

    Args:
        con: a transaction.
        runs: :data:`~linkt_pipeline.warehouse.schemas.RUNS_FRAME`.
        credits: :data:`~linkt_pipeline.warehouse.schemas.RUN_CREDITS_FRAME`, the whole breakdown of each run.
        resources: :data:`~linkt_pipeline.warehouse.schemas.RUN_RESOURCES_FRAME`, every id each run names.

    Returns:
        Counts of runs; ``rejected`` counts malformed ids among the named ones, rejected at once, and ``unstorable``
        has the runs that are rejects themselves: nothing of theirs is landed.
    """
    if runs.is_empty():
        return LandingCounts()
    runs = erase_mentions(con, runs)
    staged = stage_delivery(con, "delivered_runs", runs, RUNS_FRAME, cut_from_payload({"input": "$.input"}))
    unstorable = set_aside_unstorable(con, "delivered_runs", staged, "run", "run_id")
    stage(con, "delivered_credits", credits, RUN_CREDITS_FRAME)
    stage(con, "delivered_resources", resources, RUN_RESOURCES_FRAME)
    kept = ", ".join(f"coalesce(newest.{name}, stored.{name}) as {name}" for name in _KEPT)
    con.execute(
        f"""
        create or replace temp table newest_runs as
        with newest as (
            select * exclude (delivery) from delivered_runs
            qualify row_number() over (
                partition by run_id order by updated_at desc nulls last, fetched_at desc, payload desc
            ) = 1
        )
        select newest.* replace ({kept}),
            newest.total_credits is not null as states_total,
            stored.rowid as stored_row,
            stored_row is null as is_new,
            coalesce(newest.updated_at, '-infinity') >= coalesce(stored.updated_at, '-infinity') as is_current,
            is_new or (is_current and (
                newest.updated_at is distinct from stored.updated_at
                or (
                    newest.payload::varchar is distinct from stored.payload::varchar
                    and newest.fetched_at > stored.fetched_at
                )
            )) as is_changed
        from newest left join linkt.runs as stored on stored.run_id = newest.run_id
        """  # noqa: S608
    )
    con.execute("create or replace temp table changed_runs as select * from newest_runs where is_changed")
    inserted = count(con, "select count(*) from changed_runs where is_new")
    updated = count(con, "select count(*) from changed_runs where not is_new")
    if inserted or updated:
        columns = [*RUNS_FRAME, "input"]
        replace_rows(con, "linkt.runs", "changed_runs", columns, columns, some_stored=updated > 0)
    # Unchanged runs included: a run that can be stored now is no reject.
    forget_rejects(con, "run", "newest_runs", "run_id")
    _replace_credits(con)
    rejected = _name_resources(con)
    entities = resources.filter(pl.col("resource_type") == "entity")["resource_id"]
    # A run may name what was erased here. Left pending, the id would be asked for, only to be kept out.
    settle_erased(con, "entity", erased_ids(con, entities.drop_nulls().to_list()))
    total = count(con, "select count(*) from newest_runs")
    return LandingCounts(inserted, updated, total - inserted - updated, rejected=rejected, unstorable=tuple(unstorable))


def _replace_credits(con: duckdb.DuckDBPyConnection) -> None:
    """A breakdown beside a total is one set and replaces the last one whole; without a total it may be a part of it."""
    con.execute(
        """
        create or replace temp table newest_credits as
        select run_id, action_type, max(credits) as credits, any_value(states_total) as is_whole
        from delivered_credits join changed_runs using (run_id)
        where action_type is not null
        group by all
        """
    )
    if not count(con, "select count(*) from newest_credits"):
        return
    con.execute(
        """
        delete from linkt.run_credits as stored using newest_credits as newest
        where stored.run_id = newest.run_id and (newest.is_whole or stored.action_type = newest.action_type)
        """
    )
    con.execute(
        "insert into linkt.run_credits (run_id, action_type, credits) "
        "select run_id, action_type, credits from newest_credits"
    )


def _name_resources(con: duckdb.DuckDBPyConnection) -> int:
    """Make newly named ids pending; known ids keep their state. Returns how many of the new ones are malformed."""
    con.execute(
        """
        create or replace temp table newest_resources as
        select named.run_id, resource_type, action, resource_id, min(position) as position,
            any_value(fetched_at) as named_at
        from delivered_resources as named
        join newest_runs on newest_runs.run_id = named.run_id and newest_runs.is_current
        where resource_id is not null
        group by all
        """
    )
    con.execute(
        """
        merge into linkt.run_resources as stored
        using newest_resources as named
        on stored.run_id = named.run_id and stored.resource_type = named.resource_type
            and stored.action = named.action and stored.resource_id = named.resource_id
        when not matched then insert (run_id, resource_type, action, resource_id, position, state, named_at)
            values (named.run_id, named.resource_type, named.action, named.resource_id, named.position, 'pending',
                named.named_at)
        """
    )
    con.execute(
        f"""
        create or replace temp table malformed_ids as
        select resource_type, resource_id,
            'malformed id: not the 24 hexadecimal digits of a Linkt id' as reason,
            null::varchar as payload, max(named_at) as received_at
        from linkt.run_resources
        where state = 'pending'
            and run_id in (select run_id from newest_resources)
            and not regexp_full_match(resource_id, '{WELL_FORMED_ID}')
        group by all
        """  # noqa: S608
    )
    if not count(con, "select count(*) from malformed_ids"):
        return 0
    settle_rejected(con, "malformed_ids")
    return count(con, "select count(*) from malformed_ids")
