"""A deployment's own files lie over the built-in ones, file by file."""

from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.transform import (
    ModelKey,
    Project,
    Severity,
    load_project,
    origins,
    outdated,
    render_graph,
    take_over,
    warehouse_sources,
)

from .conftest import Folder


@pytest.fixture
def built_in(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> Folder:
    folder = Folder(tmp_path / "built-in", con)
    folder.root.mkdir()
    folder.write("staging.a", "select id from linkt.names")
    folder.write("marts.b", "select id, 'built-in' as made_by from staging.a")
    folder.write("marts.c", "select id from marts.b")
    return folder


@pytest.fixture
def own(tmp_path: Path, con: duckdb.DuckDBPyConnection) -> Folder:
    folder = Folder(tmp_path / "own", con)
    folder.root.mkdir()
    return folder


def load(built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection) -> Project:
    return load_project([built_in.root, own.root], warehouse_sources(con))


def keys(project: Project) -> set[str]:
    return set(map(str, project.graph.models))


def test_a_file_of_the_same_name_takes_the_place_of_the_built_in_one(
    built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    mine = own.write("marts.b", "select id, 'me' as made_by, 1 as more from staging.a")
    project = load(built_in, own, con)
    assert project.problems == {}
    assert keys(project) == {"staging.a", "marts.b", "marts.c"}
    assert project.graph.models[ModelKey("marts", "b")].path == mine
    assert list(project.described[ModelKey("marts", "b")]) == ["id", "made_by", "more"]


def test_others_are_added_and_may_read_built_in_ones(
    built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    own.write("marts.d", "select id from marts.c")
    own.write("mine.e", "select id from marts.d")
    project = load(built_in, own, con)
    assert keys(project) == {"staging.a", "marts.b", "marts.c", "marts.d", "mine.e"}
    text = render_graph(project.graph, origins(project.files))
    assert "d  view         <- marts.c  (own)" in text
    assert "c  view         <- marts.b\n" in text


def test_where_each_comes_from(built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection) -> None:
    own.write("marts.b", "select id from staging.a")
    found = origins(load(built_in, own, con).files)
    assert found == {ModelKey("marts", "b"): "own, in place of the built-in one"}


@pytest.mark.parametrize("line", ["-- disabled: true", "--disabled:true", "-- Disabled: TRUE "])
def test_a_disabled_one_is_gone(built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection, line: str) -> None:
    own.write("marts.c", "", header=f"{line}\n")
    project = load(built_in, own, con)
    assert keys(project) == {"staging.a", "marts.b"}
    assert project.problems == {}


def test_what_reads_a_disabled_one_says_what_is_missing(
    built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    own.write("marts.b", "", header="-- disabled: true\n")
    project = load(built_in, own, con)
    assert keys(project) == {"staging.a"}
    assert "unknown table 'marts.b'" in str(project.problems["marts.c"])


def test_below_the_header_the_words_mean_nothing(built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection) -> None:
    own.write("marts.c", "select id\n-- disabled: true\nfrom marts.b")
    assert "marts.c" in keys(load(built_in, own, con)) or "header lines stand above" in str(
        load(built_in, own, con).problems["marts.c"]
    )


def test_a_typo_in_ones_own_does_not_bring_the_built_in_one_back(
    built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    """Rows of another meaning under the same name would be worse than none."""
    own.write("marts.b", "selec")
    project = load(built_in, own, con)
    assert set(map(str, project.graph.quarantined)) == {"marts.b", "marts.c"}
    assert "own" in str(project.mistakes[0].path)


def test_seeds_and_macros_too(built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection) -> None:
    for folder, name in ((built_in, "built-in"), (own, "me")):
        (folder.root / "seeds").mkdir()
        (folder.root / "macros").mkdir()
        (folder.root / "seeds" / "w.csv").write_text(f"who\n{name}\n")
        (folder.root / "seeds" / "w.sql").write_text("-- description: d\n-- grain: g\n")
        (folder.root / "macros" / "by.sql").write_text(
            f"-- description: d\n-- parameter t: any text\n-- returns: text\n'{name}' || t"
        )
    project = load(built_in, own, con)
    assert project.problems == {}
    assert project.graph.models[ModelKey("seeds", "w")].path == own.root / "seeds" / "w.csv"
    assert project.graph.macros["by"].path.is_relative_to(own.root)

    (own.root / "seeds" / "w.csv").unlink()
    (own.root / "seeds" / "w.sql").write_text("-- disabled: true\n")
    assert "seeds.w" not in keys(load(built_in, own, con))


def test_a_copy_says_so_when_its_original_has_changed(
    built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    original = built_in.root / "marts" / "b.sql"
    copy = take_over(original, own.root)
    project = load(built_in, own, con)
    assert (project.problems, outdated(project.files)) == ({}, [])
    with pytest.raises(FileExistsError):
        take_over(original, own.root)

    built_in.write("marts.b", "select id, 'a newer release' as made_by from staging.a")

    (line,) = outdated(load(built_in, own, con).files)
    assert str(copy) in line
    assert "sql/marts/b.sql has changed since it was copied" in line
    said = line.split("write '")[1].split("'")[0]
    text = copy.read_text()
    copy.write_text(f"{said}\n" + text.partition("\n")[2])
    assert outdated(load(built_in, own, con).files) == []


def test_a_disabled_check_is_not_run(built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection) -> None:
    for folder, text in ((built_in, "select id from marts.b"), (own, "-- disabled: true\n")):
        (folder.root / "checks").mkdir()
        (folder.root / "checks" / "mine.sql").write_text(
            text if folder is own else f"-- description: d\n-- model: marts.b\n{text}"
        )
    assert "mine" not in {check.name for check in load(built_in, own, con).checks}


NAMES = "-- description: d\n-- model: linkt.names\n-- severity: warn\nselect id from linkt.names where {condition}\n"


def landed_check(folder: Folder, text: str, *, place: str = "checks/linkt", name: str = "names_key") -> Path:
    path = folder.root / place / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_check_of_a_landed_table_is_replaced_added_to_and_taken_away(
    built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    landed_check(built_in, NAMES.format(condition="id is null"))
    mine = landed_check(own, NAMES.format(condition="id = ''"))
    landed_check(own, NAMES.format(condition="name is null"), name="names_are_told")
    project = load(built_in, own, con)
    assert project.problems == {}
    checks = {check.name: check for check in project.checks}
    assert (str(checks["names_key"].model), checks["names_key"].severity, checks["names_key"].path) == (
        "linkt.names",
        Severity.WARN,
        mine,
    )
    assert "names_are_told" in checks

    landed_check(own, "-- disabled: true\n")
    assert "names_key" not in {check.name for check in load(built_in, own, con).checks}


def test_a_copy_of_a_check_of_a_landed_table_lies_where_it_replaces_it(
    built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    original = landed_check(built_in, NAMES.format(condition="id is null"))
    copy = take_over(original, own.root)
    assert copy == own.root / "checks" / "linkt" / "names_key.sql"
    assert load(built_in, own, con).files.replaced == {copy: original}


REFUSED = {
    "the name is taken": ("checks", NAMES.format(condition="true"), "names_key.sql:1: linkt.names has a check"),
    "of a model": ("checks/linkt", "-- description: d\n-- model: marts.b\nselect 1", "marts.b is not landed: move"),
    "of another schema": ("checks/marts", NAMES.format(condition="true"), "files lie directly in a folder of sql/"),
}


@pytest.mark.parametrize(("place", "text", "told"), REFUSED.values(), ids=REFUSED)
def test_a_check_that_is_not_where_it_belongs_is_told_and_stops_nothing(
    built_in: Folder, own: Folder, con: duckdb.DuckDBPyConnection, place: str, text: str, told: str
) -> None:
    kept = landed_check(built_in, NAMES.format(condition="id is null"))
    wrong = landed_check(own, text, place=place, name="names_key" if place == "checks" else "other")
    project = load(built_in, own, con)
    (problem,) = project.mistakes
    assert told in str(problem)
    assert problem.path == wrong
    assert [check.path for check in project.checks if check.model == ModelKey("linkt", "names")] == [kept]
