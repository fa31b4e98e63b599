"""Contact data of people as keyed hashes, for deployments that may not hold them (``LINKT_CONTACT_KEY``).

The same address has the same hash wherever it stands, so that joins and the search for duplicates work. A hash has the
form of what it stands for where SQL models read that form: an address at ``hashed.invalid``, a web address there.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import polars as pl

from linkt_pipeline.errors import ConfigError
from linkt_pipeline.warehouse.landing.content import content_hashes
from linkt_pipeline.warehouse.state import read_state, write_state
from linkt_pipeline.warehouse.tombstones import is_person, keyed_hash, normal_email

_HOST = "hashed.invalid"
_STATE = "contact_key"
_EMAIL = re.compile(r"[\w.%+'-]{1,64}(?:@|%40)(?:[\w-]{1,63}\.){1,8}[\w-]{0,62}[^\W\d_]")
_PROFILE = re.compile(r"(?:https?://)?(?:[a-z-]{1,63}\.){0,3}linkedin\.com/(?:in|pub)/[^\s\"'<>()?#,;]+", re.IGNORECASE)
_FIELDS = {
    "email": re.compile(r"mail"),
    "phone": re.compile(
        r"phone|mobile|telefon|whatsapp|(?:contact|direct|office|work|home)[_ ]?(?:number|dial|line)"
        r"|(?:^|[_ -])(?:tel|fax|fon|cell)(?:[_ -]|$)"
    ),
    "linkedin": re.compile(r"linked[_ ]?in"),
}
_VALUES = ("value", "display")  # of a field with sources; what is beside them is not the contact, or by accident
_NO_DIGITS = str.maketrans("0123456789", "ghijklmnop")  # or a part of it would be read as a telephone number
_SHORTEST = 5  # letters of a contact that is searched for in the other fields, or digits of a number
_TELLING = range(7, 16)  # digits of a number that is recognised in another spelling
_BETWEEN_DIGITS = r"[\s()./-]{0,3}"
_OF_LINKT = frozenset(
    {
        "entity_id",
        "sheet_id",
        "icp_id",
        "parent_id",
        "entity_type",
        "signal_id",
        "entity_ids",
        "content_hash",
        "payload",
    }
)
REJECTED = "(not kept, because contact data are hashed)"


def hashed_email(key: bytes, email: str) -> str:
    """What stands for an address."""
    normal = normal_email(email.replace("%40", "@"))
    return normal if normal.endswith(f"@{_HOST}") else f"{keyed_hash(key, 'c-email', normal)}@{_HOST}"


def hash_contacts(frame: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """Entities or signals as they may be landed: signals, and who may be a person, have hashes instead of contacts.

    Args:
        frame: :data:`~linkt_pipeline.warehouse.schemas.ENTITIES_FRAME` or ``SIGNALS_FRAME``; a ``content_hash`` is
            computed again.
        key: keys the hashes.
    """
    are_entities = "entity_type" in frame.columns
    rows = [
        row if are_entities and not is_person(row["entity_type"]) else _hashed_row(row, key)
        for row in frame.iter_rows(named=True)
    ]
    hashed = pl.DataFrame(rows, schema=frame.schema)
    if "content_hash" in hashed.columns:
        hashed = hashed.with_columns(content_hashes(hashed["payload"]))
    return hashed


def require_contact_key(con: duckdb.DuckDBPyConnection, key: bytes | None) -> None:
    """Require that contacts land now as they landed before: hashed with the same key, or plain.

    Raises:
        ConfigError: another key, or none, would land plain contact data beside hashes, or hashes that match nothing.
    """
    known = read_state(con, _STATE)
    mark = None if key is None else keyed_hash(key, "c-key", "")
    if known is None and mark is not None:
        write_state(con, _STATE, mark)
    elif known != mark:
        said = "is not set" if key is None else "is another one than before"
        raise ConfigError(
            f"LINKT_CONTACT_KEY {said}, but this warehouse holds contact data that were hashed with it; nothing was "
            "landed. Set the key of this deployment, or start with an empty LINKT_DATA_DIR"
        )


def _hashed_row(row: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """A person or a signal. Columns beside the payload were read from it; only the payload explains what they hold."""
    try:
        document = json.loads(row["payload"] or "null")
    except (ValueError, RecursionError):
        document = None  # set aside as a row that can't be stored, without its body
    contacts = _Contacts(document, key)
    texts = {
        name: contacts.hashed(value)
        for name, value in row.items()
        if name not in _OF_LINKT and isinstance(value, str | list)
    }
    payload = None if document is None else json.dumps(contacts.hashed(document), ensure_ascii=False)
    return {**row, **texts, "payload": payload}


class _Contacts:
    """The contacts of a person, and everything about the person without them.

    Args:
        document: the person as Linkt sent it.
        key: keys the hashes.
    """

    def __init__(self, document: Any, key: bytes) -> None:
        self._key = key
        self._known: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        for kind, text in _contacts_in(document):
            self._learn(kind, text)
        # The longest first: one contact may be a part of another.
        patterns = [_standing_alone(re.escape(text)) for text in sorted(self._known, key=len, reverse=True)]
        self._elsewhere = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    def _learn(self, kind: str, text: str) -> None:
        hashed = _hashed_contact(kind, text, self._key)
        if kind == "phone":
            digits = re.sub(r"\D", "", text)
            if len(digits) in _TELLING:
                self._numbers[digits] = hashed
            if len(digits) < _SHORTEST:
                return
        elif not re.search(r"[@/.]|\(at\)|\[at\]", text):
            return  # a word such as "verified", which stands in other texts with its own meaning
        if len(text) >= _SHORTEST:
            self._known[text.lower()] = hashed

    def hashed(self, value: Any, kind: str | None = None) -> Any:
        """A value without contacts.

        Args:
            value: JSON.
            kind: of contacts that the value's field is for; None for any other field.
        """
        match value:
            case str():
                return _hashed_contact(kind, value, self._key) if kind and _may_be(kind, value) else self._text(value)
            case int() | float() if not isinstance(value, bool):
                digits = _digits_of(value)
                return self._numbers.get(digits) or (
                    _hashed_contact(kind, digits, self._key) if kind and _may_be(kind, digits) else value
                )
            case list():
                return [self.hashed(item, kind) for item in value]
            case dict():
                return {
                    self._text(name): self.hashed(item, _kind_inside(value, name, kind)) for name, item in value.items()
                }
        return value

    def _text(self, text: str) -> str:
        """A text that mentions contacts, perhaps."""
        if self._elsewhere:
            text = self._elsewhere.sub(self._replaced, text)
        if "linkedin" in text.lower():
            text = _PROFILE.sub(lambda found: _hashed_contact("linkedin", found[0], self._key), text)
        if "@" in text or "%40" in text:
            text = _EMAIL.sub(lambda found: hashed_email(self._key, found[0]), text)
        for digits, hashed in self._numbers.items():
            spelt = _standing_alone(r"(?:\+|00)?" + _BETWEEN_DIGITS.join(digits))
            text = re.sub(spelt, hashed, text)
        return text

    def _replaced(self, found: re.Match[str]) -> str:
        # A pattern takes more letters for the same one than `lower` does.
        return self._known.get(found[0].lower()) or _hashed_contact("email", found[0], self._key)


def _contacts_in(value: Any, kind: str | None = None) -> Iterator[tuple[str, str]]:
    """Kind and text of each contact that stands in a field for contacts."""
    match value:
        case str() if kind and _may_be(kind, value):
            yield kind, value
        case int() | float() if kind and not isinstance(value, bool) and _may_be(kind, _digits_of(value)):
            yield kind, _digits_of(value)
        case list():
            for item in value:
                yield from _contacts_in(item, kind)
        case dict():
            for name, item in value.items():
                yield from _contacts_in(item, _kind_inside(value, name, kind))


def _kind_inside(parent: Mapping[str, Any], name: str, kind: str | None) -> str | None:
    """The kind of contacts that an item of an object is for: by its own name, else as the object."""
    own = next((kind for kind, pattern in _FIELDS.items() if pattern.search(name.lower())), None)
    is_beside = "value" in parent and name not in _VALUES
    return own or (None if is_beside else kind)


def _may_be(kind: str, text: str) -> bool:
    """Whether a text in a field for contacts of a kind can be one."""
    match kind:
        case "phone":
            return any(map(str.isdigit, text))
        case "linkedin":
            bare = text.strip().lower()
            return any(map(str.isalpha, bare)) and bare != "linkedin" and ("/" in bare or not re.search(r"\s", bare))
    return bool(text.strip())


def _digits_of(number: float) -> str:
    """A number as a telephone number; one with decimals is none."""
    return str(int(number)) if number == number // 1 and abs(number) >= 10**_SHORTEST else ""


def _standing_alone(pattern: str) -> str:
    """A pattern for what is no part of a longer word or number."""
    return rf"(?<![^\W_])(?:{pattern})(?![^\W_])"


def _hashed_contact(kind: str, text: str, key: bytes) -> str:
    match kind:
        case "email" if _EMAIL.search(text):  # names beside the addresses of a list stay
            hashed = _EMAIL.sub(lambda found: hashed_email(key, found[0]), text)
            # An @ that is left may belong to an address in an unknown form, so the whole text is hashed.
            if hashed.count("@") == hashed.count(f"@{_HOST}"):
                return hashed
        case "linkedin":
            profile = re.sub(r"^(?:[a-z]+://)?(?:[a-z-]+\.)*linkedin\.com/", "", text.strip().lower())
            profile = re.split(r"[?#]", profile, maxsplit=1)[0].strip("/")
            return f"https://{_HOST}/{keyed_hash(key, 'c-linkedin', profile)}"
    digits = re.sub(r"\D", "", text)
    return f"hashed-{keyed_hash(key, f'c-{kind}', digits or text.strip().lower()).translate(_NO_DIGITS)}"
