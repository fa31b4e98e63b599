"""What holds for every test: signals as a terminal has them."""

import signal

import pytest


@pytest.fixture(autouse=True)
def _sigint_is_heard() -> None:
    """Processes of a test inherit an ignored SIGINT that a CI or a test before left."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
