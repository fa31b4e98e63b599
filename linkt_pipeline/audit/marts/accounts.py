"""marts.accounts: a company and its copies on one line, with whom to talk to and what happened there."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from linkt_pipeline.audit.fields import person_columns
from linkt_pipeline.audit.landed import pieces
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.marts.signal_feed import signal_columns
from linkt_pipeline.audit.moments import DAY
from linkt_pipeline.audit.roots import COMPANY
from linkt_pipeline.audit.scoring import Scoring, read_scoring
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.wire import data_of, external_key, text
from linkt_pipeline.audit.world import World, moment

_SAID = (
    "name",
    "domain",
    "linkedin_url",
    "industry",
    "headquarters",
    "country",
    "employees",
    "heads",
    "revenue",
    "status",
)
_COMPLETE = ("name", "domain", "linkedin_url", "industry", "headquarters", "employees", "revenue")
COMPLETENESS_ENDS = "completeness_ends"  # no column: the least and the most that completeness may be
_CONTACT = ("name", "title", "email", "mobile_phone", "linkedin_url")


def account_ids(world: World) -> list[str]:
    """Those who stand for all companies."""
    return [each for each in world.ties.of_kind(COMPANY) if world.ties.root_of(each) == each]


def account_rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    """The accounts of some companies."""
    scoring = read_scoring(world)
    members = {root: [root, *world.copies_of.get(root, [])] for root in ids}
    everyone = [each for group in members.values() for each in group]
    stated = {each["entity_id"]: each for piece in pieces(everyone) for each in _stated(world, piece)}
    people = _people(world, ids)
    newest = {root: _newest(world, root) for root in ids}
    signals = world.signals([signal for signal in newest.values() if signal])
    for root, group in members.items():
        account = _account(world, [stated[each] for each in group])
        contact = _contact(people.get(root, []), scoring)
        least, most = _completeness(account, contact["people_with_email"])
        completeness = least if least == most else UNSURE
        signal = signals.get(newest[root] or "")
        shown = signal_columns(world, signal) if signal else {}
        yield {
            "company_id": root,
            **account,
            "employee_band": scoring.band_of(account["heads"]),
            **contact,
            **_signals(world, root),
            "latest_signal_id": newest[root],
            "latest_signal_label": shown.get("signal_label"),
            "latest_signal_summary": shown.get("summary"),
            "completeness": completeness,
            COMPLETENESS_ENDS: (least, most),
            "is_qualified": _is_qualified(scoring, account["status"], completeness, contact["people_with_email"]),
            **_first_run(world, group),
        }


def _stated(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    columns = world.companies(ids)
    for body in world.entities(ids).values():
        said = columns[body.id]
        source, external_id = external_key(body.body)
        yield {
            **said,
            "entity_id": body.id,
            "heads": _heads(said),
            "status": text(body.body, "status"),
            "external_id": external_id,
            "external_source": source,
            "first_seen_at": moment(body, "created_at"),
            "updated_at": moment(body, "updated_at"),
        }


def _heads(said: dict[str, Any]) -> Any:
    low, high, reading = said["employees_low"], said["employees_high"], said["employees_reading"]
    if UNSURE in (low, high, reading):
        return UNSURE
    return high if low is None else low + (reading == "at_least")


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _joined(values: Iterable[Any]) -> str | None:
    return ", ".join(sorted({value for value in values if value is not None})) or None


def _account(world: World, group: list[dict[str, Any]]) -> dict[str, Any]:
    """What a company says, else its copies in the order of their ids."""
    root = group[0]
    known = next((each for each in group if each["external_id"] is not None), root)
    changed = [each["updated_at"] for each in group if each["updated_at"] is not None]
    icps = {each["icp_id"] for each in group} - {None}
    updated_at = max(changed, default=None)
    idle = None if updated_at is None or world.as_of is None else max(0, (world.as_of - updated_at) // DAY)
    return {
        **{name: _first(each[name] for each in group) for name in _SAID},
        "external_id": known["external_id"],
        "external_source": known["external_source"] if known["external_id"] is not None else None,
        "statuses": _joined(each["status"] for each in group),
        "icp_id": root["icp_id"],
        "icp_name": world.icp_names.get(root["icp_id"]),
        "icp_count": len(icps),
        "icp_names": _joined(map(world.icp_names.get, icps)),
        "copies": len(group) - 1,
        "first_seen_at": root["first_seen_at"],
        "updated_at": updated_at,
        "days_since_change": idle,
    }


def _people(world: World, companies: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """The people of each company; of each field what the person says, else the first copy that says something."""
    found: dict[str, list[dict[str, Any]]] = {}
    for piece in pieces(companies, 500):
        ids = [person for company in piece for person in world.people_of.get(company, [])]
        said = {body.id: person_columns(data_of(body.body)) for body in world.entities(ids).values()}
        for company in piece:
            copies: dict[str, list[str]] = defaultdict(list)
            for person in world.people_of.get(company, []):
                copies[world.ties.root_of(person)].append(person)
            found[company] = [
                _person(root, [said[each] for each in _in_order(root, ids)]) for root, ids in copies.items()
            ]
    return found


def _in_order(root: str, ids: list[str]) -> list[str]:
    return sorted(ids, key=lambda each: (each != root, each))


def _person(root: str, copies: list[dict[str, Any]]) -> dict[str, Any]:
    return {"person_id": root, **{name: _first(copy[name] for copy in copies) for name in _CONTACT}}


def _contact(people: list[dict[str, Any]], scoring: Scoring) -> dict[str, Any]:
    for person in people:
        person["seniority"] = scoring.seniority_of(person["title"])
    # With a single person, unread values change no choice; among several, the best may be another one.
    best: Any = min(people, key=_rank, default=None) if len(people) < 2 or not any(map(_is_open, people)) else UNSURE
    emails, phones = ([person[name] for person in people] for name in ("email", "mobile_phone"))
    names = {"id": "person_id", "name": "name", "title": "title", "seniority": "seniority", "email": "email",
             "phone": "mobile_phone", "linkedin_url": "linkedin_url"}  # fmt: skip
    return {
        "people_count": len(people),
        "people_with_email": _counted(emails),
        "people_with_phone": _counted(phones),
        **{f"contact_{name}": best if best in (None, UNSURE) else best[key] for name, key in names.items()},
    }


def _is_open(person: dict[str, Any]) -> bool:
    """Whether it can't be said where a person stands among others."""
    return UNSURE in (person["email"], person["mobile_phone"], person["title"])


def _rank(person: dict[str, Any]) -> tuple[bool, int, bool, str]:
    unreachable = person["email"] is None and person["mobile_phone"] is None
    seniority = 0 if person["seniority"] is UNSURE else person["seniority"]
    return unreachable, -seniority, person["email"] is None, person["person_id"]


def _counted(values: list[Any]) -> Any:
    return UNSURE if UNSURE in values else sum(value is not None for value in values)


def _newest(world: World, company: str) -> str | None:
    """Its newest signal; of several noticed at once the one with the largest id."""
    return max(
        world.signals_of.get(company, []),
        key=lambda each: (each[0] is not None, each[0] or 0, each[1]),
        default=(0, None),
    )[1]


def _signals(world: World, company: str) -> dict[str, Any]:
    noticed = [noticed_at for noticed_at, _ in world.signals_of.get(company, [])]
    as_of = world.as_of or 0
    return {
        "signals_7_days": sum(each is not None and each > as_of - 7 * DAY for each in noticed),
        "signals_30_days": sum(each is not None and each > as_of - 30 * DAY for each in noticed),
        "signal_count": len(noticed),
        "latest_signal_at": max((each for each in noticed if each is not None), default=None),
    }


def _completeness(account: dict[str, Any], people_with_email: Any) -> tuple[float, float]:
    """The least and the most that it may be; one and the same where every field was read."""
    known = [account[name] for name in _COMPLETE] + [people_with_email or None]
    # A field that only a macro can read may count or not, so completeness has a least and a most.
    is_open = sum(value is UNSURE for value in known)
    filled = sum(value is not None for value in known) - is_open
    return filled / 8, (filled + is_open) / 8


def _is_qualified(scoring: Scoring, status: str | None, completeness: Any, people_with_email: Any) -> Any:
    by_status = scoring.qualified_by_status(status)
    if by_status is not None:
        return by_status
    if people_with_email is not UNSURE and people_with_email < scoring.value("qualified_people_with_email"):
        return False
    if UNSURE in (completeness, people_with_email):
        return UNSURE
    return completeness >= scoring.value("qualified_completeness")


def _first_run(world: World, group: list[str]) -> dict[str, Any]:
    runs = [run for each in group if (run := world.first_runs.get(each)) is not None]
    first = min(runs, key=lambda run: (run.spent_at, run.run_id), default=None)
    return {"first_run_id": first and first.run_id, "first_task": first and world.task_of(first)}


ACCOUNTS = Mart(name="accounts", key=("company_id",), rows=account_rows, batch="company_id", ids=account_ids)
