"""When a stored value and a recomputed one are the same."""

import json
import math
from enum import Enum
from typing import Any, Final

_TOLERANCE = 1e-9  # relative, and absolute around zero: both sides add the same numbers in another order


class _Sentinel(Enum):
    UNSURE = "not recomputed"


# In place of a value that only the macros define: how a text is read where it is not plain.
UNSURE: Final = _Sentinel.UNSURE


def same(stored: Any, recomputed: Any) -> bool:
    """Whether two values mean the same: 1 is 1.0 but not true, and the order of an object's keys says nothing."""
    if isinstance(stored, bool) or isinstance(recomputed, bool):
        return stored is recomputed
    if isinstance(stored, int | float) and isinstance(recomputed, int | float):
        return stored == recomputed or math.isclose(stored, recomputed, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    if isinstance(stored, dict) and isinstance(recomputed, dict):
        return stored.keys() == recomputed.keys() and all(same(stored[key], recomputed[key]) for key in stored)
    if isinstance(stored, list) and isinstance(recomputed, list):
        return len(stored) == len(recomputed) and all(map(same, stored, recomputed))
    return type(stored) is type(recomputed) and bool(stored == recomputed)


def parse_json(text: str | None) -> Any:
    """The value of a JSON text; None where there is none, or where it is no JSON."""
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
