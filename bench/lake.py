"""A lake beside a file: landing, models, hosts that land at once, many commits. How long claims take is in `claims`.

python -m bench.lake URL FILES FOLDER CASE              one case of bench.model_builds, measured as JSON
python -m bench.lake URL FILES FOLDER host COUNT SIZE   one host: lands COUNT batches in a lake of SIZE, when told to
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from bench.landing import Batch, land_batch, next_batch
from bench.model_builds import measure_case, measured
from bench.outcome import Measured, NotMeasuredError, Section, median, print_measured
from bench.scale import big_warehouse, fill_file
from bench.server import WORK
from linkt_pipeline.warehouse.engines.comparison import MOVED
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.landing import land_entities, land_runs
from linkt_pipeline.warehouse.landing.content import content_hashes
from linkt_pipeline.warehouse.schemas import RUN_CREDITS_FRAME
from tests.postgres import PostgresServer, postgres_server

CASES = ("full", "incremental", "unchanged")
HOSTS = (1, 2)
MAINTENANCES = 5
_SOME = 20  # of the commits between two maintenances
_FILLED = ("icps", "tasks", "entities", "entity_versions", "signals", "runs", "run_credits", "run_resources")
_LAND, _GOAL = "land 1,000 entities", 1.5


@dataclass(frozen=True)
class _Place:
    """Where a lake is, and the folder of the host that uses it."""

    url: str
    files: Path
    folder: Path

    @classmethod
    def new(cls, server: PostgresServer, folder: Path) -> "_Place":
        return cls(server.new_database(), folder / "files", folder / "host")

    def opened(self, **options: Any) -> Any:
        """The lake, with its ledger beside it as in a deployment."""
        from tests.lake import lake_at

        return lake_at(self.url, self.files, folder=self.folder, **options)

    @property
    def words(self) -> tuple[object, ...]:
        """For the command of another process."""
        return self.url, self.files, self.folder


def run(quick: bool) -> Section:
    """Both engines in turn, in one run."""
    _require_lake()
    section = Section("Lake")
    section.say(
        "The file and the lake hold the same rows, on the same disk. PostgreSQL runs on the same machine and makes its "
        "commits durable (`fsync`), and the lake's files are in a folder. How long a claim takes is measured by "
        "`python -m bench claims`."
    )
    sizes, rounds, batches, commits = ((0, 5_000), 2, 2, 10) if quick else ((0, 100_000, 1_000_000), 7, 10, 1_000)
    with postgres_server(durable=True) as server, tempfile.TemporaryDirectory(dir=WORK) as scratch:
        folder = Path(scratch).resolve()
        twins = {size: _twins(server, folder / str(size), size, quick=quick) for size in sizes}
        _landing(section, twins, rounds)
        _hosts(section, twins[sizes[-2]][1], sizes[-2], batches)
        _models(section, *twins[sizes[-1]], sizes[-1], CASES[:1] if quick else CASES)
        _commits(section, _Place.new(server, folder / "commits"), commits)
    return section


def _require_lake() -> None:
    try:
        from tests.lake import what_is_missing
    except ModuleNotFoundError as error:
        raise NotMeasuredError(f"a lake needs the package {error.name}: `make lake` has it") from None
    if missing := what_is_missing():
        raise NotMeasuredError(f"{missing}; then `.venv-lake/bin/python -m bench lake`")


def _twins(server: PostgresServer, folder: Path, entities: int, *, quick: bool) -> tuple[Path, _Place]:
    """A file and a lake with the same rows; the lake as its daily maintenance leaves it."""
    file, place = folder / "warehouse.duckdb", _Place.new(server, folder)
    folder.mkdir()
    if entities >= 1_000_000:
        shutil.copy(big_warehouse(quick)[0], file)
    fill_file(file, entities)
    lake = place.opened()
    lake.migrate()
    if entities:
        with lake.write() as con:
            con.execute(f"attach '{file}' as {MOVED} (read_only)")
            for table in _FILLED:
                con.execute(f"insert into linkt.{table} by name from {MOVED}.linkt.{table}")
        lake.close()
        lake.compact()
    lake.close()
    return file, place


def _landing(section: Section, twins: dict[int, tuple[Path, _Place]], rounds: int) -> None:
    """Batches that land in the file and in the lake, one after the other."""
    found: dict[int, tuple[dict[str, float], dict[str, float]]] = {}
    for size, (path, place) in twins.items():
        file, lake = FileWarehouse(path), place.opened()
        of_file: dict[str, list[float]] = {}
        of_lake: dict[str, list[float]] = {}
        for number in range(rounds):
            land_batch(file, next_batch(size, number), of_file)
            land_batch(lake, next_batch(size, number), of_lake)
        lake.close()
        found[size] = _best(of_file), _best(of_lake)
    section.say(
        f"**Landing.** A new run names 1,000 entities of about 2 KB, half of them new and half changed; milliseconds, "
        f"the best of {rounds}, file and lake in turn, and how many times as long the lake takes."
    )
    head = [""]
    for size in twins:
        head += [f"{size:,}: file" if size else "empty: file", "lake", "times"]
    steps = [step for step in found[0][0] if not step.startswith("hash")]
    section.table(head, [[step, *(cell for both in found.values() for cell in _cells(*both, step))] for step in steps])
    largest = max(twins)
    of_file, of_lake = found[largest]
    times = of_lake[_LAND] / of_file[_LAND]
    section.goal(
        f"landing 1,000 in a lake of {largest:,} within {_GOAL} times the file", f"{times:.2f} times", times <= _GOAL
    )


def _best(times: dict[str, list[float]]) -> dict[str, float]:
    return {step: min(seconds) for step, seconds in times.items()}


def _cells(of_file: dict[str, float], of_lake: dict[str, float], step: str) -> list[str]:
    return [f"{1e3 * of_file[step]:.0f}", f"{1e3 * of_lake[step]:.0f}", f"{of_lake[step] / of_file[step]:.1f}"]


def _hosts(section: Section, place: _Place, entities: int, batches: int) -> None:
    """Processes with data folders of their own, which land at once."""
    best: dict[int, float] = {}
    for _ in range(2):
        for hosts in HOSTS:
            rate = 1_000 * batches * hosts / _at_once(place, hosts, batches, entities)
            best[hosts] = max(best.get(hosts, 0), rate)
    one, two = (best[hosts] for hosts in HOSTS)
    section.say(
        f"**Hosts that land at once** into the lake of {entities:,}, each {batches} runs with 1,000 entities that were "
        "fetched before: writing transactions take turns, only the fingerprints are computed side by side. Best of 2."
    )
    section.table(["hosts", "entities a second"], [[hosts, f"{best[hosts]:,.0f}"] for hosts in HOSTS])
    section.goal("two hosts land at least as much as one", f"{two / one:.2f} times", two >= one)


def _at_once(place: _Place, hosts: int, *work: int) -> float:
    """Seconds from the first start to the last end."""
    with _processes(place, hosts, *work) as processes:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        begun = time.perf_counter()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout.readline() == "done\n"
        return time.perf_counter() - begun


@contextmanager
def _processes(place: _Place, hosts: int, *work: int) -> Iterator[list[Any]]:
    common = [sys.executable, "-m", "bench.lake", place.url, str(place.files)]
    processes = [
        subprocess.Popen(
            [*common, f"{place.folder} {number}", "host", *map(str, work)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(hosts)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.communicate(timeout=120)


def _models(section: Section, path: Path, place: _Place, entities: int, cases: Sequence[str]) -> None:
    """Each case on the file, then on the lake."""
    found: dict[str, tuple[Measured, Measured]] = {}
    for case in cases:
        of_file = measured(case, "bench.model_builds", path)
        found[case] = of_file, measured(case, "bench.lake", *place.words)
    section.say(
        f"**Models** over {entities:,} entities and as many signals: all of them in full, after a batch of 1,000 "
        "resources, and after nothing. Each case once, in a process of its own; PostgreSQL's CPU is not counted."
    )
    section.table(
        ["", "file: seconds", "CPU s", "peak MB", "lake: seconds", "CPU s", "peak MB", "times as long"],
        [
            [
                case,
                *(cell for m in both for cell in (f"{m.seconds:.1f}", f"{m.cpu:.1f}", f"{m.peak_mb:.0f}")),
                f"{both[1].seconds / both[0].seconds:.1f}",
            ]
            for case, both in found.items()
        ],
    )


def _commits(section: Section, place: _Place, commits: int) -> None:
    """Small transactions one after the other, and maintenance in between, which gives every snapshot up but one."""
    import psycopg

    lake, every = place.opened(keep=timedelta(0)), commits // MAINTENANCES
    rows: list[list[object]] = []
    by_part: list[float] = []
    for part in range(MAINTENANCES):
        seconds = [_commit(lake, part * every + number) for number in range(every)]
        by_part.append(median(seconds))
        with lake.read() as con:
            before = _counts(con)
        done = lake.compact()
        with lake.read() as con, psycopg.connect(place.url) as catalog:
            rows.append(
                [
                    f"{(part + 1) * every:,}",
                    *(f"{1e3 * median(some):.0f}" for some in (seconds[:_SOME], seconds[-_SOME:])),
                    *before,
                    *_counts(con),
                    f"{done.seconds:.1f}",
                    *map(
                        _megabytes,
                        (done.after, _bytes_below(place.files), catalog.execute(_OF_CATALOG).fetchall()[0][0]),
                    ),
                ]
            )
    lake.close()
    section.say(
        f"**Many commits**: {commits:,} transactions that land ten entities each, nine known ones and a new one, with "
        f"maintenance after each {every:,}. *Files* and *snapshots* are what readers have, before maintenance and "
        "after it. DuckLake keeps up to ten new rows of a table in the catalog until maintenance. Files that "
        "maintenance replaces are deleted a day later, so all of them are in the folder still."
    )
    section.table(
        [
            *("commits", f"first {_SOME}, ms each", f"last {_SOME}", "files", "snapshots", "files after"),
            "snapshots after",
            *("maintenance, s", "MB read", "MB in the folder", "MB of catalog"),
        ],
        rows,
    )
    grown = by_part[-1] / by_part[0]
    section.goal(
        f"of {commits:,} commits the last fifth within {_GOAL} times the first", f"{grown:.2f} times", grown <= _GOAL
    )


_OF_CATALOG = """
select sum(pg_total_relation_size(c.oid))::float8 from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = 'linkt_lake' and c.relkind = 'r'
"""


def _commit(lake: Any, number: int) -> float:
    batch = Batch.of(f"{time.time_ns():024x}", [f"{max(number, 9) - each:024x}" for each in range(10)])
    frame = batch.entities.with_columns(content_hashes(batch.entities["payload"]))
    begun = time.perf_counter()
    with lake.write() as con:
        land_entities(con, frame, for_runs=False)
    return time.perf_counter() - begun


def _counts(con: Any) -> list[str]:
    files = "select sum(file_count + delete_file_count) from ducklake_table_info('warehouse')"
    snapshots = "select count(*) from ducklake_snapshots('warehouse')"
    return [f"{con.execute(query).fetchall()[0][0]:,}" for query in (files, snapshots)]


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f}"


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _host(lake: Any, batches: int, entities: int) -> None:
    """One process: what it lands is there before it says that it is ready."""
    found = [next_batch(entities, number) for number in range(batches)]
    with lake.read():
        pass  # attaches it
    print("ready", flush=True)
    sys.stdin.readline()
    for batch in found:
        frame = batch.entities.with_columns(content_hashes(batch.entities["payload"]))
        with lake.write() as con:
            land_runs(con, batch.run, pl.DataFrame(schema=RUN_CREDITS_FRAME), batch.named)
        with lake.write() as con:
            land_entities(con, frame)
    print("done", flush=True)


if __name__ == "__main__":
    url, files, folder, case, *work = sys.argv[1:]
    lake = _Place(url, Path(files), Path(folder)).opened()
    if case == "host":
        _host(lake, *map(int, work))
    else:
        print_measured(measure_case(lake, case))
    lake.close()
