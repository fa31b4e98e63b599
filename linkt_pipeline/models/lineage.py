"""Column-level lineage: which columns of its parents each column of a model is made of.

sqlglot is imported here and nowhere else, and only when lineage is asked for: the import alone costs as much as
reading all models. It is a best effort: a column that sqlglot can't follow has no lineage, and nothing else happens.
"""

from collections.abc import Mapping
from typing import Any

from linkt_pipeline.models.columns import try_describe
from linkt_pipeline.models.graph import ModelGraph
from linkt_pipeline.models.model import Columns, ModelKey, SqlModel

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
    lineage: Lineage = {name: [] for name in names}
    try:
        scope = _qualified_scope(model, {**graph.sources, **columns})
    except Exception:  # sqlglot raises many kinds; lineage is decoration and must never stop a load
        return lineage
    for name in names:
        try:
            lineage[name] = sorted(_leaves(scope, name, model.depends_on))
        except Exception:  # noqa: S112 - see above; the column simply has no lineage
            continue
    return lineage


def _qualified_scope(model: SqlModel, columns: Mapping[ModelKey, Columns]) -> Any:
    from sqlglot import exp, parse_one
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    schema: dict[str, dict[str, dict[str, str]]] = {}
    for key in model.depends_on:
        schema.setdefault(key.schema, {})[key.name] = dict.fromkeys(columns.get(key, {}), "varchar")
    tree = parse_one(model.sql, dialect="duckdb")
    for table in tree.find_all(exp.Table):
        table.set("ordinality", None)
    qualified = qualify(
        tree, dialect="duckdb", schema=schema, validate_qualify_columns=False, identify=False, quote_identifiers=False
    )
    return build_scope(qualified)


def _leaves(scope: Any, column: str, parents: tuple[ModelKey, ...]) -> set[ColumnSource]:
    from sqlglot import exp
    from sqlglot.lineage import lineage

    root = lineage(column, scope.expression, scope=scope, dialect="duckdb", copy=False)
    found: set[ColumnSource] = set()
    for node in root.walk():
        if not node.downstream and isinstance(node.expression, exp.Table):
            table = node.expression
            key = ModelKey(table.db, table.name)
            if key in parents:
                found.add((key.schema, key.name, node.name.rsplit(".", 1)[-1].strip('"')))
    return found
