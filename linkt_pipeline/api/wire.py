"""JSON bodies into models, of single objects and of pages.

A body is parsed by pydantic's own JSON parser, with its numbers intact.
"""

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from linkt_pipeline.api.errors import MalformedBodyError
from linkt_pipeline.api.fields import whole_number
from linkt_pipeline.api.json_text import end_of_value, load_json
from linkt_pipeline.api.models import Entity, Page, Run, Signal, WireModel

M = TypeVar("M", bound=WireModel)


def parse_entity(body: bytes) -> Entity:
    """Read one entity from its JSON text, as ``get_entity_body`` gives it.

    Raises:
        MalformedBodyError: it can't be used; with payload, reason and field.
    """
    return parse_one(Entity, body)


def parse_signal(body: bytes) -> Signal:
    """Read one signal from its JSON text, as ``get_signal_body`` gives it.

    Raises:
        MalformedBodyError: it can't be used; with payload, reason and field.
    """
    return parse_one(Signal, body)


def parse_run(body: str) -> Run:
    """Read one run from its JSON text."""
    return parse_one(Run, body.encode())


def parse_one(model: type[M], body: bytes) -> M:
    """Read one object.

    Raises:
        MalformedBodyError: the body is no complete JSON object, or lacks what the model can't do without.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _malformed(model, body, f"not UTF-8 text: {error.reason} at byte {error.start}", truncated=True) from None
    try:
        wire = load_json(body)
    except ValueError as error:
        raise _malformed(model, body, f"not a complete JSON text ({error})", truncated=True) from None
    if not isinstance(wire, dict):
        raise _malformed(model, body, f"an object was expected, not {type(wire).__name__}")
    return _validated(model, wire, body).read_from(text, wire)


def parse_page(model: type[M], items_key: str, body: bytes, *, page: int, page_size: int) -> Page[M]:
    """Read one page of a list.

    Each row keeps its own slice of the page's text, so its payload is untouched too, and a row that can't be used (too
    deep, a number that is none) is one malformed row.

    Raises:
        MalformedBodyError: the body is no complete JSON object, or has no list under ``items_key``.
    """
    try:
        envelope, rows = _split_page(body.decode(), items_key)
    except ValueError as error:
        raise _malformed(model, body, f"not a complete JSON object ({error})", truncated=True) from None
    if rows is None:
        raise _malformed(model, body, "a list was expected", field=items_key)
    items: list[M] = []
    malformed: list[MalformedBodyError] = []
    for row in rows:
        try:
            items.append(parse_one(model, row.encode()))
        except MalformedBodyError as error:
            malformed.append(error)
    return Page(
        items=items,
        total=_count(envelope.get("total"), least=0),
        page=_count(envelope.get("page"), least=1) or page,
        page_size=_count(envelope.get("page_size"), least=1) or page_size,
        malformed=tuple(malformed),
    )


def _split_page(text: str, items_key: str) -> tuple[dict[str, str], list[str] | None]:
    """The text of each value around the list, and of each row in it."""
    envelope: dict[str, str] = {}
    rows: list[str] | None = None
    at = _skip(text, _expect(text, 0, "{"))
    while text[at : at + 1] != "}":
        end = end_of_value(text, at)
        key = load_json(text[at:end])
        if not isinstance(key, str):
            raise ValueError(f"a key was expected at character {at}")
        at = _skip(text, _expect(text, end, ":"))
        # Cut and not parsed: a payload must stay byte for byte, and one broken row must not cost the others.
        if key == items_key and text[at : at + 1] == "[":
            rows, at = _slice_rows(text, at + 1)
        else:
            end = end_of_value(text, at)
            envelope[key], at = text[at:end], end
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "}":
            raise ValueError(f"',' or '}}' was expected at character {at}")
    if _skip(text, at + 1) != len(text):
        raise ValueError("more text follows the object")
    return envelope, rows


def _slice_rows(text: str, at: int) -> tuple[list[str], int]:
    rows: list[str] = []
    at = _skip(text, at)
    if text[at : at + 1] == "]":
        return rows, at + 1
    while True:
        start = _skip(text, at)
        end = end_of_value(text, start)
        rows.append(text[start:end])
        at = _skip(text, end)
        match text[at : at + 1]:
            case ",":
                at += 1
            case "]":
                return rows, at + 1
            case _:
                raise ValueError(f"',' or ']' was expected at character {at}")


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\n", "\r", "\t"):
        at += 1
    return at


def _expect(text: str, at: int, character: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != character:
        raise ValueError(f"{character!r} was expected at character {at}")
    return at + 1


def _count(text: str | None, *, least: int) -> int | None:
    """A count of the envelope; None for what can't be one."""
    try:
        count = whole_number(load_json(text or "null"))
    except ValueError:
        return None
    return None if count is None or count < least else count


def _validated(model: type[M], wire: dict[str, Any], body: bytes) -> M:
    """The object, without optional fields of the wrong type; ``payload`` still has these."""
    # Each round can uncover the next problem: a mended field is checked again, and left out if it is still wrong.
    for _ in range(3):
        try:
            return model.model_validate(wire)
        except ValidationError as error:
            problems = {str(item["loc"][0]) if item["loc"] else "": item["msg"] for item in error.errors()}
        wire = dict(wire)
        for field, reason in problems.items():
            if field in model.essential or field not in wire:
                raise _malformed(model, body, reason, field=field or None)
            _mend(wire, field)
    raise _malformed(model, body, "it can't be read")


def _mend(wire: dict[str, Any], field: str) -> None:
    value = wire[field]
    # A wrong type is kept as text where a text can stand for it; only the rest is left out.
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        wire[field] = [item if isinstance(item, str) else to_json(item).decode() for item in value]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        wire[field] = to_json(value).decode()
    else:
        del wire[field]


def _malformed(
    model: type[WireModel], body: bytes, reason: str, *, field: str | None = None, truncated: bool = False
) -> MalformedBodyError:
    where = f" at field '{field}'" if field else ""
    return MalformedBodyError(
        f"the {model.__name__.lower()} the API sent can't be used{where}: {reason}",
        payload=body.decode("utf-8", "replace"),
        reason=reason,
        field=field,
        truncated=truncated,
    )
