"""Models are read from files; a mistake in one is told with file and line."""

import re
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.transform import (
    Check,
    Materialization,
    ModelFileError,
    ModelKey,
    Severity,
    build_model,
    column_lineage,
    load_checks,
    load_models,
    run_check,
    try_describe,
)

from .conftest import Folder

OK = "-- description: d\n-- grain: g\n"
NARROWED = (
    OK + "-- materialized: incremental\n-- incremental: id, changed_at from linkt.things\n-- not_null: id\n"
    "-- narrow: {}\nselect t.id, t.changed_at, name from linkt.things as t join linkt.names using (id)"
)


def test_a_model_is_its_header_and_its_select(folder: Folder) -> None:
    folder.write(
        "staging.things",
        "select id, data from linkt.things;\n",
        header=(
            "-- description: All things,\n--   the odd ones too.\n-- grain: one row per thing.\n"
            "-- materialized: table\n"
            "-- column id: Its id.\n-- unique: id\n-- not_null: id\n-- references: id -> linkt.names.id\n"
        ),
    )
    model = folder.load()["staging.things"]
    assert (model.schema, model.name) == ("staging", "things")
    assert model.description == "All things, the odd ones too."
    assert model.materialization is Materialization.TABLE
    assert model.column_descriptions == {"id": "Its id."}
    assert model.header.unique == (("id",),)
    assert model.header.references[0].target == ModelKey("linkt", "names")
    assert model.depends_on == (ModelKey("linkt", "things"),)


def test_parents_come_before_children_whatever_their_names(folder: Folder) -> None:
    folder.write("marts.a", "select * from staging.b")
    folder.write("staging.b", "select * from staging.c")
    folder.write("staging.c", "select * from linkt.things")
    assert [str(key) for key in folder.load().models] == ["staging.c", "staging.b", "marts.a"]


def test_what_is_made_of_a_model(folder: Folder) -> None:
    folder.write("staging.a", "select * from linkt.things")
    folder.write("staging.b", "select * from linkt.names")
    folder.write("marts.c", "select * from staging.a")
    assert folder.load().children[ModelKey("staging", "a")] == (ModelKey("marts", "c"),)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("with things as (select 1 as a) select * from things", ()),
        ("with a as (select * from linkt.names) select * from a, linkt.things as t", ("linkt.names", "linkt.things")),
        ("select (select max(id) from linkt.names) from linkt.things", ("linkt.names", "linkt.things")),
        ("select j.key from linkt.things as t, json_each(t.data) as j", ("linkt.things",)),
        ("select id from linkt.things union all select id from linkt.names", ("linkt.things", "linkt.names")),
        ("select list_transform([1], lambda x: x + 1) from range(3)", ()),
        ('select * from "linkt"."things"', ("linkt.things",)),
        ("select 'from linkt.nowhere' as text -- from linkt.nowhere\nfrom linkt.things", ("linkt.things",)),
    ],
)
def test_dependencies_come_from_the_sql(folder: Folder, sql: str, expected: tuple[str, ...]) -> None:
    folder.write("marts.m", sql)
    assert tuple(str(key) for key in folder.load()["marts.m"].depends_on) == expected


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        (OK + "select 1;\n\nselect 2", 5, "2 statements"),
        (OK + "create table x as select 1", 3, "not a SELECT"),
        (OK + "delete from linkt.things", 3, "not a SELECT"),
        (OK + "\n", 1, "no SELECT"),
        (OK + "select\n  a,\n  frm from from", 5, "not valid SQL"),
        (OK + "select *\nfrom linkt.thing", 4, "unknown table 'linkt.thing'"),
        (OK + "select *\nfrom things", 4, "write schema.table"),
        (OK + "select *\nfrom staging.names", 4, "did you mean linkt.names?"),
        ("-- grain: g\nselect 1", 1, "no description"),
        ("-- description: d\nselect 1", 1, "no grain"),
        (OK + "-- materialised: table\nselect 1", 3, "unknown header 'materialised'"),
        (OK + "-- materialized: tabel\nselect 1", 3, "none of view, table, incremental"),
        (OK + "-- materialized: incremental\nselect 1", 3, "belong together"),
        (OK + "-- incremental: id, at\nselect 1", 3, "'-- incremental: entity_id, fetched_at from staging.entities'"),
        (
            OK + "-- materialized: incremental\n-- incremental: id, changed_at from linkt.things\n"
            "select * from linkt.things",
            1,
            "write '-- not_null: id'",
        ),
        (OK + "-- references: id to linkt.names\nselect 1", 3, "write 'column -> schema.table.column'"),
        (OK + "-- description: again\nselect 1", 3, "given twice, first in line 1"),
        (OK + "-- column a:\nselect 1", 3, "has no value"),
        (OK + "-- column a: x\n-- column a: y\nselect 1", 4, "described twice"),
        (
            OK + "-- materialized: incremental\n-- incremental: id, changed_at from linkt.things\n-- not_null: id\n"
            "select a.* from linkt.things as a\njoin linkt.things as b using (id)",
            7,
            "exactly once, and this one does 2 times",
        ),
        (OK + "-- narrow: id -> linkt.names.id\nselect 1", 3, "'narrow' is for incremental models"),
        (OK + "-- narrow: id of linkt.names\nselect 1", 3, "write 'column -> schema.table.column'"),
        (NARROWED.format("name -> linkt.names.id"), 1, "'name' is no column of the incremental key"),
        (NARROWED.format("id -> linkt.things.id"), 1, "linkt.things is the table of the keys"),
        (NARROWED.format("id -> staging.things.id"), 1, "staging.things is not a table that the model reads"),
        (OK + "-- materialized: table\n-- rows: select 1\nselect 1", 4, "'rows' is for views"),
        (OK + "-- materialized: table\n-- published: view\nselect 1", 4, "'published' is for views"),
        (OK + "-- published: yes\nselect 1", 3, "neither view nor table"),
        (OK + "-- rows: select 1\n-- rows: select 2\nselect 1", 4, "given twice, first in line 3"),
        (OK + "-- rows: select count(*) from linkt.names\nselect 1", 1, "the view itself does not read linkt.names"),
        (OK + "-- rows: count the names\nselect 1", 1, "rows: not valid SQL"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(folder: Folder, text: str, line: int, part: str) -> None:
    path = folder.write("marts.broken", text, header="")
    with pytest.raises(ModelFileError) as caught:
        folder.load()
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert part in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_circle_is_told_with_its_members(folder: Folder) -> None:
    folder.write("marts.a", "select * from marts.b")
    folder.write("marts.b", "select *\nfrom marts.c")
    path = folder.write("marts.c", "select *\nfrom marts.a")
    with pytest.raises(ModelFileError, match=r"marts\.a -> marts\.b -> marts\.c -> marts\.a") as caught:
        folder.load()
    assert str(caught.value).startswith(f"{path}:4: ")


@pytest.mark.parametrize(
    ("sql", "line", "part"),
    [
        ("select\n  id,\n  nam\nfrom linkt.names", 5, 'column "nam" not found'),
        ("select\n  nosuch(id)\nfrom linkt.names", 4, "nosuch"),
    ],
)
def test_a_wrong_column_is_found_without_running_anything(folder: Folder, sql: str, line: int, part: str) -> None:
    path = folder.write("marts.m", sql)
    folder.write("marts.n", "select * from linkt.names")
    described, problems = try_describe(folder.load())
    assert str(problems[ModelKey("marts", "m")]).startswith(f"{path}:{line}: ")
    assert part in str(problems[ModelKey("marts", "m")])
    assert described == {ModelKey("marts", "n"): {"id": "VARCHAR", "name": "VARCHAR"}}


def test_a_header_about_a_column_that_is_gone_is_a_mistake(folder: Folder) -> None:
    folder.write("marts.m", "-- not_null: nam\nselect name from linkt.names")
    _, problems = try_describe(folder.load())
    assert "column 'nam', which the SELECT does not have" in str(problems[ModelKey("marts", "m")])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (NARROWED.format("id -> linkt.names.nosuch"), "narrow: linkt.names has no column 'nosuch'"),
        (OK + "-- rows: select sum(nosuch) from linkt.names\nselect id from linkt.names", "rows: Binder Error"),
    ],
)
def test_a_header_that_asks_for_a_column_that_is_not_there_is_a_mistake(
    folder: Folder, text: str, problem: str
) -> None:
    folder.write("marts.m", text, header="")
    _, problems = try_describe(folder.load())
    assert problem in str(problems[ModelKey("marts", "m")])


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select count(*) from linkt.names", True),
        ("select n from range(3) as r(n)", True),
        ("select unnest([1, 2])", True),
        ("select j.key from linkt.things as t, json_each(t.data) as j", True),
        ("select now()", False),
        ("select current_timestamp", False),
        ("select CURRENT_DATE - interval 1 day", False),
        ("select age(changed_at) from linkt.things", False),
        ("select id from linkt.names where random() < 0.5", False),
        ("with a as (select uuid() as u) select u from a", False),
        ("select * from read_csv('x.csv')", False),
        ("select id from linkt.names using sample 10 percent", False),
        ("select id from linkt.names tablesample 10 percent", False),
    ],
)
def test_a_select_that_asks_more_than_its_tables_is_known(folder: Folder, sql: str, expected: bool) -> None:
    folder.write("staging.s", sql)
    folder.write("marts.m", "select * from staging.s")
    graph = folder.load()
    assert (graph["staging.s"].is_repeatable, graph["marts.m"].is_repeatable) == (expected, expected)


def test_inputs_are_the_tables_behind_the_views(folder: Folder) -> None:
    folder.write("staging.a", "select id from linkt.names")
    folder.write("staging.b", "select id from staging.a join linkt.things using (id)")
    folder.write("marts.t", "-- materialized: table\nselect id from staging.b")
    folder.write("marts.u", "select id from marts.t join staging.a using (id)")
    graph = folder.load()
    assert set(graph["marts.t"].inputs) == {ModelKey("linkt", "names"), ModelKey("linkt", "things")}
    assert set(graph["marts.u"].inputs) == {ModelKey("marts", "t"), ModelKey("linkt", "names")}


def test_code_version_ignores_layout_and_heeds_meaning(folder: Folder) -> None:
    def version(sql: str) -> str:
        folder.write("marts.m", sql)
        return folder.load()["marts.m"].code_version

    first = version("select id, 'a  b' as t\nfrom linkt.names")
    assert version("select id,\n    'a  b' as t -- a remark\nfrom linkt.names;") == first
    assert version("select id, 'a b' as t from linkt.names") != first
    assert version("-- materialized: table\nselect id, 'a  b' as t\nfrom linkt.names") != first


def test_a_file_that_is_no_text_is_told(folder: Folder) -> None:
    path = folder.write("marts.m", "select 1")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelFileError, match="can't be read"):
        folder.load()


def test_an_empty_folder_has_no_models(tmp_path: Path, folder: Folder) -> None:
    assert not folder.load().models


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("marts/top-companies.sql", "rename the file to 'top_companies.sql'"),
        ("marts/2024_totals.sql", "rename the file to 'totals_2024.sql'"),
        ("marts/top.companies.sql", "rename the file to 'top_companies.sql'"),
        ("marts/größe.sql", "rename the file to 'grosse.sql'"),
        ("marts/My Model.sql", "rename the file to 'my_model.sql'"),
        ("marts/北京.sql", "rename the file to 'my_model.sql'"),
        ("marts/42.sql", "rename the file to 't_42.sql'"),
        ("marts/companies.SQL", "rename the file to 'companies.sql'"),
        ("companies.sql", "move this one to sql/marts/companies.sql"),
        ("marts/by_industry/companies.sql", "move this one to sql/marts/companies.sql"),
        ("marts/hosts.csv", "move this one to sql/seeds/hosts.csv"),
        ("warehouse/m.sql", "'warehouse' is the name of the database itself"),
        ("linkt/m.sql", "'linkt' holds what was landed"),
        ("Main/m.sql", "'main' belongs to DuckDB"),
        ("information_schema/m.sql", "'information_schema' belongs to DuckDB"),
        ("published/m.sql", "'published' is the asset group of the snapshot"),
        ("My Marts/m.sql", "rename it to 'my_marts'"),
        ("my__marts/m.sql", "rename it to 'my_marts'"),
        ("checks/no-orphans.sql", "rename the file to 'no_orphans.sql'"),
        ("macros/my-macro.sql", "rename the file to 'my_macro.sql'"),
        ("seeds/my-hosts.csv", "rename the file to 'my_hosts.csv'"),
    ],
)
def test_a_file_whose_name_or_place_can_not_be_used_is_refused(folder: Folder, place: str, problem: str) -> None:
    path = folder.root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OK + "select 1 as a")
    with pytest.raises(ModelFileError) as caught:
        folder.load()
    assert str(caught.value).startswith(f"{path}:1: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        "marts/.#m.sql",
        "marts/._m.sql",
        "marts/#m.sql#",
        "marts/m.sql~",
        "marts/.hidden.sql",
        ".git/hooks/m.sql",
        "marts/.m.sql.swp",
        "marts/~m.sql",
        "marts/README.md",
    ],
)
def test_what_editors_leave_behind_is_left_alone(folder: Folder, place: str) -> None:
    folder.write("marts.m", "select 1 as a")
    path = folder.root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff not SQL")
    assert list(folder.load().models) == [ModelKey("marts", "m")]


def test_the_lock_of_an_editor_that_leads_nowhere_is_left_alone(folder: Folder) -> None:
    folder.write("marts.m", "select 1 as a")
    (folder.root / "marts" / ".#m.sql").symlink_to("somebody@somewhere.1234")
    assert list(folder.load().models) == [ModelKey("marts", "m")]


def test_a_folder_of_models_may_be_a_link(folder: Folder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "m.sql").write_text(OK + "select 1 as a")
    root = tmp_path / "sql"
    root.mkdir()
    (root / "marts").symlink_to(elsewhere)
    assert list(load_models(root, {}).models) == [ModelKey("marts", "m")]


@pytest.mark.parametrize(
    "lines",
    [
        "-- Unique: id\n-- Not_Null: id",
        "--unique: id\n--not_null: id",
        "-- unique : id\n-- not_null :id",
        "-- unique:id\n-- not-null: id",
        "--\tUNIQUE: id\n  -- not null: id",
        "--   unique: id\n\n--   not_null: id",
    ],
)
def test_a_key_may_be_spelt_sloppily(folder: Folder, lines: str) -> None:
    text = f"{lines}\n-- Description: d\n--Grain : g\n-- Column ID: Its id.\nselect id as ID from linkt.names"
    folder.write("marts.m", text, header="")
    header = folder.load()["marts.m"].header
    assert (header.unique, header.not_null, header.columns) == ((("id",),), ("id",), {"ID": "Its id."})


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("-- Uniqe: id", "unknown header 'uniqe'; did you mean 'unique'?"),
        ("--matrialized: table", "did you mean 'materialized'?"),
        ("-- colum id: x", "unknown header 'colum'; did you mean 'column'?"),
        ("-- note: x", "unknown header 'note'; known are description"),
        ("--   unique: id", "'unique' continues the line above, because of the blanks before it"),
    ],
)
def test_a_key_that_can_not_be_read_is_never_passed_over(folder: Folder, lines: str, problem: str) -> None:
    folder.write("marts.m", f"{lines}\nselect id from linkt.names")
    with pytest.raises(ModelFileError, match=re.escape(problem)):
        folder.load()


def test_header_lines_below_the_select_are_refused(folder: Folder) -> None:
    path = folder.write("marts.m", "select id\n-- unique: id\nfrom linkt.names")
    with pytest.raises(ModelFileError, match="header lines stand above the SQL") as caught:
        folder.load()
    assert caught.value.line == 4
    path.write_text(OK + "select id -- unique: within a sheet\nfrom linkt.names\n-- Note: nothing to see\n")
    assert folder.load().models


@pytest.mark.parametrize(
    "above",
    [
        "\ufeff",
        "/* Copyright: Somebody\n   unique: to us */\n",
        "-- Copyright: Somebody\n-- SPDX-License-Identifier: MIT\n-- https://example.com/licence\n\n",
        "\ufeff/* one line */\n\n",
    ],
)
def test_what_stands_above_the_header_does_no_harm(folder: Folder, above: str) -> None:
    folder.write("marts.m", "-- column id: Its id.\nselect id from linkt.names", header=above + OK)
    model = folder.load()["marts.m"]
    assert (model.description, model.grain, model.column_descriptions) == ("d", "g", {"id": "Its id."})
    assert not try_describe(folder.load())[1]


@pytest.mark.parametrize(
    "value", ["$$a;b$$", "$tag$a;b$tag$", "E'it\\'s; fine'", "'a;b'", "'a' /* ; */", "'a' -- ;\n", "'ü;'"]
)
@pytest.mark.parametrize("end", ["", ";", ";\n-- the end; really\n", ";;", "\n;\n"])
def test_a_statement_ends_where_the_parser_says(
    folder: Folder, con: duckdb.DuckDBPyConnection, value: str, end: str
) -> None:
    folder.write("marts.m", f"-- materialized: table\nselect {value} as text{end}")
    (expected,) = con.execute(f"select {value}").fetchall()
    build_model(con, folder.load()["marts.m"])
    assert con.execute("select text from marts.m").fetchall() == [expected]
    assert run_check(con, Check("c", ModelKey("marts", "m"), Severity.WARN, folder.load()["marts.m"].sql, "", Path()))


def test_code_version_heeds_what_is_quoted_in_any_way(folder: Folder) -> None:
    def version(sql: str) -> str:
        folder.write("marts.m", sql)
        return folder.load()["marts.m"].code_version

    assert version("select $$a -- b$$ as t") != version("select $$a -- c$$ as t")
    assert version("select E'\\'  a' as t") != version("select E'\\' a' as t")


@pytest.mark.parametrize("name", ["LINKT.NAMES", 'Linkt."Names"', "linkt.Names"])
def test_sql_does_not_care_about_case(folder: Folder, con: duckdb.DuckDBPyConnection, name: str) -> None:
    folder.write("staging.s", f"select id from {name}")
    folder.write("marts.m", "-- unique: id\n-- references: id -> Linkt.NAMES.id\nselect id from STAGING.S")
    graph = folder.load()
    assert graph["staging.s"].depends_on == (ModelKey("linkt", "names"),)
    assert graph["marts.m"].depends_on == (ModelKey("staging", "s"),)
    assert column_lineage(graph["marts.m"], graph) == {"id": [("staging", "s", "id")]}
    for model in graph.models.values():
        build_model(con, model)
    assert all(run_check(con, check).passed for check in load_checks(folder.root, graph))


@pytest.mark.parametrize(
    ("sql", "line", "part"),
    [
        ("select * from {{ ref('companies') }}", 3, "this is dbt's templating"),
        ("{{ config(materialized='table') }}\nselect 1", 3, "sql/macros in place of {% macro %}"),
        ("select 1\n{% if is_incremental() %} where 1 {% endif %}", 4, "this is dbt's templating"),
        ("pivot linkt.names on name using count(*)", 3, "pivot ... on column in ('a', 'b')"),
        ("select *\nfrom names", 4, "did you mean linkt.names?"),
        ("select *\nfrom nmes", 4, "did you mean 'names'?"),
        ("select *\nfrom linkt.nmes", 4, "did you mean 'linkt.names'"),
        ("select * from other.linkt.names", 3, "without the name of a database"),
        ("-- references: id -> linkt.nmes.id\nselect id from linkt.names", 3, "did you mean 'linkt.names'"),
    ],
)
def test_what_people_bring_gets_an_answer(folder: Folder, sql: str, line: int, part: str) -> None:
    path = folder.write("marts.m", sql)
    with pytest.raises(ModelFileError) as caught:
        folder.load()
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "pivot linkt.names on name in ('a', 'b') using count(*)",
        "select * from (pivot linkt.names on name in ('a', 'b') using count(*))",
        "unpivot linkt.names on name",
        "from linkt.names",
    ],
)
@pytest.mark.parametrize("kind", ["view", "table"])
def test_duckdb_s_own_ways_to_select_are_models(
    folder: Folder, con: duckdb.DuckDBPyConnection, sql: str, kind: str
) -> None:
    folder.write("marts.m", f"-- materialized: {kind}\n{sql}")
    graph = folder.load()
    assert try_describe(graph)[1] == {}
    assert graph["marts.m"].depends_on == (ModelKey("linkt", "names"),)
    build_model(con, graph["marts.m"])


until_duckdb_2 = pytest.mark.skipif(not duckdb.__version__.startswith("1."), reason="DuckDB 2 takes it for a SELECT")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("-- not_null: nme\nselect name from linkt.names", 3, "did you mean 'name'?"),
        ("select nme from linkt.names", 3, 'Candidate bindings: "name"'),
        ("-- references: id -> linkt.names.idd\nselect id from linkt.names", 3, "did you mean 'id'?"),
        ("select nosuch(1) as x", 3, "nosuch"),
        pytest.param("-- materialized: table\nsummarize linkt.names", 4, "summarize", marks=until_duckdb_2),
        pytest.param("show tables", 3, "show", marks=until_duckdb_2),
    ],
)
def test_a_check_of_the_files_finds_what_a_build_would(folder: Folder, text: str, line: int, problem: str) -> None:
    path = folder.write("marts.m", text)
    _, problems = try_describe(folder.load())
    assert str(problems[ModelKey("marts", "m")]).startswith(f"{path}:{line}: ")
    assert problem in str(problems[ModelKey("marts", "m")])
