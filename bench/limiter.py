"""What passes servers that refuse, in virtual time: the limiter against a table of them."""

import random
from collections.abc import Callable

from bench.outcome import Section
from tests.api.servers_that_limit import Dense, FixedWindow, Server, SlidingWindow, Traffic, Unlimited, drive

_SEEDS = 20


def run(quick: bool) -> Section:
    """The table of servers; the same cases are tests."""
    section = Section("Limiter")
    section.say(
        "32 readers with a round trip of 30 ms ask servers for as much as the limiter lets through; the clock is "
        "virtual, so the figures don't depend on the machine. 1,024 requests a second would pass without any refusal."
    )
    strays = [(share, drive(Unlimited(share), minutes=1 if quick else 3)) for share in (0.05, 0.01, 0.001)]
    section.table(
        ["429s at random", "requests a second", "429s a minute"],
        [
            [f"{share:.1%}", f"{seen.per_second:.1f}", round(seen.refused.total() * 60 / seen.seconds)]
            for share, seen in strays
        ],
    )
    for (share, seen), goal in zip(strays, (10, 60, 400), strict=True):
        section.goal(f"{goal} a second at {share:.1%} stray 429s", f"{seen.per_second:.0f}", seen.per_second >= goal)
    slowest = max(
        drive(Unlimited(0.05, random.Random(seed)), requests=640, retry_after=1).seconds
        for seed in range(3 if quick else _SEEDS)
    )
    section.goal("640 reads at 5 % stray 429s with Retry-After 1 in 45 s", f"{slowest:.0f} s at worst", slowest < 45)
    rows = []
    for name, make, limit, options in _limited():
        seen = drive(make(), minutes=16, **options)
        rows.append([name, _by_minute(seen)])
        if name.startswith("hidden"):
            rates = [(seen.passed[minute] + seen.passed[minute + 1]) / (2 * limit) for minute in range(2, 15)]
            most = max(seen.refused[minute] for minute in range(2, 16))
            section.goal(
                f"90 % of {name}, at most three 429s", f"{min(rates):.0%}, {most}", min(rates) >= 0.9 and most <= 3
            )
    section.table(["server", "passed (refused) in each of 16 minutes"], rows)
    return section


def _limited() -> list[tuple[str, Callable[[], Server], int, dict[str, object]]]:
    kinds = (("fixed", FixedWindow), ("sliding", SlidingWindow))
    cases: list[tuple[str, Callable[[], Server], int, dict[str, object]]] = []
    for word, kind in kinds:
        for limit in (60, 300):
            cases.append((f"hidden {limit} a minute, {word}", lambda k=kind, n=limit: k(n), limit, {}))
        cases.append((f"300 a minute in headers, {word}", lambda k=kind: k(300), 300, {"announces": True}))
        cases.append((f"300 a minute in the settings, {word}", lambda k=kind: k(300), 300, {"declared": 300}))
        cases.append(
            (
                f"300, a neighbour takes half in minutes 3 to 5, {word}",
                lambda k=kind: k(300),
                300,
                {"neighbour": (2, 5, 150)},
            )
        )
        cases.append(
            (
                f"300, 60 from minute 4, 300 from minute 11, {word}",
                lambda k=kind: k(300),
                300,
                {"changes": [(3, 60), (10, 300)]},
            )
        )
    cases.append(("10 a second beside 300 a minute", lambda: Dense(10, SlidingWindow(300)), 300, {}))
    return cases


def _by_minute(seen: Traffic) -> str:
    return " ".join(
        f"{seen.passed[minute]}" + (f" ({seen.refused[minute]})" if seen.refused[minute] else "")
        for minute in range(16)
    )
