from tests.executions.conftest import scene
from tests.warehouse.conftest import warehouse

__all__ = ["scene", "warehouse"]
