"""Bring a file to Linkt once, and wait until Linkt has read it.

An upload costs nothing and has no idempotency key, and nobody can delete a file at Linkt. So an upload follows the rule
of every start: it is written down before the request, looked up after an unclear reply, and sent again only if Linkt's
list does not have it. That list shows names alone, so the name of each upload holds the id of its ingest.
"""

import asyncio
import re
from typing import NoReturn

from linkt_pipeline.api import (
    FilePart,
    FileStatus,
    LinktApiError,
    NotFoundError,
    StartReply,
    UploadedFile,
    is_worth_repeating,
    read_start_reply,
)
from linkt_pipeline.api.fields import number
from linkt_pipeline.ingest.desk import Desk
from linkt_pipeline.ingest.errors import StillProcessingError, UploadFailedError
from linkt_pipeline.ingest.record import Ingest, IngestState
from linkt_pipeline.ingest.source import Source

_ATTEMPTS = 3
_LONGEST_WAIT = 120.0  # seconds before another attempt; a longer wait that Linkt asks for ends the command
_LONGEST_LOOK = 10.0  # seconds between two looks at a file that is being read
_FIRST_PAUSE = 1 / 30  # of the settle window; doubles with every look at the list
_NO_ROW_COUNT = ", and does not say how many rows it has"
_NEXT = "Nothing was bought. Repeat the command: it goes on from here"


async def bring_to_linkt(desk: Desk, ingest: Ingest, source: Source) -> Ingest:
    """Upload a file, unless Linkt has it, and wait until it may be used.

    Raises:
        UploadFailedError: Linkt does not take the file, or can't use it.
        StillProcessingError: Linkt has not finished reading it; the next ingest of the file waits again.
        LinktApiError: the list of files can't be read, so nobody knows whether an earlier upload arrived.
    """
    if ingest.state is IngestState.UPLOADING:
        desk.worker.warn(ingest.task_key, f"an earlier upload of {ingest.file_name} was interrupted; looking for it")
        if found := await _find(desk, ingest):
            ingest = await _remember(desk, ingest, found)
    if ingest.file_id is None:
        ingest = await _upload(desk, ingest, source)
    if ingest.state is IngestState.UPLOADED:
        ingest = await _wait_until_read(desk, ingest, source)
    return ingest


async def _upload(desk: Desk, ingest: Ingest, source: Source) -> Ingest:
    worker = desk.worker
    part = FilePart(_upload_name(ingest, source), source.content, source.kind.content_type)
    pause = worker.timing.resend.total_seconds()
    error: LinktApiError | None = None
    without = IngestState.INTENDED
    for _ in range(_ATTEMPTS):
        ingest = await worker.call(
            desk.ingests.update, ingest, state=IngestState.UPLOADING, upload_name=part.name, last_error=None
        )
        try:
            return await _remember(desk, ingest, await worker.client.upload_file(part))
        except LinktApiError as failure:
            error = failure
        match read_start_reply(error):
            case StartReply.REFUSED:
                break
            case StartReply.UNCLEAR:
                without = IngestState.UPLOADING  # however late it arrives: the next ingest of the file looks for it
                worker.warn(
                    ingest.task_key, f"the reply to the upload does not say whether it arrived; looking: {error}"
                )
                if found := await _find(desk, ingest):
                    return await _remember(desk, ingest, found)
                if not is_worth_repeating(error):
                    break
        wait = max(pause, _ordered_wait(error))
        if wait > _LONGEST_WAIT:
            break
        worker.warn(ingest.task_key, f"not uploaded yet, trying again in {wait:g} s: {error}")
        await asyncio.sleep(wait)
        pause *= 2
    await worker.call(desk.ingests.update, ingest, state=without, last_error=str(error))
    raise UploadFailedError(f"{ingest.file_name} could not be uploaded: {error} {_NEXT}")


async def _remember(desk: Desk, ingest: Ingest, file: UploadedFile) -> Ingest:
    desk.worker.note(ingest.task_key, f"{ingest.file_name} is at Linkt as file {file.file_id}")
    return await desk.worker.call(desk.ingests.uploaded, ingest, file.file_id)


async def _find(desk: Desk, ingest: Ingest) -> UploadedFile | None:
    """The upload of this ingest in Linkt's list, which may lag behind; None once the settle window has passed."""
    clock = asyncio.get_running_loop().time
    window = desk.worker.timing.settle.total_seconds()
    settled_at = clock() + window
    pause = window * _FIRST_PAUSE
    while True:
        looked_at = clock()
        found = None
        async for file in desk.worker.client.list_files(whole=True):
            if ingest.token in (file.name or ""):
                found = file  # several hold the same
        if found is not None or looked_at >= settled_at:
            return found
        await asyncio.sleep(max(0.0, min(pause, settled_at - clock())))
        pause *= 2


async def _wait_until_read(desk: Desk, ingest: Ingest, source: Source) -> Ingest:
    worker, file_id = desk.worker, str(ingest.file_id)
    clock = asyncio.get_running_loop().time
    give_up_at = clock() + desk.processing.total_seconds()
    pause = worker.timing.resend.total_seconds()
    while True:
        try:
            file = await worker.client.get_file(file_id)
        except NotFoundError:
            await _fail(desk, ingest, f"Linkt no longer has file {file_id}")
        if file.status is FileStatus.FAILED:
            await _fail(desk, ingest, f"Linkt could not process it (file {file_id} is '{file.raw_status}')")
        if file.name and _token_of(ingest) not in file.name:
            await _fail(desk, ingest, f"Linkt shows file {file_id} as '{file.name}', so it is another one")
        is_told = file.columns is not None or file.row_count is not None
        if file.status is FileStatus.COMPLETED and is_told:
            if unlike := _misread(file, source, ingest.primary_column):
                await _fail(desk, ingest, f"Linkt read file {file_id} differently: {unlike}")
            return await worker.call(desk.ingests.update, ingest, state=IngestState.READY)
        if clock() + pause > give_up_at:
            no_row_count = _NO_ROW_COUNT if file.status is FileStatus.COMPLETED else ""
            raise StillProcessingError(
                f"Linkt has not finished reading {ingest.file_name} (file {file_id} is '{file.raw_status}' after "
                f"{desk.processing.total_seconds():g} s{no_row_count}). {_NEXT}"
            )
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_LOOK)


async def _fail(desk: Desk, ingest: Ingest, why: str) -> NoReturn:
    failed = await desk.worker.call(desk.ingests.fail, ingest, why)
    raise UploadFailedError(failed_text(failed.file_name, str(failed.last_error)))  # as kept: without what was erased


def failed_text(file_name: str, why: str) -> str:
    """The message of a file that Linkt can't use."""
    return (
        f"{file_name} can't be used: {why}. Nothing was bought. Correct the file, or upload the same bytes again with "
        "--again"
    )


def _misread(file: UploadedFile, source: Source, primary_column: str) -> str | None:
    """How Linkt's reading of a file differs from ours. Each row costs, so a difference must show before the run."""
    if file.columns is not None and [column.strip() for column in file.columns] != list(source.columns):
        return f"it sees the columns {', '.join(file.columns)}, and the file has {', '.join(source.columns)}"
    if file.row_count is not None and file.row_count != len(source.rows):
        return f"it counts {file.row_count:,} rows, and the file has {len(source.rows):,}"
    shown = zip(file.shown_values(primary_column), source.values(primary_column), source.lines, strict=False)
    for theirs, ours, line in shown:
        if theirs is not None and not _is_same_value(theirs, ours):
            return f"it sees {theirs!r} in {primary_column!r} on {source.kind.place} {line}, and the file has {ours!r}"
    return None


def _is_same_value(theirs: str, ours: str) -> bool:
    """Whether Linkt shows the value of the file. Its preview may take 007 for a number, so 7 counts as equal."""
    return theirs.strip() == ours or (number(theirs) is not None and number(theirs) == number(ours))


def _token_of(ingest: Ingest) -> str:
    """What the name of an upload must hold. A file that is used again has the token of the ingest that uploaded it."""
    return str(ingest.upload_name).rpartition(".")[0].rpartition("-")[2]


def _upload_name(ingest: Ingest, source: Source) -> str:
    """A name that any store keeps as it is, and that no other upload has."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", ingest.file_name.rpartition(".")[0] or ingest.file_name).strip("-")
    return f"{stem[:60] or 'file'}-{ingest.token}.{source.kind.ending}"


def _ordered_wait(error: LinktApiError) -> float:
    wait = getattr(error, "retry_after", None)
    return float(wait.total_seconds()) if wait is not None else 0.0
