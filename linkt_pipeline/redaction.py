"""Secrets are taken out of every text before a person, a log or a file gets it.

A secret is known once it was registered: the settings register the API key that they read, a client the key that it was
given. A text that only looks like a credential is taken out too. Out of a message it goes in any doubt; out of a value
only with good reason, because a company may well be called SK-Elektronik.
"""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pydantic import SecretStr  # which the command's help does without

REDACTED = "[redacted]"
_SHORTEST = 8  # a shorter text is no secret, and would be found everywhere
_SHORTEST_KEY = 8
_SHORTEST_KEY_IN_A_VALUE = 12
_KEY = re.compile(r"sk-(?<!\wsk-)[A-Za-z0-9_-]++")

# A text that is in each of its matches, so that most texts need no search; and what to take out behind the first group.
# No pattern looks at a character twice: a text of megabytes must not keep the process busy.
_CREDENTIALS = (
    ("://", re.compile(r"(://)[^/?#\s@\"'<>\\]++(?=@)")),
    ("hooks.slack.com/", re.compile(r"(hooks\.slack\.com/)[\w/-]++")),
    ("/api/webhooks/", re.compile(r"(/api/webhooks/)[\w/-]++")),  # Discord
    (".webhook.office.com/", re.compile(r"(\.webhook\.office\.com/)[\w/@-]++")),
    ("api.telegram.org/bot", re.compile(r"(api\.telegram\.org/bot)[\w:-]++")),
    ("earer ", re.compile(r"([Bb]earer )[\w.~+/=-]{8,}+")),
    ("-key", re.compile(r"([Xx]-[Aa]pi-key[\"']?[:=] ?[\"']?)[\w.~+/=-]{8,}+")),
    ("=", re.compile(r"([?&](?:sig|signature|key|api_?key|token|access_token|secret|password)=)[^&\s\"'#<>\\]++")),
)

_spellings: tuple[str, ...] = ()


def register_secret(secret: "SecretStr") -> None:
    """Take this value out of every text from now on, for as long as the process lives."""
    global _spellings
    _spellings = tuple(sorted({*_spellings, *spellings(secret)}, key=len, reverse=True))


def spellings(secret: "SecretStr") -> set[str]:
    """The ways in which a server may echo a secret; none of one that is too short to be a secret."""
    value = secret.get_secret_value()
    return {value, quote(value, safe=""), json.dumps(value)[1:-1]} if len(value) >= _SHORTEST else set()


def escaped_spelling(secret: "SecretStr") -> re.Pattern[bytes] | None:
    """A secret in JSON text, some or all of its characters written as escapes."""
    value = secret.get_secret_value()
    if len(value) < _SHORTEST or not value.isascii():
        return None
    return re.compile(b"".join(b"(?:%b|\\\\u00(?i:%02x))" % (re.escape(c.encode()), ord(c)) for c in value))


def redact(message: str) -> str:
    """A message without registered secrets, and without everything that may be a credential."""
    return _without_credentials(message, lambda key: len(key) >= len("sk-") + _SHORTEST_KEY)


def redact_value(value: str) -> str:
    """A value, such as a name, without registered secrets and without what is a credential by all appearance."""
    return _without_credentials(
        value, lambda key: len(key) >= len("sk-") + _SHORTEST_KEY_IN_A_VALUE and any(map(str.isdigit, key))
    )


def _without_credentials(text: str, is_key: Callable[[str], bool]) -> str:
    text = redact_registered(text)
    for hint, pattern in _CREDENTIALS:
        if hint in text:
            text = pattern.sub(rf"\1{REDACTED}", text)
    if "sk-" not in text:
        return text
    return _KEY.sub(lambda found: REDACTED if is_key(found[0]) else found[0], text)


def redact_registered(text: str) -> str:
    """The text without registered secrets, and else unchanged."""
    for spelling in _spellings:
        if spelling in text:
            text = text.replace(spelling, REDACTED)
    return text
