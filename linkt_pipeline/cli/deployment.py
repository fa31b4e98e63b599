"""What a subcommand works on: the environment, tasks.yaml, the warehouse and the API."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from linkt_pipeline.cli.errors import NoTasksError, UnknownTaskError
from linkt_pipeline.cli.output import echo
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.settings import Settings, load_settings
from linkt_pipeline.warehouse.errors import WarehouseMovedError

if TYPE_CHECKING:
    from linkt_pipeline.api import LinktClient
    from linkt_pipeline.assets.erasure import Erased
    from linkt_pipeline.collection.refresh import Refreshed
    from linkt_pipeline.tasks import CommonSettings, TaskSpec
    from linkt_pipeline.warehouse.warehouse import Warehouse

T = TypeVar("T")

SANDBOX_NOTICE = "sandbox mode: made-up data, no key, no credits; rows go to {root}"
# A person waits: if a host does not answer at once, its name is more likely mistyped than the host restarting.
PATIENCE = timedelta(seconds=4)


class Deployment:
    """One deployment, read from the environment when a subcommand starts.

    Args:
        settings: the environment.
        quiet: don't say that this is sandbox mode.
    """

    def __init__(self, settings: Settings, *, quiet: bool = False) -> None:
        self.settings = settings
        if settings.sandbox and not quiet:
            # On stderr, so that what a script reads from stdout stays clean.
            echo(SANDBOX_NOTICE.format(root=settings.root), err=True)

    @classmethod
    def from_environment(cls, overrides: Mapping[str, Any] | None = None, *, quiet: bool = False) -> "Deployment":
        """The deployment that the environment and ``.env`` describe."""
        return cls(load_settings(overrides), quiet=quiet)

    @cached_property
    def tasks(self) -> "dict[str, TaskSpec]":
        """The entries of tasks.yaml; empty when there is no such file."""
        from linkt_pipeline.tasks_yaml import load_tasks

        return load_tasks(self.settings.active_tasks_file)

    @cached_property
    def common(self) -> "CommonSettings":
        """What tasks.yaml says of all tasks together."""
        from linkt_pipeline.tasks_yaml import load_common

        return load_common(self.settings.active_tasks_file)

    def select_tasks(self, names: Iterable[str]) -> "dict[str, TaskSpec]":
        """The named entries, each once, in the order of tasks.yaml.

        Raises:
            NoTasksError: there is no tasks.yaml.
            UnknownTaskError: it has no such entry.
        """
        if not self.tasks:
            raise NoTasksError(self.settings.active_tasks_file)
        wanted = set(names)
        for name in sorted(wanted - self.tasks.keys()):
            raise UnknownTaskError(name, self.tasks, self.settings.active_tasks_file)
        return {name: task for name, task in self.tasks.items() if name in wanted}

    @cached_property
    def warehouse(self) -> "Warehouse":
        """The DuckDB file that the pipeline writes."""
        from linkt_pipeline.warehouse.engines.choice import warehouse_of

        return warehouse_of(self.settings)

    def prepare(self) -> None:
        """Make the deployment ready for a Dagster run, so that problems show now and not inside the run.

        Raises:
            ConfigError, WarehouseError, AuthenticationError, PermissionDeniedError, RequestNotSentError: see
                :meth:`prepare_folder` and :meth:`prepare_access`.
        """
        self.prepare_folder()
        self.prepare_access()

    def prepare_folder(self) -> None:
        """Make the deployment's folder a Dagster instance that is its owner's.

        Raises:
            ConfigError: the folder can't be written, or there is no key.
            WarehouseMovedError: the warehouse is elsewhere.
        """
        from linkt_pipeline.cli.instance import prepare_instance

        prepare_instance(self.settings)
        try:
            self.finish_erasures()
        except WarehouseMovedError:  # nothing goes on here
            raise
        except LinktPipelineError as error:  # what is paid for is landed all the same
            echo(f"warning: an erasure goes on later: {error}", err=True)
        if not self.settings.sandbox:
            self.settings.require_api_key()

    def finish_erasures(self) -> "dict[str, Erased]":
        """Finish erasures that a crash has cut short. If there are none, this is a single look-up.

        Returns:
            What was done, by the id of the erasure.

        Raises:
            LinktPipelineError: they can't be finished now. Nothing else is done before they are.
        """
        if not self.warehouse.exists:
            return {}
        from linkt_pipeline.warehouse.queries import erasure_is_pending

        with self.warehouse.read() as con:
            if not erasure_is_pending(con):
                return {}
        from linkt_pipeline.assets.erasure import finish_erasures

        return finish_erasures(self.settings, lambda text: echo(f"erasing: {text}", err=True))

    def prepare_access(self) -> None:
        """Check that the warehouse and the API can be used.

        Raises:
            WarehouseError: the warehouse is busy, of a newer version, or no warehouse.
            AuthenticationError, PermissionDeniedError, RequestNotSentError: the API can't be used; any other answer
                is left to the run itself, which knows how to wait.
        """
        with self.warehouse.read():
            pass
        if not self.settings.sandbox:
            self._require_access()

    def _require_access(self) -> None:
        from linkt_pipeline.api import AuthenticationError, LinktApiError, PermissionDeniedError, RequestNotSentError

        async def ask(client: "LinktClient") -> None:
            await client.list_runs_page(page_size=1)

        try:
            self.ask_api(ask)
        except (AuthenticationError, PermissionDeniedError, RequestNotSentError):
            raise
        except LinktApiError:
            pass

    def ask_api(self, question: "Callable[[LinktClient], Any]") -> Any:
        """Run ``question`` with a client for a few quick requests, which are counted like all others."""

        async def ask() -> Any:
            async with self.client() as client:
                return await question(client)

        return asyncio.run(ask())

    def find_work(self) -> str | None:
        """What a sync would have to do, in words; None if there is nothing. Changes nothing.

        Raises:
            WarehouseError: the warehouse can't be read.
        """
        from linkt_pipeline.code_mark import mark_of_code
        from linkt_pipeline.collection.idle import find_work

        settings = self.settings
        return find_work(
            self.warehouse,
            settings.published_dir,
            lambda: mark_of_code(settings.sql_dirs, settings.active_tasks_file),
            partial(self.client, writes=False),
        )

    def refresh(self, log: Callable[[str], None]) -> "Refreshed":
        """Read what the warehouse knows again, without a Dagster run; see :mod:`linkt_pipeline.collection.refresh`.

        Args:
            log: called with each line of text.
        """
        from linkt_pipeline.api import DEFAULT_RETRY_FOR
        from linkt_pipeline.collection.refresh import refresh_entities

        async def refresh() -> "Refreshed":
            async with self.client(retry_for=DEFAULT_RETRY_FOR, leaves_half=True) as client:
                return await refresh_entities(client, self.warehouse, log=log)

        return asyncio.run(refresh())

    @asynccontextmanager
    async def client(
        self, *, retry_for: timedelta = PATIENCE, writes: bool = True, leaves_half: bool = False
    ) -> "AsyncIterator[LinktClient]":
        """A client whose requests are paced and counted; see :func:`linkt_pipeline.access.client.connect`."""
        from linkt_pipeline.access.client import connect

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

    def _address(self) -> tuple[str, Any]:
        from pydantic import SecretStr

        if self.settings.sandbox:
            from linkt_pipeline.sandbox import SANDBOX_KEY, ensure_sandbox

            return ensure_sandbox(self.settings.root / "api"), SecretStr(SANDBOX_KEY)
        return self.settings.base_url, self.settings.require_api_key()
