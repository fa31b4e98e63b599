"""marts.crm_accounts: what is known of each record of a CRM."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from linkt_pipeline.audit.activity import reached
from linkt_pipeline.audit.fields import person_columns
from linkt_pipeline.audit.landed import Body, pieces
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.marts.signal_feed import signal_columns
from linkt_pipeline.audit.moments import DAY
from linkt_pipeline.audit.roots import COMPANY, PERSON
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.wire import data_of, external_key, text, texts
from linkt_pipeline.audit.world import World, moment

_STRONG_SCORE = 0.8
_CONTACT = ("name", "title", "email", "mobile_phone", "linkedin_url")

Key = tuple[str, str]


@dataclass(slots=True)
class _Record:
    """What carries one external id, and what belongs to it.

    Attributes:
        entities: all that carry it, with their payloads' own columns.
        companies: those who stand for the companies among them.
        people: ids of its people by the one that stands for them.
        signals: its signals' columns by id.
    """

    entities: list[dict[str, Any]] = field(default_factory=list)
    companies: set[str] = field(default_factory=set)
    people: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    signals: dict[str, dict[str, Any]] = field(default_factory=dict)


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    records = _records(world)
    _add_people(world, records)
    _add_signals(world, records)
    for (source, external_id), record in records.items():
        yield {
            "external_source": source,
            "external_id": external_id,
            **_entity_columns(world, record.entities),
            **_company_columns(world, record),
            **_people_columns(world, record.people),
            **_signal_columns(list(record.signals.values()), world.as_of or 0),
        }


def _records(world: World) -> dict[Key, _Record]:
    records: dict[Key, _Record] = defaultdict(_Record)
    for body in world.landed.bodies("entities", "entity_id"):
        source, external_id = external_key(body.body)
        if external_id is None:
            continue
        record = records[source or "unknown", external_id]
        record.entities.append(_carrier(world, body))
        if world.ties.of[body.id].kind == COMPANY:
            record.companies.add(world.ties.root_of(body.id))
    return records


def _carrier(world: World, body: Body) -> dict[str, Any]:
    return {
        "entity_id": body.id,
        "kind": world.ties.of[body.id].kind,
        "icp_id": text(body.body, "icp_id"),
        "status": text(body.body, "status"),
        "created_at": moment(body, "created_at"),
        "updated_at": moment(body, "updated_at"),
        "fetched_at": body.fetched_at,
    }


def _add_people(world: World, records: dict[Key, _Record]) -> None:
    # Looked up by id and not searched for each record: there may be a million of either.
    of_company = _keys_by((key, record.companies) for key, record in records.items())
    of_person = _keys_by((key, _ids(record, PERSON)) for key, record in records.items())
    for person_id in world.ties.of_kind(PERSON):
        company = world.ties.company_of(person_id) or ""
        for key in of_company.get(company, set()) | of_person.get(person_id, set()):
            records[key].people[world.ties.root_of(person_id)].append(person_id)


def _add_signals(world: World, records: dict[Key, _Record]) -> None:
    of_company = _keys_by((key, record.companies) for key, record in records.items())
    of_entity = _keys_by((key, _ids(record)) for key, record in records.items())
    for signal in world.landed.bodies("signals", "signal_id"):
        found = [of_company.get(company, set()) for company in reached(world.ties, signal)]
        found += [of_entity.get(entity_id, set()) for entity_id in texts(signal.body.get("entity_ids"))]
        for key in set().union(*found):
            records[key].signals[signal.id] = signal_columns(world, signal)


def _ids(record: _Record, kind: str | None = None) -> list[str]:
    return [each["entity_id"] for each in record.entities if kind is None or each["kind"] == kind]


def _keys_by(named: Iterable[tuple[Key, Iterable[str]]]) -> dict[str, set[Key]]:
    keys: dict[str, set[Key]] = defaultdict(set)
    for key, ids in named:
        for each in ids:
            keys[each].add(key)
    return keys


def _entity_columns(world: World, entities: list[dict[str, Any]]) -> dict[str, Any]:
    icps = {each["icp_id"] for each in entities} - {None}
    return {
        "entity_count": len(entities),
        "icp_count": len(icps),
        "icp_names": _joined(set(map(world.icp_names.get, icps))),
        "statuses": _joined({each["status"] for each in entities if each["kind"] == COMPANY}),
        "updated_at": max((each["updated_at"] for each in entities if each["updated_at"] is not None), default=None),
        "fetched_at": max(each["fetched_at"] for each in entities),
    }


def _company_columns(world: World, record: _Record) -> dict[str, Any]:
    def place(entity: dict[str, Any]) -> tuple[bool, bool, int, str]:
        created_at = entity["created_at"]
        is_copy = world.ties.root_of(entity["entity_id"]) != entity["entity_id"]
        return is_copy, created_at is None, created_at or 0, entity["entity_id"]

    carriers = [each for each in record.entities if each["kind"] == COMPANY]
    first = min(carriers, key=place)["entity_id"] if carriers else ""
    companies = world.companies({*record.companies, first})
    shown = companies.get(first, {})
    names = [companies[company]["name"] for company in record.companies if company in companies]
    return {
        "company_id": world.ties.root_of(first) if first else None,
        "company_name": shown.get("name"),
        "company_domain": shown.get("domain"),
        "company_count": len(record.companies),
        "company_names": UNSURE if UNSURE in names else ", ".join(sorted(filter(None, names))) or None,
    }


def _people_columns(world: World, people: dict[str, list[str]]) -> dict[str, Any]:
    stated: dict[str, dict[str, Any]] = {}
    for piece in pieces([each for ids in people.values() for each in ids]):
        stated |= {body.id: person_columns(data_of(body.body)) for body in world.entities(piece).values()}
    persons = [_person(root, [stated[each] for each in _in_order(root, ids)]) for root, ids in sorted(people.items())]
    values = [(person["email"], person["mobile_phone"]) for person in persons]
    emails, phones = ([pair[place] for pair in values] for place in (0, 1))
    contacts = [person for person in persons if (person["email"], person["mobile_phone"]) != (None, None)]
    open_contacts = any(UNSURE in person.values() for person in persons)
    return {
        "people_count": len(persons),
        "people_with_email": _counted(emails),
        "people_with_phone": _counted(phones),
        "people_with_contact": UNSURE if UNSURE in emails or UNSURE in phones else len(contacts),
        "emails": UNSURE if UNSURE in emails else _joined(set(emails)),
        "contacts": UNSURE if open_contacts else contacts or None,
    }


def _in_order(root: str, ids: list[str]) -> list[str]:
    return sorted(ids, key=lambda each: (each != root, each))


def _person(root: str, copies: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each field what the first copy says that says something."""
    fields = {name: next((copy[name] for copy in copies if copy[name] is not None), None) for name in _CONTACT}
    return {"entity_id": root, **fields}


def _counted(values: list[Any]) -> Any:
    return UNSURE if UNSURE in values else sum(value is not None for value in values)


def _signal_columns(signals: list[dict[str, Any]], as_of: int) -> dict[str, Any]:
    def is_strong(signal: dict[str, Any]) -> bool:
        if signal["strength_level"] is not None:
            return bool(signal["strength_level"] == "high")
        return signal["score"] is not None and signal["score"] >= _STRONG_SCORE

    def within(days: int) -> list[dict[str, Any]]:
        return [
            each for each in signals if each["detected_at"] is not None and each["detected_at"] > as_of - days * DAY
        ]

    new, recent = within(30), within(90)
    priority = "none" if not signals else "low"
    # A strong signal counts for 90 days, any other for 30.
    if new or any(map(is_strong, recent)):
        priority = "high" if any(map(is_strong, new)) else "medium"
    latest = max(
        signals,
        key=lambda each: (each["detected_at"] is not None, each["detected_at"] or 0, each["signal_id"]),
        default={},
    )
    return {
        "signal_count": len(signals),
        "signals_30_days": len(new),
        "latest_signal_id": latest.get("signal_id"),
        "latest_signal_at": latest.get("detected_at"),
        "latest_signal_type": latest.get("signal_type"),
        "latest_signal_strength": latest.get("strength_level"),
        "latest_signal_summary": latest.get("summary"),
        "priority": priority,
    }


def _joined(texts: set[Any]) -> str | None:
    return ", ".join(sorted(filter(None, texts))) or None


CRM_ACCOUNTS = Mart(name="crm_accounts", key=("external_source", "external_id"), rows=_rows)
