from tests.executions.conftest import scene

__all__ = ["scene"]
