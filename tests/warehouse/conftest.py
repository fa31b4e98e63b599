import pytest


@pytest.fixture(params=["file", "lake"])
def engine(request: pytest.FixtureRequest) -> str:
    """Both; a module about one engine has a fixture of this name that says so."""
    return str(request.param)
