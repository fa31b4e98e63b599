"""``query``: every value in every format, nothing but the warehouse in reach, DuckDB's own words for a mistake."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.cli.main import run_command

EVERY_TYPE = """
    select
        1::tinyint as small, 12345678901234567890123456789::hugeint as huge, 1.10::decimal(10, 2) as money,
        0.1::double as ratio, 'nan'::double as no_number, true as yes, null::varchar as nothing,
        'Zoë "Q", 北京' as text, date '2026-01-31' as day, time '10:30:00' as clock,
        timestamp '2026-01-31 10:30:00' as local_time, timestamptz '2026-01-31 10:30:00+02' as moment,
        interval 90 minutes as duration, 'ab'::blob as bytes, '5f0f0a8e-0000-4000-8000-000000000000'::uuid as uuid,
        [1, null, 3] as list, {'a': 1.5::decimal(3, 1), 'b': [date '2026-01-31']} as struct, map {'k': 1} as map,
        '{"n": 12345678901234567890, "s": "x"}'::json as document, null::json as no_document
"""


@pytest.fixture
def ask(tmp_path: Path, monkeypatch, capsys):
    """Ask a published snapshot; gives the exit code, stdout and stderr."""
    for name in ("LINKT_API_KEY", "LINKT_DATA_DIR", "LINKT_TASKS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    snapshot = tmp_path / "data" / "sandbox" / "published" / "warehouse.duckdb"
    snapshot.parent.mkdir(parents=True)
    with duckdb.connect(str(snapshot)) as con:
        con.execute("create schema linkt; create table linkt.runs as select 'r1' as run_id")
        con.execute("create schema marts; create table marts.companies (name varchar, people bigint)")
        con.execute(
            "insert into marts.companies values ('Brightpath, Inc.', 3), ('Nordlicht', 0), ('[bold]Ada[/]', 12)"
        )

    def run(*arguments: str) -> tuple[int, str, str]:
        code = run_command(["query", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_table_shows_columns_and_rows_as_they_are(ask):
    code, out, _ = ask("select name, people from marts.companies order by people")
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["name", "people"],
        ["Nordlicht", "0"],
        ["Brightpath,", "Inc.", "3"],
        ["[bold]Ada[/]", "12"],
    ]


def test_table_in_a_pipe_is_never_cut(ask):
    _, out, _ = ask("select repeat('x', 500) as long")
    assert "x" * 500 in out
    assert "\x1b" not in out


def test_a_long_table_says_that_there_is_more(ask):
    _, out, _ = ask("from range(10)", "--rows", "3")
    assert "--rows N shows more than 3" in out
    assert len(out.splitlines()) == 5


def test_the_landed_tables_are_reached_by_schema_and_name(ask):
    """The file is called as the schema is, which DuckDB would call ambiguous."""
    assert ask("from linkt.runs", "--format", "csv")[1] == "run_id\nr1\n"


@pytest.mark.parametrize("sql", ["", "  ", "/* only a remark */"])
def test_no_query_at_all(ask, sql):
    code, _, err = ask(sql)
    assert code == 2
    assert "there is no query in" in err


def test_every_query_of_several_is_shown(ask):
    code, out, _ = ask("set threads = 1; select 1 as a; select 2 as b;")
    assert code == 0
    assert [line.strip() for line in out.splitlines()] == ["a", "1", "", "b", "2"]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_csv_and_json_hold_one_result_and_say_so(ask, form):
    code, out, err = ask("select 1; select 2", "--format", form)
    assert (code, out) == (2, "")
    assert f"{form} holds the result of one query, and these are 2" in err


def test_statements_without_a_result_do_not_count_as_one(ask):
    sql = "set TimeZone = 'America/New_York'; pivot marts.companies on name using sum(people)"
    code, out, _ = ask(sql, "--format", "json")
    assert code == 0
    assert json.loads(out) == [{"Brightpath, Inc.": 3, "Nordlicht": 0, "[bold]Ada[/]": 12}]


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        (
            "insert into mine values ('北京', 2), ('returning', 3) RETURNING n, name",
            [["2", "北京"], ["3", "returning"]],
        ),
        ("update mine set n = n + 1 returning n", [["2"]]),
        ("delete from mine /* é */ returning name", [["a"]]),
        ("insert into mine values ('returning', 2) /* returning */", []),
        ("update mine set name = 'returning'", []),
    ],
)
def test_a_change_of_a_temporary_table_shows_the_rows_it_is_asked_to_return(ask, statement, shown):
    """It is a result like others, so that CSV takes it as its one; the count of a change is none."""
    code, out, err = ask(f"create temp table mine as select 'a' as name, 1 as n; {statement}", "--format", "csv")
    assert code == 0, err
    assert list(csv.reader(io.StringIO(out)))[1:] == shown
    code, out, err = ask(f"create temp table mine as select 'a' as name, 1 as n; {statement}; select 1 as one")
    assert code == 0, err
    assert [line.split() for line in out.splitlines()][-2:] == [["one"], ["1"]]
    assert all(value in out for row in shown for value in row)


def test_no_rows(ask):
    assert "no rows" in ask("from marts.companies where false")[1]


def test_csv_quotes_and_keeps_every_row(ask):
    _, out, err = ask("select * from marts.companies order by people", "--format", "csv", "--rows", "1")
    assert list(csv.reader(io.StringIO(out))) == [
        ["name", "people"],
        ["Nordlicht", "0"],
        ["Brightpath, Inc.", "3"],
        ["[bold]Ada[/]", "12"],
    ]
    assert err == ""


def test_csv_of_every_type(ask):
    _, out, _ = ask(EVERY_TYPE, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["moment"] == "2026-01-31T08:30:00Z"
    assert row["day"] == "2026-01-31"
    assert row["money"] == "1.10"
    assert row["nothing"] == ""
    assert row["text"] == 'Zoë "Q", 北京'
    assert json.loads(row["struct"]) == {"a": 1.5, "b": ["2026-01-31"]}


def test_json_of_every_type(ask):
    code, out, _ = ask(EVERY_TYPE, "--format", "json")
    assert code == 0
    (row,) = json.loads(out, parse_float=Decimal)
    assert row == {
        "small": 1,
        "huge": 12345678901234567890123456789,
        "money": Decimal("1.10"),
        "ratio": Decimal("0.1"),
        "no_number": None,
        "yes": True,
        "nothing": None,
        "text": 'Zoë "Q", 北京',
        "day": "2026-01-31",
        "clock": "10:30:00",
        "local_time": "2026-01-31T10:30:00Z",
        "moment": "2026-01-31T08:30:00Z",
        "duration": "1:30:00",
        "bytes": "6162",
        "uuid": "5f0f0a8e-0000-4000-8000-000000000000",
        "list": [1, None, 3],
        "struct": {"a": Decimal("1.5"), "b": ["2026-01-31"]},
        "map": {"k": 1},
        "document": {"n": 12345678901234567890, "s": "x"},
        "no_document": None,
    }


@pytest.mark.parametrize(("rows", "count"), [(0, 0), (1, 1), (5_000, 5_000)])
def test_json_is_one_array_however_many_rows(ask, rows, count):
    _, out, _ = ask(f"from range({rows})", "--format", "json")
    assert len(json.loads(out)) == count


def test_json_of_a_map_with_odd_keys(ask):
    _, out, _ = ask(
        "select map {1.5::decimal(2, 1): 170141183460469231731687303715884105727::hugeint} as m", "--format", "json"
    )
    assert json.loads(out) == [{"m": {"1.5": 170141183460469231731687303715884105727}}]


def test_json_keeps_columns_of_one_name_apart(ask):
    _, out, _ = ask("select 1 as a, 2 as a, 3 as a", "--format", "json")
    assert json.loads(out) == [{"a": 1, "a_2": 2, "a_3": 3}]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("selec 1", ["syntax error", '"selec"', "^"]),
        ("select nam from marts.companies", ["nam", "name", "^"]),
        ("from marts.compnies", ["companies", "^"]),
        ("select 1/", ["syntax error"]),
    ],
)
def test_a_typo_is_told_in_duckdbs_words_with_its_place(ask, sql, told):
    code, out, err = ask(sql)
    assert code == 2
    assert out == ""
    assert all(part in err for part in told), err


@pytest.mark.parametrize(
    "sql",
    [
        "delete from marts.companies",
        "create table marts.mine as select 1",
        "select * from read_text('/etc/hostname')",
        "copy (select 1) to 'out.csv'",
        "attach 'other.duckdb'",
        "install httpfs",
        "set enable_external_access = true; select * from read_text('/etc/hostname')",
    ],
)
def test_a_query_changes_nothing_and_reaches_nothing_else(ask, tmp_path, sql):
    code, _, err = ask(sql)
    assert code == 2, err
    assert not (tmp_path / "out.csv").exists()
    assert ask("select count(*) from marts.companies", "--format", "csv")[1] == "count_star()\n3\n"


HOSTILE = """
    select '=cmd|'' /C calc''!A0' as formula, '@SUM(1)' as at, '+49 (30) 123-45' as phone, '+cmd()' as plus,
        '-2.5' as text, -2.5 as number, e'\\t=1' as tab,
        'Brightpath' as plain, chr(27) || '[31m' || chr(8238) as escape,
        json_object('a', chr(27) || chr(155)) as document, ['=1', chr(27)] as list
"""


def test_csv_begins_no_formula_and_controls_no_terminal(ask):
    code, out, _ = ask(HOSTILE, "--format", "csv")

    [row] = csv.DictReader(io.StringIO(out))

    assert code == 0
    assert row["formula"] == "'=cmd|' /C calc'!A0"
    assert (row["at"], row["plus"], row["tab"]) == ("'@SUM(1)", "'+cmd()", "'\t=1")
    assert (row["phone"], row["text"], row["number"], row["plain"]) == ("+49 (30) 123-45", "-2.5", "-2.5", "Brightpath")
    assert row["escape"] == r"\x1b[31m\u202e"
    assert json.loads(row["document"]) == {"a": "\x1b\x9b"}
    assert json.loads(row["list"]) == ["=1", "\x1b"]
    assert not any(control in out for control in "\x1b\x9b\u202e")


def test_raw_csv_holds_texts_as_they_are_stored(ask):
    code, out, _ = ask(HOSTILE, "--format", "csv", "--raw")

    [row] = csv.DictReader(io.StringIO(out))

    assert code == 0
    assert (row["formula"], row["escape"]) == ("=cmd|' /C calc'!A0", "\x1b[31m\u202e")


def test_raw_is_for_csv_and_never_for_a_terminal(ask, monkeypatch):
    assert ask("select 1", "--raw")[0] == 2
    assert ask("select 1", "--raw", "--format", "json")[0] == 2
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    code, _, err = ask("select 1", "--raw", "--format", "csv")
    assert (code, "--raw goes with --format csv" in err) == (2, True)


def test_json_holds_every_character_without_controlling_a_terminal(ask):
    code, out, _ = ask(HOSTILE, "--format", "json")

    [row] = json.loads(out)

    assert code == 0
    assert (row["formula"], row["escape"]) == ("=cmd|' /C calc'!A0", "\x1b[31m\u202e")
    assert row["document"] == {"a": "\x1b\x9b"}
    assert not any(control in out for control in "\x1b\x9b\u202e")


def test_a_table_shows_controls_and_cuts_what_no_screen_holds(ask):
    code, out, _ = ask("select chr(27) || ']0;title' || chr(7) as name, repeat('long ', 1000000) as text")

    assert code == 0
    assert r"\x1b]0;title\x07" in out
    assert "(cut: 5,000,000 characters)" in out
    assert len(out) < 20_000
