"""Bodies as no API should send them: a true one with something done to it, for every endpoint.

What is drawn is a :class:`Harm`: a description that Hypothesis can make smaller, applied to whatever the true answer
is.
"""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

from .server import Answer

MAX_BODY = 300_000  # what clients of these tests read; the harm called "oversize" is larger

# JSON text in place of a value. Not all of it is JSON.
TOKENS = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "below zero": "-1",
    "64 bits and one": str(2**64),
    "70 bits": str(2**70),
    "a hundred digits": "9" * 100,
    "five thousand digits": "9" * 5_000,
    "a float of the end": "1e308",
    "beyond a float": "1e999",
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "many decimals": "0.1000000000000000055511151231257827",
    "text": '"x"',
    "no text": '""',
    "a number as text": '"1.7e18"',
    "zero byte": '"a\\u0000b"',
    "lone surrogate": '"\\ud83d"',
    "escape codes": '"\\u001b]52;c;aGk=\\u0007\\u202e"',
    "a path": '"../task/x"',
    "a long text": json.dumps("y" * 20_000),
    "the end of time": '"9999-12-31T23:59:59.999999Z"',
    "the end of time, further west": '"9999-12-31T23:59:59-23:59"',
    "the beginning of time": '"0001-01-01T00:00:00+14:00"',
    "no date": '"2026-02-30T00:00:00Z"',
    "an epoch": "1764115200000",
    "a list": "[]",
    "a list of all kinds": '[null, 1, "a", {}, [], 1e999, "a"]',
    "an object": "{}",
    "an object of all kinds": '{"": null, "a": 1, "A": [{}], "id": "b", "a": 2}',
    "a hundred levels": "[" * 100 + "]" * 100,
    "ten thousand levels": "[" * 10_000 + "]" * 10_000,
    "ten thousand objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "an open bracket": "[",
    "nothing": "",
}
FIELDS = (
    "id", "run_id", "task_id", "icp_id", "task_type", "flow_run_id", "status", "input", "output", "error", "created_at",
    "updated_at", "sheet_id", "sheet_name", "entity_type", "parent_id", "comments", "data", "duplicate_info",
    "external_id", "external_source", "metadata",
    "signal_type", "signal_display_name", "strength", "score", "summary", "references", "entity_ids", "name",
    "description", "task_config", "entity_schema", "entity_targets", "mode", "prompt", "total", "page", "page_size",
    "state_counts", "stats", "runs", "entities", "signals", "tasks", "icps", "sheets",
    "version", "credits", "resources", "run_time", "total_credits", "breakdown", "entities_created", "entities_updated",
    "signals_created", "parameters", "value", "queued", "completed",
)  # fmt: skip


def _gzip(body: bytes) -> Answer:
    return Answer(gzip.compress(body, 1), headers=(("content-encoding", "gzip"),))


@cache
def _bomb() -> Answer:
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(b" " * 2**20) for _ in range(64))
    return Answer(packed + packer.flush(), headers=(("content-encoding", "gzip"),))


WHOLE: dict[str, Callable[[bytes], Answer]] = {
    "empty": lambda _: Answer(b""),
    "null": lambda _: Answer(b"null"),
    "a list": lambda _: Answer(b"[]"),
    "an empty object": lambda _: Answer(b"{}"),
    "html": lambda _: Answer(b"<html><body>Sign in to the hotel's network</body></html>"),
    "cut": lambda body: Answer(body[: len(body) * 2 // 3]),
    "followed by more": lambda body: Answer(body + b"{}"),
    "twice": lambda body: Answer(body + body),
    "after a byte order mark": lambda body: Answer(b"\xef\xbb\xbf" + body),
    "utf-16": lambda body: Answer(body.decode().encode("utf-16")),
    "latin-1": lambda body: Answer(body.replace(b'": "', '": "\xe9'.encode("latin-1"), 1)),
    "oversize": lambda body: Answer(body.rstrip()[:-1] + b', "x": "' + b"y" * MAX_BODY + b'"}'),
    "gzip": _gzip,
    "gzip, cut": lambda body: Answer(_gzip(body).body[:-5], headers=(("content-encoding", "gzip"),)),
    "no gzip": lambda body: Answer(body, headers=(("content-encoding", "gzip"),)),
    "an encoding nobody asked for": lambda body: Answer(body, headers=(("content-encoding", "br"),)),
    "a bomb": lambda _: _bomb(),
    "429, nested": lambda _: Answer(b'{"retry_after":' + b"[" * 9_999, 429, (("retry-after", "9" * 400),)),
    "500, large": lambda _: Answer(b"<p>" * MAX_BODY, 500),
    "503": lambda _: Answer(b'{"detail": [' * 3_000, 503, (("retry-after", "nan"),)),
    "limits": lambda body: Answer(body, headers=(("x-ratelimit-limit", "0.5"), ("ratelimit", "limit=" + "9" * 400))),
}


@dataclass(frozen=True)
class Harm:
    """Something done to a body: a token in place of a field's value, wherever it occurs, or a harm to the whole.

    Attributes:
        field: name of the field; None for the whole body.
        how: a key of ``TOKENS`` or ``WHOLE``.
    """

    field: str | None
    how: str

    def apply(self, answer: Answer) -> Answer:
        """The true answer, harmed. A refusal is left as it is."""
        if answer.status >= 300:
            return answer
        if self.field is None:
            return WHOLE[self.how](answer.body)
        wire = json.loads(answer.body)
        _replace(wire, self.field)
        text = json.dumps(wire, ensure_ascii=False)
        return Answer(text.replace(json.dumps("\x00here"), TOKENS[self.how]).encode("utf-8", "surrogatepass"))


def _replace(value: Any, field: str) -> None:
    """Put the placeholder wherever a key of this name is; where none is, at the top."""
    if not _replace_all(value, field) and isinstance(value, dict):
        value[field] = "\x00here"


def _replace_all(value: Any, field: str) -> bool:
    if isinstance(value, list):
        found = [_replace_all(item, field) for item in value]
        return any(found)
    if not isinstance(value, dict):
        return False
    found = [_replace_all(item, field) for name, item in value.items() if name != field]
    if field in value:
        value[field] = "\x00here"
        return True
    return any(found)


harms: st.SearchStrategy[Harm] = st.builds(Harm, st.sampled_from(FIELDS), st.sampled_from(sorted(TOKENS))) | st.builds(
    Harm, st.none(), st.sampled_from(sorted(WHOLE))
)
