"""Checks are queries whose rows are the offenders."""

import duckdb
import pytest

from linkt_pipeline.models import Check, ModelFileError, Severity, build_model, load_checks, run_check

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


@pytest.mark.parametrize(
    ("name", "severity", "offending", "sample"),
    [
        ("unique_id", Severity.ERROR, 1, ("a", 2)),
        ("unique_id_name", Severity.ERROR, 0, None),
        ("not_null", Severity.ERROR, 1, (None, "Cid")),
        ("references_things_id", Severity.WARN, 1, ("z",)),
    ],
)
def test_headers_make_checks(
    con: duckdb.DuckDBPyConnection,
    built: Folder,
    name: str,
    severity: Severity,
    offending: int,
    sample: tuple[object, ...] | None,
) -> None:
    check = by_name(built)[name]
    result = run_check(con, check)
    assert check.severity is severity
    assert (result.offending, result.passed) == (offending, offending == 0)
    assert (result.sample[0] if result.sample else None) == sample


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
