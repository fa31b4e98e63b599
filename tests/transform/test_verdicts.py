"""A verdict that is kept or derived is the one that the check itself gives."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from linkt_pipeline.transform import (
    BuildResult,
    Check,
    ModelGraph,
    ModelKey,
    Verdict,
    Verdicts,
    build_model,
    load_checks,
    load_models,
    read_verdicts,
    run_check,
    states_of_rows,
    warehouse_sources,
    write_verdicts,
)
from tests.engines import WITH_EACH_ENGINE

from .conftest import in_memory

NOW = datetime(2026, 4, 12, 9, tzinfo=UTC)
HEADER = "-- description: d.\n-- grain: one row per thing.\n"
FILES = {
    "staging/named.sql": HEADER + "-- materialized: incremental\n-- incremental: id, changed_at from linkt.things\n"
    "-- not_null: id, name\n-- unique: id, place\n-- unique: name\n"
    "select id, row_number() over (partition by id) as place, data ->> '$.name' as name, changed_at from linkt.things",
    "staging/names.sql": HEADER + "-- unique: id\nselect id, name from linkt.names",
    "marts/pairs.sql": HEADER
    + "-- materialized: table\n-- unique: id, name\n-- references: name -> staging.names.name\n"
    "select id, name from staging.named",
    "marts/all_names.sql": HEADER + "-- not_null: name\n-- references: name -> staging.named.name\n"
    "select name from staging.names union all select name from marts.pairs",
    "checks/few.sql": "-- description: d.\n-- model: marts.pairs\n"
    "select count(*) from marts.pairs join staging.names using (name) having count(*) > 3",
    "checks/today.sql": "-- description: d.\n-- model: marts.pairs\nselect id from marts.pairs where now() is null",
}


class Bench:
    """Models and checks, built and checked as a sync does."""

    def __init__(self, root: Path, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self.graph: ModelGraph = load_models(root, warehouse_sources(self.con))
        self.checks: list[Check] = load_checks(root, self.graph)
        self.moment = 0

    def put(self, thing: str, name: str | None) -> None:
        """Land a row of a thing; all its rows are newer then, as an incremental model asks for."""
        self.con.execute("insert into linkt.things values ($1, json_object('name', $2), null)", [thing, name])
        self._touch(thing)

    def rename(self, thing: str, name: str | None) -> None:
        self.con.execute("update linkt.things set data = json_object('name', $2) where id = $1", [thing, name])
        self._touch(thing)

    def remove(self, thing: str, _: str | None = None) -> None:
        self.con.execute("delete from linkt.things where id = $1", [thing])

    def name(self, thing: str, name: str | None) -> None:
        self.con.execute("insert into linkt.names values ($1, $2)", [thing, name])

    def unname(self, thing: str, _: str | None = None) -> None:
        self.con.execute("delete from linkt.names where id = $1", [thing])

    def _touch(self, thing: str) -> None:
        self.moment += 1
        self.con.execute(
            "update linkt.things set changed_at = make_timestamptz($2) where id = $1", [thing, self.moment]
        )

    def build(self, *, full_refresh: bool = False) -> dict[ModelKey, BuildResult]:
        return {
            model.key: build_model(self.con, model, full_refresh=full_refresh) for model in self.graph.models.values()
        }

    def sync(self, *, now: datetime = NOW, full_refresh: bool = False) -> tuple[dict[str, bool], set[str]]:
        """Build and check. Returns: whether each check passed, and which of them were not run."""
        built = self.build(full_refresh=full_refresh)
        states = states_of_rows(self.con, self.graph, built)
        verdicts = Verdicts(read_verdicts(self.con), states, built, now)
        passed: dict[str, bool] = {}
        kept = set()
        for check in self.checks:
            name = f"{check.model.name} {check.name}"
            if verdicts.holding(check):
                passed[name] = True
                kept.add(name)
            else:
                passed[name] = run_check(self.con, check).passed
                verdicts.note(check, passed=passed[name])
        write_verdicts(self.con, verdicts.of(self.checks))
        return passed, kept

    def in_full(self) -> dict[str, bool]:
        counted = {check: self.con.execute(f"select count(*) from ({check.sql})").fetchall() for check in self.checks}
        return {f"{check.model.name} {check.name}": count == [(0,)] for check, count in counted.items()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sql")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def bench(root: Path, con: duckdb.DuckDBPyConnection) -> Bench:
    return Bench(root, con)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "rename", "remove", "name", "unname"]),
        st.sampled_from("abcd"),
        st.sampled_from([*"stuvw", None]),
    ),
    max_size=3,
)


@settings(max_examples=25, deadline=None)
@example(batches=[([("put", "a", "s")], 1), ([("put", "b", "s")], 1)])  # beside a row that the build leaves alone
@given(batches=st.lists(st.tuples(CHANGES, st.integers(0, 9)), min_size=2, max_size=6))
def test_after_any_changes_every_verdict_is_that_of_the_full_check(
    root: Path, batches: list[tuple[list[tuple[str, str, str | None]], int]]
) -> None:
    with in_memory() as con:
        bench = Bench(root, con)
        for changes, kind in batches:
            for deed, thing, name in changes:
                getattr(bench, deed)(thing, name)
            passed, _ = bench.sync(full_refresh=kind == 0)
            assert passed == bench.in_full()


@WITH_EACH_ENGINE
def test_a_check_is_not_run_while_nothing_changes_that_it_reads(bench: Bench) -> None:
    bench.put("a", "s")
    bench.name("a", "s")
    _, first = bench.sync()
    _, second = bench.sync()
    assert first == set()
    assert second == {f"{check.model.name} {check.name}" for check in bench.checks} - {"pairs today"}, "but for a clock"


@WITH_EACH_ENGINE
def test_a_change_has_only_what_reads_it_run_and_derives_a_key_from_the_changed_rows(bench: Bench) -> None:
    bench.put("a", "s")
    bench.name("a", "s")
    bench.sync()
    bench.put("b", "t")

    passed, kept = bench.sync()

    assert kept == {"named key", "names key"}
    assert not passed["pairs references"]


def test_a_derived_verdict_holds_no_longer_than_a_day_from_the_full_check(bench: Bench) -> None:
    bench.put("a", "s")
    bench.sync()
    bench.put("b", "t")
    assert "named key" in bench.sync(now=NOW + timedelta(hours=23))[1]
    bench.put("c", "u")
    assert "named key" not in bench.sync(now=NOW + timedelta(hours=24))[1]
    assert "named key" in bench.sync(now=NOW + timedelta(hours=25))[1]
    assert "named key" not in bench.sync(now=NOW + timedelta(hours=23))[1], "the clock was set back"


def test_what_failed_is_run_again_although_nothing_has_changed(bench: Bench) -> None:
    bench.put("a", "s")
    bench.put("b", "s")
    for _ in range(2):
        passed, kept = bench.sync()
        assert not passed["named key"]
        assert "named key" not in kept


def test_a_build_in_between_that_nobody_checked_breaks_the_chain(bench: Bench) -> None:
    bench.put("a", "s")
    bench.sync()
    bench.put("b", "s")
    bench.build()
    bench.put("c", "t")
    assert not bench.sync()[0]["named key"]


def test_a_check_that_says_something_else_is_run(bench: Bench, tmp_path: Path) -> None:
    bench.put("a", "s")
    bench.sync()
    [few] = [check for check in bench.checks if check.name == "few"]
    path = tmp_path / "checks" / "few.sql"
    path.parent.mkdir()
    path.write_text(FILES["checks/few.sql"].replace("> 3", "> 2"))
    [changed] = [check for check in load_checks(tmp_path, bench.graph) if check.name == "few"]
    built = bench.build()
    verdicts = Verdicts(read_verdicts(bench.con), states_of_rows(bench.con, bench.graph, built), built, NOW)
    assert isinstance(verdicts.holding(few), Verdict)
    assert verdicts.holding(changed) is None


def test_a_view_that_the_session_has_not_seen_to_may_show_other_rows(bench: Bench) -> None:
    bench.put("a", "s")
    bench.sync()
    unseen = states_of_rows(bench.con, bench.graph, ())
    assert ModelKey("staging", "named") in unseen
    assert ModelKey("staging", "names") not in unseen
