"""How long a claim takes with the ledger in the warehouse file and in PostgreSQL, for one process and for many at once.

python -m bench.claims STORE FOLDER NUMBER COUNT    one process: claims COUNT tasks of its own, and times each
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from bench.outcome import NotMeasuredError, Section, median
from linkt_pipeline.ledger.duckdb_store import DuckDbStore
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.ledger.ledger import Ledger
from linkt_pipeline.ledger.store import LedgerStore
from linkt_pipeline.ledger.values import Intention
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.errors import WarehouseBusyError
from tests.postgres import postgres_server, what_is_missing

PROCESSES = (1, 8, 32)
CLAIMS = 40  # of each process
STORES = ("file", "PostgreSQL")
TASK_ID = "6964b9b45a4d0beef1000031"
_GOAL_MS = 100


def run(quick: bool) -> Section:
    """Processes that claim at once, each a task after the other."""
    if missing := what_is_missing():
        raise NotMeasuredError(missing)
    section = Section("Claims")
    counts, claims = ((1, 4), 5) if quick else (PROCESSES, CLAIMS)
    rows, slowest = [], 0.0
    with postgres_server() as server:
        for count in counts:
            for store in STORES:
                with tempfile.TemporaryDirectory() as folder:
                    found = _at_once(store, Path(folder), server.new_database(), count, claims)
                claimed, renewed = found["claims"], found["renewals"]
                rows.append([count, store, *_percentiles(claimed), *_percentiles(renewed), found["gave_up"]])
                if store == "PostgreSQL":
                    slowest = max(slowest, _percentile(claimed, 99))
    section.say(
        f"Each process claims {claims} tasks of its own, and renews its leases after each claim. The warehouse is a "
        "file in both cases, whose rows a claim reads. PostgreSQL runs on the same machine, without `fsync`; so does "
        "the file, on the disk of temporary files. Who waits for others for 30 s gives up. No run is sent."
    )
    section.table(["processes", "ledger in", "claim, p50 ms", "p99", "renewal, p50 ms", "p99", "gave up"], rows)
    most = max(counts)
    section.goal(
        f"{most} processes at once: a claim in PostgreSQL under {_GOAL_MS} ms (p99) for each of them",
        f"{1000 * slowest:.0f} ms",
        1000 * slowest < _GOAL_MS * most,
    )
    return section


def _at_once(store: str, folder: Path, address: str, processes: int, claims: int) -> dict[str, Any]:
    """Start processes, release them at one moment, and gather the seconds that each call took."""
    with _workers(store, folder, address, processes, claims) as workers:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        found = [orjson.loads(worker.stdout.readline()) for worker in workers]
    return {
        "claims": [each for one in found for each in one["claims"]],
        "renewals": [each for one in found for each in one["renewals"]],
        "gave_up": sum(len(one["gave_up"]) for one in found),
    }


@contextmanager
def _workers(store: str, folder: Path, address: str, processes: int, claims: int) -> Iterator[list[Any]]:
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.claims", store, str(folder), str(number), str(claims)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "BENCH_LEDGER": address},
        )
        for number in range(processes)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.communicate("stop\n", timeout=120)


def _percentiles(seconds: Sequence[float]) -> list[str]:
    return [f"{1000 * median(seconds):.1f}", f"{1000 * _percentile(seconds, 99):.1f}"]


def _percentile(seconds: Sequence[float], percent: int) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _store(name: str, folder: Path) -> LedgerStore:
    warehouse = FileWarehouse(folder / "warehouse.duckdb")
    if name == "file":
        return DuckDbStore(warehouse)
    from linkt_pipeline.ledger.postgres_store import PostgresStore
    from linkt_pipeline.postgres.address import PostgresAddress

    return PostgresStore(PostgresAddress(SecretStr(os.environ["BENCH_LEDGER"])), warehouse)


def _timed(call: Callable[[], object], gave_up: list[float]) -> float:
    """The seconds of a call; those of one that found the ledger busy for too long are told apart, too."""
    begun = time.perf_counter()
    try:
        call()
    except WarehouseBusyError:
        gave_up.append(time.perf_counter() - begun)
    return time.perf_counter() - begun


def main() -> None:
    """One process."""
    store, folder, number, count = sys.argv[1:]
    ledger, owner = Ledger(_store(store, Path(folder))), Owner.this_process()
    _timed(
        lambda: ledger.claim(Intention(f"warm {number}", TASK_ID, None, {}), owner), []
    )  # starts DuckDB, and makes the tables
    print("ready", flush=True)
    sys.stdin.readline()
    times: dict[str, list[float]] = {"claims": [], "renewals": [], "gave_up": []}
    for task in range(int(count)):
        wanted = Intention(f"task {number}/{task}", TASK_ID, None, {})
        times["claims"].append(_timed(lambda wanted=wanted: ledger.claim(wanted, owner), times["gave_up"]))
        times["renewals"].append(_timed(lambda: ledger.renew(owner), times["gave_up"]))
    print(orjson.dumps(times).decode(), flush=True)
    sys.stdin.readline()  # a process that is gone would lose its leases


if __name__ == "__main__":
    main()
