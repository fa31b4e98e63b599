"""What assets are given: the Linkt API and the warehouse, as Dagster resources."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
from pydantic import Field, SecretStr

from linkt_pipeline.access.client import connect
from linkt_pipeline.api import DEFAULT_MAX_BODY, DEFAULT_RETRY_FOR, LinktClient
from linkt_pipeline.settings import Settings
from linkt_pipeline.warehouse.file import Warehouse

API_KEY_VARIABLE = "LINKT_API_KEY"


class WarehouseResource(dg.ConfigurableResource[None]):
    """The DuckDB file that the pipeline writes. Opened per operation, never held."""

    path: str = Field(description="Absolute path of warehouse.duckdb.")

    @property
    def warehouse(self) -> Warehouse:
        """A handle; it holds no connection by itself."""
        return Warehouse(Path(self.path))


class LinktResource(dg.ConfigurableResource[None]):
    """The Linkt API, or the built-in sandbox that stands in for it."""

    base_url: str = Field(description="Scheme and host of the API.")
    api_key: str | None = Field(description="The key; from the environment only.")
    sandbox_dir: str | None = Field(
        default=None, description="Sandbox mode: folder of the stand-in API's state. It is started when it is needed."
    )
    requests_per_minute: int | None = Field(
        default=None, description="The plan's limit, if it is to be kept beforehand."
    )
    daily_request_limit: int | None = Field(default=None, description="Requests per UTC day that are not exceeded.")
    max_body: int = Field(default=DEFAULT_MAX_BODY, description="Largest body of an answer that is read, in bytes.")

    @asynccontextmanager
    async def client(
        self, warehouse: Warehouse, *, retry_for: timedelta = DEFAULT_RETRY_FOR, writes: bool = True
    ) -> AsyncIterator[LinktClient]:
        """One client for everything a step does.

        Args:
            warehouse: where its requests are counted.
            retry_for: how long a read keeps trying after its first failure.
            writes: see :func:`~linkt_pipeline.access.client.connect`.
        """
        base_url, key = self._address()
        async with connect(
            base_url,
            SecretStr(key),
            warehouse,
            requests_per_minute=self.requests_per_minute,
            daily_request_limit=self.daily_request_limit,
            max_body=self.max_body,
            retry_for=retry_for,
            writes=writes,
        ) as client:
            yield client

    def _address(self) -> tuple[str, str]:
        if self.sandbox_dir is not None:
            from linkt_pipeline.sandbox import SANDBOX_KEY, ensure_sandbox

            return ensure_sandbox(Path(self.sandbox_dir)), SANDBOX_KEY
        if not self.api_key:
            Settings.model_construct(api_key=None).require_api_key()
        return self.base_url, str(self.api_key)


def linkt_resource(settings: Settings) -> LinktResource:
    """The API resource of a deployment. The key stays a reference to the environment: the UI shows its name alone."""
    return LinktResource(
        base_url=settings.base_url,
        api_key=dg.EnvVar(API_KEY_VARIABLE) if settings.api_key else None,
        sandbox_dir=str(settings.root / "api") if settings.sandbox else None,
        requests_per_minute=settings.requests_per_minute,
        daily_request_limit=settings.daily_request_limit,
        max_body=settings.max_body,
    )
