"""Names that come from files and folders, held to what SQL, Dagster and the published folder all take unquoted.

A build or the code location would refuse a name that only one of them accepts, long after the file was saved.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RULE = "lower-case letters, digits and _, beginning with a letter"

RESERVED_SCHEMAS = {
    "linkt": "holds what was landed",
    "linkt_ledger": "holds the ledger",
    "published": "is the asset group of the snapshot",
    "warehouse": "is the name of the database itself",
    **dict.fromkeys(("information_schema", "main", "memory", "pg_catalog", "system", "temp"), "belongs to DuckDB"),
}


def schema_problem(name: str) -> str | None:
    """Why a folder of sql/ can't be a schema, with a name that can; None when it can."""
    if reason := RESERVED_SCHEMAS.get(name.lower()):
        return f"folder '{name}' can't be a schema: '{name.lower()}' {reason}; choose another, for example marts"
    if not _NAME.fullmatch(name):
        return f"folder '{name}' can't be a schema; its name takes {_RULE}: rename it to '{_valid(name)}'"
    if "__" in name or name.endswith("_"):
        # Dagster joins schema and table by two underscores: a__b + c and a + b__c would be one name.
        return f"folder '{name}' can't be a schema; write single _ between words: rename it to '{_single(name)}'"
    return None


def file_problem(stem: str, suffix: str) -> str | None:
    """Why a file's name can't be used, with one that can; None when it can."""
    wanted = suffix.lower()
    if not _NAME.fullmatch(stem):
        return f"'{stem}{suffix}' can't be a name in SQL; it takes {_RULE}: rename the file to '{_valid(stem)}{wanted}'"
    if suffix != wanted:
        return f"'{stem}{suffix}' is not read; rename the file to '{stem}{wanted}'"
    return None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'a' or 'b'?`` for the names that are near, nothing if there are none."""
    candidates = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), candidates, n=2, cutoff=0.7)
    return f"; did you mean {' or '.join(repr(candidates[match]) for match in near)}?" if near else ""


def _valid(name: str) -> str:
    """The nearest name that follows the rule."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    words = [word for word in re.split(r"[^a-z0-9]+", plain) if word]
    while words and words[0].isdigit() and len(words) > 1 and not all(map(str.isdigit, words)):
        words.append(words.pop(0))  # 2024_totals: totals_2024
    joined = "_".join(words)
    return joined if _NAME.fullmatch(joined) else f"t_{joined}".rstrip("_") if joined else "my_model"


def _single(name: str) -> str:
    return re.sub(r"_+", "_", name).strip("_")
