r"""E-mail addresses and domains inside of texts: found, and replaced where they stand.

The texts are JSON as Linkt sends it, or anything else. An address may be written in any case, and JSON or a web address
may escape its letters (``\u0040`` and ``%40`` for an @), also twice. A text is decoded for looking. What is replaced is
the text as it stands, because nothing else in it may change: a number would lose its digits.

The places of ``@`` and ``.``, within the length that addresses have, decide what a text mentions. So the time grows
with the length of the text alone, whatever it holds: entities may hold megabytes without a blank.
"""

import json
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

ERASED = "[erased]"

_BACKSLASHED = r"\\+(?:u(?P<unit>[0-9a-fA-F]{4})|(?P<blank>[nrtbf])|(?P<itself>[\"/]))"
_PERCENT = r"(?P<bytes>(?:%(?:25)*[0-9a-fA-F]{2})+)"
_ESCAPE = re.compile(f"{_BACKSLASHED}|{_PERCENT}")
_BYTE = re.compile(r"%(?:25)*([0-9a-fA-F]{2})")

_MARKS = "\u0300-\u036f"  # accents that stand beside their letter
_SEPARATORS = "!#$%&'*/=?^`{|}~"  # may be part of an address, or stand before one
_LONGEST_LOCAL = 64
_LOCAL = re.compile(rf"[\w{_MARKS}.+\-{re.escape(_SEPARATORS)}]{{1,{_LONGEST_LOCAL}}}\Z")
_OWN_LOCAL = re.compile(rf"[\w{_MARKS}.+'-]{{1,{_LONGEST_LOCAL}}}\Z")
_NO_PART = "._'-"  # an address does not begin with these, but a quoted or an emphasised one seems to
_LABELS = rf"(?:[\w{_MARKS}-]{{1,63}}\.){{1,8}}"
_LAST_LABEL = rf"(?:[^\W_]|[{_MARKS}]|-(?=[\w-])){{1,63}}"
_HOST_AT = re.compile(_LABELS + _LAST_LABEL)
_HOST_RUN = re.compile(rf"(?:[^\W_]|[{_MARKS}.-])+")
_MOST_LABELS = 8  # of a host
_COUNTRY = re.compile(r"[a-z]{2}|[A-Z]{2}")  # "De" begins the next sentence
_LETTER_ESCAPED = r"\\u00(?:3[0-9]|[46][1-9a-f]|[57][0-9a])|%(?:25)*(?:3[0-9]|[46][1-9a-f]|[57][0-9a])"
_MANY = 100  # words; a pattern of more costs DuckDB more than looking at every address


def normal_email(text: str) -> str:
    """One spelling of an address: lower case, without ``mailto:`` and blanks, its domain in Unicode."""
    email = unicodedata.normalize("NFC", text).strip().lower().removeprefix("mailto:").strip("<>\"' .")
    local, at, host = email.rpartition("@")
    return f"{local}{at}{_in_unicode(host)}" if "xn--" in host else email


def normal_domain(text: str) -> str:
    """One spelling of a domain: lower case, without scheme, ``www.``, port, path and ``@``; in Unicode."""
    bare = re.sub(r"^[a-z][a-z0-9+.-]*://", "", unicodedata.normalize("NFC", text).strip().lower())
    return _in_unicode(re.split(r"[/?#:]", bare.rpartition("@")[2], maxsplit=1)[0].strip(".").removeprefix("www."))


def _in_unicode(host: str) -> str:
    try:
        return host.encode("ascii").decode("idna")
    except UnicodeError:
        return host


def exact_email(text: str) -> str | None:
    """The address that a text consists of, in its normal spelling; None if it is anything else."""
    email = normal_email(plain(text))
    local, at, host = email.rpartition("@")
    is_one = at and _OWN_LOCAL.fullmatch(local) and _HOST_AT.fullmatch(host)
    return email if is_one else None


def plain(text: str) -> str:
    """The text without the escapes that an address may be written with, for looking; never for keeping."""
    return _decoded(text).text


def emails_in(text: str) -> set[str]:
    """Every address that is in a text, and those that it might be where its ends are not clear."""
    return {email for _, _, email in _addresses(plain(text))}


def domains_in(text: str) -> set[str]:
    """Every host that is in a text, with the domains above it."""
    return {domain for _, _, domain in _hosts(plain(text))}


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
        self.emails = frozenset(emails)
        self.domains = frozenset(domains)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not self.emails and not self.domains

    @cached_property
    def loose_pattern(self) -> str:
        """For DuckDB: what it does not match mentions none of them."""
        words = [spelling for word in (*self.emails, *self.domains) for spelling in _spellings(word)]
        if len(words) > _MANY:
            words = ["@"] if not self.domains else ["@", "."]
        return "(?i)" + "|".join([*map(_spelt, sorted(words)), _LETTER_ESCAPED])

    def are_in(self, text: str | None) -> bool:
        """Whether a text mentions one of them."""
        return text is not None and next(self._places(_decoded(text).text), None) is not None

    def erased_from(self, text: str) -> str:
        """The text with ``[erased]`` in their place."""
        decoded = _decoded(text)
        pieces, done = [], 0
        for start, end in sorted(self._places(decoded.text), key=lambda place: (place[0], -place[1])):
            begin, stop = decoded.place(start), decoded.place(end)
            if begin >= done:
                pieces += [text[done:begin], ERASED]
            done = max(done, stop)
        return "".join([*pieces, text[done:]])

    def erased_from_json(self, text: str) -> str:
        """The same of JSON, which stays JSON; a text that is none is taken as a text."""
        erased = self.erased_from(text)
        if erased == text or _is_json(erased) or not _is_json(text):
            return erased
        return json.dumps(self._walked(json.loads(text)), ensure_ascii=False)

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where they stand in a decoded text: start and end; places may lie in each other."""
        if self.emails:
            yield from ((start, end) for start, end, email in _addresses(text) if email in self.emails)
        if self.domains:
            for start, end, domain in _hosts(text):
                if domain in self.domains:
                    yield _whole_host(text, start), end

    def _walked(self, value: Any) -> Any:
        match value:
            case str():
                return self.erased_from(value)
            case list():
                return [self._walked(item) for item in value]
            case dict():
                return {self.erased_from(name): self._walked(item) for name, item in value.items()}
        return value


class _Decoded(NamedTuple):
    """A text without escapes, and where each part of it came from.

    Attributes:
        text: without escapes.
        here: places in it at which something that was escaped begins or has ended, rising.
        there: the same places in the text as it stands.
    """

    text: str
    here: list[int]
    there: list[int]

    def place(self, here: int) -> int:
        """The same place in the text as it stands."""
        at = bisect_right(self.here, here) - 1
        return here if at < 0 else self.there[at] + here - self.here[at]


def _decoded(text: str) -> _Decoded:
    if "\\" not in text and "%" not in text:
        return _Decoded(text, [], [])
    pieces: list[str] = []
    here, there = [], []
    length = done = 0
    for found in _ESCAPE.finditer(text):
        pieces.append(text[done : found.start()])
        length += found.start() - done
        at = found.start()
        for character, size in _characters(found):
            here.append(length)
            there.append(at)
            pieces.append(character)
            length += len(character)
            at += size
        here.append(length)
        there.append(at)
        done = found.end()
    return _Decoded("".join([*pieces, text[done:]]), here, there)


def _characters(found: re.Match[str]) -> list[tuple[str, int]]:
    """What an escape means, each character with the length of its escape."""
    if unit := found["unit"]:
        return [(chr(int(unit, 16)), len(found[0]))]
    if not found["bytes"]:
        return [(" " if found["blank"] else found["itself"], len(found[0]))]
    escapes = list(_BYTE.finditer(found[0]))
    sizes = [len(escape[0]) for escape in escapes]
    try:
        text = bytes(int(escape[1], 16) for escape in escapes).decode("utf-8")
    except UnicodeDecodeError:  # of another encoding
        return [(chr(int(escape[1], 16)), size) for escape, size in zip(escapes, sizes, strict=True)]
    characters, at = [], 0
    for character in text:
        until = at + len(character.encode())
        characters.append((character, sum(sizes[at:until])))
        at = until
    return characters


def _addresses(text: str) -> Iterator[tuple[int, int, str]]:
    """Every address in a decoded text, with start and end: the longest one that it may be, and shorter ones."""
    at = text.find("@")
    while at >= 0:
        local = _LOCAL.search(text, max(0, at - _LONGEST_LOCAL), at)
        host = _HOST_AT.match(text, at + 1)
        if local and host:
            ends = _ends(text, host.start(), host.end())
            for start in _starts(text, local.start(), at):
                yield from ((start, end, normal_email(text[start:end])) for end in ends)
        at = text.find("@", at + 1)


def _starts(text: str, first: int, at: int) -> list[int]:
    """Where an address may begin whose name ends at ``at``: after what quotes it, or after the end of something else.

    ``o'neil@`` at the beginning of a value is one name; elsewhere the apostrophe may as well be a quotation mark.
    """
    starts = [first]
    for place in range(first, at):
        letter = text[place]
        is_name = letter == "'" and place > first and text[place - 1].isalnum() and text[first - 1 : first] in ('"', "")
        if letter in _SEPARATORS and not is_name:
            starts.append(place + 1)
    bare = [start + len(text[start:at]) - len(text[start:at].lstrip(_NO_PART)) for start in starts]
    return sorted({start for start in (*starts, *bare) if start < at and text[start] not in "'."})


def _ends(text: str, start: int, end: int) -> list[int]:
    """Where a host may end: ``acme.com.au`` is no ``acme.com``, but after a full stop may come a word."""
    ends = [end]
    labels = text[start:end].split(".")
    while len(labels) > 2:
        last = labels.pop()
        end -= len(last) + 1
        if not _COUNTRY.fullmatch(last):
            ends.append(end)
    return ends


def _hosts(text: str) -> Iterator[tuple[int, int, str]]:
    """Every host in a decoded text with the domains above it: start, end and normal spelling."""
    for run in _HOST_RUN.finditer(text):
        if "." not in run[0]:
            continue
        labels = list(re.finditer(r"[^.]+", run[0]))
        for last in range(1, len(labels)):
            if _is_end(labels, last):
                stop = run.start() + labels[last].start() + len(labels[last][0].rstrip("-"))
                yield from _domains_at(text, run.start(), stop, labels, last)


def _is_end(labels: list[re.Match[str]], last: int) -> bool:
    if last + 1 == len(labels) or labels[last + 1].start() > labels[last].end() + 1:
        return True
    return not _COUNTRY.fullmatch(labels[last + 1][0])


def _domains_at(
    text: str, run: int, stop: int, labels: list[re.Match[str]], last: int
) -> Iterator[tuple[int, int, str]]:
    for first in range(last - 1, max(-1, last - _MOST_LABELS), -1):
        if labels[first].end() + 1 != labels[first + 1].start():
            return
        start = run + labels[first].end() - len(labels[first][0].lstrip("-"))
        if start >= stop:
            return
        yield start, stop, _normal_host(text[start:stop])


@lru_cache(maxsize=10_000)
def _normal_host(host: str) -> str:
    return normal_domain(host)


def _whole_host(text: str, start: int) -> int:
    """Where the host begins that lies in the domain at ``start``, or the address there."""
    while start and text[start - 1] == ".":
        label = re.compile(rf"[\w{_MARKS}-]{{1,63}}\Z").search(text, max(0, start - 64), start - 1)
        if label is None:
            break
        start = label.start()
    if start and text[start - 1] == "@" and (local := _OWN_LOCAL.search(text, max(0, start - 65), start - 1)):
        return local.start()
    return start


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _spellings(word: str) -> Iterator[str]:
    """A domain or an address, and as it is written with its domain in ASCII where that differs."""
    yield word
    local, at, domain = word.rpartition("@")
    try:
        in_ascii = domain.encode("idna").decode()
    except UnicodeError:
        return
    if in_ascii != domain:
        yield f"{local}{at}{in_ascii}"


def _spelt(text: str) -> str:
    """A pattern of RE2 for a text whose characters may be escaped; escaped letters of ASCII are found by themselves."""
    return "".join(map(_spelt_character, text))


def _spelt_character(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    ways = {re.escape(character), re.escape(unicodedata.normalize("NFD", character))}
    for form in {character, character.lower(), character.upper()}:
        ways.add("".join(rf"\\+u{ord(each):04x}" for each in form if ord(each) < 1 << 16))
        ways.add("".join(f"%(?:25)*{byte:02x}" for byte in form.encode()))
    return f"(?:{'|'.join(sorted(ways - {''}))})"
