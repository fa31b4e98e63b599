"""What holds for every test: signals as a terminal has them."""

import signal

import pytest


@pytest.fixture(autouse=True)
def _sigint_is_heard() -> None:
    """Processes of a test inherit an ignored SIGINT: from a CI that starts tests in the background, or a test before."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
