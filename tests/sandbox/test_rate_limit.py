"""The limit is enforced over a sliding minute and told in headers."""

import httpx

from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.sandbox.http.rate_limit import RateLimit


def test_above_the_limit_there_is_a_429_that_says_when_to_come_back() -> None:
    with running_sandbox(requests_per_minute=3) as sandbox:
        headers = {"x-api-key": sandbox.api_key}
        replies = [httpx.get(f"{sandbox.url}/v1/run", headers=headers) for _ in range(5)]

    assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
    assert [reply.headers["x-ratelimit-remaining"] for reply in replies] == ["2", "1", "0", "0", "0"]
    assert 55 <= int(replies[-1].headers["retry-after"]) <= 61
    assert sandbox.world.requests.count(status=429) == 2


def test_the_window_slides() -> None:
    now = [1000.0]
    limit = RateLimit(2, clock=lambda: now[0])
    limit.admit()
    now[0] += 40
    limit.admit()
    now[0] += 21  # the first request is 61 seconds old

    assert limit.admit()["x-ratelimit-remaining"] == "0"
