"""Reads a SELECT with DuckDB's own parser: what it refuses here it would refuse in the build.

The engine's syntax tree names every table with its place in the text, costs well under a millisecond a file and
knows the whole dialect, which no outside parser does.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import duckdb

from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.model import ModelKey, TableReference
from linkt_pipeline.transform.names import did_you_mean

# Quoted text comes first in the pattern: what looks like a comment inside of it is none.
_QUOTED_OR_LAYOUT = re.compile(
    r"(\b[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
    r"|(?:--[^\n]*|/\*.*?\*/|\s+)+",
    re.DOTALL,
)
_TEMPLATING = re.compile(r"\{\{|\{%|\{#")

# Functions whose value does not depend on their arguments alone. Written without brackets some of these are columns to
# the parser, so only names are compared. DuckDB's own stability flags call age(x), which counts from today, consistent;
# hence this list.
_VOLATILE = frozenset({
    "age", "ago", "current_date", "current_localtime", "current_localtimestamp", "current_query", "current_setting",
    "current_time", "current_timestamp", "currval", "gen_random_uuid", "get_current_time", "get_current_timestamp",
    "getenv", "getvariable", "localtime", "localtimestamp", "nextval", "now", "random", "setseed", "today",
    "transaction_timestamp", "txid_current", "uuid", "uuidv4", "uuidv7", "version",
})  # fmt: skip
_PURE_TABLE_FUNCTIONS = frozenset(
    {"generate_series", "generate_subscripts", "json_each", "json_tree", "range", "unnest"}
)


def read_select(
    con: duckdb.DuckDBPyConnection, path: Path, text: str, known: Collection[ModelKey] = ()
) -> tuple[TableReference, ...]:
    """Check that ``text`` is one SELECT, and list the tables it names (its own CTEs apart), in lower case.

    Args:
        con: any connection; nothing is run but the parser.
        path: for messages.
        text: the whole file, so that lines count right.
        known: tables to suggest where a name lacks its schema.

    Raises:
        ModelFileError: no statement, two of them, not a SELECT, a syntax error, or a table without a schema.
    """
    tree = _parse(con, path, text)
    data = text.encode()
    references = []
    for node, visible_ctes in _tables(tree["statements"][0]["node"], frozenset()):
        # SQL does not care about case, and every name that comes from a file is in lower case.
        key = ModelKey(node["schema_name"].lower(), node["table_name"].lower())
        line = data.count(b"\n", 0, node["query_location"]) + 1
        if node["catalog_name"]:
            written = f"{node['catalog_name']}.{node['schema_name']}.{node['table_name']}"
            raise ModelFileError(path, line, f"table '{written}': write {key}, without the name of a database")
        if not key.schema:
            if key.name in visible_ctes:
                continue
            raise ModelFileError(path, line, _without_schema(node["table_name"], known))
        references.append(TableReference(key, node["query_location"], line, node["alias"]))
    return tuple(sorted(references, key=lambda reference: reference.start))


def is_repeatable(con: duckdb.DuckDBPyConnection, path: Path, text: str) -> bool:
    """Whether the SELECT gives the same rows for the same tables: it asks no clock, no chance, no file, no setting.

    In doubt the answer is no, which costs an unneeded build.

    Raises:
        ModelFileError: see :func:`read_select`.
    """
    return all(map(_is_pure, _nodes(_parse(con, path, text))))


def functions_used(con: duckdb.DuckDBPyConnection, path: Path, text: str, names: Collection[str]) -> tuple[str, ...]:
    """Which of ``names`` the SELECT calls as functions, each once, in the order of the alphabet.

    Raises:
        ModelFileError: see :func:`read_select`.
    """
    called = {
        node["function_name"].lower() for node in _nodes(_parse(con, path, text)) if node.get("type") == "FUNCTION"
    }
    return tuple(sorted(called.intersection(names)))


def function_lines(con: duckdb.DuckDBPyConnection, text: str, name: str) -> list[int]:
    """The lines on which ``text`` calls the function, from 1; none where the parser refuses the text."""
    row = con.execute("select json_serialize_sql($1)", [text]).fetchone()
    data = text.encode()
    return sorted(
        data.count(b"\n", 0, node.get("query_location") or 0) + 1
        for node in _nodes(json.loads(row[0]) if row else {})
        if node.get("type") == "FUNCTION" and node["function_name"].lower() == name
    )


def normalise(sql: str) -> str:
    """The text without comments and with every run of white space as one blank; quoted text is left alone."""
    return _QUOTED_OR_LAYOUT.sub(lambda match: match[1] or " ", sql).strip().rstrip(";").strip()


def select_of(text: str) -> str:
    """The one statement of ``text`` without its closing semicolon; every byte before that keeps its place.

    DuckDB decides where the statement ends: only DuckDB knows what is a string, a comment or an identifier.
    """
    data = text.encode()
    end = next((at for at, _ in duckdb.tokenize(text) if data.startswith(b";", at)), len(data))
    return data[:end].decode()


def fingerprint(*parts: str) -> str:
    """A short hash, stable across processes and releases."""
    # A separator that SQL and names hardly contain, so that parts can't be cut differently into the same text.
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]


def _parse(con: duckdb.DuckDBPyConnection, path: Path, text: str) -> dict[str, Any]:
    row = con.execute("select json_serialize_sql($1)", [text]).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {}
    if tree.get("error"):
        line = text.encode().count(b"\n", 0, int(tree.get("position", 0))) + 1
        if tree["error_type"] == "not implemented":
            raise ModelFileError(path, _first_code_line(text), _not_a_select(con, text))
        if template := _TEMPLATING.search(text):
            line = text.count("\n", 0, template.start()) + 1
            raise ModelFileError(path, line, _DBT)
        raise ModelFileError(path, line, f"not valid SQL: {tree['error_message']}")
    match len(tree["statements"]):
        case 0:
            raise ModelFileError(path, _first_code_line(text), "no SELECT in the file")
        case 1:
            return tree
        case count:
            raise ModelFileError(
                path, _second_statement_line(con, text), f"{count} statements; a model is one SELECT, one file each"
            )


_DBT = (
    "this is dbt's templating, which is not used here: write schema.table in place of {{ ref('table') }} and "
    "{{ source(...) }}, header lines in place of {{ config(...) }}, and sql/macros in place of {% macro %}"
)


def _not_a_select(con: duckdb.DuckDBPyConnection, text: str) -> str:
    kinds = [statement.type for statement in con.extract_statements(text)]
    if kinds[-1] == duckdb.StatementType.MULTI or {duckdb.StatementType.CREATE, duckdb.StatementType.SELECT} == set(
        kinds
    ):
        # What DuckDB 2 and DuckDB 1 make of a PIVOT that looks its columns up in the data.
        return (
            "a PIVOT whose columns come from the data: the columns of a model don't depend on its rows, so name them: "
            "pivot ... on column in ('a', 'b')"
        )
    return "not a SELECT; a model is one SELECT, the tool writes the CREATE around it"


def _without_schema(name: str, known: Collection[ModelKey]) -> str:
    same = [str(key) for key in sorted(known) if key.name == name.lower()]
    near = f"; did you mean {' or '.join(same)}?" if same else did_you_mean(name, (key.name for key in known))
    example = "" if near else f", for example linkt.{name} or staging.{name}"
    return f"unknown table '{name}': write schema.table{near or example}"


def _first_code_line(text: str) -> int:
    lines = text.splitlines()
    return next((n for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("--")), 1)


def _second_statement_line(con: duckdb.DuckDBPyConnection, text: str) -> int:
    first = con.extract_statements(text)[0].query
    start = text.find(first) + len(first)
    rest = text[start:]
    return text.count("\n", 0, start) + _first_code_line(rest.lstrip(";"))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every node of the tree, in no particular order."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            pending += [value for value in node.values() if isinstance(value, dict | list)]
        else:
            pending += [item for item in node if isinstance(item, dict | list)]


def _is_pure(node: dict[str, Any]) -> bool:
    if node.get("sample"):
        return False
    match node.get("type"):
        case "TABLE_FUNCTION":
            # Any other may read a file or list the catalog.
            return node["function"].get("function_name") in _PURE_TABLE_FUNCTIONS
        case "FUNCTION":
            return node["function_name"].lower() not in _VOLATILE
        case "COLUMN_REF":
            return node["column_names"][-1].lower() not in _VOLATILE
    return True


def _tables(node: Any, ctes: frozenset[str]) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Every table node below ``node`` with the CTE names it can see."""
    if isinstance(node, list):
        for item in node:
            yield from _tables(item, ctes)
    elif isinstance(node, dict):
        if cte_map := node.get("cte_map"):
            # A CTE is seen by what is below the node that defines it, not by the nodes beside.
            ctes = ctes | {entry["key"].lower() for entry in cte_map["map"]}
        if node.get("type") == "BASE_TABLE":
            yield node, ctes
        for value in node.values():
            yield from _tables(value, ctes)
