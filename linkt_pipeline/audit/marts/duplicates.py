"""marts.duplicates: the copies that Linkt names, and companies that share a domain with an older one."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from linkt_pipeline.audit.fields import company_columns, person_columns
from linkt_pipeline.audit.landed import Body
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.roots import COMPANY, PERSON
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.wire import data_of, text
from linkt_pipeline.audit.world import World


def _ids(world: World) -> list[str]:
    """Copies, and all companies: any of them may share a domain."""
    return [entity_id for entity_id, tie in world.ties.of.items() if tie.is_copy or tie.kind == COMPANY]


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    bodies = world.entities(ids)
    originals = {entity_id: _original_of(world, entity_id) for entity_id in bodies}
    candidates = {
        body.id: _columns(world, body)["domain"]
        for body in bodies.values()
        if world.ties.of[body.id].kind == COMPANY and world.ties.root_of(body.id) == body.id
    }
    firsts = {domain: world.first_of_domain[domain] for domain in candidates.values() if isinstance(domain, str)}
    known = world.entities({each for each in (*originals.values(), *firsts.values()) if each})
    for body in bodies.values():
        original = originals[body.id]
        if world.ties.of[body.id].is_copy and original != body.id:
            yield _row(world, body, original, known.get(original or ""), "linkt", None)
        if body.id in candidates:
            yield from _suspected(world, body, candidates[body.id], firsts, known)


def _original_of(world: World, entity_id: str) -> str | None:
    """Where the chain of copies ends; whom Linkt names, where that can't be a chain."""
    original = world.ties.original_of(entity_id)
    starts = world.ties.next_of(entity_id) is not None
    return original if starts else world.ties.of[entity_id].primary_id


def _suspected(
    world: World, body: Body, domain: Any, firsts: Mapping[str, str | None], known: Mapping[str, Body]
) -> Iterator[dict[str, Any]]:
    if domain is UNSURE or (domain is not None and firsts[domain] is None):
        yield {"entity_id": body.id, "basis": "same_domain", "is_row": UNSURE}
    elif domain is not None and firsts[domain] != body.id:
        first = firsts[domain] or ""
        yield _row(world, body, first, known.get(first), "same_domain", domain)


def _row(
    world: World, copy: Body, original_id: str | None, original: Body | None, basis: str, domain: str | None
) -> dict[str, Any]:
    info = copy.body.get("duplicate_info")
    tie = world.ties.of[copy.id]
    icp_id = text(original.body, "icp_id") if original else None
    stated = text(info, "primary_icp_name") if tie.primary_id == original_id else None
    return {
        "entity_id": copy.id,
        "entity_type": tie.kind,
        "name": _columns(world, copy)["name"],
        "icp_id": text(copy.body, "icp_id"),
        "basis": basis,
        "primary_entity_id": original_id,
        "primary_name": _columns(world, original)["name"] if original else None,
        "primary_icp_id": icp_id,
        "primary_icp_name": (world.icp_names.get(icp_id) if icp_id else None) or (None if original else stated),
        "primary_landed": original is not None,
        "domain": domain,
        "fetched_at": copy.fetched_at,
    }


def _columns(world: World, body: Body) -> dict[str, Any]:
    data = data_of(body.body)
    kind = world.ties.of[body.id].kind
    if kind == COMPANY:
        return company_columns(data, world.shared_hosts)
    return person_columns(data) if kind == PERSON else {"name": UNSURE}


DUPLICATES = Mart(name="duplicates", key=("entity_id", "basis"), rows=_rows, batch="entity_id", ids=_ids)
