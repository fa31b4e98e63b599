"""Real XLSX workbooks, written part by part: no library stands between a test and the bytes."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'

FORMATS = {"general": 0, "date": 14, "moment": 22, "time": 20, "percent": 10, "duration": 164, "padded": 165}
"""Names of cell styles, with the number format of each."""

_STYLES = (
    f'<styleSheet {_MAIN}><numFmts count="2"><numFmt numFmtId="164" formatCode="[h]:mm:ss"/>'
    '<numFmt numFmtId="165" formatCode="00000"/></numFmts><cellXfs>'
    + "".join(f'<xf numFmtId="{number}"/>' for number in FORMATS.values())
    + "</cellXfs></styleSheet>"
)


def styled(number: float, style: str) -> str:
    """A number in a format of :data:`FORMATS`."""
    return f'<c s="{list(FORMATS).index(style)}"><v>{number}</v></c>'


def workbook(
    *rows: Sequence[Any], first: str = 'name="Fair" ', after: str = "", more_sheets: int = 0, **parts: str
) -> bytes:
    """A workbook whose first sheet has these rows from A1 on.

    Args:
        *rows: of texts, numbers and None; a text that begins with ``<c`` is the XML of a cell, and a row that is a text
            is the XML of a row.
        first: attributes of the first sheet.
        after: XML below the rows, such as merged cells.
        more_sheets: how many empty ones follow.
        **parts: other contents of ``workbook`` or ``sheet``.
    """
    sheets = "".join(f'<sheet name="S{n}" sheetId="{n + 1}" r:id="rId2"/>' for n in range(1, more_sheets + 1))
    data = "".join(row if isinstance(row, str) else f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
    written = {
        "[Content_Types].xml": (
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/></Types>'
        ),
        "_rels/.rels": (
            f'<Relationships {_RELATIONS}><Relationship Id="rId1" Type="{_OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>'
        ),
        "xl/workbook.xml": parts.get("workbook")
        or f'<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets><sheet sheetId="1" {first}r:id="rId1"/>{sheets}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": (
            f'<Relationships {_RELATIONS}><Relationship Id="rId1" Type="{_OFFICE}/worksheet" '
            f'Target="worksheets/one.xml"/><Relationship Id="rId2" Type="{_OFFICE}/worksheet" '
            f'Target="/xl/worksheets/two.xml"/><Relationship Id="rId3" Type="{_OFFICE}/styles" Target="styles.xml"/>'
            "</Relationships>"
        ),
        "xl/styles.xml": _STYLES,
        "xl/worksheets/one.xml": parts.get("sheet")
        or f"<worksheet {_MAIN}><sheetData>{data}</sheetData>{after}</worksheet>",
        "xl/worksheets/two.xml": f"<worksheet {_MAIN}><sheetData/></worksheet>",
    }
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in written.items():
            archive.writestr(name, content)
    return file.getvalue()


def _cell(value: Any) -> str:
    match value:
        case None:
            return "<c/>"
        case str() if value.startswith("<c"):
            return value
        case str():
            return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    return f"<c><v>{value}</v></c>"
