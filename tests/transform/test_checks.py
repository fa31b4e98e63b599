"""Checks are queries whose rows are the offenders."""

import duckdb
import pytest

from linkt_pipeline.transform import Check, ModelFileError, Severity, build_model, load_checks, run_check
from tests.engines import WITH_EACH_ENGINE

from .conftest import Folder

CHECK = "-- description: No Bobs.\n-- model: marts.m\n"


@pytest.fixture
def built(con: duckdb.DuckDBPyConnection, folder: Folder) -> Folder:
    con.execute("insert into linkt.names values ('a', 'Ann'), ('a', 'Bob'), (null, 'Cid'), ('z', 'Dot')")
    con.execute("insert into linkt.things (id) values ('a')")
    folder.write(
        "marts.m",
        "-- unique: id\n-- unique: id, name\n-- not_null: id, name\n-- references: id -> linkt.things.id\n"
        "select id, name from linkt.names",
    )
    build_model(con, folder.load()["marts.m"])
    return folder


def by_name(folder: Folder) -> dict[str, Check]:
    return {check.name: check for check in load_checks(folder.root, folder.load())}


@WITH_EACH_ENGINE
def test_a_header_makes_a_check_of_its_keys(con: duckdb.DuckDBPyConnection, built: Folder) -> None:
    check = by_name(built)["key"]
    result = run_check(con, check)
    assert check.severity is Severity.ERROR
    assert check.description == "No two rows share id. No two rows share id and name. Never empty: id, name."
    assert result.columns == ("problem", "id", "name")
    assert sorted(result.sample) == [("2 rows share id", "a", None), ("id empty", None, "Cid")]


@WITH_EACH_ENGINE
def test_a_header_makes_a_check_of_its_references(con: duckdb.DuckDBPyConnection, built: Folder) -> None:
    check = by_name(built)["references"]
    result = run_check(con, check)
    assert (check.severity, check.description) == (Severity.WARN, "Every id is found in linkt.things.")
    assert (result.offending, result.sample) == (1, (("id", "z", "linkt.things"),))


def test_names_with_quotes_are_names(con: duckdb.DuckDBPyConnection, folder: Folder) -> None:
    folder.write("marts.m", "-- unique: it's\n-- not_null: it's\nselect id as \"it's\" from linkt.names")
    build_model(con, folder.load()["marts.m"])
    con.execute("insert into linkt.names values ('a', 'Ann'), ('a', 'Bob'), (null, 'Cid')")
    assert run_check(con, by_name(folder)["key"]).offending == 2


def test_a_file_is_a_check(con: duckdb.DuckDBPyConnection, built: Folder) -> None:
    built.write("checks.no_bobs", "-- severity: warn\nselect * from marts.m where name = 'Bob';", header=CHECK)
    check = by_name(built)["no_bobs"]
    result = run_check(con, check)
    assert (check.severity, check.description) == (Severity.WARN, "No Bobs.")
    assert (result.offending, result.columns, result.sample) == (1, ("id", "name"), (("a", "Bob"),))


def test_only_the_first_offenders_are_kept_and_all_are_counted(con: duckdb.DuckDBPyConnection, built: Folder) -> None:
    built.write("checks.any", "select * from marts.m", header=CHECK)
    result = run_check(con, by_name(built)["any"], sample=2)
    assert (result.offending, len(result.sample)) == (4, 2)


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("-- model: marts.m\nselect 1", 1, "no 'description'"),
        ("-- description: d\nselect 1", 1, "no 'model'"),
        ("-- description: d\n-- model: marts.nowhere\nselect 1", 1, "unknown model"),
        ("-- description: d\n-- model: nowhere\nselect 1", 2, "not of the form schema.table"),
        (CHECK + "-- severity: loud\nselect 1", 3, "neither error nor warn"),
        (CHECK + "select * from marts.n", 3, "unknown table 'marts.n'"),
    ],
)
def test_a_mistake_in_a_check_is_told_with_file_and_line(built: Folder, text: str, line: int, part: str) -> None:
    path = built.write("checks.bad", text, header="")
    with pytest.raises(ModelFileError) as caught:
        by_name(built)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert part in str(caught.value)
