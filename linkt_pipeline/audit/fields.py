"""The columns of companies and people that come from an entity's own fields.

A column is judged if the entity has the field of its name, or no field that could stand for it. Which other spellings a
column accepts (``full_name``, ``employee_count``), only the models define.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from linkt_pipeline.audit import plain
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.wire import part, value_of

T = TypeVar("T")

UNSURE_PLACE = plain.Place(UNSURE, UNSURE, UNSURE, UNSURE)

# Words in the names of fields that a column may be read from.
_MEANT = ("name", "web", "url", "site", "domain", "linkedin", "industr", "headquarter", "location", "city", "state",
          "country", "address", "employee", "headcount", "size", "revenue", "title", "role", "mail", "phone", "mobile",
          "company", "organi")  # fmt: skip


def field(data: Mapping[str, Any], name: str, meant: Iterable[str], read: Callable[[Any], T], unsure: T) -> T:
    """What a field says.

    Args:
        data: all fields.
        name: of the field.
        meant: words in the names of fields that may stand in for it.
        read: its value, read.
        unsure: the result if another field may be meant.
    """
    value = value_of(data.get(name))
    if value is None and any(word in other.lower() for other in data for word in meant if other != name):
        return unsure
    return read(value)


def others(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the fields that certainly have no column."""
    return {
        name: value_of(attribute)
        for name, attribute in data.items()
        if not any(word in name.lower() for word in _MEANT)
    }


def company_columns(data: Mapping[str, Any], shared_hosts: Mapping[str, bool]) -> dict[str, Any]:
    """Columns of marts.companies by the fields of an entity."""
    industries = field(data, "industry", ("industr", "sector"), plain.plain_texts, UNSURE)
    employees = value_of(data.get("employees"))
    heads = field(data, "employees", ("employee", "headcount", "size"), plain.head_count, plain.NOT_PLAIN)
    revenue = value_of(data.get("revenue"))
    amount = field(data, "revenue", ("revenue", "arr", "turnover"), plain.money, plain.NOT_PLAIN)
    website = field(data, "website", ("web", "url", "site", "domain"), plain.url_of, UNSURE)
    place = headquarters(data)
    return {
        "name": field(data, "name", ("name",), plain.plain_text, UNSURE),
        "website": website,
        "domain": own_domain(plain.host_of(website), shared_hosts),
        "linkedin_url": field(data, "linkedin", ("linkedin",), plain.url_of, UNSURE),
        "industry": UNSURE if industries is UNSURE else ", ".join(industries) or None,
        "primary_industry": UNSURE if industries is UNSURE else next(iter(industries), None),
        "headquarters": place.text,
        "city": place.city,
        "state": place.state,
        "country": place.country,
        "employees": _as_sent(employees, heads),
        "employees_low": heads.low,
        "employees_high": heads.high,
        "employees_reading": heads.reading,
        "revenue": _as_sent(revenue, amount),
        "revenue_low": amount.low,
        "revenue_high": amount.high,
        "revenue_currency": amount.currency,
        "revenue_reading": amount.reading,
    }


def headquarters(data: Mapping[str, Any]) -> plain.Place:
    """The headquarters, else the location."""
    meant = ("headquarter", "location", "address", "city", "country", "state", "hq")
    name = "headquarters" if value_of(data.get("headquarters")) is not None else "location"
    return field(data, name, meant, _place_shown(data, name), UNSURE_PLACE)


def _place_shown(data: Mapping[str, Any], name: str) -> Callable[[Any], plain.Place]:
    """Reads a place whose text is what Linkt displays, where it displays something."""
    display = part(data.get(name), "display")

    def read(value: Any) -> plain.Place:
        place = plain.place_of(value)
        if display is None or place.text is UNSURE:
            return place
        if place.text is None:
            return UNSURE_PLACE
        return replace(place, text=display if plain.is_plain_place(display) else UNSURE)

    return read


def own_domain(host: Any, shared_hosts: Mapping[str, bool]) -> Any:
    """A host, unless many companies share it (seeds.shared_hosts: host, and whether what stands before it is too)."""
    if not isinstance(host, str):
        return host
    labels = host.split(".")
    wider = (".".join(labels[first:]) for first in range(1, len(labels)))
    return None if host in shared_hosts or any(map(shared_hosts.get, wider)) else host


def person_columns(data: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of marts.people by the fields of an entity."""
    meant = ("location", "address", "city", "country", "state")
    place = field(data, "location", meant, _place_shown(data, "location"), UNSURE_PLACE)
    email = field(data, "email", ("mail",), plain.email_of, UNSURE)
    phone = field(data, "mobile_phone", ("phone", "mobile"), plain.phone_of, UNSURE)
    return {
        "name": field(data, "name", ("name",), plain.plain_text, UNSURE),
        "title": field(data, "title", ("title", "role"), plain.plain_text, UNSURE),
        "email": email,
        "emails": email if email is None or email is UNSURE else value_of(data["email"]),
        "mobile_phone": phone,
        "mobile_phones": phone,
        "linkedin_url": field(data, "linkedin", ("linkedin",), plain.url_of, UNSURE),
        "location": place.text,
        "city": place.city,
        "state": place.state,
        "country": place.country,
        "company_stated": field(data, "company", ("company", "organi"), plain.plain_text, UNSURE),
    }


def _as_sent(value: Any, reading: plain.Reading) -> Any:
    if reading is plain.NOT_PLAIN:
        return UNSURE
    return None if value is None else str(value)
