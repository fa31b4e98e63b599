"""Uploaded files: what Linkt reads out of one, and how far its processing has come."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from linkt_pipeline.sandbox.world.ids import timestamp

PROCESSING_SECONDS = 0.6  # at speed 1
DISCARDED = "\x00discarded"  # of an item of a run: why its row leads to no entity
_NO_COMPANY = frozenset({"unknown", "n/a", "none", "test"})
_PREVIEW_ROWS = 5
_INTERNAL = ("rows", "failed", "uploaded", "processing_seconds", "created_at")


@dataclass(frozen=True)
class Upload:
    """A file as it came: its name, type and bytes."""

    name: str
    content_type: str
    content: bytes


def make_file(file_id: str, upload: Upload, *, at: float, seconds: float, failed: bool) -> dict[str, Any]:
    """The stored document of an upload; with ``rows`` once they could be read.

    Args:
        file_id: its id.
        upload: what came.
        at: when it came, in Unix seconds.
        seconds: how long it is processed.
        failed: its processing fails whatever it holds.
    """
    stem, _, ending = upload.name.rpartition(".")
    kind = ending.lower() if stem else ""
    name = f"{stem}.csv" if kind in ("xlsx", "xls") else upload.name
    rows: list[list[str]] = []
    try:
        rows = _read(upload.content, kind)
    except (ValueError, csv.Error):
        failed = True
    return {
        "file_id": file_id,
        "name": name,
        "s3_uri": f"s3://bucket.example/org/{name}",
        "content_type": upload.content_type,
        "size_bytes": len(upload.content),
        "original_file_type": kind or None,
        "rows": rows,
        "failed": failed or not rows,
        "uploaded": at,
        "processing_seconds": seconds,
        "created_at": timestamp(at),
    }


def shown(document: dict[str, Any], now: float) -> dict[str, Any]:
    """A file as ``GET /v1/files/{file_id}`` shows it at a moment (Unix seconds)."""
    if "rows" not in document:  # of the sandbox's own reference data
        return document
    progress = (now - document["uploaded"]) / max(document["processing_seconds"], 0.001)
    status = "pending" if progress < 0.3 else "processing"
    if progress >= 1:
        status = "failed" if document["failed"] else "completed"
    header, *rows = document["rows"] or [[]]
    metadata = {
        "row_count": len(rows),
        "columns": header,
        "preview_rows": [dict(zip(header, row, strict=False)) for row in rows[:_PREVIEW_ROWS]],
        "encoding": "utf-8",
    }
    public = {key: value for key, value in document.items() if key not in _INTERNAL}
    return {**public, "processing_status": status, "csv_metadata": metadata if status == "completed" else None}


def items_of(document: dict[str, Any], primary_column: str) -> list[dict[str, str]] | None:
    """What an ingest makes of each row: a company to find, or the reason of its discard; None if it can't be used."""
    header, *rows = document["rows"] or [[]]
    if document["failed"] or primary_column not in header:
        return None
    place, seen = header.index(primary_column), set()
    items: list[dict[str, str]] = []
    for row in rows:
        name = row[place].strip() if place < len(row) else ""
        reason = _why_discarded(name, name.casefold() in seen)
        seen.add(name.casefold())
        items.append({"company_name": name, **({DISCARDED: reason} if reason else {})})
    return items


def _why_discarded(name: str, repeated: bool) -> str | None:
    if not name:
        return "The row has no value in the primary column"
    if name.casefold() in _NO_COMPANY:
        return "No such company could be found"
    return "Duplicate of an earlier row" if repeated else None


def _read(content: bytes, kind: str) -> list[list[str]]:
    if kind in ("xlsx", "xls"):
        return _converted(content)
    return [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True) if row]


def _converted(content: bytes) -> list[list[str]]:
    """The first sheet of a workbook."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(content)) as workbook:
            rows = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise ValueError(str(error)) from None
    return [[_text(value) for value in row] for row in rows if any(value != "" for value in row)]


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        return value.date().isoformat()
    return str(value).upper() if isinstance(value, bool) else str(value)
