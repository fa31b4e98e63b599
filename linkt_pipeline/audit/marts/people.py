"""marts.people: every person, with the company where it is landed."""

from collections.abc import Collection, Iterator
from typing import Any

from linkt_pipeline.audit.activity import Activity
from linkt_pipeline.audit.fields import person_columns
from linkt_pipeline.audit.marts.companies import entity_columns
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.roots import PERSON
from linkt_pipeline.audit.wire import data_of
from linkt_pipeline.audit.world import World

_OF_COMPANY = ("domain", "industry", "country", "employees", "employees_low", "employees_high")


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    parents = {tie.parent_id for tie in map(world.ties.of.get, ids) if tie and tie.parent_id}
    companies = world.companies(parents)
    for body in world.entities(ids).values():
        company_id = world.ties.of[body.id].parent_id
        company = companies.get(company_id or "")
        stated = person_columns(data_of(body.body))
        root = world.ties.root_of(company_id) if company_id and company is not None else None
        known = world.activity.get(root or "", Activity())
        yield {
            **stated,
            **entity_columns(world, body),
            "company_id": company_id,
            "company_root_id": root,
            "has_company": company is not None,
            "company_name": company["name"] if company and company["name"] is not None else stated["company_stated"],
            **{f"company_{name}": company and company[name] for name in _OF_COMPANY},
            "company_signal_count": known.signals if company else None,
            "company_latest_signal_at": known.latest_at,
        }


PEOPLE = Mart(
    name="people",
    key=("entity_id",),
    rows=_rows,
    batch="entity_id",
    ids=lambda world: world.ties.of_kind(PERSON),
    skipped=("content_version",),
)
