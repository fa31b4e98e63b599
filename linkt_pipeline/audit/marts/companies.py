"""marts.companies: every company with what is known around it, its copies taken together with it."""

from collections.abc import Collection, Iterator
from typing import Any

from linkt_pipeline.audit.activity import Activity
from linkt_pipeline.audit.fields import company_columns, others
from linkt_pipeline.audit.landed import Body
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.roots import COMPANY
from linkt_pipeline.audit.wire import data_of, external_key, part, text
from linkt_pipeline.audit.world import World, moment

_NOTHING_KNOWN = Activity()


def entity_columns(world: World, body: Body) -> dict[str, Any]:
    """The columns that companies and people share."""
    info = body.body.get("duplicate_info")
    icp_id = text(body.body, "icp_id")
    external_source, external_id = external_key(body.body)
    return {
        "entity_id": body.id,
        "external_id": external_id,
        "external_source": external_source,
        "status": text(body.body, "status"),
        "comments": text(body.body, "comments"),
        "is_duplicate": part(info, "is_duplicate") is True,
        "primary_entity_id": text(info, "primary_entity_id"),
        "root_entity_id": world.ties.root_of(body.id),
        "icp_id": icp_id,
        "icp_name": world.icp_names.get(icp_id) if icp_id else None,
        "sheet_id": text(body.body, "sheet_id"),
        "sheet_name": text(body.body, "sheet_name"),
        "attributes": others(data_of(body.body)),
        "first_seen_at": moment(body, "created_at"),
        "updated_at": moment(body, "updated_at"),
        "fetched_at": body.fetched_at,
    }


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    for body in world.entities(ids).values():
        known = world.activity.get(world.ties.root_of(body.id), _NOTHING_KNOWN)
        yield {
            **company_columns(data_of(body.body), world.shared_hosts),
            **entity_columns(world, body),
            "people_count": len(known.people),
            "signal_count": known.signals,
            "latest_signal_at": known.latest_at,
        }


COMPANIES = Mart(
    name="companies",
    key=("entity_id",),
    rows=_rows,
    batch="entity_id",
    ids=lambda world: world.ties.of_kind(COMPANY),
    skipped=("content_version",),
)
