"""From a landed batch to a published one: models, checks and publication after 1,000 resources, at two sizes.

python -m bench.freshness prepare WAREHOUSE ENTITIES    a warehouse that is built, checked and published
python -m bench.freshness batch WAREHOUSE               lands a batch
python -m bench.freshness run WAREHOUSE                 lands one run that names known entities, and no entity
python -m bench.freshness refresh WAREHOUSE             builds, checks and publishes, measured as JSON
"""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.generate_warehouse import add_batch, add_run, fill
from bench.outcome import Measured, Section, in_own_process, measure, median, print_measured, spread
from bench.server import WORK

BATCH = 1_000
ROUNDS = 3
_PARTS = ("models", "checks", "publishing")


def run(quick: bool) -> Section:
    """Batches one after the other at each size, each in a process of its own."""
    section = Section("From landed to published")
    sizes = (10_000, 50_000) if quick else (100_000, 1_000_000)
    found, partial = {}, {}
    for entities in sizes:
        found[entities], partial[entities] = _rounds(entities)
    describe(section, found)
    _describe_partial(section, partial)
    return section


def describe(section: Section, found: dict[int, list[Measured]]) -> None:
    """The text, the table and the goals."""
    small, large = found
    section.say(
        f"Batches of {BATCH:,} resources, half of them new entities, a quarter changed ones that lie anywhere among "
        f"the others, a quarter signals, land in warehouses of {small:,} and of {large:,} entities (five attributes "
        "each) with as many signals. What a reader waits for after each: all models, all checks (those of the landed "
        "tables included) and the publication, in a process of its own, by the code that Dagster's steps call. Bytes "
        f"are those that the kernel was given to write. Median of {ROUNDS} batches (smallest-largest)."
    )
    section.table(
        ["", *(f"{entities:,}" for entities in found)],
        [[name, *(spread([of(m) for m in rounds], form) for rounds in found.values())] for name, of, form in _ROWS],
    )
    wall = {entities: median([m.seconds for m in rounds]) for entities, rounds in found.items()}
    cpu = median([m.cpu for m in found[large]])
    section.goal(f"a batch at {large:,} published in under 6 s", f"{wall[large]:.1f} s", wall[large] < 6)
    section.goal("under 10 s of CPU", f"{cpu:.1f} s", cpu < 10)
    times = wall[large] / wall[small]
    section.goal(f"at most 2.5 times as long as at {small:,}", f"{times:.1f} times", times <= 2.5)
    written = median([m.facts["written_mb"] / m.facts["warehouse_mb"] for m in found[large]])
    section.goal("at most 1.3 times the warehouse's size written", f"{written:.2f} times", written <= 1.3)
    peak = max(m.peak_mb for m in found[large])
    section.goal("memory under 700 MB", f"{peak:.0f} MB", peak < 700)


def _part(name: str, figure: str) -> Callable[[Measured], float]:
    return lambda measured: measured.facts[name][figure]


_ROWS: list[tuple[str, Callable[[Measured], float], str]] = [
    *((f"{name}, seconds", _part(name, "seconds"), "{:.2f}") for name in _PARTS),
    ("together, seconds", lambda m: m.seconds, "{:.2f}"),
    *((f"{name}, CPU s", _part(name, "cpu"), "{:.2f}") for name in _PARTS),
    ("together, CPU s", lambda m: m.cpu, "{:.2f}"),
    ("written, MB", lambda m: m.facts["written_mb"], "{:.0f}"),
    ("warehouse file, MB", lambda m: m.facts["warehouse_mb"], "{:.0f}"),
    ("published Parquet, MB", lambda m: m.facts["parquet_mb"], "{:.0f}"),
    ("peak memory, MB", lambda m: m.peak_mb, "{:.0f}"),
]


def _describe_partial(section: Section, partial: dict[int, Measured]) -> None:
    section.say(
        "A partial change: one run that names a thousand known entities and changes none. The tables of runs and of "
        "what they name are built, checked and written; the others are left alone. One measurement each."
    )
    section.table(
        ["", *(f"{entities:,}" for entities in partial)],
        [[name, *(form.format(of(m)) for m in partial.values())] for name, of, form in _ROWS],
    )


def _rounds(entities: int) -> tuple[list[Measured], Measured]:
    """Full batches and a partial one. The prepared warehouse stays in its folder; batches land in a copy."""
    ready = WORK / "freshness" / str(entities) / "ready" / "warehouse.duckdb"
    in_own_process("bench.freshness", "prepare", ready, entities, timeout=1800)
    work = ready.parent.parent / "work"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(ready.parent, work, symlinks=True)
    found = []
    for _ in range(ROUNDS):
        in_own_process("bench.freshness", "batch", work / ready.name)
        found.append(in_own_process("bench.freshness", "refresh", work / ready.name))
    in_own_process("bench.freshness", "run", work / ready.name)
    partial = in_own_process("bench.freshness", "refresh", work / ready.name)
    shutil.rmtree(work)
    return found, partial


def _prepare(path: Path, entities: int) -> None:
    from linkt_pipeline.warehouse.engines.file import FileWarehouse

    warehouse = FileWarehouse(path, memory_limit="4GB")
    with warehouse.write() as con:
        row = con.execute("select count(*) from linkt.entities").fetchone()
        if row is not None and row[0] < entities:
            fill(con, entities)
    _refresh(FileWarehouse(path))


def _add_batch(path: Path) -> None:
    from linkt_pipeline.warehouse.engines.file import FileWarehouse

    with FileWarehouse(path).write() as con:
        row = con.execute("select count(*) from linkt.entities").fetchone()
        assert row is not None
        add_batch(con, row[0], BATCH)


def _add_run(path: Path) -> None:
    from linkt_pipeline.warehouse.engines.file import FileWarehouse

    with FileWarehouse(path).write() as con:
        add_run(con, BATCH)


def _refresh(warehouse: Any) -> dict[str, Any]:
    from linkt_pipeline.assets.models import check_models
    from linkt_pipeline.assets.placement import Placement
    from linkt_pipeline.transform import (
        Known,
        build_model,
        prepare_builds,
        run_check,
        states_by_name,
        write_verdicts,
    )
    from linkt_pipeline.warehouse.completion import all_models_are_built, begin_sync
    from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
    from linkt_pipeline.warehouse.state import last_change

    facts: dict[str, Any] = {"warehouse_mb": warehouse.path.stat().st_size / 1e6}
    project = _project(warehouse)
    graph = project.graph
    of_models = [check for check in project.checks if check.model in graph.models]
    of_landed = [check for check in project.checks if check.model not in graph.models]
    begun = _written()
    begin_sync(warehouse, "bench")
    with _timed(facts, "models"), warehouse.session() as session:
        with session.transaction() as con:
            change = last_change(con)
            prepare_builds(con, graph, [])
        known, built = Known(), {}
        for model in graph.models.values():
            with session.transaction() as con:
                built[model.key] = build_model(con, model, known=known)
    with _timed(facts, "checks"):
        with warehouse.read() as con:
            for check in of_landed:
                run_check(con, check)
        _, verdicts, _ = check_models(Placement(), warehouse, project, of_models, built, change, in_full=False)
        with warehouse.write(news=False) as con:
            write_verdicts(con, verdicts)
        all_models_are_built(warehouse, "bench", change=change, code="bench")
    with _timed(facts, "publishing"):
        published = publish_snapshot(
            warehouse,
            warehouse.path.parent / "published",
            graph.published_views,
            lambda con: states_by_name(con, graph),
        )
    return {**facts, "written_mb": (_written() - begun) / 1e6, "parquet_mb": published.parquet_bytes / 1e6}


def _project(warehouse: Any) -> Any:
    from linkt_pipeline.package_files import BUILT_IN_SQL
    from linkt_pipeline.transform import load_project, warehouse_sources

    with warehouse.read() as con:
        sources = warehouse_sources(con)
    return load_project([BUILT_IN_SQL], sources)


@contextmanager
def _timed(facts: dict[str, Any], name: str) -> Iterator[None]:
    begun, cpu, written = time.perf_counter(), time.process_time(), _written()
    yield
    facts[name] = {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "written_mb": (_written() - written) / 1e6,
    }


def _written() -> int:
    """Bytes this process has given the kernel to write to disk."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def main(step: str, path: Path, *options: str) -> None:
    """One step."""
    from linkt_pipeline.warehouse.engines.file import FileWarehouse

    if step == "refresh":
        _project(FileWarehouse(path))  # imports are not part of it
        found = measure(lambda: (BATCH, _refresh(FileWarehouse(path))))
        parts = [found.facts[name] for name in _PARTS]
        seconds, cpu = sum(part["seconds"] for part in parts), sum(part["cpu"] for part in parts)
        print_measured(Measured(seconds, cpu, found.peak_mb, found.items, found.facts))
        return
    if step == "prepare":
        _prepare(path, int(options[0]))
    elif step == "run":
        _add_run(path)
    else:
        _add_batch(path)
    print_measured(Measured(0, 0, 0, 0))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
