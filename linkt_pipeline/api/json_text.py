"""JSON text from outside: parsed within bounds, and cut into its values without being parsed."""

import re
from typing import Any

from pydantic_core import from_json

# Text up to the next bracket that is not inside of a string. Possessive, so that no text makes it go back and forth.
_TO_BRACKET = re.compile(r"""[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+([\[\]{}])""", re.DOTALL)
_SCALAR = re.compile(r"""\"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s"\[\]{},:]++""", re.DOTALL)

_NAMED_ID = re.compile(r'"id"\s*+:\s*+"([A-Za-z0-9_-]{1,64})"')


def load_json(text: str | bytes) -> Any:
    """Parse a JSON text; integers of up to 4,300 digits stay exact.

    Half the time of pydantic's ``validate_json``.

    Raises:
        ValueError: it is no JSON text, is nested deeper than 200 levels, or holds NaN or Infinity.
    """
    return from_json(text, allow_inf_nan=False, cache_strings="keys")


def end_of_value(text: str, at: int) -> int:
    """Where the value that starts at ``at`` ends, by its brackets and quotes alone, however deep it is nested.

    Raises:
        ValueError: no value starts there, or it does not end.
    """
    if text[at : at + 1] not in ("{", "["):
        scalar = _SCALAR.match(text, at)
        if scalar is None:
            raise ValueError(f"a value was expected at character {at}")
        return scalar.end()
    depth = 0
    while step := _TO_BRACKET.match(text, at):
        at = step.end()
        depth += 1 if step[1] in "{[" else -1
        if depth == 0:
            return at
    raise ValueError(f"the text ends inside of a value, at character {at}")


def find_id(text: str) -> str | None:
    """The first thing in a text that looks like the id of an object; the text may be broken or cut."""
    found = _NAMED_ID.search(text)
    return found[1] if found else None
