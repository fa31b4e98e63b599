"""One sandbox per test, and a plain HTTP client for it."""

from collections.abc import Iterator

import httpx
import pytest

from linkt_pipeline.sandbox import Sandbox, running_sandbox

SPEED = 25  # a search takes 0.24 s


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(speed=SPEED) as served:
        yield served


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, headers={"x-api-key": sandbox.api_key}, timeout=10) as client:
        yield client
