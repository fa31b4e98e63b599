"""Models whose file is gone: their table or view goes as well, and the next snapshot is without them."""

import duckdb

from linkt_pipeline.transform.columns import relation
from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.model import ModelKey
from linkt_pipeline.warehouse.catalog import quoted, relation_kind


def retired_models(con: duckdb.DuckDBPyConnection, graph: ModelGraph) -> list[ModelKey]:
    """The models that were built here and no longer have a file. A model in quarantine still has its file."""
    built = con.execute("select model from linkt.model_builds where built_at is not null order by model").fetchall()
    keys = (ModelKey.parse(name) for (name,) in built)
    return [key for key in keys if key not in graph.models and key not in graph.quarantined]


def drop_retired_models(con: duckdb.DuckDBPyConnection, graph: ModelGraph) -> list[ModelKey]:
    """Drop models without a file, and their schema when nothing is left in it; tables that no build made stay.

    Nothing is lost: a model is computed from landed rows, so a file that comes back brings its table back.

    Args:
        con: a connection inside a transaction.
        graph: the models there are.

    Returns:
        What was dropped.
    """
    retired = retired_models(con, graph)
    for key in retired:
        if kind := relation_kind(con, *key):
            con.execute(f"drop {kind} {relation(key)}")
        con.execute("delete from linkt.model_builds where model = $1", [str(key)])
    for schema in sorted({key.schema for key in retired} - {key.schema for key in graph.models}):
        if _is_empty(con, schema):
            con.execute(f"drop schema if exists {quoted(schema)}")
    return retired


def _is_empty(con: duckdb.DuckDBPyConnection, schema: str) -> bool:
    row = con.execute(
        "select count(*) from duckdb_columns() where database_name = current_database() and schema_name = $1",
        [schema],
    ).fetchone()
    return row is not None and row[0] == 0
