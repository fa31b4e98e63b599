"""All models over a warehouse of a million entities: full, incremental, unchanged; their checks; the snapshot.

python -m bench.model_builds WAREHOUSE CASE     one case in a process of its own, measured as JSON
"""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.outcome import Measured, Section, in_own_process, measure, print_measured
from bench.scale import big_warehouse

CASES = ("full", "incremental", "unchanged", "checks", "landing_checks", "snapshot")
_LONGEST = 1800  # seconds


def run(quick: bool) -> Section:
    """Each case once, in its own process."""
    section = Section("Transforming and publishing")
    path, entities = big_warehouse(quick)
    describe(section, path, entities, {case: measured(case, "bench.model_builds", path) for case in CASES})
    return section


def measured(case: str, module: str, *warehouse: object) -> Measured:
    """A case in a process of its own: ``python -m module warehouse case``."""
    if case == "incremental":
        # Elsewhere, because filling a warehouse by one statement takes more memory than the build to be measured.
        in_own_process(module, *warehouse, "batch", timeout=_LONGEST)
    return in_own_process(module, *warehouse, case, timeout=_LONGEST)


def describe(section: Section, path: Path, entities: int, found: dict[str, Measured]) -> None:
    """The text, the table and the goals."""
    size = path.stat().st_size / 1e9
    section.say(
        f"{entities:,} entities with five attributes each, {entities:,} signals, {entities // 100:,} runs "
        f"({size:.1f} GB with all models built). *Incremental* follows a batch of 1,000 resources, half of them new "
        "entities, a quarter changed ones, a quarter signals; *unchanged* follows nothing. Each case once, in a "
        "process of its own."
    )
    section.table(
        ["", "seconds", "CPU s", "peak MB", "slowest"],
        [
            [case, f"{m.seconds:.1f}", f"{m.cpu:.1f}", f"{m.peak_mb:.0f}", m.facts.get("slowest", "")]
            for case, m in found.items()
        ],
    )
    section.goal("all models in full under 60 s", f"{found['full'].seconds:.0f} s", found["full"].seconds < 60)
    took = found["incremental"].seconds
    section.goal("all models after a batch of 1,000 under 5 s", f"{took:.1f} s", took < 5)
    peak = max(m.peak_mb for m in found.values())
    section.goal("memory of any process under 1 GiB", f"{peak:.0f} MB", peak < 1024)


def measure_case(warehouse: Any, case: str) -> Measured:
    """A case in this process."""
    if case in ("full", "incremental", "unchanged"):
        return _timed(lambda: _build(warehouse, full=case == "full"))
    if case == "batch":
        return _timed(lambda: _add_batch(warehouse))
    if case == "checks":
        return _timed(lambda: _model_checks(warehouse))
    if case == "landing_checks":
        return _timed(lambda: _landing_checks(warehouse))
    return _timed(lambda: _publish(warehouse))


def _timed(work: Callable[[], dict[str, float]]) -> Measured:
    def counted() -> tuple[int, dict[str, Any]]:
        seconds = work()
        slowest = sorted(seconds, key=seconds.__getitem__, reverse=True)[:3]
        return len(seconds), {"slowest": ", ".join(f"{name} {seconds[name]:.1f} s" for name in slowest)}

    return measure(counted)


def _add_batch(warehouse: Any) -> dict[str, float]:
    from bench.generate_warehouse import add_batch

    begun = time.perf_counter()
    with warehouse.write() as con:
        # Numbers of earlier batches are never used again: ids must stay unique.
        row = con.execute("select count(*) from linkt.entities").fetchone()
        add_batch(con, row[0], 1_000)
    return {"batch": time.perf_counter() - begun}


def _graph(warehouse: Any) -> Any:
    from linkt_pipeline.package_files import BUILT_IN_SQL
    from linkt_pipeline.transform import load_models, warehouse_sources

    with warehouse.read() as con:
        sources = warehouse_sources(con)
    return BUILT_IN_SQL, load_models(BUILT_IN_SQL, sources)


def _build(warehouse: Any, *, full: bool) -> dict[str, float]:
    from linkt_pipeline.transform import Known, build_model, prepare_builds

    _, graph = _graph(warehouse)
    known = Known()
    seconds = {}
    with warehouse.session() as session:
        with session.transaction() as con:
            prepare_builds(con, graph, [])
        for model in graph.models.values():
            begun = time.perf_counter()
            with session.transaction() as con:
                build_model(con, model, full_refresh=full, known=known)
            seconds[model.key.name] = time.perf_counter() - begun
    return seconds


def _model_checks(warehouse: Any) -> dict[str, float]:
    from linkt_pipeline.transform import load_checks, run_check

    folder, graph = _graph(warehouse)
    seconds = {}
    with warehouse.read() as con:
        for check in load_checks(folder, graph):
            begun = time.perf_counter()
            run_check(con, check)
            seconds[f"{check.model.name} {check.name}"] = time.perf_counter() - begun
    return seconds


def _landing_checks(warehouse: Any) -> dict[str, float]:
    from linkt_pipeline.package_files import BUILT_IN_SQL
    from linkt_pipeline.transform import load_project, warehouse_sources

    seconds = {}
    with warehouse.read() as con:
        for check in load_project([BUILT_IN_SQL], warehouse_sources(con)).checks:
            if check.model.schema != "linkt":
                continue
            begun = time.perf_counter()
            con.execute(check.sql).fetchall()
            seconds[check.name] = time.perf_counter() - begun
    return seconds


def _publish(warehouse: Any) -> dict[str, float]:
    from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot

    folder = warehouse.path.parent / "published"
    shutil.rmtree(folder, ignore_errors=True)
    begun = time.perf_counter()
    publish_snapshot(warehouse, folder, _graph(warehouse)[1].published_views)
    seconds = {"snapshot": time.perf_counter() - begun}
    shutil.rmtree(folder, ignore_errors=True)
    return seconds


if __name__ == "__main__":
    from linkt_pipeline.warehouse.engines.file import FileWarehouse

    print_measured(measure_case(FileWarehouse(Path(sys.argv[1])), sys.argv[2]))
