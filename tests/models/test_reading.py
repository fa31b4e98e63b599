"""Models are read from files; a mistake in one is told with file and line."""

from pathlib import Path

import pytest

from linkt_pipeline.models import Materialization, ModelFileError, ModelKey, try_describe

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


def test_descendants_of_a_source_or_a_model(folder: Folder) -> None:
    folder.write("staging.a", "select * from linkt.things")
    folder.write("staging.b", "select * from linkt.names")
    folder.write("marts.c", "select * from staging.a")
    graph = folder.load()
    assert [m.name for m in graph.with_descendants([ModelKey("staging", "a")])] == ["a", "c"]
    assert [m.name for m in graph.with_descendants([ModelKey("linkt", "names")])] == ["b"]
    assert graph.children[ModelKey("staging", "a")] == (ModelKey("marts", "c"),)
    assert graph.ancestors(ModelKey("marts", "c")) == {ModelKey("staging", "a"), ModelKey("linkt", "things")}


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
        (NARROWED.format("id -> linkt.things.id"), 1, "linkt.things is not a table that the model reads besides"),
        (NARROWED.format("id -> staging.things.id"), 1, "staging.things is not a table that the model reads besides"),
        (OK + "-- materialized: table\n-- rows: select 1\nselect 1", 4, "'rows' is for views"),
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
