"""Every column knows the columns of its parents it is made of."""

import duckdb
import pytest

import linkt_pipeline.transform.lineage as module
from linkt_pipeline.transform import Lineage, SqlModel, build_model, column_lineage, describe_models, kept_lineage

from .conftest import Folder


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select id, upper(name) as n from linkt.names", {"id": ["names.id"], "n": ["names.name"]}),
        ("select * from linkt.names", {"id": ["names.id"], "name": ["names.name"]}),
        (
            "with a as (select id || name as ids from linkt.names), b as (select * from a) select ids as x from b",
            {"x": ["names.id", "names.name"]},
        ),
        (
            "select n.id, t.data ->> '$.v' as v from linkt.names as n left join linkt.things as t on n.id = t.id",
            {"id": ["names.id"], "v": ["things.data"]},
        ),
        ("select unnest(json_keys(t.data)) as k from linkt.things as t", {"k": ["things.data"]}),
        ("select id from linkt.names union all select id from linkt.things", {"id": ["names.id", "things.id"]}),
        ("select 1 as one, count(*) as n from linkt.names", {"one": [], "n": []}),
        ("select list_transform([name], lambda x: x || id) as l from linkt.names", {"l": ["names.id", "names.name"]}),
    ],
)
def test_lineage(folder: Folder, sql: str, expected: dict[str, list[str]]) -> None:
    folder.write("marts.m", sql)
    graph = folder.load()
    found = column_lineage(graph["marts.m"], graph)
    assert {name: [f"{table}.{column}" for _, table, column in parents] for name, parents in found.items()} == expected


def test_what_can_not_be_followed_has_no_lineage_and_does_no_harm(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("marts.m", "select id from linkt.names")
    graph = folder.load()

    def refuse(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr("sqlglot.optimizer.qualify.qualify", refuse)
    assert column_lineage(graph["marts.m"], graph) == {"id": []}


def test_columns_are_followed_once_and_again_when_code_or_columns_change(
    con: duckdb.DuckDBPyConnection, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = []

    def follow(model: SqlModel, *graph: object) -> Lineage:
        followed.append(model.sql)
        return column_lineage(model, *graph)

    def lineage_of(sql: str) -> Lineage:
        folder.write("marts.m", f"-- materialized: table\n{sql}")
        graph = folder.load()
        build_model(con, graph["marts.m"])
        return kept_lineage(con, graph["marts.m"], graph, describe_models(graph))

    monkeypatch.setattr(module, "column_lineage", follow)
    star, one = "select * from linkt.names", "select upper(id) as id, name from linkt.names"
    both = {"id": [("linkt", "names", "id")], "name": [("linkt", "names", "name")]}
    assert lineage_of(star) == both
    con.execute("insert into linkt.names values ('a', 'A')")  # its rows are computed anew, its columns are the same
    assert lineage_of(star) == both
    assert len(followed) == 1
    con.execute("alter table linkt.names add column alias varchar")
    assert lineage_of(star) == {**both, "alias": [("linkt", "names", "alias")]}
    assert lineage_of(one) == both
    assert lineage_of(one) == both
    assert len(followed) == 3
