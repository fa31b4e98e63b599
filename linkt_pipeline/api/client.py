"""The endpoints of the Linkt API that the pipeline uses, one method each."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx
from pydantic import SecretStr

from linkt_pipeline.api.body import DEFAULT_MAX_BODY
from linkt_pipeline.api.errors import InvalidIdError, MalformedBodyError
from linkt_pipeline.api.filters import (
    EntityFilters,
    PageFilters,
    RunFilters,
    SheetFilters,
    SignalFilters,
    TaskFilters,
)
from linkt_pipeline.api.ids import check_id, same_id
from linkt_pipeline.api.models import (
    Entity,
    Execution,
    Icp,
    Page,
    Run,
    RunQueue,
    Schedule,
    Sheet,
    Signal,
    Task,
    UploadedFile,
    WireModel,
)
from linkt_pipeline.api.pagination import OnMalformed, read_in_parts, walk_pages
from linkt_pipeline.api.retries import cancel_may_be_retried, read_may_be_retried, with_retries
from linkt_pipeline.api.throttle import Throttle
from linkt_pipeline.api.transport import DEFAULT_TIMEOUTS, FilePart, Reply, RequestRecord, Transport
from linkt_pipeline.api.wire import parse_one, parse_page
from linkt_pipeline.errors import LinktPipelineError

M = TypeVar("M", bound=WireModel)
T = TypeVar("T")

DEFAULT_RETRY_FOR: timedelta = timedelta(minutes=2)
LARGEST_PAGE = 100


class LinktClient:
    """Linkt over HTTP. An async context manager; one per process and event loop.

    Args:
        base_url: scheme and host, such as ``https://api.linkt.ai``.
        api_key: sent as ``x-api-key``, shown nowhere.
        throttle: shared limiter; without one, a limiter that knows nothing yet and learns.
        timeouts: connect, read, write and pool, in seconds; their sum bounds a whole request.
        max_connections: requests in flight at once.
        retry_for: how long a read keeps trying after its first failure, and the longest pause (ordered by a 429)
            that any request sits out; None = each read is one attempt, and pauses are sat out up to two minutes.
        on_request: called for every request that was attempted.
        max_body: largest body read, in bytes, unpacked.
    """

    def __init__(
        self,
        base_url: str,
        api_key: SecretStr,
        *,
        throttle: Throttle | None = None,
        timeouts: httpx.Timeout = DEFAULT_TIMEOUTS,
        max_connections: int = 64,
        retry_for: timedelta | None = DEFAULT_RETRY_FOR,
        on_request: Callable[[RequestRecord], None] | None = None,
        max_body: int = DEFAULT_MAX_BODY,
    ) -> None:
        self.base_url = base_url
        self.throttle = throttle or Throttle()
        self._retry_for = retry_for
        # A longer pause raises an error instead of a silent sleep, so that the caller decides.
        self._patience = retry_for or DEFAULT_RETRY_FOR
        self._transport = Transport(
            base_url,
            api_key,
            throttle=self.throttle,
            timeouts=timeouts,
            max_connections=max_connections,
            on_request=on_request,
            max_body=max_body,
        )

    def __repr__(self) -> str:
        return f"LinktClient({self.base_url!r})"

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    @property
    def clock_offset(self) -> timedelta | None:
        """How far Linkt's clock is ahead of ours, by its last answer; None while unknown."""
        return self._transport.clock_offset

    async def learn_clock(self, task_id: str) -> timedelta | None:
        """The same. While it is unknown, ask for the task to learn it: once, even if that fails."""
        if self.clock_offset is None:
            with suppress(LinktPipelineError):
                await self._transport.send(
                    "GET", "/v1/task/{task_id}", ids={"task_id": check_id(task_id, kind="task")}, patience=timedelta(0)
                )
        return self.clock_offset

    async def execute_task(
        self,
        task_id: str,
        *,
        icp_id: str | None,
        parameters: Mapping[str, Any],
        before_send: Callable[[], None] | None = None,
    ) -> Execution:
        """Start a run, which costs credits: exactly one POST, on a fresh connection, never repeated here.

        Args:
            task_id: the task to execute.
            icp_id: sent when given; a search without it fails on the server.
            parameters: the task's parameters.
            before_send: called when the request's turn has come, right before it leaves; may raise to stop it.

        Raises:
            LinktApiError: no run id came back. :func:`~linkt_pipeline.api.start_reply.read_start_reply` says whether
                a run may have been started all the same.
        """
        check_id(task_id, kind="task")
        body: dict[str, Any] = {"parameters": dict(parameters)}
        if icp_id is not None:
            body["icp_id"] = check_id(icp_id, kind="ICP")
        reply = await self._transport.send(
            "POST",
            "/v1/task/{task_id}/execute",
            body=body,
            patience=self._patience,
            ids={"task_id": task_id},
            before_send=before_send,
        )
        execution = self._parsed(Execution, reply)
        return self._placed(reply, lambda: _with_usable_id(execution, reply.body))

    async def cancel_run(self, run_id: str) -> None:
        """Cancel a run; repeated only while it is certain that nothing was cancelled yet."""
        check_id(run_id, kind="run")

        async def attempt() -> None:
            await self._transport.send(
                "POST", "/v1/run/{run_id}/cancel", patience=self._patience, ids={"run_id": run_id}
            )

        await with_retries(attempt, may_retry=cancel_may_be_retried, retry_for=self._retry_for)

    async def get_run(self, run_id: str, *, attempts: int | None = None) -> Run:
        """One run; the only read that refreshes an active run's status from the engine.

        Raises:
            MalformedBodyError: among others, the answer is about another run (a cache in between mixed them up).
        """
        run = await self._get_one(Run, "/v1/run/{run_id}", attempts, run_id=check_id(run_id, kind="run"))
        _require_asked(run_id, run.id, "run", f"/v1/run/{run_id}", run.payload)
        return run

    async def get_run_queue(
        self,
        run_id: str,
        *,
        offset: int = 0,
        limit: int = LARGEST_PAGE,
        state: str | None = None,
        include_history: bool = False,
        attempts: int | None = None,
    ) -> RunQueue:
        """How far a run has come; may fail while the run is PENDING, and expires afterwards."""
        query = {"offset": offset, "limit": limit, "state": state, "include_history": include_history}
        run_id = check_id(run_id, kind="run")
        return await self._get_one(RunQueue, "/v1/run/{run_id}/queue", attempts, query, run_id=run_id)

    async def list_runs_page(self, page: int = 1, **filters: Unpack[RunFilters]) -> Page[Run]:
        """One page of runs; their status may be stale, unlike that of :meth:`get_run`."""
        return await self._get_page(Run, "/v1/run", "runs", page, filters)

    def list_runs(self, *, whole: bool = False, **filters: Unpack[RunFilters]) -> AsyncIterator[Run]:
        """Every run that passes the filters, each once.

        Args:
            whole: give every run that exists, or raise IncompleteListError.
            **filters: see :class:`~linkt_pipeline.api.filters.RunFilters`.
        """
        return walk_pages(lambda page: self.list_runs_page(page, **filters), whole=whole)

    async def get_entity_body(self, entity_id: str, *, attempts: int | None = None) -> bytes:
        """One entity's JSON, unparsed, for :func:`~linkt_pipeline.api.wire.parse_entity`."""
        entity_id = check_id(entity_id, kind="entity")
        return await self._get_body("/v1/entity/{entity_id}", attempts, entity_id=entity_id)

    async def list_entities_page(self, page: int = 1, **filters: Unpack[EntityFilters]) -> Page[Entity]:
        """One page of entities, duplicates included, in no guaranteed order."""
        return await self._get_page(Entity, "/v1/entity", "entities", page, filters)

    def list_entities(self, **filters: Unpack[EntityFilters]) -> AsyncIterator[Entity]:
        """Every entity that passes the filters, each once."""
        return walk_pages(lambda page: self.list_entities_page(page, **filters))

    async def get_signal_body(self, signal_id: str, *, attempts: int | None = None) -> bytes:
        """One signal's JSON, unparsed, for :func:`~linkt_pipeline.api.wire.parse_signal`."""
        signal_id = check_id(signal_id, kind="signal")
        return await self._get_body("/v1/signal/{signal_id}", attempts, signal_id=signal_id)

    async def list_signals_page(self, page: int = 1, **filters: Unpack[SignalFilters]) -> Page[Signal]:
        """One page of signals. Without ``days`` (1 to 90) the API shows the last 30 days only."""
        return await self._get_page(Signal, "/v1/signal", "signals", page, filters)

    def list_signals(self, **filters: Unpack[SignalFilters]) -> AsyncIterator[Signal]:
        """Every signal that passes the filters, each once."""
        return walk_pages(lambda page: self.list_signals_page(page, **filters))

    async def get_task(self, task_id: str) -> Task:
        """One task.

        Raises:
            MalformedBodyError: as of :meth:`get_run`.
        """
        task = await self._get_one(Task, "/v1/task/{task_id}", None, task_id=check_id(task_id, kind="task"))
        _require_asked(task_id, task.id, "task", f"/v1/task/{task_id}", task.payload)
        return task

    def list_tasks(
        self, *, on_malformed: OnMalformed | None = None, **filters: Unpack[TaskFilters]
    ) -> AsyncIterator[Task]:
        """Every task of the organization."""
        return walk_pages(
            lambda page: self._get_page(Task, "/v1/task", "tasks", page, filters), on_malformed=on_malformed
        )

    async def set_task_config(
        self, task_id: str, task_config: Mapping[str, Any], *, before_send: Callable[[], None] | None = None
    ) -> Task:
        """Replace a task's ``task_config`` and nothing else of it, by a PUT.

        The HTTP library repeats it once if its connection is dropped, which sets the same once more.

        Args:
            task_id: the task.
            task_config: all of the new configuration.
            before_send: called right before the request leaves; may raise to stop it.

        Raises:
            LinktApiError: the task did not come back; :meth:`get_task` shows whether it was changed.
        """
        reply = await self._transport.send(
            "PUT",
            "/v1/task/{task_id}",
            body={"task_config": dict(task_config)},
            patience=self._patience,
            ids={"task_id": check_id(task_id, kind="task")},
            before_send=before_send,
        )
        return self._parsed(Task, reply)

    async def upload_file(self, file: FilePart, *, before_send: Callable[[], None] | None = None) -> UploadedFile:
        """Upload a file as multipart form data: exactly one POST, never repeated here.

        Args:
            file: CSV in UTF-8 with a header, or a spreadsheet, which Linkt converts (its first sheet).
            before_send: called right before the request leaves; may raise to stop it.

        Returns:
            The file; it may be used once its status is ``completed``.

        Raises:
            LinktApiError: no file id came back; :meth:`list_files` shows whether the file arrived.
        """
        reply = await self._transport.send(
            "POST", "/v1/files/upload", file=file, patience=self._patience, before_send=before_send
        )
        uploaded = self._parsed(UploadedFile, reply)
        return self._placed(reply, lambda: _with_usable_file_id(uploaded, reply.body))

    async def get_file(self, file_id: str, *, attempts: int | None = None) -> UploadedFile:
        """One uploaded file, and how far its processing has come.

        Raises:
            MalformedBodyError: as of :meth:`get_run`.
        """
        file = await self._get_one(
            UploadedFile, "/v1/files/{file_id}", attempts, file_id=check_id(file_id, kind="file")
        )
        _require_asked(file_id, file.id, "file", f"/v1/files/{file_id}", file.payload)
        return file

    def list_files(self, *, whole: bool = False, **filters: Unpack[PageFilters]) -> AsyncIterator[UploadedFile]:
        """Every uploaded file: id, name and size alone.

        Args:
            whole: give every file that exists, or raise IncompleteListError.
            **filters: see :class:`~linkt_pipeline.api.filters.PageFilters`.
        """
        return walk_pages(lambda page: self._get_page(UploadedFile, "/v1/files", "files", page, filters), whole=whole)

    def list_schedules(
        self, *, on_malformed: OnMalformed | None = None, **filters: Unpack[PageFilters]
    ) -> AsyncIterator[Schedule]:
        """Every schedule by which Linkt starts tasks itself."""
        return walk_pages(
            lambda page: self._get_page(Schedule, "/v1/schedule", "schedules", page, filters), on_malformed=on_malformed
        )

    def list_icps(
        self, *, on_malformed: OnMalformed | None = None, **filters: Unpack[PageFilters]
    ) -> AsyncIterator[Icp]:
        """Every ideal customer profile of the organization."""
        return walk_pages(lambda page: self._get_page(Icp, "/v1/icp", "icps", page, filters), on_malformed=on_malformed)

    def list_sheets(
        self, *, on_malformed: OnMalformed | None = None, **filters: Unpack[SheetFilters]
    ) -> AsyncIterator[Sheet]:
        """Every sheet of the organization, or of one ICP."""
        return walk_pages(
            lambda page: self._get_page(Sheet, "/v1/sheet", "sheets", page, filters), on_malformed=on_malformed
        )

    async def _get_one(
        self, model: type[M], route: str, attempts: int | None, query: Mapping[str, object] | None = None, **ids: str
    ) -> M:
        async def attempt() -> M:
            return self._parsed(
                model, await self._transport.send("GET", route, query=query, patience=self._patience, ids=ids)
            )

        return await self._read(attempt, attempts)

    async def _get_page(
        self, model: type[M], route: str, items_key: str, page: int, filters: Mapping[str, object]
    ) -> Page[M]:
        size = filters.get("page_size", LARGEST_PAGE)
        page_size = size if isinstance(size, int) else LARGEST_PAGE
        others = {name: value for name, value in filters.items() if name != "page_size"}

        async def read(page: int, page_size: int) -> Page[M]:
            query = {**others, "page": page, "page_size": page_size}

            async def attempt() -> Page[M]:
                reply = await self._transport.send("GET", route, query=query, patience=self._patience)
                return self._placed(
                    reply, lambda: parse_page(model, items_key, reply.body, page=page, page_size=page_size)
                )

            return await self._read(attempt, None)

        return await read_in_parts(read, page, page_size)

    async def _get_body(self, route: str, attempts: int | None, **ids: str) -> bytes:
        async def attempt() -> bytes:
            reply = await self._transport.send("GET", route, patience=self._patience, bulk=True, ids=ids)
            if not reply.body.endswith(b"}") and not reply.body.rstrip().endswith(b"}"):
                return self._placed(reply, lambda: _refuse_cut_body(reply.body))
            return reply.body

        return await self._read(attempt, attempts)

    async def _read(self, attempt: Callable[[], Awaitable[T]], attempts: int | None) -> T:
        return await with_retries(attempt, may_retry=read_may_be_retried, retry_for=self._retry_for, attempts=attempts)

    def _parsed(self, model: type[M], reply: Reply) -> M:
        return self._placed(reply, lambda: parse_one(model, reply.body))

    def _placed(self, reply: Reply, parse: Callable[[], T]) -> T:
        """Parse a reply. An error about its body then names the request."""
        try:
            return parse()
        except MalformedBodyError as error:
            failure = error
        raise failure.placed(reply.method, reply.path, reply.status)


def _require_asked(asked: str, answered: str, kind: str, path: str, payload: str) -> None:
    if not same_id(answered, asked):
        raise MalformedBodyError(
            f"GET {path}: the answer is about {kind} {answered!r} instead",
            payload=payload,
            reason=f"it speaks of another {kind}",
            field="id",
            method="GET",
            path=path,
            status=200,
        )


def _with_usable_id(execution: Execution, body: bytes) -> Execution:
    _require_usable_id(execution.run_id, "run", "the API started a run and gave it an unusable id", body)
    return execution


def _with_usable_file_id(file: UploadedFile, body: bytes) -> UploadedFile:
    _require_usable_id(file.file_id, "file", "the API took a file and gave it an unusable id", body)
    return file


def _require_usable_id(value: str, kind: str, what: str, body: bytes) -> None:
    try:
        check_id(value, kind=kind)
    except InvalidIdError as error:
        reason = f"its {kind}_id {error}"
    else:
        return
    raise MalformedBodyError(
        f"{what}: {reason}", payload=body.decode("utf-8", "replace"), reason=reason, field=f"{kind}_id"
    )


def _refuse_cut_body(body: bytes) -> bytes:
    raise MalformedBodyError(
        "the API sent no complete JSON object",
        payload=body.decode("utf-8", "replace"),
        reason="not a complete JSON object",
        truncated=True,
    )
