"""The state of a model's rows, from the records of builds alone: no row is read.

The state of a table is the mark of the last build that wrote its rows. The state of a view consists of what its last
build read, the states of the models that it reads, and the macros. Any of these may have changed after the view was
built, and a view shows such a change at once.
"""

from collections.abc import Collection

import duckdb

from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.macro import definitions_of_macros
from linkt_pipeline.transform.model import Materialization, ModelKey
from linkt_pipeline.transform.statement import fingerprint
from linkt_pipeline.warehouse.completion import read_completion
from linkt_pipeline.warehouse.state import last_change

States = dict[ModelKey, str]
"""For models: a text that changes whenever the rows change. A model without a state may have any rows."""


def states_of_rows(con: duckdb.DuckDBPyConnection, graph: ModelGraph, seen: Collection[ModelKey]) -> States:
    """The states of all models that have one.

    Args:
        con: a connection to the warehouse, or to a copy with the records of its builds.
        graph: all models.
        seen: the models that were built since a row was last landed. What a view shows is known for these alone.
    """
    rows = con.execute("select model, code_version, cursor, contents from linkt.model_builds").fetchall()
    builds = {model: (version, inputs, contents) for model, version, inputs, contents in rows}
    macros = repr(sorted(definitions_of_macros(con).items()))
    found: States = {}
    for key, model in graph.models.items():  # parents first
        version, inputs, contents = builds.get(str(key), (None, None, None))
        if model.materialization is not Materialization.VIEW:
            if contents is not None:
                found[key] = contents
            continue
        # `inputs` holds the marks of landed tables. A model that the view reads may have been built after the view.
        parents = [parent for parent in model.depends_on if parent not in graph.sources]
        if key in seen and inputs is not None and all(parent in found for parent in parents):
            found[key] = fingerprint(version, inputs, macros, *(f"{parent} {found[parent]}" for parent in parents))
    return found


def states_by_name(con: duckdb.DuckDBPyConnection, graph: ModelGraph) -> dict[str, str]:
    """The states in a copy of the warehouse, by ``schema.table``; of views only if nothing was landed after the sync.

    Args:
        con: a connection to the copy.
        graph: all models.
    """
    last = read_completion(con)
    is_current = last is not None and last.built and last.change == last_change(con)
    states = states_of_rows(con, graph, graph.models.keys() if is_current else ())
    return {str(key): state for key, state in states.items()}
