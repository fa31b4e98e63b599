"""Whose address or website an entity's own fields say that it is; a mention in a text is not that."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from linkt_pipeline.warehouse.tombstones.mentions import emails_in, exact_email, normal_domain, plain

# Linkt's types of entities that are nobody. Any other, a future one or none, may be a person.
_NOBODY = frozenset({"company", "job_board", "school_district", "product"})
_WEBSITES = re.compile(r"(?:company_|business_|primary_)?(?:website|domain|homepage|url|web_?site_url|web)(?:s|_url)?")


def is_person(entity_type: str | None) -> bool:
    """Whether an entity may be a person."""
    return (entity_type or "").strip().lower() not in _NOBODY


_BESIDE_ADDRESSES = re.compile(r"[\s,;|<>()\[\]\"]+")


def own_emails(data: Any) -> set[str]:
    """Addresses that fields of an entity consist of, or that stand in a field for addresses.

    ``o'neil@acme.com`` is one address there: only in a text could its end be the address of somebody else.
    """
    found: set[str] = set()
    for name, text in _texts_of_fields(data):
        if email := exact_email(text):
            found.add(email)
        elif "mail" in name and "@" in plain(text):
            for part in filter(None, _BESIDE_ADDRESSES.split(plain(text))):
                found |= {email} if (email := exact_email(part)) else emails_in(part)
    return found


def own_hosts(data: Any) -> set[str]:
    """Hosts of the websites that an entity names as its own."""
    named = ((re.sub(r"[\s-]+", "_", name.strip()), text) for name, text in _texts_of_fields(data))
    found = (normal_domain(text) for name, text in named if _WEBSITES.fullmatch(name))
    return {host for host in found if "." in host and " " not in host}


def _texts_of_fields(data: Any) -> Iterator[tuple[str, str]]:
    """The texts of each field with its name in lower case; not its references, which are of others."""
    if not isinstance(data, Mapping):
        return
    for name, field in data.items():
        is_wrapped = isinstance(field, Mapping) and ("value" in field or "display" in field)
        parts = [field.get("value"), field.get("display")] if is_wrapped else [field]
        for text in _texts(parts):
            yield str(name).lower(), text


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            for item in value.values():
                yield from _texts(item)
