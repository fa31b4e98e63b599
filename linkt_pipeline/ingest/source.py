"""A user's file as it is read and checked before anything is sent.

Linkt reads CSV in UTF-8 with commas and a header row, and the first sheet of a workbook. A run costs about a credit and
a minute for each row, so whatever can be seen to be wrong is refused here, all of it at once.
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import orjson

from linkt_pipeline.ingest.errors import FileRefusedError
from linkt_pipeline.ingest.spreadsheet import read_first_sheet

LARGEST_FILE = 64 * 2**20  # Linkt documents no limit; the whole file is held in memory
_MOST_LINES = 5  # shown of one problem
_BOM = b"\xef\xbb\xbf"
_ARCHIVE = b"PK\x03\x04"
_OTHER_ENCODINGS = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\xd0\xcf\x11\xe0": "an old workbook (XLS), or one with a password",
}
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class FileKind(Enum):
    """What a file is, by its bytes: its usual ending, its type, and what its rows are counted in."""

    CSV = ("csv", "text/csv", "line")
    XLSX = ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "row")

    def __init__(self, ending: str, content_type: str, place: str) -> None:
        self.ending = ending
        self.content_type = content_type
        self.place = place


@dataclass(frozen=True)
class Source:
    """A file that can be sent.

    Attributes:
        path: where it lies.
        sha256: of its bytes as they are on disk; of a workbook, of its header and rows, because a spreadsheet program
            changes the bytes of all that it saves.
        content: what is sent: the same without a byte order mark, which could become part of the first column's name.
        kind: what it is.
        columns: the header, without blanks around.
        padded: columns whose names have blanks around in the file.
        rows: the values below it; each row has as many as there are columns.
        lines: the line on which each row ends, or its row in the sheet, counted from 1.
        warnings: what a person should know before it is sent.
    """

    path: Path
    sha256: str
    content: bytes = field(repr=False)
    kind: FileKind
    columns: tuple[str, ...]
    padded: frozenset[str]
    rows: tuple[tuple[str, ...], ...] = field(repr=False)
    lines: tuple[int, ...] = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name without the folder."""
        return self.path.name

    def values(self, column: str) -> list[str]:
        """One column, row by row, without blanks around."""
        place = self.columns.index(column)
        return [row[place].strip() for row in self.rows]

    def records(self) -> Iterator[dict[str, str]]:
        """The rows, their values by column name."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def listed(self, lines: list[int]) -> str:
        """Some of its lines, as a message names them."""
        return _listed(lines, self.kind.place)


def read_source(path: Path) -> Source:
    """Read and check a file.

    Raises:
        FileRefusedError: it can't be read, or is neither a workbook nor CSV in UTF-8 with commas; or it lacks a header
            or rows of its width.
    """
    raw = _bytes_of(path)
    content = raw.removeprefix(_BOM)
    warnings: tuple[str, ...] = ()
    if content.startswith(_ARCHIVE):
        kind, sheet = FileKind.XLSX, read_first_sheet(path.name, content)
        header, rows, warnings = list(sheet.rows[0]), sheet.rows[1:], sheet.warnings
        lines = list(range(2, len(rows) + 2))
        identity = orjson.dumps([[name.strip() for name in header], rows])
    else:
        kind, identity = FileKind.CSV, raw
        header, rows, lines = _table_of(path, _text_of(path, content))
    columns = [name.strip() for name in header]
    if problems := [*_header_problems(columns, kind), *_row_problems(columns, rows, lines)]:
        raise FileRefusedError(path.name, problems)
    sha256 = hashlib.sha256(identity).hexdigest()
    padded = frozenset(name.strip() for name in header if name != name.strip())
    return Source(path, sha256, content, kind, tuple(columns), padded, tuple(map(tuple, rows)), tuple(lines), warnings)


def require_primary_column(source: Source, column: str) -> None:
    """Check that the column by which Linkt identifies a row exists and is filled in each row.

    Raises:
        FileRefusedError: the column is missing, or empty in some row.
    """
    if column not in source.columns:
        known = ", ".join(source.columns)
        raise FileRefusedError(
            source.name,
            [f"there is no column {column!r}; choose the primary column with --primary-column among: {known}"],
        )
    if column in source.padded:
        raise FileRefusedError(
            source.name,
            [
                f"the name of the primary column {column!r} has blanks around it in the header, and Linkt would take "
                "them for a part of the name; remove the blanks"
            ],
        )
    empty = [line for line, value in zip(source.lines, source.values(column), strict=True) if not value]
    if empty:
        raise FileRefusedError(
            source.name,
            [f"the primary column {column!r} is empty on {source.listed(empty)}; fill it in, or delete these rows"],
        )


def repeated_values(source: Source, column: str) -> dict[str, int]:
    """Values of a column that more than one row has, with how many; Linkt may charge each row."""
    counted = Counter(value.casefold() for value in source.values(column))
    return {value: count for value, count in counted.items() if count > 1}


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise FileRefusedError(
                path.name, [f"it has {path.stat().st_size:,} bytes, more than {LARGEST_FILE:,}; split it into several"]
            )
        return path.read_bytes()
    except OSError as error:
        raise FileRefusedError(path.name, [f"'{path}' can't be read: {error.strerror or error}"]) from None


def _text_of(path: Path, content: bytes) -> str:
    if not content.strip():
        raise FileRefusedError(path.name, ["it is empty"])
    for beginning, what in _OTHER_ENCODINGS.items():
        if content.startswith(beginning):
            raise FileRefusedError(path.name, [f"it is {what}; save it as CSV in UTF-8, or as XLSX"])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileRefusedError(
            path.name,
            [
                f"it is not UTF-8: byte 0x{content[error.start]:02x} on line {line}; save it as UTF-8, or convert it "
                f"with: iconv -f WINDOWS-1252 -t UTF-8 '{path.name}' > utf8.csv"
            ],
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise FileRefusedError(path.name, [f"it is no text: line {line} holds a NUL"])
    return text


def _table_of(path: Path, text: str) -> tuple[list[str], list[list[str]], list[int]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if not row:
                continue
            if not header:
                header = row
                continue
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        longest = csv.field_size_limit()
        what = (
            f"holds a value of more than {longest:,} characters, probably a quotation mark too many; correct it"
            if str(longest) in str(error)
            else f"is no CSV: {error}"
        )
        raise FileRefusedError(path.name, [f"line {reader.line_num} {what}"]) from None
    return header, rows, lines


def _header_problems(columns: list[str], kind: FileKind) -> list[str]:
    problems = []
    if len(columns) == 1 and kind is FileKind.CSV:
        for character, what in _OTHER_DELIMITERS.items():
            if character in columns[0]:
                return [f"its columns are separated by {what}, but Linkt reads commas; save it with commas"]
    if unnamed := [str(place) for place, name in enumerate(columns, 1) if not name]:
        problems.append(f"column {', '.join(unnamed)} has no name in the header")
    counted = Counter(name.casefold() for name in columns if name)
    for name in dict.fromkeys(name for name in columns if counted[name.casefold()] > 1):
        problems.append(
            f"the column name {name!r} occurs more than once in the header (upper and lower case count as one)"
        )
    return problems


def _row_problems(columns: list[str], rows: list[list[str]], lines: list[int]) -> list[str]:
    if not rows:
        return ["it has a header and no row below it"]
    odd = [line for line, row in zip(lines, rows, strict=True) if len(row) != len(columns)]
    if not odd:
        return []
    return [f"the header has {len(columns)} columns, and {_listed(odd)} has another number of values"]


def _listed(lines: list[int], place: str = "line") -> str:
    more = f" and {len(lines) - _MOST_LINES:,} more" if len(lines) > _MOST_LINES else ""
    return f"{place} {', '.join(map(str, lines[:_MOST_LINES]))}{more}"
