"""One fingerprint per content of an entity or signal, whatever the order of its keys or the time it was touched.

Left out of it: the object's own ``updated_at`` and the timestamps of its attributes, which change when nothing else
does.
"""

import json
from hashlib import blake2b
from typing import Any

import orjson
import polars as pl

_ATTRIBUTE_TIMES = ("created_at", "updated_at")
# orjson turns integers beyond 64 bits into floats, and two of them could look alike. Digits right after a quote are an
# id or a date, not a number.
_LONG_NUMBER = r"[:,\[\s]-?[0-9][0-9.eE+-]{16}"


def content_hashes(payloads: pl.Series) -> pl.Series:
    """Fingerprint of each payload.

    Args:
        payloads: JSON text of one object each.

    Returns:
        32 hexadecimal digits each, in the same order.
    """
    inexact = payloads.str.contains(_LONG_NUMBER).fill_null(value=False).to_list()
    hashes = [
        blake2b(_exact(text) if long else _canonical(text), digest_size=16).hexdigest()
        for text, long in zip(payloads.to_list(), inexact, strict=True)
    ]
    return pl.Series("content_hash", hashes, dtype=pl.String)


def _canonical(text: str | None) -> bytes:
    try:
        return orjson.dumps(_without_times(orjson.loads(text or "null")), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return _exact(text)  # lone surrogates, NaN, 1e400


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
    if isinstance(document, dict):
        document.pop("updated_at", None)
        data = document.get("data")
        if isinstance(data, dict):
            for attribute in data.values():
                if type(attribute) is dict:
                    for name in _ATTRIBUTE_TIMES:
                        attribute.pop(name, None)
    return document
