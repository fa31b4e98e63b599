"""The limiter against servers that count: nearly all of the allowed rate, and no 429 once it knows.

The clock is compressed: a window of one second stands for the minute.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkt_pipeline.api import RateLimitedError, Throttle

from .raw_server import ID, Behaviour, Request, answer, client_for, serving

WINDOW = timedelta(seconds=1)
ENTITY = b'{"id": "e", "data": {}}'


class FixedWindow:
    """Counts anew whenever a window of the server's own clock begins."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window, self.began, self.used = limit, window, time.monotonic() - 0.37 * window, 0

    def admit(self) -> tuple[bool, int, float]:
        now = time.monotonic()
        if now >= self.began + self.window:
            self.began += self.window * ((now - self.began) // self.window)
            self.used = 0
        left = self.began + self.window - now
        if self.used >= self.limit:
            return False, 0, left
        self.used += 1
        return True, self.limit - self.used, left


class SlidingWindow:
    """Remembers each request for one window."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window, self.log = limit, window, deque()

    def admit(self) -> tuple[bool, int, float]:
        now = time.monotonic()
        while self.log and self.log[0] <= now - self.window:
            self.log.popleft()
        if len(self.log) >= self.limit:
            return False, 0, self.log[0] + self.window - now
        self.log.append(now)
        return True, self.limit - len(self.log), self.log[0] + self.window - now


def enforcing(counter: FixedWindow | SlidingWindow, seen: list, *, headers: bool, retry_after: bool) -> Behaviour:
    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        admitted, remaining, reset = counter.admit()
        seen.append((time.monotonic(), admitted))
        said = {}
        if headers:
            said = {"X_RateLimit_Limit": str(counter.limit), "X_RateLimit_Remaining": str(remaining)}
            said["X_RateLimit_Reset"] = f"{reset:.3f}"
        if admitted:
            writer.write(answer(ENTITY, **said))
        else:
            after = {"Retry_After": f"{reset:.3f}"} if retry_after else {}
            writer.write(answer(b'{"detail": "Too many requests"}', 429, **said, **after))

    return behave


@pytest.mark.parametrize("make", [FixedWindow, SlidingWindow])
@pytest.mark.parametrize(
    ("known", "headers", "retry_after"),
    [
        pytest.param(True, False, True, id="limit from the settings"),
        pytest.param(False, True, True, id="limit from the headers"),
    ],
)
def test_the_allowed_rate_is_reached_without_a_429_after_warm_up(make, known, headers, retry_after):
    limit, workers, warm_up, measured = 60, 16, 3.0, 4.0  # so few that a busy machine manages them
    seen: list[tuple[float, bool]] = []

    async def scenario():
        behaviour = enforcing(make(limit, WINDOW.total_seconds()), seen, headers=headers, retry_after=retry_after)
        throttle = Throttle(limit if known else None, window=WINDOW)
        async with (
            serving(behaviour) as server,
            client_for(server, throttle=throttle, retry_for=timedelta(seconds=20)) as client,
        ):
            end = time.monotonic() + warm_up + measured

            async def work() -> None:
                while time.monotonic() < end:
                    await client.get_entity_body(ID)

            await asyncio.gather(*(work() for _ in range(workers)))

    asyncio.run(scenario())

    began = seen[0][0]
    after = [(at, ok) for at, ok in seen if began + warm_up <= at < began + warm_up + measured]
    assert [at for at, ok in after if not ok] == [], len(after)
    assert len(after) >= 0.95 * limit * measured
    if known:
        assert all(ok for _, ok in seen)


def run_until(throttle: Throttle, seconds: float, observe: Callable[[Throttle, float], None]) -> list[float]:
    async def scenario() -> list[float]:
        began = time.monotonic()
        starts = []
        while time.monotonic() - began < seconds:
            started = await throttle.acquire()
            starts.append(started - began)
            observe(throttle, started)
        return starts

    return asyncio.run(scenario())


def test_no_window_anywhere_holds_more_than_the_limit():
    starts = run_until(Throttle(50, window=WINDOW), 3.2, lambda t, started: t.observe(started, 200))

    busiest = max(sum(at <= other < at + 1.0 for other in starts) for at in starts)
    assert busiest <= 50
    assert len(starts) >= 0.9 * 50 * 3


def test_half_a_window_may_go_at_once_so_that_small_jobs_do_not_crawl():
    starts = run_until(Throttle(100, window=WINDOW), 0.3, lambda t, started: t.observe(started, 200))

    assert sum(at < 0.1 for at in starts) >= 50


def test_waiting_costs_no_cpu():
    throttle = Throttle(4, window=WINDOW)
    before = time.process_time()

    run_until(throttle, 2.0, lambda t, started: t.observe(started, 200))

    assert time.process_time() - before < 0.2


def test_a_pause_ordered_for_one_holds_for_all():
    async def scenario():
        throttle = Throttle()
        started = await throttle.acquire()
        throttle.observe(started, 429, {}, timedelta(seconds=0.5))
        began = time.monotonic()

        async def one() -> float:
            started = await throttle.acquire()
            throttle.observe(started, 200)
            return started - began

        return await asyncio.gather(*(one() for _ in range(5)))

    assert min(asyncio.run(scenario())) >= 0.45


def test_a_pause_beyond_the_patience_is_refused_at_once():
    async def scenario():
        throttle = Throttle()
        throttle.pause(timedelta(hours=6))
        with pytest.raises(RateLimitedError, match="nothing was sent") as caught:
            await throttle.acquire(patience=timedelta(minutes=1))
        return caught.value.retry_after

    assert timedelta(hours=5, minutes=59) < asyncio.run(scenario()) <= timedelta(hours=6)


def test_a_used_up_day_stops_but_is_not_paced_beforehand():
    pauses = []

    async def scenario():
        throttle = Throttle(on_limit=pauses.append)
        for remaining in (700, 1, 0):
            started = await throttle.acquire()
            day = {"x-ratelimit-limit-day": "1000", "x-ratelimit-remaining-day": str(remaining)}
            throttle.observe(started, 200, {**day, "x-ratelimit-reset-day": "40000"})
        return throttle.limit

    assert asyncio.run(scenario()) is None
    assert [pause.total_seconds() for pause in pauses] == [40000]


def test_a_long_retry_after_speaks_of_the_day_and_teaches_no_limit():
    async def scenario():
        throttle = Throttle()
        throttle.observe(await throttle.acquire(), 200)
        throttle.observe(await throttle.acquire(), 429, {}, timedelta(hours=3))
        return throttle.limit

    assert asyncio.run(scenario()) is None


@pytest.mark.parametrize(("declared", "announced", "in_force"), [(None, 300, 300), (60, 300, 60), (300, 60, 60)])
def test_the_lower_of_setting_and_header_is_in_force(declared, announced, in_force):
    async def scenario():
        throttle = Throttle(declared)
        throttle.observe(await throttle.acquire(), 200, {"X-RateLimit-Limit": str(announced)})
        return throttle.limit

    assert asyncio.run(scenario()) == in_force


@given(
    st.dictionaries(
        st.sampled_from(["X-RateLimit-Limit", "RateLimit", "ratelimit-reset", "X-RateLimit-Remaining-Day"]),
        st.text() | st.from_regex(r"[0-9e.;=,rtqw \-]{0,20}", fullmatch=True),
    ),
    st.sampled_from([200, 429, 503, None]),
    st.none() | st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=366)),
)
@settings(max_examples=150, deadline=None)
def test_no_header_whatever_breaks_an_answer(headers, status, retry_after):
    async def scenario():
        throttle = Throttle(on_limit=lambda pause: None)
        throttle.observe(await throttle.acquire(), status, headers, retry_after)
        throttle.pause(timedelta(0))
        assert throttle.limit is None or throttle.limit > 0

    asyncio.run(scenario())


def test_a_gate_is_asked_before_each_request_and_may_refuse_it():
    class SpentError(Exception):
        pass

    left = [3]

    def gate() -> float:
        left[0] -= 1
        if left[0] < 0:
            raise SpentError
        return 0.0

    async def scenario():
        async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(ENTITY))

        async with serving(behave) as server, client_for(server, throttle=Throttle(gate=gate)) as client:
            for _ in range(3):
                await client.get_entity_body(ID)
            with pytest.raises(SpentError):
                await client.get_entity_body(ID)
            return len(server.requests)

    assert asyncio.run(scenario()) == 3


def test_a_limiter_outlives_the_event_loop_it_was_used_in():
    throttle = Throttle(2, window=WINDOW)

    async def three() -> None:
        for _ in range(3):
            throttle.observe(await throttle.acquire(), 200)

    for _ in range(2):
        asyncio.run(asyncio.wait_for(three(), 5))


def test_requests_start_in_the_order_they_came():
    async def scenario():
        throttle = Throttle(20, window=WINDOW)
        order = []

        async def one(number: int) -> None:
            started = await throttle.acquire()
            order.append(number)
            throttle.observe(started, 200)

        await asyncio.gather(*(one(number) for number in range(25)))
        return order

    assert asyncio.run(scenario()) == list(range(25))


@given(
    st.sampled_from(["X-RateLimit-Limit", "RateLimit", "RateLimit-Policy", "x-ratelimit-remaining-day"]),
    st.text(alphabet="0123456789.eE+-;=,w qlimitresaNn", max_size=40) | st.integers().map(str) | st.floats().map(str),
)
@settings(max_examples=300, deadline=None)
def test_no_header_about_limits_can_break_the_pace(name, value):
    throttle = Throttle()
    started = asyncio.run(throttle.acquire())

    throttle.observe(started, 200, {name: value})

    assert throttle.limit is None or 1 <= throttle.limit <= 1e9
    with contextlib.suppress(RateLimitedError):  # a pause that was ordered
        assert 0 <= throttle._claim(timedelta(0)) < 600
