"""All models of a folder, in an order in which they can be built."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import duckdb

from linkt_pipeline.models.errors import ModelFileError
from linkt_pipeline.models.header import parse_header
from linkt_pipeline.models.macro import MACROS_FOLDER, Macro, load_macros, used_macros
from linkt_pipeline.models.model import Columns, Header, Materialization, ModelKey, SqlModel, TableReference
from linkt_pipeline.models.seed import SEEDS_FOLDER, load_seeds
from linkt_pipeline.models.statement import fingerprint, is_repeatable, normalise, read_select, select_of

CHECKS_FOLDER = "checks"
_NOT_MODELS = frozenset({CHECKS_FOLDER, MACROS_FOLDER, SEEDS_FOLDER})


@dataclass(frozen=True, eq=False)
class ModelGraph:
    """The models and the tables they read.

    Attributes:
        models: every model by key, parents before children.
        sources: columns of the tables that the models read and nobody here builds.
        macros: the macros that models and checks may call, by name; those that others call come first.
    """

    models: Mapping[ModelKey, SqlModel]
    sources: Mapping[ModelKey, Columns]
    macros: Mapping[str, Macro] = field(default_factory=dict)

    def __getitem__(self, name: str | ModelKey) -> SqlModel:
        return self.models[ModelKey.parse(name) if isinstance(name, str) else name]

    @cached_property
    def parents(self) -> Mapping[ModelKey, tuple[ModelKey, ...]]:
        """What each model reads: sources and models."""
        return {key: model.depends_on for key, model in self.models.items()}

    @cached_property
    def children(self) -> Mapping[ModelKey, tuple[ModelKey, ...]]:
        """Which models read each model or source."""
        children: dict[ModelKey, list[ModelKey]] = {key: [] for key in (*self.sources, *self.models)}
        for key, parents in self.parents.items():
            for parent in parents:
                children[parent].append(key)
        return {key: tuple(found) for key, found in children.items()}

    def with_descendants(self, keys: Iterable[ModelKey]) -> list[SqlModel]:
        """The models among ``keys`` and everything built from them, parents first; keys may be sources."""
        wanted = set(keys)
        for key, parents in self.parents.items():
            if wanted.intersection(parents):
                wanted.add(key)
        return [model for key, model in self.models.items() if key in wanted]

    def ancestors(self, key: ModelKey) -> set[ModelKey]:
        """Every model and source that ``key`` is made of."""
        found: set[ModelKey] = set()
        pending = list(self.parents.get(key, ()))
        while pending:
            parent = pending.pop()
            if parent not in found:
                found.add(parent)
                pending += self.parents.get(parent, ())
        return found


def load_models(sql_dir: Path, sources: Mapping[str, Columns]) -> ModelGraph:
    """Read every ``<schema>/<name>.sql`` below ``sql_dir`` (the folder ``checks`` apart), all macros and all seeds.

    Args:
        sql_dir: the folder of models.
        sources: columns of the tables that exist without a model, by ``schema.table``; see
            :func:`linkt_pipeline.models.columns.warehouse_sources`.

    Raises:
        ModelFileError: a file can't be used, names an unknown table, or is part of a cycle.
    """
    known = {ModelKey.parse(name): columns for name, columns in sources.items()}
    con = duckdb.connect()
    try:
        macros = load_macros(con, sql_dir)
        models = {seed.key: seed for seed in load_seeds(con, sql_dir)}
        models |= {
            model.key: model
            for path in sorted(sql_dir.glob("*/*.sql"))
            if path.parent.name not in _NOT_MODELS
            for model in [read_model(con, path, macros)]
        }
    finally:
        con.close()
    for model in models.values():
        _require_known_tables(model, {*models, *known})
    ordered = _in_build_order(models)
    return ModelGraph(_seen_through_views(ordered), known, macros)


def read_model(con: duckdb.DuckDBPyConnection, path: Path, macros: Mapping[str, Macro]) -> SqlModel:
    """Read one file; ``con`` is used for its parser only.

    Raises:
        ModelFileError: the file can't be used.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(path, 1, f"can't be read: {error}") from None
    header = parse_header(path, text)
    reads = read_select(con, path, text)
    key = ModelKey(path.parent.name, path.stem)
    _require_narrowable(path, header, reads)
    if header.rows:
        _require_countable(con, path, header.rows, reads)
    called = used_macros(con, path, text, macros)
    version = fingerprint(
        normalise(text),
        str(header.materialization),
        repr(header.incremental),
        str(header.rows),
        *(macro.version for macro in called),
    )
    return SqlModel(
        key=key,
        path=path,
        header=header,
        sql=select_of(text),
        reads=reads,
        code_version=version,
        is_repeatable=is_repeatable(con, path, text) and all(macro.is_repeatable for macro in called),
        macros=tuple(macro.name for macro in called),
    )


def _require_narrowable(path: Path, header: Header, reads: Collection[TableReference]) -> None:
    if header.incremental:
        if missing := sorted(set(header.incremental.key).difference(header.not_null)):
            raise ModelFileError(
                path, 1, f"the key of an incremental model is never empty: write '-- not_null: {', '.join(missing)}'"
            )
        mentions = [read for read in reads if read.key == header.incremental.spine]
        if len(mentions) != 1:
            raise ModelFileError(
                path,
                mentions[1].line if mentions else 1,
                f"an incremental model reads the table of its keys, {header.incremental.spine}, exactly once, "
                f"and this one does {len(mentions)} times; only then can it be narrowed to the changed keys",
            )
        for narrow in header.incremental.narrow:
            if narrow.column not in header.incremental.key:
                raise ModelFileError(path, 1, f"narrow: '{narrow.column}' is no column of the incremental key")
            if narrow.target == header.incremental.spine or narrow.target not in {read.key for read in reads}:
                problem = f"narrow: {narrow.target} is not a table that the model reads besides the one of its keys"
                raise ModelFileError(path, 1, problem)


def _require_countable(
    con: duckdb.DuckDBPyConnection, path: Path, rows: str, reads: Collection[TableReference]
) -> None:
    """A count that reads what the view does not would go on being shown when the view's own rows have changed."""
    try:
        counted = {read.key for read in read_select(con, path, rows)}
    except ModelFileError as error:
        raise ModelFileError(path, 1, f"rows: {error.problem}") from None
    if strange := sorted(counted.difference(read.key for read in reads)):
        raise ModelFileError(path, 1, f"rows: the view itself does not read {strange[0]}")


def _require_known_tables(model: SqlModel, known: Collection[ModelKey]) -> None:
    names = {str(key).lower() for key in known}
    for read in model.reads:
        if read.key not in known:
            near = [str(key) for key in sorted(known) if key.name == read.key.name]
            hint = f"; did you mean {' or '.join(near)}?" if near else "; add the model, or correct the name"
            if str(read.key).lower() in names:
                hint = "; names are written in lower case"
            raise ModelFileError(model.path, read.line, f"unknown table '{read.key}'{hint}")


def _in_build_order(models: Mapping[ModelKey, SqlModel]) -> dict[ModelKey, SqlModel]:
    ordered: dict[ModelKey, SqlModel] = {}
    trail: list[ModelKey] = []

    def visit(key: ModelKey) -> None:
        if key in ordered or key not in models:
            return
        if key in trail:
            circle = [*trail[trail.index(key) :], key]
            model = models[trail[-1]]
            line = next(read.line for read in model.reads if read.key == key)
            raise ModelFileError(model.path, line, f"a circle of models: {' -> '.join(map(str, circle))}")
        trail.append(key)
        for parent in models[key].depends_on:
            visit(parent)
        trail.pop()
        ordered[key] = models[key]

    for key in models:
        visit(key)
    return ordered


def _seen_through_views(ordered: Mapping[ModelKey, SqlModel]) -> dict[ModelKey, SqlModel]:
    """Tell each model what is behind the views it reads."""
    known: dict[ModelKey, SqlModel] = {}
    for key, model in ordered.items():
        inputs: dict[ModelKey, None] = {}
        views = []
        for parent in model.depends_on:
            if parent in known and known[parent].materialization is Materialization.VIEW:
                views.append(known[parent])
                inputs |= dict.fromkeys(known[parent].inputs)
            else:
                inputs[parent] = None
        known[key] = replace(
            model,
            inputs=tuple(inputs),
            is_repeatable=model.is_repeatable and all(view.is_repeatable for view in views),
        )
    return known
