"""The header of a SQL model: comment lines ``-- key: value`` above the SELECT.

A line that begins with ``--`` and at least two blanks continues the one above. Every mistake is reported with file
and line, a misspelt key above all: a setting that is silently ignored is worse than none.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.model import Follow, Header, Incremental, Materialization, ModelKey, Reference, Severity

_LINE = re.compile(r"--(?P<indent>\s*)(?P<key>[A-Za-z][A-Za-z_-]*)(?P<rest>(?:[^:\"]|\"[^\"]*\")*):(?P<value>.*)$")
_CANONICAL = re.compile(r"--\s?[a-z_]+(\s+([^\s:]+|\"[^\"]+\"))?:(\s|$)")
_REFERENCE = re.compile(r"(?P<column>\w+)\s*->\s*(?P<schema>\w+)\.(?P<table>\w+)\.(?P<target>\w+)")
_INCREMENTAL = re.compile(r"(?P<columns>[\w\s,]+?)\s+from\s+(?P<schema>\w+)\.(?P<table>\w+)")

MODEL_KEYS = (
    "description", "grain", "materialized", "incremental", "narrow", "follows", "tells", "rows",
    "published", "column", "unique", "not_null", "references",
)  # fmt: skip
_ONE_NAME = re.compile(r"[^\s\"]+|\"[^\"]+\"")
_NAMING = frozenset({"column", "parameter", "type", "follows"})  # followed by the name of what they speak of
_ONCE = frozenset({"description", "grain", "materialized", "incremental", "tells", "rows", "published"})
BUILT_IN = "built_in"  # in a copy of a built-in file: what that one was; see overlay.py
CHECK_KEYS = ("description", "model", "severity")
MACRO_KEYS = ("description", "parameter", "returns")
SEED_KEYS = ("description", "grain", "column", "type", "unique", "not_null", "references")


@dataclass
class Entry:
    """One header line with its continuation lines."""

    key: str
    column: str | None
    value: str
    line: int


@dataclass
class _Draft:
    description: str = ""
    grain: str = ""
    materialization: Materialization = Materialization.VIEW
    incremental: Incremental | None = None
    narrow: list[Reference] = field(default_factory=list)
    follows: list[Follow] = field(default_factory=list)
    tells: tuple[str, ...] = ()
    rows: str | None = None
    stays_view: bool = False
    columns: dict[str, str] = field(default_factory=dict)
    unique: list[tuple[str, ...]] = field(default_factory=list)
    not_null: list[str] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)


@dataclass(frozen=True)
class CheckHeader:
    """The header of a file in sql/checks."""

    description: str
    model: ModelKey
    severity: Severity


def read_entries(path: Path, text: str, known: tuple[str, ...]) -> Iterator[Entry]:
    """The header's entries, up to the first line that is neither a comment nor blank.

    A key may be written in capitals, with a hyphen or a blank for ``_``, and with or without blanks around it and the
    colon: a spelling that a person reads as a key is taken as one, or refused, and never passed over.

    Raises:
        ModelFileError: a key that is not one of ``known`` or nearly one, or a key below the first line of code.
    """
    known = (*known, BUILT_IN)
    entry: Entry | None = None
    lines = _outside_of_blocks(text)
    for number, line in lines:
        if line and not line.startswith("--"):
            break
        found = _entry(path, number, line, known, continues=entry is not None)
        if found is None and entry and re.match(r"--\s{2,}\S", line):
            entry.value = f"{entry.value} {line.removeprefix('--').strip()}".strip()
            continue
        if entry and entry.key != BUILT_IN:
            yield entry
        entry = found
    if entry and entry.key != BUILT_IN:
        yield entry
    # The generator goes on below the header. There a header line would have no effect, and nobody would notice.
    for number, line in lines:
        match = _LINE.match(line)
        if match and _CANONICAL.match(line) and _key_and_column(match, known):
            raise ModelFileError(path, number, f"header lines stand above the SQL; move this one up: {line}")


def _outside_of_blocks(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, without white space around; what stands in ``/* */`` above the SQL is left out."""
    in_block = False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        in_block = in_block or stripped.startswith("/*")
        if not in_block:
            yield number, stripped
        elif "*/" in stripped:
            in_block = False
            if after := stripped.partition("*/")[2].strip():
                yield number, after


def _entry(path: Path, number: int, line: str, known: tuple[str, ...], *, continues: bool) -> Entry | None:
    """The entry that a line begins; None if it is any other comment, or a blank."""
    match = _LINE.match(line)
    if match is None:
        return None
    found = _key_and_column(match, known)
    indented = len(match["indent"]) > 1
    if found is None:
        if not (continues and indented):
            _refuse_near_key(path, number, match, known)
        return None
    if continues and indented:
        problem = f"'{found[0]}' continues the line above, because of the blanks before it: write '-- {found[0]}: ...'"
        raise ModelFileError(path, number, problem)
    return Entry(*found, match["value"].strip(), number)


def _key_and_column(match: re.Match[str], known: tuple[str, ...]) -> tuple[str, str | None] | None:
    """The key that a comment line gives, and the column, parameter or the like that stands between it and the colon."""
    whole, first, rest = _canonical(match["key"] + match["rest"]), _canonical(match["key"]), match["rest"].strip()
    if whole in known:
        return whole, None
    if first in known and ((first in _NAMING and _ONE_NAME.fullmatch(rest)) or _CANONICAL.match(match[0])):
        return first, rest
    return None


def _canonical(written: str) -> str:
    return re.sub(r"[\s_-]+", "_", written.strip()).lower()


def _refuse_near_key(path: Path, number: int, match: re.Match[str], known: tuple[str, ...]) -> None:
    """Any comment may stand in a header, but not one that looks like a key."""
    whole, first, rest = _canonical(match["key"] + match["rest"]), _canonical(match["key"]), match["rest"].strip()
    near = difflib.get_close_matches(whole, known, n=1, cutoff=0.8)
    if not near and _ONE_NAME.fullmatch(rest):
        near = difflib.get_close_matches(first, known, n=1, cutoff=0.8)
    if near or _CANONICAL.match(match[0]):
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
        raise ModelFileError(path, number, f"unknown header '{first}'; {hint}")


def parse_header(path: Path, text: str) -> Header:
    """Read the header of a model.

    Raises:
        ModelFileError: an entry is unknown, given twice, or can't be read.
    """
    draft = _Draft()
    seen: dict[str, int] = {}
    materialized_line = 1
    for entry in read_entries(path, text, MODEL_KEYS):
        if entry.key in _ONCE | {"narrow", "follows"}:
            if entry.key in seen and entry.key in _ONCE:
                raise ModelFileError(path, entry.line, f"'{entry.key}' is given twice, first in line {seen[entry.key]}")
            seen[entry.key] = entry.line
        if entry.key == "materialized":
            materialized_line = entry.line
        _apply(path, entry, draft)
    _require_words(path, draft)
    if (draft.materialization is Materialization.INCREMENTAL) != (draft.incremental is not None):
        raise ModelFileError(
            path,
            seen.get("incremental", materialized_line),
            "'-- materialized: incremental' and '-- incremental: key, cursor from schema.table' belong together",
        )
    for key in ("narrow", "follows"):
        if key in seen and draft.incremental is None:
            raise ModelFileError(path, seen[key], f"'{key}' is for incremental models; the others read all rows anyway")
    if draft.tells and draft.materialization is Materialization.VIEW:
        raise ModelFileError(path, seen["tells"], "'tells' is for tables; no build changes the rows of a view")
    _require_one_key(path, draft, seen)
    if draft.rows and draft.materialization is not Materialization.VIEW:
        raise ModelFileError(path, seen["rows"], "'rows' is for views; the rows of a table are counted at no cost")
    if draft.stays_view and draft.materialization is not Materialization.VIEW:
        raise ModelFileError(path, seen["published"], "'published' is for views; a table is published as a table")
    return Header(
        description=draft.description,
        grain=draft.grain,
        materialization=draft.materialization,
        incremental=draft.incremental
        and replace(draft.incremental, narrow=tuple(draft.narrow), follows=tuple(draft.follows)),
        tells=draft.tells,
        rows=draft.rows,
        stays_view=draft.stays_view,
        columns=draft.columns,
        unique=tuple(draft.unique),
        not_null=tuple(draft.not_null),
        references=tuple(draft.references),
    )


def parse_seed_header(path: Path, text: str) -> tuple[Header, dict[str, str]]:
    """Read the header of a seed, a file of comment lines beside its CSV file.

    Returns:
        The header, as of a table, and the DuckDB types of the columns that have a line ``-- type <name>: <type>``.

    Raises:
        ModelFileError: an entry is unknown, missing, or can't be read.
    """
    draft = _Draft(materialization=Materialization.TABLE)
    types: dict[str, str] = {}
    for entry in read_entries(path, text, SEED_KEYS):
        if entry.key != "type":
            _apply(path, entry, draft)
        elif entry.column is None or not entry.value:
            raise ModelFileError(path, entry.line, "write '-- type <column>: <DuckDB type>'")
        else:
            types[entry.column.strip('"')] = entry.value
    _require_words(path, draft)
    header = Header(
        description=draft.description,
        grain=draft.grain,
        materialization=draft.materialization,
        incremental=None,
        tells=(),
        rows=None,
        stays_view=False,
        columns=draft.columns,
        unique=tuple(draft.unique),
        not_null=tuple(draft.not_null),
        references=tuple(draft.references),
    )
    return header, types


def parse_check_header(path: Path, text: str) -> CheckHeader:
    """Read the header of a check.

    Raises:
        ModelFileError: an entry is unknown or missing.
    """
    entries = {entry.key: entry for entry in read_entries(path, text, CHECK_KEYS)}
    for key in ("description", "model"):
        if key not in entries or not entries[key].value:
            raise ModelFileError(path, 1, f"no '{key}'; a check begins with '-- description: ...' and '-- model: ...'")
    severity = entries.get("severity")
    if severity and severity.value not in set(Severity):
        raise ModelFileError(path, severity.line, f"severity '{severity.value}' is neither error nor warn")
    try:
        model = ModelKey.parse(entries["model"].value)
    except ValueError:
        problem = f"model '{entries['model'].value}' is not of the form schema.table"
        raise ModelFileError(path, entries["model"].line, problem) from None
    return CheckHeader(entries["description"].value, model, Severity(severity.value) if severity else Severity.ERROR)


def _require_words(path: Path, draft: _Draft) -> None:
    if not draft.description:
        raise ModelFileError(path, 1, "no description; begin the file with a line '-- description: what it is for'")
    if not draft.grain:
        raise ModelFileError(path, 1, "no grain; say what one row stands for: '-- grain: one row per ...'")


def _apply(path: Path, entry: Entry, draft: _Draft) -> None:
    if entry.column is not None and entry.key not in ("column", "follows"):
        raise ModelFileError(path, entry.line, f"'{entry.key}' takes its value after the colon")
    if not entry.value:
        raise ModelFileError(path, entry.line, f"'{entry.key}' has no value")
    match entry.key:
        case "description":
            draft.description = entry.value
        case "grain":
            draft.grain = entry.value
        case "materialized":
            if entry.value not in set(Materialization):
                problem = f"materialized '{entry.value}' is none of {', '.join(Materialization)}"
                raise ModelFileError(path, entry.line, problem)
            draft.materialization = Materialization(entry.value)
        case "incremental":
            draft.incremental = _incremental(path, entry)
        case "narrow":
            draft.narrow.append(_reference(path, entry))
        case "follows":
            draft.follows.append(_follow(path, entry))
        case "tells":
            draft.tells = _names(entry.value)
        case "rows":
            draft.rows = entry.value
        case "published":
            if entry.value not in ("view", "table"):
                raise ModelFileError(path, entry.line, f"published '{entry.value}' is neither view nor table")
            draft.stays_view = entry.value == "view"
        case "column":
            if entry.column is None:
                raise ModelFileError(path, entry.line, "write '-- column <name>: what it holds'")
            if entry.column.strip('"') in draft.columns:
                raise ModelFileError(path, entry.line, f"column '{entry.column}' is described twice")
            draft.columns[entry.column.strip('"')] = entry.value
        case "unique":
            draft.unique.append(_names(entry.value))
        case "not_null":
            draft.not_null += _names(entry.value)
        case "references":
            draft.references.append(_reference(path, entry))


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _require_one_key(path: Path, draft: _Draft, seen: dict[str, int]) -> None:
    """A model that follows tables has one key column, and one that has no cursor follows tables."""
    if draft.incremental is None:
        return
    if draft.incremental.cursor is None and not draft.follows:
        problem = "without a cursor beside the key, lines '-- follows schema.table: ...' have to say which keys change"
        raise ModelFileError(path, seen["incremental"], problem)
    if draft.follows and len(draft.incremental.key) > 1:
        raise ModelFileError(path, seen["follows"], "'follows' is for models with one key column")


def _follow(path: Path, entry: Entry) -> Follow:
    try:
        table = ModelKey.parse(entry.column or "")
    except ValueError:
        table = None
    if table is None or not entry.value:
        problem = "write '-- follows schema.table: column', or a SELECT from changed in place of the column"
        raise ModelFileError(path, entry.line, problem)
    is_select = entry.value.lower().startswith(("select ", "with "))
    return Follow(table, entry.value if is_select else f"select {entry.value} from changed")  # noqa: S608


def _incremental(path: Path, entry: Entry) -> Incremental:
    match = _INCREMENTAL.fullmatch(entry.value)
    names = _names(match["columns"]) if match else ()
    if match is not None and len(names) == 1:
        return Incremental(names, None, ModelKey.parse(f"{match['schema']}.{match['table']}"))
    if match is None or not names:
        raise ModelFileError(
            path,
            entry.line,
            f"incremental '{entry.value}' can't be read; write the key columns, then the cursor column, then the table "
            "that holds the keys: '-- incremental: entity_id, fetched_at from staging.entities'",
        )
    return Incremental(names[:-1], names[-1], ModelKey.parse(f"{match['schema']}.{match['table']}"))


def _reference(path: Path, entry: Entry) -> Reference:
    match = _REFERENCE.fullmatch(entry.value)
    if match is None:
        problem = f"{entry.key} '{entry.value}' can't be read; write 'column -> schema.table.column'"
        raise ModelFileError(path, entry.line, problem)
    return Reference(match["column"], ModelKey.parse(f"{match['schema']}.{match['table']}"), match["target"])
