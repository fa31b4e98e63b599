"""Column-level lineage: which columns of its parents each column of a model is made of.

sqlglot is imported here and nowhere else, and only when lineage is asked for: the import alone costs as much as
reading all models. It is a best effort: a column that sqlglot can't follow has no lineage, and nothing else happens.
"""

from collections.abc import Mapping
from typing import Any

import duckdb
import orjson

from linkt_pipeline.transform.binding import try_describe
from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.model import Columns, ModelKey, SqlModel

ColumnSource = tuple[str, str, str]
"""Schema, table and column."""

Lineage = dict[str, list[ColumnSource]]


def column_lineage(model: SqlModel, graph: ModelGraph, described: Mapping[ModelKey, Columns] | None = None) -> Lineage:
    """Direct parents of each column.

    Args:
        model: a model of ``graph``.
        graph: all models and sources.
        described: columns of all models, if at hand; found by binding otherwise.

    Returns:
        Column name to the parent columns it is made of; a column without any (a literal, a count of rows) has an
        empty list, and so has one that can't be followed.
    """
    columns = dict(try_describe(graph)[0] if described is None else described)
    names = list(columns.get(model.key, {}))
    found: Lineage = {name: [] for name in names}
    try:
        nodes = _nodes(model, {**graph.sources, **columns}, names)
    except Exception:  # sqlglot raises many kinds; lineage is decoration and must never stop a load
        return found
    for name, node in nodes.items():
        found[name] = sorted(_leaves(node, model.depends_on))
    return found


def kept_lineage(
    con: duckdb.DuckDBPyConnection, model: SqlModel, graph: ModelGraph, described: Mapping[ModelKey, Columns]
) -> Lineage:
    """As :func:`column_lineage`, which costs a second of CPU for all models, read back from ``linkt.model_builds``.

    The record of a build keeps it as long as the code is the same; other columns (of ``select *``) show in their names.

    Args:
        con: a connection inside the transaction that has built the model.
        model: a model of ``graph``.
        graph: all models and sources.
        described: columns of all models.
    """
    row = con.execute("select lineage from linkt.model_builds where model = $1", [str(model.key)]).fetchone()
    kept: Lineage = orjson.loads(row[0]) if row and row[0] else {}
    if kept.keys() == described.get(model.key, {}).keys():
        return {column: [(schema, table, name) for schema, table, name in found] for column, found in kept.items()}
    found = column_lineage(model, graph, described)
    con.execute(
        "update linkt.model_builds set lineage = $2 where model = $1", [str(model.key), orjson.dumps(found).decode()]
    )
    return found


def _nodes(model: SqlModel, columns: Mapping[ModelKey, Columns], names: list[str]) -> dict[str, Any]:
    """Sqlglot's lineage node of each column that it can follow."""
    from sqlglot import parse_one
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope
    from sqlglot.schema import MappingSchema

    tables: dict[str, Any] = {}
    for key in model.depends_on:
        tables.setdefault(key.schema, {})[key.name] = dict.fromkeys(columns.get(key, {}), "varchar")
    schema = MappingSchema(tables, dialect="duckdb")  # made once: each column's lineage would make its own
    qualified = qualify(
        parse_one(model.sql, dialect="duckdb"), dialect="duckdb", schema=schema, validate_qualify_columns=False
    )
    scope = build_scope(qualified)
    nodes: dict[str, Any] = {}
    for name in names:
        try:
            nodes[name] = lineage(
                name, qualified, schema, scope=scope, dialect="duckdb", copy=False, trim_selects=False
            )
        except Exception:  # noqa: S112 - one column that can't be followed says nothing of the others
            continue
    return nodes


def _leaves(root: Any, parents: tuple[ModelKey, ...]) -> set[ColumnSource]:
    from sqlglot import exp

    found: set[ColumnSource] = set()
    for node in root.walk():
        if isinstance(node.expression, exp.Table):
            key = ModelKey(node.expression.db, node.expression.name)
            if key in parents:
                found.add((key.schema, key.name, node.name.rsplit(".", 1)[-1].strip('"')))
    return found
