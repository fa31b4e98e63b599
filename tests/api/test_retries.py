"""When a request is sent again, and how long one waits for it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from linkt_pipeline.api import (
    InvalidRequestError,
    LinktApiError,
    MalformedBodyError,
    RateLimitedError,
    ReplyLostError,
    RequestNotSentError,
    ServerError,
    Throttle,
)

from .raw_server import ID, Request, always, answer, client_for, in_turn, serving

RUN = answer(f'{{"id": "{ID}", "status": "RUNNING"}}'.encode())
BRIEFLY = timedelta(seconds=5)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr("linkt_pipeline.api.retries._WAIT_INITIAL", 0.01)


def requests_made(behaviour, call, *, raises=None, **options):
    async def scenario():
        async with serving(behaviour) as server, client_for(server, retry_for=BRIEFLY, **options) as client:
            if raises:
                with pytest.raises(raises):
                    await call(client)
            else:
                await call(client)
            return len(server.requests)

    return asyncio.run(scenario())


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_a_read_outlives_two_passing_failures(status):
    failing = answer(b"", status)
    assert requests_made(in_turn(failing, failing, RUN), lambda c: c.get_run(ID)) == 3


@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 409, 422])
def test_a_read_takes_no_for_an_answer(status):
    assert requests_made(always(answer(b"", status)), lambda c: c.get_run(ID), raises=LinktApiError) == 1


def test_a_read_outlives_a_dropped_connection():
    drops = iter([True, True, True, False])

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.close() if next(drops) else writer.write(RUN)

    assert requests_made(behave, lambda c: c.get_run(ID)) == 4


@pytest.mark.parametrize(
    "read", [lambda c: c.get_run(ID), lambda c: c.get_entity_body(ID), lambda c: c.list_runs_page()]
)
def test_a_cut_body_is_asked_for_three_times_and_then_handed_over(read):
    assert requests_made(always(answer(b'{"id": "r", "sta')), read, raises=MalformedBodyError) == 3


def test_a_whole_body_without_its_id_is_not_asked_for_again():
    assert requests_made(always(answer(b"{}")), lambda c: c.get_run(ID), raises=MalformedBodyError) == 1


def test_one_attempt_means_one():
    assert requests_made(always(answer(b"", 500)), lambda c: c.get_run(ID, attempts=1), raises=ServerError) == 1


def test_so_many_attempts_means_so_many():
    assert requests_made(always(answer(b"", 500)), lambda c: c.get_run(ID, attempts=4), raises=ServerError) == 4


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_an_execute_is_never_repeated(status):
    made = requests_made(
        always(answer(b"", status, retry_after="0")),
        lambda c: c.execute_task(ID, icp_id=None, parameters={}),
        raises=LinktApiError,
    )
    assert made == 1


@pytest.mark.parametrize(("status", "made"), [(429, 2), (503, 2), (500, 1), (502, 1), (409, 1), (404, 1)])
def test_a_cancel_is_repeated_only_while_nothing_was_cancelled(status, made):
    behaviour = in_turn(answer(b"", status, retry_after="0"), answer(b"", 204))
    raises = LinktApiError if made == 1 else None
    assert requests_made(behaviour, lambda c: c.cancel_run(ID), raises=raises) == made


def test_an_unreachable_host_is_tried_again_until_time_is_up():
    async def scenario():
        async with client_for("http://127.0.0.1:1", retry_for=timedelta(seconds=0.5)) as client:
            began = time.monotonic()
            with pytest.raises(RequestNotSentError):
                await client.get_run(ID)
            return time.monotonic() - began

    assert 0.4 < asyncio.run(scenario()) < 3


def test_the_last_failure_is_the_one_raised():
    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.close()

    requests_made(behave, lambda c: c.get_run(ID, attempts=2), raises=ReplyLostError)


RETRY_AFTER_ONE_SECOND = {
    "seconds": lambda: "1",
    "float": lambda: "1.0",
    "HTTP date": lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True),
}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", RETRY_AFTER_ONE_SECOND.values(), ids=RETRY_AFTER_ONE_SECOND.keys())
def test_retry_after_is_waited_for(status, form):
    times = []

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        writer.write(answer(b"", status, retry_after=form()) if len(times) == 1 else RUN)

    assert requests_made(behave, lambda c: c.get_run(ID)) == 2
    assert 0.95 < times[1] - times[0] < 3.5


@pytest.mark.parametrize("retry_for", [timedelta(minutes=2), None])
def test_a_wait_beyond_the_patience_comes_back_at_once_and_says_how_long(retry_for):
    async def scenario():
        async with (
            serving(always(answer(b"", 429, retry_after="3600"))) as server,
            client_for(server, retry_for=retry_for) as client,
        ):
            began = time.monotonic()
            with pytest.raises(RateLimitedError) as first:
                await client.get_run(ID)
            with pytest.raises(RateLimitedError) as second:
                await client.execute_task(ID, icp_id=None, parameters={})
            return len(server.requests), first.value, second.value, time.monotonic() - began

    made, first, second, seconds = asyncio.run(scenario())

    assert made == 1  # the pause holds for everybody: the execute did not even leave
    assert first.retry_after == timedelta(hours=1)
    assert timedelta(minutes=59) < second.retry_after <= timedelta(hours=1)
    assert seconds < 1


def test_an_hour_is_waited_out_when_the_caller_has_it(monkeypatch):
    """Nothing caps the wait, as the vendor's SDK does at a minute: the sleeps are recorded, not slept."""
    slept = []
    real_sleep = asyncio.sleep

    async def sleep(delay, result=None):
        slept.append(delay)
        throttle._paused_until = 0.0
        await real_sleep(0)

    throttle = Throttle()

    async def scenario():
        behaviour = in_turn(answer(b"", 429, retry_after="3600"), RUN)
        async with (
            serving(behaviour) as server,
            client_for(server, retry_for=timedelta(hours=2), throttle=throttle) as client,
        ):
            monkeypatch.setattr(asyncio, "sleep", sleep)
            await client.get_run(ID)

    asyncio.run(scenario())

    assert max(slept) >= 3600


def test_a_refused_request_names_the_field():
    body = b'{"detail": [{"type": "x", "loc": ["query", "page_size"], "msg": "Input should be less than 100"}]}'

    async def scenario():
        async with serving(always(answer(body, 422))) as server, client_for(server) as client:
            with pytest.raises(InvalidRequestError, match=r"query\.page_size: Input should be less than 100"):
                await client.list_runs_page(page_size=500)

    asyncio.run(scenario())
