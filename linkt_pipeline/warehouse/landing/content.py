"""One fingerprint per content of an entity or signal, whatever the order of its keys or the time it was touched.

Left out of it: the object's own ``updated_at`` and the timestamps of its attributes, which change when nothing else
does.
"""

import json
from hashlib import blake2b
from typing import Any

import orjson
import polars as pl

# Parsed, two numbers of many digits could look alike, and those beyond a float all do. Digits right after a quote are
# an id or a date, not a number.
_LONG_NUMBER = r"[:,\[\s]-?(?:[0-9][0-9.eE+-]{16}|[0-9.]+[eE]\+?[0-9]{3})"


def content_hash(document: dict[str, Any] | None) -> str | None:
    """Fingerprint of a parsed object.

    Args:
        document: the object, left as it is; None where only the text is known.

    Returns:
        32 hexadecimal digits; None if only the text decides (see :func:`content_hashes`).
    """
    if document is None:
        return None
    try:
        return _digest(orjson.dumps(_without_times(document), option=orjson.OPT_SORT_KEYS))
    except orjson.JSONEncodeError:  # integers beyond 64 bits, lone surrogates
        return None


def content_hashes(payloads: pl.Series, parsed: pl.Series | None = None) -> pl.Series:
    """Fingerprint of each payload.

    Args:
        payloads: JSON text of one object each.
        parsed: what :func:`content_hash` says of each, where the objects were parsed before; kept where it is sure.

    Returns:
        32 hexadecimal digits each, in the same order.
    """
    # A parsed number has lost the digits that two contents may differ in.
    inexact = payloads.str.contains(_LONG_NUMBER).fill_null(value=False)
    if parsed is not None and not parsed.null_count() and not inexact.any():
        return parsed.rename("content_hash")
    known = [None] * len(payloads) if parsed is None else parsed.to_list()
    hashes = [
        _digest(_exact(text)) if long else given or _hash_of_text(text)
        for text, long, given in zip(payloads.to_list(), inexact.to_list(), known, strict=True)
    ]
    return pl.Series("content_hash", hashes, dtype=pl.String)


def _hash_of_text(text: str | None) -> str:
    try:
        document = orjson.loads(text or "null")
    except orjson.JSONDecodeError:  # NaN, 1e400
        document = None
    known = content_hash(document) if isinstance(document, dict) else None
    return known or _digest(_exact(text))


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _exact(text: str | None) -> bytes:
    """The same by Python's own parser, with every number as its digits."""
    text = text or "null"
    try:
        document = json.loads(text, parse_int=_Digits, parse_float=_Digits)
        return json.dumps(_without_times(document), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return text.encode("utf-8", "surrogatepass")


class _Digits(str):
    """A number kept as its digits."""


def _without_times(document: Any) -> Any:
    """The same without the times that say nothing of the content; the original stays whole."""
    if not isinstance(document, dict):
        return document
    content = document.copy()
    content.pop("updated_at", None)
    data = content.get("data")
    if isinstance(data, dict):
        content["data"] = untimed = data.copy()
        for name, attribute in data.items():  # some ten for each of thousands of entities
            if type(attribute) is dict:
                untimed[name] = timeless = attribute.copy()
                timeless.pop("created_at", None)
                timeless.pop("updated_at", None)
    return content
