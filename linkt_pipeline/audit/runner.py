"""Audits the marts of an open warehouse or snapshot, one after the other, in batches."""

from collections.abc import Callable, Collection
from hashlib import md5

import duckdb

from linkt_pipeline.audit.comparison import Comparison
from linkt_pipeline.audit.findings import Audit, MartAudit
from linkt_pipeline.audit.landed import PIECE, Landed, pieces
from linkt_pipeline.audit.marts import MARTS, Mart
from linkt_pipeline.audit.world import World

MOST_ROWS = 100_000

# Called with a mart's name, ids done, and ids to do; 0 of 0 for a mart that is computed at once.
Progress = Callable[[str, int, int], None]


def run_audit(
    con: duckdb.DuckDBPyConnection,
    *,
    marts: Collection[str] = (),
    most_rows: int = MOST_ROWS,
    progress: Progress = lambda mart, done, of: None,
) -> Audit:
    """Recompute marts from what is landed and compare every figure.

    Args:
        con: reads a warehouse or a snapshot; its session's time zone does not matter.
        marts: names of those to audit, without their schema; all if empty.
        most_rows: of a mart with more companies, people, signals or runs, that many of them are compared: always the
            same ones, chosen by a digest of their ids.
        progress: called as it goes.

    Returns:
        What was compared and what differs.
    """
    landed = Landed(con)
    world = World(landed)
    wanted = [mart for mart in MARTS if not marts or mart.name in marts]
    audits = tuple(_audit(world, mart, most_rows, progress) for mart in wanted)
    known = {mart.name for mart in MARTS}
    others = [
        name
        for (name,) in landed.rows(
            "select distinct table_name from duckdb_columns() where database_name = current_database() "
            "and schema_name = 'marts' order by 1"
        )
        if name not in known
    ]
    return Audit(audits, tuple(others), _staleness(landed))


def _audit(world: World, mart: Mart, most_rows: int, progress: Progress) -> MartAudit:
    types = world.landed.columns("marts", mart.name)
    if not types:
        return MartAudit(f"marts.{mart.name}", absent=True)
    comparison = Comparison(world.landed, mart, types)
    progress(mart.name, 0, 0)
    if mart.batch is None:
        comparison.compare(mart.rows(world, ()), None)
        return comparison.finish()
    ids = set(mart.ids(world))
    present = {found for (found,) in world.landed.rows(f"select distinct {mart.batch} from marts.{mart.name}")}  # noqa: S608
    comparison.stray(sorted(map(str, present - ids)))
    chosen = _chosen(ids, most_rows)
    comparison.found.left_out = len(ids) - len(chosen)
    for number, batch in enumerate(pieces(chosen)):
        progress(mart.name, number * PIECE, len(chosen))
        comparison.compare(mart.rows(world, batch), batch)
    return comparison.finish()


def _chosen(ids: Collection[str], most: int) -> list[str]:
    """The ids to compare, in order; of too many those with the smallest digests, which are the same every time."""
    if len(ids) > most:
        ids = sorted(ids, key=lambda each: md5(each.encode(), usedforsecurity=False).digest())[:most]
    return sorted(ids)


_LANDED = ("runs", "entities", "signals", "tasks", "icps", "sheets")


def _staleness(landed: Landed) -> str | None:
    """Why the marts may be older than what they are made of."""
    builds = landed.columns("linkt", "model_builds")
    if "problem" in builds:
        broken = landed.rows("select model from linkt.model_builds where problem is not null order by 1")
        if broken:
            return f"these models can't be built now: {', '.join(model for (model,) in broken)}"
    if "built_at" not in builds:
        return None
    newest = " union all ".join(f"select max(fetched_at) as moment from linkt.{table}" for table in _LANDED)  # noqa: S608
    [(late,)] = landed.rows(
        f"select max(moment) > (select max(built_at) from linkt.model_builds) from ({newest})"  # noqa: S608
    )
    return "rows were landed after the models were last built" if late else None
