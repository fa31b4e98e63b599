"""What assets work with: the Linkt API and the warehouse of one deployment.

They are no Dagster resources, on purpose. All of a code location shares the names of resources, and a host or a second
deployment has its own. Dagster's UI also shows how a resource is configured, and it must never show the key.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import SecretStr

from linkt_pipeline.access.client import connect
from linkt_pipeline.api import DEFAULT_RETRY_FOR, LinktClient
from linkt_pipeline.settings import Settings
from linkt_pipeline.warehouse.engines.choice import warehouse_of
from linkt_pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Backend:
    """The API and the warehouse that the settings of a deployment name.

    Args:
        settings: of the deployment.
        api_key: gives its key when it is needed, if not the one of the settings.
    """

    settings: Settings
    api_key: Callable[[], SecretStr] | None = field(default=None, repr=False)

    @property
    def warehouse(self) -> Warehouse:
        """A handle; it holds no connection by itself."""
        return warehouse_of(self.settings)

    @asynccontextmanager
    async def client(
        self, *, retry_for: timedelta = DEFAULT_RETRY_FOR, writes: bool = True, leaves_half: bool = False
    ) -> AsyncIterator[LinktClient]:
        """One client for everything a step does, its requests counted in the warehouse.

        Args:
            retry_for: how long a read keeps trying after its first failure.
            writes: see :func:`~linkt_pipeline.access.client.connect`.
            leaves_half: see there.

        Raises:
            ConfigError: there is no key.
        """
        base_url, key = self._address()
        async with connect(
            base_url,
            key,
            self.warehouse,
            requests_per_minute=self.settings.requests_per_minute,
            daily_request_limit=self.settings.daily_request_limit,
            max_body=self.settings.max_body,
            retry_for=retry_for,
            writes=writes,
            leaves_half=leaves_half,
        ) as client:
            yield client

    def _address(self) -> tuple[str, SecretStr]:
        if self.settings.sandbox:
            from linkt_pipeline.sandbox import SANDBOX_KEY, ensure_sandbox

            return ensure_sandbox(self.settings.root / "api"), SecretStr(SANDBOX_KEY)
        return self.settings.base_url, self.api_key() if self.api_key else self.settings.require_api_key()
