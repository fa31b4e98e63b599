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
_EMAIL = re.compile(r"[\w.%+'-]+(?:@|%40)(?:[\w-]+\.)+[\w-]*[^\W\d_]")
_FIELDS = {
    "email": re.compile(r"mail"),
    "phone": re.compile(r"phone|mobile|telephone|(?:^|_)(?:tel|fax|cell)(?:_|$)"),
    "linkedin": re.compile(r"linkedin|linked_in"),
}
_NO_DIGITS = str.maketrans("0123456789", "ghijklmnop")  # or a part of it would be read as a telephone number
_SHORTEST = 5  # letters of a contact that is searched for in the other fields
REJECTED = "(not kept, because contact data are hashed)"


def hashed_email(key: bytes, email: str) -> str:
    """What stands for an address."""
    normal = normal_email(email.replace("%40", "@"))
    return normal if normal.endswith(f"@{_HOST}") else f"{keyed_hash(key, 'c-email', normal)}@{_HOST}"


def hash_contacts(frame: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """Entities as they may be landed: those that may be people have hashes instead of contact data.

    Args:
        frame: :data:`~linkt_pipeline.warehouse.schemas.ENTITIES_FRAME`; a ``content_hash`` is computed anew.
        key: keys the hashes.
    """
    rows = [
        {**row, "payload": _hashed_payload(row["payload"], key), "comments": _hashed_text(row["comments"], key)}
        if is_person(row["entity_type"])
        else row
        for row in frame.iter_rows(named=True)
    ]
    hashed = pl.DataFrame(rows, schema=frame.schema)
    if "content_hash" in hashed.columns:
        hashed = hashed.with_columns(content_hashes(hashed["payload"]))
    return hashed


def require_contact_key(con: duckdb.DuckDBPyConnection, key: bytes | None) -> None:
    """See that what lands now is hashed as what landed before.

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


def _hashed_text(text: str | None, key: bytes) -> str | None:
    return None if text is None else _EMAIL.sub(lambda found: hashed_email(key, found[0]), text)


def _hashed_payload(payload: str | None, key: bytes) -> str | None:
    if payload is None:
        return None
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None  # set aside as a row that can't be stored, without its body
    data = document.get("data") if isinstance(document, dict) else None
    plain: dict[str, str] = {}
    if isinstance(data, Mapping):
        for name, field in data.items():
            if kind := _kind_of(name):
                for text in _texts(_value_of(field)):
                    plain.setdefault(text, _hashed_contact(kind, text, key))
    # A longer contact first: one may be a part of another.
    contacts = sorted((text for text in plain if len(text) >= _SHORTEST), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, contacts)), re.IGNORECASE) if contacts else None
    known = {text.lower(): hashed for text, hashed in plain.items()}

    def hashed(value: Any) -> Any:
        match value:
            case str():
                if value in plain:
                    return plain[value]
                text = pattern.sub(lambda found: known[found[0].lower()], value) if pattern else value
                return _hashed_text(text, key)
            case list():
                return [hashed(item) for item in value]
            case dict():
                return {name: hashed(item) for name, item in value.items()}
        return value

    return json.dumps(hashed(document), ensure_ascii=False)


def _kind_of(name: str) -> str | None:
    return next((kind for kind, pattern in _FIELDS.items() if pattern.search(name.lower())), None)


def _value_of(field: Any) -> Any:
    """What a field says; not the addresses of its sources, which are replaced where they are the contact itself."""
    return [field.get("value"), field.get("display")] if isinstance(field, Mapping) and "value" in field else field


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            if value.strip() and value.strip().lower() != "linkedin":
                yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            for item in value.values():
                yield from _texts(item)


def _hashed_contact(kind: str, text: str, key: bytes) -> str:
    match kind:
        case "email" if _EMAIL.search(text):  # names beside the addresses of a list stay
            return _EMAIL.sub(lambda found: hashed_email(key, found[0]), text)
        case "linkedin":
            profile = re.sub(r"^(?:[a-z]+://)?(?:[a-z-]+\.)*linkedin\.com/", "", text.strip().lower())
            profile = re.split(r"[?#]", profile, maxsplit=1)[0].strip("/")
            return f"https://{_HOST}/{keyed_hash(key, 'c-linkedin', profile)}"
    digits = re.sub(r"\D", "", text)
    return f"hashed-{keyed_hash(key, f'c-{kind}', digits or text.strip().lower()).translate(_NO_DIGITS)}"
