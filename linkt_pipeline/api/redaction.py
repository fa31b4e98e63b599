"""Texts that came from outside are cleaned of the API key before a person or a log sees them."""

import json
import re
from urllib.parse import quote

from pydantic import SecretStr

REDACTED = "[redacted]"
EXCERPT_LENGTH = 500
_KEY_LIKE = re.compile(r"\bsk-[A-Za-z0-9_-]{8,}")
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s@]+:[^/\s@]+(?=@)")


class Redactor:
    """Replaces one key, in each spelling a server may echo it in, and whatever else looks like a Linkt key."""

    def __init__(self, api_key: SecretStr) -> None:
        secret = api_key.get_secret_value()
        spellings = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
        self._spellings = sorted((text for text in spellings if len(text) >= 4), key=len, reverse=True)

    def __repr__(self) -> str:
        return "Redactor(...)"

    def clean(self, text: str) -> str:
        """The text without the key, and without the password of an address such as a proxy's."""
        for spelling in self._spellings:
            text = text.replace(spelling, REDACTED)
        return _KEY_LIKE.sub(REDACTED, _URL_PASSWORD.sub(REDACTED, text))

    def excerpt(self, body: bytes) -> str:
        """The first 500 characters of a body, cleaned before it is cut, so that no half of a key survives."""
        text = self.clean(body[: 16 * EXCERPT_LENGTH].decode("utf-8", "replace"))
        return text if len(text) <= EXCERPT_LENGTH else text[: EXCERPT_LENGTH - 1] + "…"
