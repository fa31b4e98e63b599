"""One mistake in sql/ takes out what is built from it and nothing else; all who read sql/ agree on what that is."""

from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.transform import (
    BuildMode,
    ModelFileError,
    ModelKey,
    Project,
    Severity,
    build_model,
    clear_problem,
    drop_retired_models,
    load_project,
    prepare_builds,
    problem_text,
    record_problems,
    run_check,
    warehouse_sources,
)

from .conftest import Folder


@pytest.fixture
def good(folder: Folder) -> Folder:
    """staging.a <- marts.b <- marts.c, and marts.d on its own."""
    folder.write("staging.a", "select id from linkt.names")
    folder.write("marts.b", "-- materialized: table\nselect id from staging.a")
    folder.write("marts.c", "select id from marts.b")
    folder.write("marts.d", "-- unique: id\n-- references: id -> marts.b.id\nselect id from linkt.names")
    return folder


def load(folder: Folder, con: duckdb.DuckDBPyConnection) -> Project:
    return load_project([folder.root], warehouse_sources(con))


def build_all(con: duckdb.DuckDBPyConnection, project: Project) -> dict[str, BuildMode]:
    """As the step of the models does."""
    drop_retired_models(con, project.graph)
    record_problems(con, {name: problem_text(problem) for name, problem in project.problems.items()})
    prepare_builds(con, project.graph, [])
    modes = {}
    for key, model in project.graph.models.items():
        modes[str(key)] = build_model(con, model).mode
        clear_problem(con, str(key))
    return modes


def names(keys: object) -> set[str]:
    return set(map(str, keys))


TYPOS = {
    "syntax": "selec id from staging.a",
    "column": "select idd from staging.a",
    "table": "select id from staging.aa",
    "header": "-- uniqe: id\nselect id from staging.a",
    "described column": "-- column idd: Its id.\nselect id from staging.a",
    "two statements": "select 1; select 2",
    "own circle": "select id from marts.b",
    "function": "select nosuch(id) as id from staging.a",
}


@pytest.mark.parametrize("typo", TYPOS.values(), ids=TYPOS)
def test_a_typo_takes_out_what_is_built_from_it_and_nothing_else(
    good: Folder, con: duckdb.DuckDBPyConnection, typo: str
) -> None:
    path = good.write("marts.b", typo)

    project = load(good, con)

    assert names(project.graph.models) == {"staging.a", "marts.d"}
    assert names(project.graph.quarantined) == {"marts.b", "marts.c"}
    assert names(project.described) == names(project.graph.models)
    (mistake,) = project.mistakes
    assert mistake.path == path
    waits = str(project.problems["marts.c"])
    assert "waits for marts.b, which can't be built: b.sql:" in waits
    assert {check.model for check in project.checks} == {ModelKey("marts", "d")}
    assert set(build_all(con, project)) == {"staging.a", "marts.d"}
    assert all(run_check(con, check).passed for check in project.checks)


def test_nothing_wrong_is_no_problem(good: Folder, con: duckdb.DuckDBPyConnection) -> None:
    project = load(good, con)
    assert (project.problems, project.mistakes, dict(project.graph.quarantined)) == ({}, [], {})
    assert len(project.graph.models) == 4


def test_what_was_built_stays_while_its_file_can_not_be_used_and_says_since_when(
    good: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    con.execute("insert into linkt.names values ('x', 'X')")
    build_all(con, load(good, con))
    good.write("marts.b", "selec")
    con.execute("insert into linkt.names values ('y', 'Y')")

    for _ in range(2):
        build_all(con, load(good, con))

    assert con.execute("select id from marts.b").fetchall() == [("x",)]
    stale = dict(con.execute("select model, problem from linkt.model_builds where problem is not null").fetchall())
    assert set(stale) == {"marts.b", "marts.c"}
    assert stale["marts.b"].startswith("sql/marts/b.sql:3: not valid SQL")
    assert str(good.root) not in str(stale)
    query = "select problem_since, built_at, rows from linkt.model_builds where model = 'marts.b'"
    ((since, built_at, rows),) = con.execute(query).fetchall()
    assert (since > built_at, rows) == (True, 1)

    good.write("marts.b", "-- materialized: table\nselect id from staging.a")
    build_all(con, load(good, con))

    assert con.execute("from linkt.model_builds where problem is not null").fetchall() == []
    assert len(con.execute("select id from marts.b").fetchall()) == 2


def test_a_problem_that_ends_without_a_build_is_forgotten(good: Folder, con: duckdb.DuckDBPyConnection) -> None:
    text = (good.root / "marts" / "b.sql").read_text()
    build_all(con, load(good, con))
    good.write("marts.b", "selec")
    build_all(con, load(good, con))
    (good.root / "marts" / "b.sql").write_text(text)
    assert build_all(con, load(good, con))["marts.b"] is BuildMode.UNCHANGED
    assert con.execute("from linkt.model_builds where problem is not null").fetchall() == []


@pytest.mark.parametrize("kind", ["view", "table"])
def test_a_model_whose_file_is_gone_is_dropped(good: Folder, con: duckdb.DuckDBPyConnection, kind: str) -> None:
    path = good.write("extra.e", f"-- materialized: {kind}\nselect id from linkt.names")
    build_all(con, load(good, con))
    con.execute("create table extra.by_hand as select 1 as a; create table marts.by_hand as select 1 as a")
    path.unlink()

    build_all(con, load(good, con))

    assert con.execute("from linkt.model_builds where model = 'extra.e'").fetchall() == []
    found = con.execute("select table_name from information_schema.tables where table_schema in ('extra', 'marts')")
    assert {name for (name,) in found.fetchall()} == {"b", "c", "d", "by_hand"}


def test_an_empty_schema_goes_with_its_last_model(good: Folder, con: duckdb.DuckDBPyConnection) -> None:
    path = good.write("extra.e", "select id from linkt.names")
    build_all(con, load(good, con))
    path.unlink()
    build_all(con, load(good, con))
    assert con.execute("from duckdb_schemas() where schema_name = 'extra'").fetchall() == []


def test_a_model_that_others_still_read_is_dropped_and_they_say_what_is_missing(
    good: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    build_all(con, load(good, con))
    (good.root / "staging" / "a.sql").unlink()

    project = load(good, con)
    build_all(con, project)

    assert names(project.graph.models) == {"marts.d"}
    assert "unknown table 'staging.a'" in str(project.problems["marts.b"])
    assert con.execute("from information_schema.tables where table_schema = 'staging'").fetchall() == []
    assert con.execute("select * from marts.b").fetchall() == []  # what was built of it stays


def test_a_file_that_names_no_table_is_a_problem_of_its_own(good: Folder, con: duckdb.DuckDBPyConnection) -> None:
    (good.root / "marts" / "top-companies.sql").write_text("select 1")
    project = load(good, con)
    assert len(project.graph.models) == 4
    assert list(project.problems) == ["sql/marts/top-companies.sql"]
    build_all(con, project)
    (good.root / "marts" / "top-companies.sql").unlink()
    build_all(con, load(good, con))
    assert con.execute("from linkt.model_builds where model like 'sql/%'").fetchall() == []


def test_a_macro_that_can_not_be_used_takes_out_who_calls_it_and_stays_as_it_was(
    good: Folder, con: duckdb.DuckDBPyConnection
) -> None:
    macros = good.root / "macros"
    macros.mkdir()
    header = "-- description: d\n-- parameter t: any text\n-- returns: text\n"
    (macros / "loud.sql").write_text(f"{header}upper(t)")
    good.write("marts.b", "select loud(id) as id from staging.a")
    build_all(con, load(good, con))
    (macros / "loud.sql").write_text(f"{header}upper(")

    project = load(good, con)
    build_all(con, project)

    assert names(project.graph.quarantined) == {"marts.b", "marts.c"}
    assert "sql/macros/loud.sql" in project.problems
    con.execute("insert into linkt.names values ('x', 'X')")
    assert con.execute("select id from marts.c").fetchall() == [("X",)]


def test_a_seed_that_can_not_be_used_takes_out_who_reads_it(good: Folder, con: duckdb.DuckDBPyConnection) -> None:
    seeds = good.root / "seeds"
    seeds.mkdir()
    (seeds / "hosts.sql").write_text("-- description: d\n-- grain: g\n")
    (seeds / "hosts.csv").write_text("host\na,b\n")
    good.write("marts.b", "select host as id from seeds.hosts")
    assert names(load(good, con).graph.quarantined) == {"seeds.hosts", "marts.b", "marts.c"}


CHECK = "-- description: d\n-- model: {}\n-- severity: error\nselect {} from marts.d"


@pytest.mark.parametrize("select", ["idd", "id,,", "{{ id }}"])
def test_a_check_that_can_not_be_used_fails_and_stops_nothing_else(
    good: Folder, con: duckdb.DuckDBPyConnection, select: str
) -> None:
    (good.root / "checks").mkdir()
    path = good.root / "checks" / "mine.sql"
    path.write_text(CHECK.format("MARTS.D", select))

    project = load(good, con)

    assert len(project.graph.models) == 4
    (check,) = [check for check in project.checks if check.name == "mine"]
    assert (check.model, check.severity) == (ModelKey("marts", "d"), Severity.ERROR)
    with pytest.raises(ModelFileError):
        run_check(con, check)
    assert [problem.path for problem in project.mistakes] == [path]


@pytest.mark.parametrize(
    ("name", "model", "problem"),
    [("mine", "marts.dd", "unknown model 'marts.dd'; did you mean"), ("key", "marts.d", "rename the file")],
)
def test_a_check_of_nothing_is_a_problem(
    good: Folder, con: duckdb.DuckDBPyConnection, name: str, model: str, problem: str
) -> None:
    (good.root / "checks").mkdir()
    (good.root / "checks" / f"{name}.sql").write_text(CHECK.format(model, "id"))
    assert problem in str(load(good, con).problems[f"sql/checks/{name}.sql"])


def test_a_check_of_a_model_in_quarantine_waits_with_it(good: Folder, con: duckdb.DuckDBPyConnection) -> None:
    (good.root / "checks").mkdir()
    (good.root / "checks" / "mine.sql").write_text(CHECK.format("marts.b", "id"))
    good.write("marts.b", "selec")
    project = load(good, con)
    assert "mine" not in {check.name for check in project.checks}
    assert len(project.mistakes) == 1


def test_circles_are_told_once_for_each_member(good: Folder, con: duckdb.DuckDBPyConnection) -> None:
    good.write("staging.a", "select id from marts.c")
    project = load(good, con)
    assert names(project.graph.quarantined) == {"staging.a", "marts.b", "marts.c"}
    assert {problem.path for problem in project.mistakes} == {
        Path(good.root, *place) for place in (("staging", "a.sql"), ("marts", "b.sql"), ("marts", "c.sql"))
    }
