"""marts.source_domains: which web domains back the facts."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from linkt_pipeline.audit.domains import mentions
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.plain import host_of
from linkt_pipeline.audit.roots import COMPANY
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.wire import data_of, references_of
from linkt_pipeline.audit.world import World


@dataclass(slots=True)
class _Backed:
    facts: int = 0
    entities: int = 0
    companies: int = 0
    fields: set[str] = field(default_factory=set)
    signals: int = 0
    last_seen_at: int = 0


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    backed: dict[str, _Backed] = defaultdict(_Backed)
    unclear: set[str] = set()
    for body in world.landed.bodies("entities", "entity_id"):
        fields: dict[str, set[str]] = defaultdict(set)
        for name, attribute in data_of(body.body).items():
            for domain in _domains(references_of(attribute), unclear):
                fields[domain].add(name)
        for domain, names in fields.items():
            known = backed[domain]
            known.facts += len(names)
            known.fields |= names
            known.entities += 1
            known.companies += world.ties.of[body.id].kind == COMPANY
            known.last_seen_at = max(known.last_seen_at, body.fetched_at)
    for body in world.landed.bodies("signals", "signal_id"):
        for domain in _domains(body.body.get("references"), unclear):
            backed[domain].signals += 1
            backed[domain].last_seen_at = max(backed[domain].last_seen_at, body.fetched_at)
    yield from _judged(backed, unclear)


def _domains(references: Any, unclear: set[str]) -> set[str]:
    """The domains of plain web addresses; what looks like a host in any other reference is added to ``unclear``."""
    found: set[str] = set()
    for reference in references if isinstance(references, list) else [references]:
        host = host_of(reference)
        if host is UNSURE:
            unclear.update(mentions(reference), {""})
        elif host is not None:
            found.add(host)
    return found


def _judged(backed: dict[str, _Backed], unclear: set[str]) -> Iterator[dict[str, Any]]:
    for domain, known in backed.items():
        if domain not in unclear:
            yield {
                "domain": domain,
                "fact_count": known.facts,
                "entity_count": known.entities,
                "company_count": known.companies,
                "field_count": len(known.fields),
                "signal_count": known.signals,
                "last_seen_at": known.last_seen_at,
            }
    for domain in unclear:
        yield {"domain": domain, "is_row": UNSURE}


SOURCE_DOMAINS = Mart(name="source_domains", key=("domain",), rows=_rows)
