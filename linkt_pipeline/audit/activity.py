"""People and signals of each company, with those of its copies."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from linkt_pipeline.audit.landed import Body
from linkt_pipeline.audit.moments import moment_of
from linkt_pipeline.audit.roots import PERSON, Ties
from linkt_pipeline.audit.wire import texts


@dataclass(slots=True)
class Activity:
    """What is known around one company.

    Attributes:
        people: ids of its people; each stands for the person and all copies.
        signals: how many signals reach it.
        latest_at: when the newest of them was noticed, in microseconds.
    """

    people: set[str] = field(default_factory=set)
    signals: int = 0
    latest_at: int | None = None


def reached(ties: Ties, signal: Body) -> set[str]:
    """The companies a signal speaks of: by name, by a copy, or by one of their people. Some may not be landed."""
    companies = {ties.company_of(entity_id) for entity_id in texts(signal.body.get("entity_ids"))}
    return {company for company in companies if company is not None}


def activity(ties: Ties, signals: Iterable[Body]) -> dict[str, Activity]:
    """What is known around each company that has a person or a signal."""
    found: dict[str, Activity] = {}
    for person_id in ties.of_kind(PERSON):
        company = ties.company_of(person_id)
        if company is not None:
            found.setdefault(company, Activity()).people.add(ties.root_of(person_id))
    for signal in signals:
        noticed_at = moment_of(signal.body.get("created_at"))
        for company in reached(ties, signal):
            known = found.setdefault(company, Activity())
            known.signals += 1
            known.latest_at = max(filter(None, (known.latest_at, noticed_at)), default=None)
    return found
