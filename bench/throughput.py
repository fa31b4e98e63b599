"""How fast entities get from the API into the warehouse, beside dlt, a script and the HTTP client alone."""

import os
from collections.abc import Callable

from bench.outcome import Measured, Section, in_own_process, median, spread
from bench.server import WORK, FastServer, fast_server

MEMORY_MB = 350
_LABELS = {
    "ours": "linkt_pipeline, by id",
    "ours-pages": "linkt_pipeline, by pages",
    "transport": "its HTTP client alone, bodies thrown away",
    "aiohttp": "aiohttp alone, bodies thrown away",
    "dlt": "dlt, defaults",
    "serial": "serial script",
}


def run(quick: bool) -> Section:
    """Contenders side by side, then a slow network."""
    section = Section("Throughput")
    count, peers, rounds = (4_000, 500, 1) if quick else (20_000, 1_000, 5)
    found: dict[str, list[Measured]] = {name: [] for name in _LABELS}
    with fast_server(per_icp=count) as server:
        for _ in range(rounds):
            for name in _LABELS:
                found[name].append(_contend(name, server, peers if name == "serial" else count))
        doubled = _contend("serial", server, peers * 2).cpu / median([m.cpu for m in found["serial"]])
    section.say(
        f"{count:,} entities of 2.4 KB from a server on loopback written in C, {rounds} rounds in turn, each contender "
        "in a process of its own; median (smallest-largest). *By id* and *by pages* include everything: pending ids "
        "read from the warehouse, bodies fetched, validated, versioned, landed in DuckDB with the state of their ids. "
        f"Only the script fetched just {peers:,} ids: its cost is linear ({peers * 2:,} ids took {doubled:.1f} times "
        "the CPU). dlt's is not, its start-up weighs on small jobs, so it fetched them all."
    )
    section.table(
        ["", "entities/s", "µs wall each", "µs CPU each", "peak MB"],
        [[label, *_figures(found[name])] for name, label in _LABELS.items()],
    )
    _judge(section, found)
    _slow_network(section, quick)
    return section


def _contend(name: str, server: FastServer, count: int) -> Measured:
    os.sync()  # what the contender before has left to be written is not this one's work
    return in_own_process("bench.contenders", name, server.url, count, WORK / f"run-{name}")


def _figures(runs: list[Measured]) -> list[str]:
    return [
        spread([m.rate for m in runs], "{:,.0f}"),
        spread([m.seconds / m.items * 1e6 for m in runs], "{:,.0f}"),
        spread([m.cpu / m.items * 1e6 for m in runs], "{:,.0f}"),
        spread([m.peak_mb for m in runs], "{:.0f}"),
    ]


def _judge(section: Section, found: dict[str, list[Measured]]) -> None:
    def times(ours: str, other: str, cost: Callable[[Measured], float]) -> list[float]:
        return [cost(b) / b.items / (cost(a) / a.items) for a, b in zip(found[ours], found[other], strict=True)]

    def wall(measured: Measured) -> float:
        return measured.seconds

    def cpu(measured: Measured) -> float:
        return measured.cpu

    for other, goal in (("dlt", 6), ("serial", 12)):
        by_wall, by_cpu = times("ours", other, wall), times("ours", other, cpu)
        reached = f"{spread(by_wall, '{:.1f}')} by wall time, {spread(by_cpu, '{:.1f}')} by CPU"
        section.goal(f"by id at least {goal} times as fast as {_LABELS[other]}", reached, median(by_wall) >= goal)
    share = [1 / ratio for ratio in times("transport", "ours", wall)]
    section.goal("by id at least 0.7 of the HTTP client alone", spread(share), median(share) >= 0.7)
    pages = [m.rate for m in found["ours-pages"]]
    section.goal("by pages at least 8,000 entities a second", spread(pages, "{:,.0f}"), median(pages) >= 8_000)
    peak = [m.peak_mb for m in found["ours"]]
    section.goal(f"memory under {MEMORY_MB} MB", f"{spread(peak, '{:.0f}')} MB", median(peak) < MEMORY_MB)
    written = [m.facts["written_again"] for m in found["ours"]]
    section.goal("a second run with nothing changed writes no row", f"{max(written)} rows", max(written) == 0)


def _slow_network(section: Section, quick: bool) -> None:
    count, delay, in_flight = (500 if quick else 2_000), 50, 32
    ideal = count / in_flight * delay / 1000
    with fast_server(delay_ms=delay, per_icp=count) as server:
        runs = [_contend("ours", server, count) for _ in range(1 if quick else 3)]
    ratios = [m.seconds / ideal for m in runs]
    section.say(
        f"With {delay} ms of latency, {in_flight} in flight and {count:,} ids the ideal is {ideal:.1f} s; ours took "
        f"{spread([m.seconds for m in runs])} s, start-up of the client and landing included."
    )
    section.goal(f"at {delay} ms latency within 1.3 times the ideal", f"{spread(ratios)} times", median(ratios) <= 1.3)
