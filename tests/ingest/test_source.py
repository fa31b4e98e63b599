"""A file is checked before anything is sent, and every problem is named with its line."""

from pathlib import Path

import pytest

from linkt_pipeline.ingest.errors import FileRefusedError
from linkt_pipeline.ingest.source import read_source, repeated_values, require_primary_column


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
        (b"PK\x03\x04...", "it is a spreadsheet (XLSX)"),
        (b"name\nLark\x00spur\n", "line 2 holds a NUL"),
        (b'name\n"open\n', "is no CSV: unexpected end of data"),
        (b'name\n"a"b\n', "line 2 is no CSV"),
        (b"name;city\nLarkspur;Oslo\n", "set apart by semicolons"),
        (b"name\tcity\nLarkspur\tOslo\n", "set apart by tabs"),
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


def test_repeated_values_are_counted_whatever_their_case(file: Path) -> None:
    file.write_text("name\nLarkspur\nMoorgate\n larkspur \n")

    assert repeated_values(read_source(file), "name") == {"larkspur": 2}
