r"""E-mail addresses and domains inside of texts: found, and replaced where they stand.

The texts are JSON as Linkt sends it, or anything else. An address may be written in any case, and JSON or a web address
may escape its letters (``\u0040`` and ``%40`` for an @). The texts are not decoded and encoded again, because nothing
else in them may change: a number would lose its digits.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Any

ERASED = "[erased]"

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\([nrtbf])|%([2-7][0-9A-Fa-f])")
_EMAIL = re.compile(r"[\w.%+'&-]+@(?:[\w-]+\.)+[\w-]*[^\W\d_]")
_HOST = re.compile(r"(?:[\w-]+\.)+[^\W\d_][\w-]+")
_FEW = 4
_NO_PART = "._'-"  # an address does not begin with these, but a quoted or an emphasised one seems to

# What stands before an address or a domain that is not the rest of a longer one: an escape, or no letter. A backslash
# before it makes its first letter the end of an escape.
_AFTER_ESCAPE = r"(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4})|(?<=%[2-7][0-9a-f])"
_BEFORE_EMAIL = rf"(?:{_AFTER_ESCAPE}|(?<![^\W_])(?<![+\\])(?<![^\W_][._\-]))"
_BEFORE_DOMAIN = rf"(?:{_AFTER_ESCAPE}|(?<![^\W_])(?<!\\)(?<![^\W_]-))"
# ann@acme.com is not ann@acme.com.au; after a full stop without a blank comes a longer word.
_AFTER = r"(?![^\W_]|-[^\W_]|\.[a-z]{2}(?![a-z]))"


def normal_email(text: str) -> str:
    """One spelling of an address: lower case, without ``mailto:`` and blanks."""
    return unicodedata.normalize("NFC", text).strip().lower().removeprefix("mailto:").strip("<>\"' .")


def normal_domain(text: str) -> str:
    """One spelling of a domain: lower case, without scheme, ``www.``, port, path and ``@``; in Unicode."""
    bare = re.sub(r"^[a-z][a-z0-9+.-]*://", "", unicodedata.normalize("NFC", text).strip().lower())
    host = re.split(r"[/?#:]", bare.rpartition("@")[2], maxsplit=1)[0].strip(".").removeprefix("www.")
    try:
        return host.encode("ascii").decode("idna")
    except UnicodeError:
        return host


def plain(text: str) -> str:
    """The text without the escapes that an address may be written with, for looking; never for keeping."""
    if "\\" not in text and "%" not in text:
        return text
    return _ESCAPE.sub(lambda found: " " if found[2] else chr(int(found[1] or found[3], 16)), text)


def emails_in(text: str) -> set[str]:
    """Every address that is in a text, and those that it might be where its end is not clear."""
    found = set()
    for written in _EMAIL.findall(plain(text)):
        local, _, host = normal_email(written).rpartition("@")
        locals_ = {local.strip(_NO_PART), re.split(r"['&%]", local)[-1]} - {""}
        first, _, last = host.rpartition(".")
        hosts = {host, first} if "." in first and len(last) != 2 else {host}
        found |= {f"{each}@{place}" for each in locals_ for place in hosts}
    return found


def domains_in(text: str) -> set[str]:
    """Every host that is in a text, with the domains above it."""
    return {domain for host in set(_HOST.findall(plain(text).lower())) for domain in _domains_of(host)}


@lru_cache(maxsize=10_000)
def _domains_of(host: str) -> frozenset[str]:
    return frozenset(domains_above(normal_domain(host)))


def domains_above(host: str) -> set[str]:
    """A host and the domains that it lies in, such as ``a.acme.com`` and ``acme.com``."""
    parts = host.split(".")
    return {".".join(parts[place:]) for place in range(len(parts) - 1)}


class Mentions:
    """Some addresses and domains, wherever they are mentioned.

    Args:
        emails: in the spelling of :func:`normal_email`.
        domains: in that of :func:`normal_domain`; their subdomains and all addresses there are meant too.
    """

    def __init__(self, emails: Iterable[str] = (), domains: Iterable[str] = ()) -> None:
        self.emails = sorted(set(emails))
        self.domains = sorted(set(domains))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not self.emails and not self.domains

    @cached_property
    def loose_pattern(self) -> str:
        """For DuckDB, which knows no context: what it does not match mentions none of them."""
        return "(?i)" + "|".join(map(_spelt, [*self.emails, *_spellings(self.domains)]))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = [_BEFORE_EMAIL + _spelt(email) + _AFTER for email in self.emails]
        at = _spelt("@")
        parts += [
            rf"{_BEFORE_DOMAIN}(?:[\w.+'-]+{at})?(?:[\w-]+\.)*{_spelt(domain)}{_AFTER}"
            for domain in _spellings(self.domains)
        ]
        return re.compile("|".join(parts), re.IGNORECASE)

    def are_in(self, text: str | None) -> bool:
        """Whether a text mentions one of them."""
        if text is None:
            return False
        asked = self._narrowed(text)
        return not asked.is_empty and asked._pattern.search(text) is not None

    def erased_from(self, text: str) -> str:
        """The text with ``[erased]`` in their place."""
        asked = self._narrowed(text)
        return text if asked.is_empty else asked._pattern.sub(ERASED, text)

    def _narrowed(self, text: str) -> "Mentions":
        """Those of many that a text might mention: each alternative of a pattern takes time at every letter."""
        if len(self.emails) + len(self.domains) <= _FEW:
            return self
        return Mentions(
            emails_in(text).intersection(self.emails) if self.emails else (),
            domains_in(text).intersection(self.domains) if self.domains else (),
        )

    def erased_from_json(self, text: str) -> str:
        """The same of JSON, which stays JSON; a text that is none is taken as a text."""
        erased = self.erased_from(text)
        if erased == text or _is_json(erased) or not _is_json(text):
            return erased
        return json.dumps(self._walked(json.loads(text)), ensure_ascii=False)

    def _walked(self, value: Any) -> Any:
        match value:
            case str():
                return self.erased_from(value)
            case list():
                return [self._walked(item) for item in value]
            case dict():
                return {self.erased_from(name): self._walked(item) for name, item in value.items()}
        return value


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _spellings(domains: Iterable[str]) -> list[str]:
    """Each domain, and as it is written in ASCII where that differs."""
    found = set(domains)
    for domain in tuple(found):
        try:
            found.add(domain.encode("idna").decode())
        except UnicodeError:
            continue
    return sorted(found)


def _spelt(text: str) -> str:
    """A pattern for a text whose characters may be escaped; RE2 and Python understand it."""
    return "".join(map(_spelt_character, text))


def _spelt_character(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    ways = [re.escape(character), *(rf"\\u{unit}" for unit in [_utf16(character)])]
    ways += [f"%{byte:02x}" for byte in character.encode()] if character.isascii() else []
    if not character.isascii():
        ways.append("".join(f"%{byte:02x}" for byte in character.encode()))
    return f"(?:{'|'.join(ways)})"


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return r"\\u".join(units[place : place + 4] for place in range(0, len(units), 4))
