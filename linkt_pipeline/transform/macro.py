"""SQL macros: one expression in one file of sql/macros, usable by name in models, in checks and in the published copy.

Macros live in the warehouse's schema ``main``, because DuckDB finds them without a schema in front only there.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import duckdb

from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.header import MACRO_KEYS, read_entries
from linkt_pipeline.transform.sql_files import read_text
from linkt_pipeline.transform.statement import (
    fingerprint,
    functions_used,
    is_repeatable,
    normalise,
    read_select,
    select_of,
)
from linkt_pipeline.warehouse.catalog import quoted

MACROS_FOLDER = "macros"
_OURS = "function_type = 'macro' and not internal and database_name = current_database() and schema_name = 'main'"


@dataclass(frozen=True)
class Macro:
    """One file of sql/macros.

    Attributes:
        name: the file's stem, by which it is called.
        path: the file.
        description: what it is for.
        parameters: name and description of each, in the order of a call.
        returns: what it gives.
        expression: the SQL expression, comments included.
        version: hash of what the file says and of the macros it calls.
        is_repeatable: the same arguments give the same value.
    """

    name: str
    path: Path
    description: str
    parameters: Mapping[str, str]
    returns: str
    expression: str
    version: str
    is_repeatable: bool

    @property
    def create(self) -> str:
        """The statement that makes it."""
        names = ", ".join(map(quoted, self.parameters))
        return f"create or replace macro {quoted(self.name)}({names}) as (\n{self.expression}\n)"


def load_macros(
    con: duckdb.DuckDBPyConnection, paths: Iterable[Path]
) -> tuple[dict[str, Macro], dict[str, ModelFileError]]:
    """Read the files of sql/macros, those that others call first.

    Args:
        con: a connection in which the macros are made, to see whether DuckDB takes them.
        paths: the files.

    Returns:
        The macros by name, and what is wrong with the others: a mistake in the file, a circle, or a call of a macro
        that can't be used.
    """
    files = {path.stem: path for path in paths}
    problems: dict[str, ModelFileError] = {}
    texts: dict[str, str] = {}
    calls: dict[str, tuple[str, ...]] = {}
    for name, path in files.items():
        try:
            texts[name] = read_text(path)
            # The calls give the order: DuckDB refuses a macro that calls one which does not exist yet.
            calls[name] = functions_used(con, path, _as_select(texts[name]), files)
        except ModelFileError as error:
            problems[name] = error
    macros: dict[str, Macro] = {}
    for name in _callees_first(calls, files, problems):
        try:
            macros[name] = _macro(con, files[name], texts[name], _usable(files[name], calls[name], macros))
            _define(con, macros[name])
        except ModelFileError as error:
            problems[name] = error
            macros.pop(name, None)
    return macros, problems


def _usable(path: Path, names: Iterable[str], macros: Mapping[str, Macro]) -> list[Macro]:
    if broken := [name for name in names if name not in macros]:
        raise ModelFileError(path, 1, f"calls macro {broken[0]}, which can't be used")
    return [macros[name] for name in names]


def used_macros(
    con: duckdb.DuckDBPyConnection, path: Path, text: str, macros: Mapping[str, Macro]
) -> tuple[Macro, ...]:
    """The macros that a SELECT calls itself, in the order of their names."""
    return tuple(macros[name] for name in functions_used(con, path, text, macros))


def create_macros(con: duckdb.DuckDBPyConnection, macros: Iterable[Macro], keep: Collection[str] = ()) -> int:
    """Make the warehouse's macros those of the files: schema ``main`` holds them and no others.

    Writes nothing if the warehouse has these macros already. Returns the number of macros made, changed or dropped.

    Args:
        con: a connection to the warehouse.
        macros: those of the files.
        keep: names of macros whose file can't be used now; what the warehouse has of them stays.

    Raises:
        ModelFileError: DuckDB refuses a definition.
    """
    wanted = {macro.name: macro for macro in macros}
    present = definitions_of_macros(con)
    # DuckDB keeps a definition in its own spelling, so both sides are compared in that. A sync that finds all of them
    # equal writes nothing to the warehouse.
    defined = _define_apart(tuple((macro.path, macro.create) for macro in wanted.values()))
    changed = [macro for name, macro in wanted.items() if present.get(name) != defined[name]]
    for macro in changed:
        con.execute(macro.create)
    stale = present.keys() - wanted.keys() - set(keep)
    for name in sorted(stale):
        con.execute(f"drop macro {quoted(name)}")
    return len(changed) + len(stale)


@lru_cache(maxsize=4)
def _define_apart(statements: tuple[tuple[Path, str], ...]) -> dict[str, tuple[str, str]]:
    """The definitions as the engine will keep them, found in a database of their own."""
    scratch = duckdb.connect()
    try:
        for path, create in statements:
            try:
                scratch.execute(create)
            except duckdb.Error as error:
                raise ModelFileError(path, 1, str(error).partition("\n")[0]) from None
        return definitions_of_macros(scratch)
    finally:
        scratch.close()


def _define(con: duckdb.DuckDBPyConnection, macro: Macro) -> None:
    try:
        con.execute(macro.create)
    except duckdb.Error as error:
        raise ModelFileError(macro.path, 1, str(error).partition("\n")[0]) from None


def definitions_of_macros(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str]]:
    """Parameters and definition of each macro as the engine keeps them, so that both sides have the same spelling."""
    rows = con.execute(
        f"select function_name, parameters::varchar, macro_definition from duckdb_functions() where {_OURS}"  # noqa: S608
    ).fetchall()
    return {name: (parameters, definition) for name, parameters, definition in rows}


def _as_select(text: str) -> str:
    """The file as a statement that the parser takes, every line in its place."""
    return f"select {text}"


def _macro(con: duckdb.DuckDBPyConnection, path: Path, text: str, called: Collection[Macro]) -> Macro:
    said: dict[str, str] = {}
    parameters: dict[str, str] = {}
    for entry in read_entries(path, text, MACRO_KEYS):
        if not entry.value:
            raise ModelFileError(path, entry.line, f"'{entry.key}' has no value")
        if (entry.key == "parameter") != (entry.column is not None):
            raise ModelFileError(path, entry.line, "write '-- parameter <name>: what to give it'")
        if entry.column is None:
            said[entry.key] = entry.value
        else:
            parameters[entry.column.strip('"')] = entry.value
    for key in ("description", "returns"):
        if key not in said:
            raise ModelFileError(
                path, 1, f"no '{key}'; a macro begins with '-- description: ...' and '-- returns: ...'"
            )
    statement = select_of(_as_select(text))
    # A table behind a macro would be one that the graph of models does not see: nothing would build it first.
    if reads := read_select(con, path, statement):
        problem = f"a macro reads no tables, and this one reads {reads[0].key}; give it the value as a parameter"
        raise ModelFileError(path, reads[0].line, problem)
    expression = statement.removeprefix("select ")
    return Macro(
        name=path.stem,
        path=path,
        description=said["description"],
        parameters=parameters,
        returns=said["returns"],
        expression=expression,
        # A new description or layout gives the same rows, so no model is built again for it.
        version=fingerprint(normalise(expression), *parameters, *(macro.version for macro in called)),
        is_repeatable=is_repeatable(con, path, statement) and all(macro.is_repeatable for macro in called),
    )


def _callees_first(
    calls: Mapping[str, tuple[str, ...]], paths: Mapping[str, Path], problems: dict[str, ModelFileError]
) -> list[str]:
    """An order in which each macro comes after those it calls; circles go to ``problems``."""
    ordered: dict[str, None] = {}
    trail: list[str] = []

    def visit(name: str) -> None:
        if name in ordered or name in problems:
            return
        if name in trail:
            circle = [*trail[trail.index(name) :], name]
            for member in set(circle):
                problems[member] = ModelFileError(paths[member], 1, f"a circle of macros: {' -> '.join(circle)}")
            return
        trail.append(name)
        for used in calls[name]:
            visit(used)
        trail.pop()
        if name not in problems:
            ordered[name] = None

    for name in calls:
        visit(name)
    return list(ordered)
