"""A project that is kept is used while all it comes from stays the same, and never a moment longer."""

from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.package_files import BUILT_IN_SQL
from linkt_pipeline.transform import (
    Columns,
    Project,
    forget_project,
    kept_project,
    load_kept_project,
    warehouse_sources,
)
from linkt_pipeline.transform.kept_project import KEPT_PROJECT
from linkt_pipeline.warehouse.migration import empty_warehouse

from .conftest import Folder

MACRO = "-- description: Twice.\n-- returns: a number.\n-- parameter n: a number.\nn * 2"
SEED = "-- description: Colours.\n-- grain: one row per colour.\n"
CHECK = "-- model: marts.c\n-- severity: warn\n-- description: No id is empty.\nselect id from marts.c where id = ''"


@pytest.fixture
def files(folder: Folder) -> Folder:
    for name, text in {
        "macros/twice.sql": MACRO,
        "seeds/colours.sql": SEED,
        "seeds/colours.csv": "name\nred\n",
    }.items():
        path = folder.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (folder.root / "checks").mkdir()
    (folder.root / "checks" / "no_empty_id.sql").write_text(CHECK)
    folder.write("staging.a", "select id, twice(1) as two from linkt.names")
    folder.write("marts.c", "-- unique: id\nselect id from staging.a")
    return folder


@pytest.fixture
def sources(con: duckdb.DuckDBPyConnection) -> dict[str, Columns]:
    return warehouse_sources(con)


@pytest.fixture
def kept_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Project]:
    """The projects that were read from their files."""
    found: list[Project] = []
    load = kept_project.load_project

    def noted(*args: object) -> Project:
        found.append(load(*args))
        return found[-1]

    monkeypatch.setattr(kept_project, "load_project", noted)
    return found


def everything(project: Project) -> object:
    graph = project.graph
    return (
        list(graph.models.items()),
        graph.sources,
        list(graph.macros.items()),
        graph.quarantined,
        graph.quarantined_macros,
        list(project.described.items()),
        project.checks,
        project.problems,
        project.files,
    )


def test_the_built_in_models_are_the_same_from_the_file(kept_in: Path, reads: list[Project]) -> None:
    with empty_warehouse() as con:
        sources = warehouse_sources(con)
    first = load_kept_project([BUILT_IN_SQL], sources, kept_in)
    second = load_kept_project([BUILT_IN_SQL], sources, kept_in)
    assert len(reads) == 1
    assert everything(second) == everything(first)


def test_a_project_of_macros_seeds_and_checks_is_kept(
    files: Folder, sources: dict[str, Columns], kept_in: Path, reads: list[Project]
) -> None:
    first = load_kept_project([files.root], sources, kept_in)
    assert everything(load_kept_project([files.root], sources, kept_in)) == everything(first)
    assert len(reads) == 1
    assert [path.name for path in kept_in.iterdir()] == [KEPT_PROJECT]


CHANGES = {
    "a model": ("staging/a.sql", lambda text: text.replace("twice(1)", "twice(2)")),
    "only a description": ("marts/c.sql", lambda text: text.replace("About", "On")),
    "a macro": ("macros/twice.sql", lambda text: text.replace("* 2", "+ n")),
    "a seed's rows": ("seeds/colours.csv", lambda text: text + "blue\n"),
    "a seed's header": ("seeds/colours.sql", lambda text: text.replace("Colours", "Paints")),
    "a check": ("checks/no_empty_id.sql", lambda text: text.replace("warn", "error")),
    "a new model": ("marts/d.sql", lambda _: "-- description: New.\n-- grain: one row per id.\nselect id from marts.c"),
    "a model taken away": ("marts/c.sql", lambda _: "-- disabled: true\n"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_read(
    change: str, files: Folder, sources: dict[str, Columns], kept_in: Path, reads: list[Project]
) -> None:
    load_kept_project([files.root], sources, kept_in)
    name, changed = CHANGES[change]
    path = files.root / name
    path.write_text(changed(path.read_text() if path.exists() else ""))
    found = load_kept_project([files.root], sources, kept_in)
    assert len(reads) == 2
    assert everything(found) == everything(reads[1])


def test_another_landed_table_is_another_project(
    files: Folder, sources: dict[str, Columns], kept_in: Path, reads: list[Project]
) -> None:
    load_kept_project([files.root], sources, kept_in)
    sources["linkt.names"] = {**sources["linkt.names"], "added": "INTEGER"}
    load_kept_project([files.root], sources, kept_in)
    sources["linkt.names"] = dict(reversed(sources["linkt.names"].items()))
    load_kept_project([files.root], sources, kept_in)
    assert len(reads) == 3


def test_other_code_and_another_duckdb_read_again(
    files: Folder, sources: dict[str, Columns], kept_in: Path, reads: list[Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_kept_project([files.root], sources, kept_in)
    monkeypatch.setattr(kept_project, "_mark_of_code", lambda: "another")
    load_kept_project([files.root], sources, kept_in)
    monkeypatch.setattr(duckdb, "__version__", "1.99.0")
    load_kept_project([files.root], sources, kept_in)
    assert len(reads) == 3


def test_a_project_with_a_mistake_is_read_each_time(
    files: Folder, sources: dict[str, Columns], kept_in: Path, reads: list[Project]
) -> None:
    files.write("marts.wrong", "select idd from staging.a")
    for _ in range(2):
        assert load_kept_project([files.root], sources, kept_in).mistakes
    assert len(reads) == 2
    assert not any(kept_in.iterdir())


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'["mark", [], [], [], [], 1]', b"\xff\xfe"])
def test_a_damaged_file_is_made_again(
    damage: bytes, files: Folder, sources: dict[str, Columns], kept_in: Path, reads: list[Project]
) -> None:
    first = load_kept_project([files.root], sources, kept_in)
    whole = (kept_in / KEPT_PROJECT).read_bytes()
    (kept_in / KEPT_PROJECT).write_bytes(damage)
    assert everything(load_kept_project([files.root], sources, kept_in)) == everything(first)
    assert len(reads) == 2
    assert (kept_in / KEPT_PROJECT).read_bytes() == whole


def test_half_a_file_is_made_again(
    files: Folder, sources: dict[str, Columns], kept_in: Path, reads: list[Project]
) -> None:
    load_kept_project([files.root], sources, kept_in)
    path = kept_in / KEPT_PROJECT
    path.write_bytes(path.read_bytes()[:-200])
    load_kept_project([files.root], sources, kept_in)
    assert len(reads) == 2


def test_a_folder_that_is_missing_or_is_a_file_costs_time_only(
    files: Folder, sources: dict[str, Columns], kept_in: Path, reads: list[Project]
) -> None:
    (kept_in / "file").write_text("")
    for folder in (kept_in / "missing", kept_in / "file"):
        assert load_kept_project([files.root], sources, folder).graph.models
    assert len(reads) == 2
    assert not (kept_in / "missing").exists()


def test_a_project_is_forgotten(
    files: Folder, sources: dict[str, Columns], kept_in: Path, reads: list[Project]
) -> None:
    load_kept_project([files.root], sources, kept_in)
    forget_project(kept_in)
    forget_project(kept_in)
    assert not any(kept_in.iterdir())


def test_the_file_is_not_made_of_what_was_changed_while_it_was_read(
    files: Folder, sources: dict[str, Columns], kept_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = kept_project.load_project

    def changed_meanwhile(*args: object) -> Project:
        project = load(*args)
        files.write("marts.c", "select id, 1 as one from staging.a")
        return project

    monkeypatch.setattr(kept_project, "load_project", changed_meanwhile)
    load_kept_project([files.root], sources, kept_in)
    assert not any(kept_in.iterdir())
