"""The cases written beside the macros and models of sql/ come out as written."""

import re
from pathlib import Path

import pytest

from linkt_pipeline.transform import CaseResult, ModelGraph, run_cases

from .conftest import SQL_DIR


@pytest.fixture(scope="module")
def found(graph: ModelGraph) -> dict[str, CaseResult]:
    return {result.path.name: result for result in run_cases(SQL_DIR, graph)}


@pytest.mark.parametrize(
    "name", sorted(path.name for pattern in ("*/*.cases.csv", "*/*.cases.yaml") for path in SQL_DIR.glob(pattern))
)
def test_every_case_comes_out_as_written(found: dict[str, CaseResult], name: str) -> None:
    assert found[name].cases > 0
    assert "\n".join(found[name].failures) == ""


def test_the_macros_that_models_are_made_of_have_cases(graph: ModelGraph) -> None:
    """Those that others call are tested through them."""
    called = {
        name
        for name in graph.macros
        for other, macro in graph.macros.items()
        if other != name and re.search(rf"\b{name}\s*\(", macro.expression)
    }
    without = [
        name
        for name in graph.macros
        if name not in called and not any(Path(SQL_DIR / "macros").glob(f"{name}*.cases.csv"))
    ]
    assert without == []


def test_parsing_is_held_against_hundreds_of_spellings(found: dict[str, CaseResult]) -> None:
    assert sum(found[name].cases for name in ("linkt_amount.cases.csv", "linkt_range.cases.csv")) > 500
