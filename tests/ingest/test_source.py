"""A file is checked before anything is sent, and every problem is named with its line."""

from pathlib import Path
from zipfile import ZipFile

import pytest

from linkt_pipeline.ingest.errors import FileRefusedError
from linkt_pipeline.ingest.source import FileKind, read_source, repeated_values, require_primary_column
from tests.workbooks import styled, workbook


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fair.csv"


def test_a_file_is_read_with_its_header_rows_and_lines(file: Path) -> None:
    file.write_bytes('\ufeffname , note\r\nLarkspur,"two\r\nlines"\r\n\r\nZoë & Søn,\r\n'.encode())

    source = read_source(file)

    assert source.columns == ("name", "note")
    assert source.rows == (("Larkspur", "two\r\nlines"), ("Zoë & Søn", ""))
    assert source.lines == (3, 5)
    assert source.content.startswith(b"name")  # a byte order mark could become part of the first column's name


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b" \n\n", "it is empty"),
        ("name\nCafé\n".encode("cp1252"), "it is not UTF-8: byte 0xe9 on line 2"),
        ("name\nLarkspur\n".encode("utf-16"), "it is UTF-16"),
        (b"\xd0\xcf\x11\xe0...", "it is an old workbook (XLS), or one with a password"),
        (b"name\nLark\x00spur\n", "line 2 holds a NUL"),
        (b'name\n"open\n', "is no CSV: unexpected end of data"),
        (b'name\n"a"b\n', "line 2 is no CSV"),
        (b"name\n" + b"x" * 200_000, "line 2 holds a value of more than 131,072 characters"),
        (b"name;city\nLarkspur;Oslo\n", "separated by semicolons"),
        (b"name\tcity\nLarkspur\tOslo\n", "separated by tabs"),
        (b"name,\nLarkspur,Oslo\n", "column 2 has no name in the header"),
        (b"name,Name\nLarkspur,Oslo\n", "the column name 'Name' occurs more than once in the header"),
        (b"name\n", "a header and no row below it"),
        (b"name,city\nLarkspur\nMoorgate,Oslo\nBell,Oslo,x\n", "has 2 columns, and line 2, 4 has another number"),
    ],
)
def test_what_linkt_could_not_read_is_refused(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)

    with pytest.raises(FileRefusedError) as refused:
        read_source(file)

    assert problem in str(refused.value)
    assert "nothing was sent" in str(refused.value)
    assert refused.value.exit_code == 2


def test_every_problem_of_a_file_is_named_at_once(file: Path) -> None:
    file.write_text("name,name,\nLarkspur\n")

    with pytest.raises(FileRefusedError) as refused:
        read_source(file)

    assert len(refused.value.problems) == 3


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileRefusedError, match="No such file"):
        read_source(tmp_path / "none.csv")


def test_the_primary_column_must_exist_and_be_filled(file: Path) -> None:
    file.write_text("name,city\n" + "Larkspur,Oslo\n" + " ,Bergen\n" * 7)
    source = read_source(file)

    with pytest.raises(FileRefusedError, match=r"no column 'company'.*among: name, city"):
        require_primary_column(source, "company")
    with pytest.raises(FileRefusedError, match="'name' is empty on line 3, 4, 5, 6, 7 and 2 more"):
        require_primary_column(source, "name")
    require_primary_column(source, "city")


def test_blanks_around_the_name_of_the_primary_column_are_refused(file: Path) -> None:
    file.write_bytes(b"name, website\nBell, bell.example\n")
    source = read_source(file)

    require_primary_column(source, "name")
    with pytest.raises(FileRefusedError, match="'website' has blanks around it in the header"):
        require_primary_column(source, "website")


def test_repeated_values_are_counted_whatever_their_case(file: Path) -> None:
    file.write_text("name\nLarkspur\nMoorgate\n larkspur \n")

    assert repeated_values(read_source(file), "name") == {"larkspur": 2}


TYPES = ("name", "day", "moment", "hour", "long", "count", "share", "is_new", "note")


def test_a_workbook_is_read_as_texts_from_its_first_sheet(file: Path) -> None:
    file.write_bytes(
        workbook(
            [f" {name} " for name in TYPES],
            [
                "Zoë & Søn",
                styled(45322, "date"),
                styled(45322.5, "moment"),
                styled(0.75, "time"),
                styled(1.25, "duration"),
                1200,
                0.25,
                '<c t="b"><v>1</v></c>',
                "two\nlines",
            ],
            ["007", *[None] * 7, "<c><f>1+1</f><v>2</v></c>"],
            ["x", *[None] * 7, '<c t="str"><f>""</f><v></v></c>'],
            ['<c t="str"><f>""</f><v></v></c>'],  # filled down below the table
        )
    )

    source = read_source(file)

    assert source.kind is FileKind.XLSX
    assert source.columns == TYPES
    assert source.rows == (
        (
            "Zoë & Søn",
            "2024-01-31",
            "2024-01-31 12:00:00",
            "18:00:00",
            "30:00:00",
            "1200",
            "0.25",
            "TRUE",
            "two\nlines",
        ),
        ("007", *[""] * 7, "2"),
        ("x", *[""] * 8),
    )
    assert source.lines == (2, 3, 4)
    assert source.content == file.read_bytes()
    assert source.warnings == ()


def test_what_a_workbook_loses_as_text_is_said(file: Path) -> None:
    merged = '<mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells>'
    rows = [["name", "id"], ["Bell", 12345678901234567], [styled(0.05, "percent"), styled(7, "padded")]]
    file.write_bytes(workbook(*rows, after=merged, more_sheets=2))

    assert read_source(file).warnings == (
        "only the first sheet, 'Fair', is read; it has 2 more",
        "of merged cells, only the first one has the value; the others are empty",
        "a spreadsheet keeps 15 digits of a number, so enter longer ones as text: B2",
        "numbers arrive without their format, as 0.05 for 5% and 7 for 007, so enter as text what must stay: A3, B3",
    )


FAR = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"PK\x03\x04...", "damaged, or no XLSX workbook"),
        (workbook(["name"], ["Bell"])[:-40], "damaged, or no XLSX workbook"),
        (workbook(sheet="<worksheet><sheetData><row"), "damaged, or no XLSX workbook"),
        (workbook(sheet='<worksheet><sheetData><row r="one"/></sheetData></worksheet>'), "is damaged"),
        (workbook(workbook="<workbook><sheets/></workbook>"), "it has no sheet"),
        (workbook(), "its first sheet is empty"),
        (workbook([], ["name"], ["Bell"]), "the first row of its first sheet is empty"),
        (workbook(["name"]), "a header and no row below it"),
        (workbook(["name"], ["Bell", "x"]), "column 2 has no name in the header"),
        (workbook(["name"], ["Bell"], first='name="Old" state="hidden" '), "its first sheet, 'Old', is hidden"),
        (
            workbook(["name"], ['<c t="e"><v>#N/A</v></c>'], ["Bell"]),
            "which would arrive empty: A2 (#N/A);",
        ),
        (workbook(["name"], ["<c><f>1+1</f></c>"]), "with a formula and no result: A2;"),
        (workbook(["name"], *[["<c><f>1+1</f><v/></c>"]] * 7), "no result: A2, A3, A4, A5, A6 and 2 more;"),
        (workbook(["name"], ["a_x0000_b"]), "row 2 holds a NUL"),
        (workbook(FAR), "reaches to row 1,048,576 and column 16,384"),
    ],
)
def test_a_workbook_that_can_t_be_sent_faithfully_is_refused(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)

    with pytest.raises(FileRefusedError) as refused:
        read_source(file)

    assert problem in str(refused.value)


def test_an_archive_of_something_else_is_no_workbook(file: Path) -> None:
    with ZipFile(file, "w") as archive:
        archive.writestr("content.xml", "<office/>")

    with pytest.raises(FileRefusedError, match="an archive and no XLSX workbook"):
        read_source(file)


def test_rows_of_a_workbook_without_a_primary_value_are_named(file: Path) -> None:
    file.write_bytes(workbook(["name;", "city"], ["Bell", "Oslo"], [None, "Bergen"], [], ["Moor", "Oslo"]))

    with pytest.raises(FileRefusedError, match="'name;' is empty on row 3, 4;"):
        require_primary_column(read_source(file), "name;")
