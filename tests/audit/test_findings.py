"""A figure that is changed by hand is found, whichever it is; so are rows that are missing or too many."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.audit import MARTS, comparison, run_audit
from linkt_pipeline.audit.findings import MartAudit
from linkt_pipeline.transform import describe_models, load_models, warehouse_sources
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.warehouse import Session
from tests.paths import PROJECT_ROOT

with empty_warehouse() as _con:
    _GRAPH = load_models(PROJECT_ROOT / "sql", warehouse_sources(_con))
_COLUMNS = {key.name: columns for key, columns in describe_models(_GRAPH).items() if key.schema == "marts"}
_KEYS = {mart.name: mart.key for mart in MARTS}
_FINGERPRINTS = {"content_version", "history_version"}


def _other(column: str, data_type: str) -> str:
    """An expression for another value than the column has."""
    match data_type.split("(")[0]:
        case "VARCHAR":
            return f"coalesce({column}, '') || '!'"
        case "BOOLEAN":
            return f"not coalesce({column}, false)"
        case "JSON":
            return "'{\"odd\": 7}'::json"
        case "DATE" | "TIMESTAMP" | "TIMESTAMP WITH TIME ZONE":
            return f"coalesce({column} + interval 1 day, date '2020-01-01')::{data_type}"
        case "VARCHAR[]":
            return f"list_append(coalesce({column}, []), 'odd')"
    return f"coalesce({column}, 0) + 1"


@contextmanager
def _changed(session: Session, mart: str, select: str) -> Iterator[MartAudit]:
    """An audit of a mart whose rows are others, in a transaction that is rolled back."""
    with suppress(_UndoneError), session.transaction() as con:
        con.execute(f"create temp table others as {select}")
        kind = "view" if _is_view(con, mart) else "table"
        con.execute(f"drop {kind} marts.{mart}; create table marts.{mart} as from others")
        (found,) = run_audit(con, marts=[mart]).marts
        yield found
        raise _UndoneError


class _UndoneError(Exception):
    pass


def _is_view(con: duckdb.DuckDBPyConnection, mart: str) -> bool:
    return bool(
        con.execute(
            "select 1 from duckdb_views() where schema_name = 'marts' and view_name = $1 and not internal", [mart]
        ).fetchall()
    )


@pytest.mark.parametrize("mart", list(_COLUMNS))
def test_every_column_that_is_changed_everywhere_is_found(
    built: Session, monkeypatch: pytest.MonkeyPatch, mart: str
) -> None:
    monkeypatch.setattr(comparison, "MOST_FIGURES", 1_000_000)
    columns = {name for name in _COLUMNS[mart] if name not in _FINGERPRINTS and name not in _KEYS[mart]}
    others = ", ".join(_other(f'"{name}"', _COLUMNS[mart][name]) + f' as "{name}"' for name in columns)
    with _changed(built, mart, f"select * replace ({others}) from marts.{mart}") as found:
        assert {figure.column for figure in found.figures} == columns


@pytest.mark.parametrize("mart", list(_COLUMNS))
def test_a_missing_row_is_found(built: Session, mart: str) -> None:
    key = ", ".join(f'"{name}"' for name in _KEYS[mart])
    with _changed(built, mart, f"from marts.{mart} order by {key} offset 1") as found:
        (figure,) = found.figures
        assert (figure.column, figure.stored, figure.recomputed) == (None, None, "a row")


@pytest.mark.parametrize("mart", list(_COLUMNS))
def test_a_row_too_many_is_found(built: Session, mart: str) -> None:
    first = _KEYS[mart][0]
    odd = "date '1999-01-01'" if _COLUMNS[mart][first] == "DATE" else "'odd'"
    select = f"from marts.{mart} union all (select * replace ({odd} as {first}) from marts.{mart} limit 1)"
    with _changed(built, mart, select) as found:
        (figure,) = found.figures
        assert (figure.column, figure.stored, figure.recomputed) == (None, "a row", None)


@pytest.mark.parametrize("mart", list(_COLUMNS))
def test_a_row_that_is_there_twice_is_found(built: Session, mart: str) -> None:
    with _changed(built, mart, f"from marts.{mart} union all (from marts.{mart} limit 1)") as found:
        assert found.differences == 1


def test_every_mart_is_audited_and_every_column_that_is_no_fingerprint(built: Session) -> None:
    with built.transaction() as con:
        audit = run_audit(con)
    assert {mart.mart.removeprefix("marts.") for mart in audit.marts} == set(_COLUMNS)
    for mart in audit.marts:
        assert set(mart.skipped) <= _FINGERPRINTS, mart.mart


def test_a_sample_is_the_same_every_time_and_says_what_it_leaves_out(built: Session) -> None:
    with built.transaction() as con:
        first, second = (run_audit(con, marts=["companies"], most_rows=3).marts[0] for _ in range(2))
        (whole,) = run_audit(con, marts=["companies"]).marts
    assert first == second
    assert first.rows == 3
    assert first.left_out == whole.rows - 3


def test_the_auditor_holds_no_sql_of_the_models() -> None:
    """It reads what was landed, the seed, and each mart as it is stored."""
    sources = "\n".join(path.read_text() for path in Path(PROJECT_ROOT, "linkt_pipeline", "audit").rglob("*.py"))
    assert "staging." not in sources
