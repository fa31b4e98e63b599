"""What share of the allowed rate the limiter uses, against a server that counts and refuses."""

import asyncio
import time

from bench.contenders import KEY
from bench.outcome import Section, spread
from bench.server import ENTITY, FastServer, fast_server

_LIMIT = 300


def run(quick: bool) -> Section:
    """A compressed window, several times; then a whole minute's window."""
    section = Section("Rate")
    section.say(
        f"The server lets {_LIMIT} requests pass in any window (sliding, the stricter kind) and answers 429 to the "
        "others. The client knows the limit from its settings; 32 readers ask for more than is allowed, all the time. "
        "The first window is warm-up; counted are the windows after it."
    )
    short = [_measure(window=6, windows=3 if quick else 5) for _ in range(1 if quick else 3)]
    rows = [["6 s", len(short), spread([share for share, _ in short]), max(refused for _, refused in short)]]
    if not quick:
        whole = _measure(window=60, windows=2)
        rows.append(["60 s", 1, f"{whole[0]:.2f}", whole[1]])
        short.append(whole)
    section.table(["window", "runs", "share of the allowed rate", "429s, warm-up included"], rows)
    worst, refused = min(share for share, _ in short), max(refused for _, refused in short)
    section.goal("at least 95 % of the allowed rate", f"{worst:.1%} in the worst run", worst >= 0.95)
    section.goal("not one 429 after warm-up", str(refused), refused == 0)
    return section


def _measure(window: float, windows: int) -> tuple[float, int]:
    with fast_server(limit=_LIMIT, window_ms=window * 1000) as server:
        return asyncio.run(_ask(server, window, windows))


async def _ask(server: FastServer, window: float, windows: int) -> tuple[float, int]:
    from datetime import timedelta

    from pydantic import SecretStr

    from linkt_pipeline.api import LinktClient, Throttle

    begun = time.monotonic()
    until = begun + window * windows
    answered: list[float] = []

    async def read_on() -> None:
        while time.monotonic() < until:
            await client.get_entity_body(ENTITY.format(1))
            answered.append(time.monotonic() - begun)

    throttle = Throttle(_LIMIT, window=timedelta(seconds=window))
    async with LinktClient(server.url, SecretStr(KEY), throttle=throttle) as client:
        readers = [asyncio.create_task(read_on()) for _ in range(32)]
        await asyncio.sleep(window * windows)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    counted = sum(1 for at in answered if at >= window)
    return counted / (_LIMIT * (windows - 1)), server.stats()["refused"]
