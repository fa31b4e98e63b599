import pytest

from tests import engines


@pytest.fixture(params=engines.EVERY)
def engine(request: pytest.FixtureRequest) -> str:
    """Both; a module about one engine has a fixture of this name that says so."""
    return str(request.param)
