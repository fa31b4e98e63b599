"""Limits as servers write them. The vendor's header names are not documented, so all known spellings are read."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from linkt_pipeline.api.ratelimit_headers import LimitState, read_limits, read_retry_after


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, []),
        ({"content-type": "application/json"}, []),
        (
            {"X-RateLimit-Limit": "300", "X-RateLimit-Remaining": "299", "X-RateLimit-Reset": "42"},
            [LimitState(300, 299, 42, None)],
        ),
        ({"ratelimit-limit": "60, 60;w=60", "ratelimit-remaining": "5"}, [LimitState(60, 5, None, 60)]),
        ({"RateLimit": "limit=100, remaining=50, reset=5"}, [LimitState(100, 50, 5, None)]),
        ({"RateLimit-Policy": '"default";q=100;w=10', "RateLimit": '"default";r=7;t=3'}, [LimitState(100, 7, 3, 10)]),
        (
            {"x-ratelimit-limit-minute": "60", "x-ratelimit-limit-day": "1000", "x-ratelimit-remaining-day": "0"},
            [LimitState(60, None, None, 60), LimitState(1000, 0, None, 86400)],
        ),
        ({"X-RateLimit-Limit": "unlimited", "X-RateLimit-Reset": "soon"}, [LimitState()]),
        ({"X-RateLimit-Limit": "0.5", "X-RateLimit-Remaining": "9" * 400}, [LimitState()]),
        ({"X-RateLimit-Limit": "9" * 400, "X-RateLimit-Reset": "9" * 400}, [LimitState()]),
        ({"RateLimit": "limit=0, remaining=-1, reset=" + "9" * 12}, [LimitState()]),
        ({"RateLimit-Policy": '"default";q=100;w=0'}, [LimitState(100)]),
        ({"RateLimit-Policy": '"default";q=100;w=' + "9" * 400}, [LimitState(100)]),
    ],
)
def test_limits_are_read_in_every_spelling(headers, expected):
    assert read_limits(headers) == expected


def in_ten() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=10)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "42"}, b"", 42),
        ({"retry-after": "1.5"}, b"", 1.5),
        ({"retry-after": "3600"}, b"", 3600),
        ({"retry-after": "0"}, b"", 0),
        ({"retry-after": "-5"}, b"", 0),
        ({"retry-after-ms": "250", "retry-after": "9"}, b"", 0.25),
        ({"retry-after": lambda: format_datetime(in_ten(), usegmt=True)}, b"", 10),
        ({"retry-after": lambda: in_ten().isoformat()}, b"", 10),
        ({"retry-after": lambda: str(int(in_ten().timestamp()))}, b"", 10),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"", 0),
        ({}, b'{"error": "rate_limit_exceeded", "retry_after": 42}', 42),
        ({}, b'{"retry_after": null}', None),
        ({}, b"retry_after soon", None),
        ({}, b'{"retry_after": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", None),
        ({}, b'{"retry_after": ' + b"9" * 5_000 + b"}", None),
        ({}, b'{"retry_after": NaN}', None),
        ({"retry-after": "9" * 400}, b"", None),
        ({"retry-after": "Wed, 21 Oct 99999 07:28:00 GMT"}, b"", None),
        ({"retry-after": "soon"}, b"", None),
        ({"retry-after": "nan"}, b"", None),
        ({"retry-after": "inf"}, b"", None),
        ({"retry-after": "1e308"}, b"", 366 * 86400),
    ],
)
def test_retry_after_is_read_in_every_form(headers, body, seconds):
    headers = {name: value() if callable(value) else value for name, value in headers.items()}

    wait = read_retry_after(headers, body)

    if seconds is None:
        assert wait is None
    else:
        assert wait.total_seconds() == pytest.approx(seconds, abs=1.5 if seconds == 10 else 0.001)
