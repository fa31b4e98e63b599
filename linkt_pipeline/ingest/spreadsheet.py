"""The first sheet of an XLSX workbook as rows of texts.

Linkt converts a workbook by itself, and documents no more than that it takes the first sheet. The texts here are what a
spreadsheet program would save as CSV, with dates as ISO 8601. What a text can't hold is refused or said.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from io import BytesIO
from typing import Any

from linkt_pipeline.ingest.errors import FileRefusedError
from linkt_pipeline.ingest.workbook import Cells, DamagedWorkbookError, look_through

MOST_CELLS = 5_000_000  # of the rectangle between the first and the last cell
_MOST_SHOWN = 5


@dataclass(frozen=True)
class Sheet:
    """A sheet that can be sent.

    Attributes:
        rows: from the first row of the sheet to the last that holds anything, all of one width.
        warnings: what of it is lost as text.
    """

    rows: list[list[str]]
    warnings: tuple[str, ...]


def read_first_sheet(name: str, content: bytes) -> Sheet:
    """Read the first sheet of a workbook.

    Args:
        name: of the file, for errors.
        content: its bytes.

    Raises:
        FileRefusedError: it is no workbook, or its first sheet holds what no text can stand for.
    """
    try:
        cells = look_through(content)
        # Checked before any value is read: the reader takes memory for the whole rectangle.
        if cells.last_row * cells.last_column > MOST_CELLS:
            raise DamagedWorkbookError(
                f"its first sheet reaches to row {cells.last_row:,} and column {cells.last_column:,}; delete what lies "
                "far below or beside the table"
            )
        values, notes = _values(content)
    except DamagedWorkbookError as error:
        raise FileRefusedError(name, [str(error)]) from None
    rows = [[text_of(value) for value in row] for row in values]
    while rows and not any(rows[-1]):  # formulas that give nothing, filled down below the table
        rows.pop()
    if problems := _problems(cells, rows):
        raise FileRefusedError(name, problems)
    return Sheet(rows, (*notes, *_warnings(cells)))


def text_of(value: Any) -> str:
    """The value of a cell as text."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            # A workbook has no whole numbers: 7 arrives as 7.0, and the row says 7.
            return str(int(value)) if value.is_integer() else repr(value)
        case datetime() if value.time() != time():
            return value.isoformat(" ")
        case datetime():
            return value.date().isoformat()
        case timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value)


def _values(content: bytes) -> tuple[list[list[Any]], list[str]]:
    """The values of the first sheet from cell A1 on, and what is left out of the workbook."""
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    try:
        with CalamineWorkbook.from_filelike(BytesIO(content)) as workbook:
            first, *others = workbook.sheets_metadata
            if first.typ is not SheetTypeEnum.WorkSheet:
                raise DamagedWorkbookError(f"its first sheet, {first.name!r}, is no table; move the table to the front")
            if first.visible is not SheetVisibleEnum.Visible:
                raise DamagedWorkbookError(
                    f"its first sheet, {first.name!r}, is hidden, and Linkt reads the first; show it, or move another "
                    "one to the front"
                )
            sheet = workbook.get_sheet_by_index(0)
            notes = [f"only the first sheet, {first.name!r}, is read; it has {len(others)} more"] if others else []
            if sheet.merged_cell_ranges:
                notes.append("of merged cells, only the first one has the value; the others are empty")
            return sheet.to_python(skip_empty_area=False), notes
    except CalamineError as error:
        raise DamagedWorkbookError(f"it is damaged, or no XLSX workbook ({error})") from None


def _problems(cells: Cells, rows: list[list[str]]) -> list[str]:
    if not rows:
        return ["its first sheet is empty"]
    problems = []
    if not any(rows[0]):
        problems.append("the first row of its first sheet is empty; the header must stand there")
    if cells.errors:
        problems.append(f"cells with an error, which would arrive empty: {_listed(cells.errors)}; correct them")
    if cells.uncomputed:
        problems.append(
            f"cells with a formula and no result: {_listed(cells.uncomputed)}; open the file in a spreadsheet program "
            "and save it"
        )
    if nul := [str(number) for number, row in enumerate(rows, 1) if any("\0" in text for text in row)]:
        problems.append(f"row {_listed(nul)} holds a NUL")
    return problems


def _warnings(cells: Cells) -> list[str]:
    warnings = []
    if cells.long_numbers:
        warnings.append(
            f"a spreadsheet keeps 15 digits of a number, so enter longer ones as text: {_listed(cells.long_numbers)}"
        )
    if cells.formatted:
        warnings.append(
            "numbers arrive without their format, as 0.05 for 5% and 7 for 007, so enter as text what must stay: "
            f"{_listed(cells.formatted)}"
        )
    return warnings


def _listed(cells: list[str]) -> str:
    more = f" and {len(cells) - _MOST_SHOWN:,} more" if len(cells) > _MOST_SHOWN else ""
    return f"{', '.join(cells[:_MOST_SHOWN])}{more}"
