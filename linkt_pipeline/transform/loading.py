"""Reads all files of sql/ into a graph; a file that can't be used is reported, and what reads it goes with it."""

from collections.abc import Collection, Mapping
from pathlib import Path

import duckdb

from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.following import resolve_follows
from linkt_pipeline.transform.graph import (
    CircleError,
    ModelGraph,
    in_build_order,
    quarantine_descendants,
    seen_through_views,
)
from linkt_pipeline.transform.macro import MACROS_FOLDER, Macro, load_macros
from linkt_pipeline.transform.model import Columns, ModelKey, SqlModel
from linkt_pipeline.transform.names import did_you_mean
from linkt_pipeline.transform.reading import read_model
from linkt_pipeline.transform.seed import SEEDS_FOLDER, read_seed
from linkt_pipeline.transform.sql_files import LANDED_CHECKS_FOLDER, SqlFiles, find_files, key_of

CHECKS_FOLDER = "checks"


def load_models(sql_dir: Path, sources: Mapping[str, Columns]) -> ModelGraph:
    """Read every ``<schema>/<name>.sql`` below ``sql_dir`` (the folder ``checks`` apart), all macros and all seeds.

    Args:
        sql_dir: the folder of models.
        sources: columns of the tables that exist without a model, by ``schema.table``; see
            :func:`linkt_pipeline.transform.columns.warehouse_sources`.

    Raises:
        ModelFileError: a file can't be used, names an unknown table, or is part of a circle.
    """
    files = find_files(sql_dir)
    graph, problems = read_graph(files, sources)
    if found := [*files.problems, *problems]:
        raise found[0]
    return graph


def read_graph(files: SqlFiles, sources: Mapping[str, Columns]) -> tuple[ModelGraph, list[ModelFileError]]:
    """As :func:`load_models`, with what can't be used quarantined, and every mistake once."""
    known = {ModelKey.parse(name): columns for name, columns in sources.items()}
    con = duckdb.connect()
    try:
        macros, problems = load_macros(con, files.of(MACROS_FOLDER))
        models, quarantined = _read_all(con, files, macros, known)
    finally:
        con.close()
    tables = {*models, *quarantined, *known}
    for model in list(models.values()):
        if problem := _unknown_table(model, tables):
            quarantined[model.key] = problem
            del models[model.key]
    ordered = _order(models, quarantined)
    # Before the descendants join the quarantine: nothing is wrong with their own files.
    mistakes = [*problems.values(), *quarantined.values()]
    quarantine_descendants(ordered, quarantined)
    # Last, because a line `follows` names tables behind views, which only the ordered models show.
    resolved, unfollowed = resolve_follows(seen_through_views(ordered))
    graph = ModelGraph(resolved, known, macros, quarantined, frozenset(problems)).without(unfollowed)
    return graph, [*mistakes, *unfollowed.values()]


def _read_all(
    con: duckdb.DuckDBPyConnection, files: SqlFiles, macros: Mapping[str, Macro], known: Collection[ModelKey]
) -> tuple[dict[ModelKey, SqlModel], dict[ModelKey, ModelFileError]]:
    paths = {
        key_of(path): path
        for folder in sorted(files.folders, key=lambda folder: folder != SEEDS_FOLDER)
        if folder not in (CHECKS_FOLDER, LANDED_CHECKS_FOLDER, MACROS_FOLDER)
        for path in sorted(files.of(folder), key=lambda path: path.suffix != ".csv")
        if folder != SEEDS_FOLDER or path.suffix == ".csv" or not path.with_suffix(".csv").exists()
    }
    models: dict[ModelKey, SqlModel] = {}
    quarantined: dict[ModelKey, ModelFileError] = {}
    for key, path in paths.items():
        try:
            if key.schema == SEEDS_FOLDER:
                models[key] = read_seed(con, path)
            else:
                models[key] = read_model(con, path, macros, {*paths, *known})
        except ModelFileError as error:
            quarantined[key] = error
    return models, quarantined


def _unknown_table(model: SqlModel, known: Collection[ModelKey]) -> ModelFileError | None:
    for read in model.reads:
        if read.key not in known:
            return ModelFileError(model.path, read.line, f"unknown table '{read.key}'{near_tables(read.key, known)}")
    for reference in model.header.references:
        if reference.target not in known:
            hint = near_tables(reference.target, known)
            lines = model.sql.lower().splitlines()
            line = next((n for n, text in enumerate(lines, 1) if str(reference.target) in text), 1)
            return ModelFileError(model.path, line, f"unknown table '{reference.target}' in a reference{hint}")
    return None


def near_tables(key: ModelKey, known: Collection[ModelKey]) -> str:
    """What an unknown table may have been meant to be, to go at the end of a message."""
    same = [str(other) for other in sorted(known) if other.name == key.name]
    if same:
        return f"; did you mean {' or '.join(same)}?"
    return did_you_mean(str(key), map(str, sorted(known))) or "; add the model, or correct the name"


def _order(
    models: Mapping[ModelKey, SqlModel], quarantined: dict[ModelKey, ModelFileError]
) -> dict[ModelKey, SqlModel]:
    """Parents before children; circles are quarantined, each as a whole."""
    left = dict(models)
    while True:
        try:
            return in_build_order(left)
        except CircleError as circle:
            for member in reversed(circle.members[:-1]):  # the last one is where the circle was found
                path = left.pop(member).path
                quarantined[member] = circle if path == circle.path else CircleError(path, 1, circle.members)
