"""What the XML of a workbook's first sheet says about its cells and a reader of values does not show.

A reader of values gives an empty cell for an error and for a formula without a result. It applies only the number
formats of dates. It takes memory for the whole rectangle between the first and the last cell. Each row costs credits,
so all of that must be found before anything is sent.
"""

import posixpath
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate
from zipfile import BadZipFile, ZipFile

LARGEST_UNPACKED = 512 * 2**20  # all parts together: what is looked through is held in memory
_WORKBOOK = "xl/workbook.xml"
_LONGEST_NUMBER = 10**15  # a spreadsheet keeps 15 digits
_PERCENT = frozenset({"9", "10"})  # numbers of formats that every workbook has
_LITERALS = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.')  # of a number format: texts, colours, single characters
_LETTERS = re.compile(r"[A-Z]+")

# What zipfile, expat, and reading numbers raise; a password is a RuntimeError.
_DAMAGE = (BadZipFile, zlib.error, EOFError, ExpatError, KeyError, ValueError, OverflowError, RuntimeError)

_Attributes = Mapping[str, str]


class DamagedWorkbookError(Exception):
    """It is no workbook, or lacks a part."""


@dataclass
class Cells:
    """Cells of a sheet, by their addresses such as ``B7``.

    Attributes:
        errors: hold an error such as ``#N/A``.
        uncomputed: hold a formula without its result.
        long_numbers: hold a number of more digits than a spreadsheet keeps.
        formatted: show something else than their value: 5% for 0.05, or 007 for 7.
        last_row: the last that holds anything, counted from 1.
        last_column: the same of columns.
    """

    errors: list[str] = field(default_factory=list)
    uncomputed: list[str] = field(default_factory=list)
    long_numbers: list[str] = field(default_factory=list)
    formatted: list[str] = field(default_factory=list)
    last_row: int = 0
    last_column: int = 0


def look_through(content: bytes) -> Cells:
    """The cells of a workbook's first sheet.

    Raises:
        DamagedWorkbookError: the bytes are no XLSX workbook.
    """
    try:
        with ZipFile(BytesIO(content)) as archive:
            if _WORKBOOK not in archive.namelist():
                raise DamagedWorkbookError("it is an archive and no XLSX workbook")
            if (size := sum(part.file_size for part in archive.infolist())) > LARGEST_UNPACKED:
                raise DamagedWorkbookError(f"it unpacks to {size:,} bytes, more than {LARGEST_UNPACKED:,}")
            reader = _SheetReader(_shortening_formats(archive))
            _parse(archive.read(_first_sheet(archive)), reader.start, reader.end, reader.text)
            return reader.cells
    except _DAMAGE as error:
        raise DamagedWorkbookError(f"it is damaged, or no XLSX workbook ({error})") from None


class _SheetReader:
    """Follows the XML of a sheet; an address that a cell leaves out is the one after its neighbour's."""

    def __init__(self, shortening: frozenset[int]) -> None:
        self.cells = Cells()
        self._shortening = shortening
        self._row = self._column = 0
        self._cell: _Attributes = {}
        self._has_formula = self._has_text = False
        self._value: list[str] | None = None

    def start(self, tag: str, attributes: _Attributes) -> None:
        match tag:
            case "row":
                self._row, self._column = int(attributes.get("r", self._row + 1)), 0
            case "c":
                letters = _LETTERS.match(attributes.get("r", ""))
                self._column = _column_number(letters[0]) if letters else self._column + 1
                self._cell, self._has_formula, self._has_text, self._value = attributes, False, False, None
            case "f":
                self._has_formula = True
            case "v":
                self._value = []
            case "t":
                self._has_text = True

    def text(self, text: str) -> None:
        if self._value is not None:
            self._value.append(text)

    def end(self, tag: str) -> None:
        if tag != "c":
            return
        kind, value = self._cell.get("t", "n"), "".join(self._value or ()).strip()
        self._value = None
        where = f"{_column_letters(self._column)}{self._row}"
        if value or self._has_text or self._has_formula:
            self.cells.last_row = max(self.cells.last_row, self._row)
            self.cells.last_column = max(self.cells.last_column, self._column)
        if kind == "e":
            self.cells.errors.append(f"{where} ({value})")
        elif self._has_formula and kind != "str" and not value:
            self.cells.uncomputed.append(where)
        elif kind == "n" and value:
            if abs(float(value)) >= _LONGEST_NUMBER:
                self.cells.long_numbers.append(where)
            if int(self._cell.get("s", "0")) in self._shortening:
                self.cells.formatted.append(where)


def _first_sheet(archive: ZipFile) -> str:
    """The part that holds the first sheet."""
    sheets: list[str] = []
    targets: dict[str, str] = {}

    def sheet(tag: str, attributes: _Attributes) -> None:
        if tag == "sheet":
            sheets.extend(value for name, value in attributes.items() if name.endswith(":id"))

    def relation(tag: str, attributes: _Attributes) -> None:
        if tag == "Relationship":
            targets[attributes["Id"]] = attributes["Target"]

    _parse(archive.read(_WORKBOOK), sheet)
    _parse(archive.read("xl/_rels/workbook.xml.rels"), relation)
    if not sheets:
        raise DamagedWorkbookError("it has no sheet")
    return posixpath.normpath(posixpath.join("/xl", targets[sheets[0]])).lstrip("/")


def _shortening_formats(archive: ZipFile) -> frozenset[int]:
    """The cell styles that show a number as something that is not its value."""
    codes: dict[str, str] = {}
    styles: list[str] = []
    within: list[str] = []

    def start(tag: str, attributes: _Attributes) -> None:
        if tag == "numFmt":
            codes[attributes["numFmtId"]] = attributes["formatCode"]
        elif tag == "xf" and within and within[-1] == "cellXfs":
            styles.append(attributes.get("numFmtId", "0"))
        within.append(tag)

    if "xl/styles.xml" in archive.namelist():
        _parse(archive.read("xl/styles.xml"), start, lambda tag: within.pop())
    return frozenset(
        place for place, style in enumerate(styles) if style in _PERCENT or _is_shortening(codes.get(style, ""))
    )


def _is_shortening(code: str) -> bool:
    bare = _LITERALS.sub("", code)
    return "%" in bare or bare.startswith("00")


def _parse(
    document: bytes,
    start: Callable[[str, _Attributes], Any],
    end: Callable[[str], Any] = lambda tag: None,
    text: Callable[[str], Any] | None = None,
) -> None:
    """Follow a document by the names of its elements, whatever prefix its writer gives them."""
    parser = ParserCreate()
    parser.StartElementHandler = lambda tag, attributes: start(tag.rpartition(":")[2], attributes)
    parser.EndElementHandler = lambda tag: end(tag.rpartition(":")[2])
    parser.buffer_text = True
    parser.CharacterDataHandler = text
    parser.Parse(document, True)


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _column_letters(number: int) -> str:
    letters = ""
    while number:
        number, place = divmod(number - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters
