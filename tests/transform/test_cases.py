"""Cases of macros and models: what comes out otherwise is told with file and line."""

from pathlib import Path

import pytest

from linkt_pipeline.transform import CaseResult, ModelFileError, run_cases

from .conftest import Folder

MACRO = (
    "-- description: d\n-- parameter text: any text\n-- returns: a struct\n"
    "{'low': length(text), 'is_long': length(text) > 3}"
)
MODEL = "-- description: d\n-- grain: g\nselect name, count(*) as n from linkt.names group by name"
CASES = """
- case: two of one name
  given:
    linkt.names:
      - {id: 1, name: a}
      - {id: 2, name: a}
  expect:
    - {name: a, n: %d}
- case: nothing of nothing
  expect: []
"""


def macro_cases(folder: Folder, text: str, *, name: str = "size") -> tuple[Path, CaseResult]:
    folder.write("macros.size", MACRO, header="")
    path = folder.root / "macros" / f"{name}.cases.csv"
    path.write_text(text)
    (result,) = run_cases(folder.root, folder.load())
    return path, result


def model_cases(folder: Folder, text: str, *, name: str = "m") -> tuple[Path, CaseResult]:
    folder.write("marts.m", MODEL, header="")
    path = folder.root / "marts" / f"{name}.cases.yaml"
    path.write_text(text)
    (result,) = run_cases(folder.root, folder.load())
    return path, result


def test_a_macro_whose_cases_hold(folder: Folder) -> None:
    _, result = macro_cases(folder, 'text,low,is_long\nabc,3,false\n"a,b c",5,true\n,,\n')
    assert (result.cases, result.failed, result.failures) == (3, 0, ())


def test_each_value_of_a_macro_that_is_another_one_is_told(folder: Folder) -> None:
    path, result = macro_cases(folder, "text,low,is_long\nabc,3,true\nabc,x,false\nabcd,,true\n")
    assert (result.cases, result.failed) == (3, 3)
    assert result.failures == (
        f"{path}:2: size('abc'): is_long is false, expected true",
        f"{path}:3: size('abc'): low is 3, expected x",
        f"{path}:4: size('abcd'): low is 4, expected null",
    )


def test_what_goes_in_may_have_a_type(folder: Folder) -> None:
    folder.write("macros.twice", "-- description: d\n-- parameter n: a number\n-- returns: a number\nn * 2", header="")
    (folder.root / "macros" / "twice.cases.csv").write_text("n::integer,result\n2,4\n3,7\n")
    (result,) = run_cases(folder.root, folder.load())
    assert (result.cases, result.failed) == (2, 1)


@pytest.mark.parametrize(
    ("text", "name", "part"),
    [
        ("word,low\na,1\n", "size", "1: no column for the parameter 'text' of size"),
        ("text,high\na,1\n", "size", '1: Binder Error: Could not find key "high" in struct'),
        ("text,low\na\n", "size", "2: 1 values for 2 columns"),
        ("text,low\na,1\n", "other", "1: there is no macro other.sql beside these cases"),
    ],
)
def test_a_file_of_macro_cases_that_cannot_be_used(folder: Folder, text: str, name: str, part: str) -> None:
    with pytest.raises(ModelFileError) as error:
        macro_cases(folder, text, name=name)
    assert f"{name}.cases.csv:{part}" in str(error.value)


def test_a_model_whose_cases_hold(folder: Folder) -> None:
    _, result = model_cases(folder, CASES % 2)
    assert (result.cases, result.failed) == (2, 0)


def test_each_row_of_a_model_that_is_another_one_is_told(folder: Folder) -> None:
    path, result = model_cases(folder, CASES % 3)
    assert (result.cases, result.failed) == (2, 1)
    assert result.failures == (
        f"{path}:2: two of one name: not expected: {{'name': 'a', 'n': 2}}",
        f"{path}:2: two of one name: missing: {{'name': 'a', 'n': 3}}",
    )


def test_a_model_reads_json_and_the_rows_of_its_seeds(folder: Folder) -> None:
    folder.write("seeds.hosts", "-- description: d\n-- grain: g\n", header="")
    (folder.root / "seeds" / "hosts.csv").write_text("host\na.example\n")
    folder.write(
        "marts.m", "select data ->> '$.host' as host from linkt.things where data ->> '$.host' in (from seeds.hosts)"
    )
    (folder.root / "marts" / "m.cases.yaml").write_text(
        "- case: c\n  given:\n    linkt.things: [{data: {host: a.example}}, {data: {host: b.example}}]\n"
        "  expect: [{host: a.example}]\n"
    )
    (result,) = run_cases(folder.root, folder.load())
    assert result.failures == ()


@pytest.mark.parametrize(
    ("text", "name", "part"),
    [
        ("- case: c\n  expects: []\n", "m", "1: a case has 'case'"),
        ("- case: c\n  given: {linkt.things: []}\n  expect: []\n", "m", "1: marts.m does not read linkt.things"),
        ("- case: c\n  expect: [{nam: a}]\n", "m", "1: marts.m or a table it reads has no column 'nam'"),
        ("- case: c\n  given: {linkt.names: [{x: 1}]}\n  expect: []\n", "m", "has no column 'x'"),
        ("- case: [\n", "m", "1: can't be read"),
        ("[]", "other", "1: there is no model other.sql beside these cases"),
    ],
)
def test_a_file_of_model_cases_that_cannot_be_used(folder: Folder, text: str, name: str, part: str) -> None:
    with pytest.raises(ModelFileError) as error:
        model_cases(folder, text, name=name)
    assert part in str(error.value)
