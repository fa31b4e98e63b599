"""Files over HTTP: upload, get, list."""

import time
from email import policy
from email.parser import BytesParser
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from linkt_pipeline.sandbox.errors import invalid, not_found
from linkt_pipeline.sandbox.faults import Stage
from linkt_pipeline.sandbox.http.parameters import Query
from linkt_pipeline.sandbox.http.replies import cut, json_reply, page_reply
from linkt_pipeline.sandbox.world.files import PROCESSING_SECONDS, Upload, make_file, shown
from linkt_pipeline.sandbox.world.world import World

_LISTED = ("file_id", "name", "size_bytes")


def read_form(content_type: str, body: bytes) -> Upload | None:
    """The part ``file`` of multipart form data, with its file name; None if there is none."""
    head = f"MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    for part in message.iter_parts() if message.is_multipart() else ():
        if part.get_param("name", header="content-disposition") == "file" and (name := part.get_filename()):
            content = part.get_payload(decode=True)
            return Upload(name, part.get_content_type(), content if isinstance(content, bytes) else b"")
    return None


def upload_file(world: World, request: Request, body: Any) -> Response:
    """``POST /v1/files/upload``: the file is kept, and processed in a moment."""
    if not isinstance(body, Upload):
        raise invalid("missing", ("body", "file"), "Field required", None)
    seconds, failed = PROCESSING_SECONDS / world.speed, False
    for fault in world.faults.take(Stage.FILE, "upload_file"):
        failed = failed or fault.name == "failed_file"
        seconds = fault.number(60) if fault.name == "slow_file" else seconds
    file_id = world.own.ids.mint(world.clock())
    document = make_file(file_id, body, at=time.time(), seconds=seconds, failed=failed)
    world.own.put_reference("file", document)
    world.own.commit()
    return json_reply(shown(document, time.time()))


def get_file(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/files/{file_id}``."""
    document = world.own.reference["file"].get(request.path_params["file_id"])
    if document is None:
        raise not_found("File")
    return json_reply(shown(document, time.time()))


def list_files(world: World, request: Request, body: Any) -> Response:
    """``GET /v1/files``: id, name and size alone, newest first."""
    page, page_size = Query(request.query_params).page()
    lag = world.faults.active("lagging_files")
    seen_until = time.time() - (lag.number(5) if lag else 0.0)
    files = [item for item in world.own.reference["file"].values() if item.get("uploaded", 0.0) <= seen_until]
    files.sort(key=lambda item: item.get("uploaded", 0.0), reverse=True)
    rows = [orjson.dumps({name: item[name] for name in _LISTED}) for item in cut(files, page, page_size)]
    return page_reply("files", rows, len(files), page, page_size)
