"""marts.account_status_history: which label each company had from when to when."""

from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Any

from linkt_pipeline.audit.marts.accounts import account_ids
from linkt_pipeline.audit.marts.entity_changes import changed_ids, in_order, read_versions
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.moments import DAY
from linkt_pipeline.audit.wire import text
from linkt_pipeline.audit.world import World, moment


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    changed = set(changed_ids(world))
    several = read_versions(world, [each for each in ids if each in changed])
    for body in world.entities(ids).values():
        if body.id in several:
            versions = [(version.record["status"], version.made_at) for version in in_order(several[body.id])]
        else:
            updated_at = moment(body, "updated_at")
            versions = [(text(body.body, "status"), body.fetched_at if updated_at is None else updated_at)]
        starts = [next(stretch) for _, stretch in groupby(versions, key=lambda version: version[0])]
        for place, (status, valid_from) in enumerate(starts):
            valid_to = starts[place + 1][1] if place + 1 < len(starts) else None
            until = world.as_of if valid_to is None else valid_to
            yield {
                "company_id": body.id,
                "period": place + 1,
                "status": status,
                "previous_status": starts[place - 1][0] if place else None,
                "valid_from": valid_from,
                "valid_to": valid_to,
                "is_current": valid_to is None,
                "days": 0 if until is None else max(0, (until - valid_from) // DAY),
            }


ACCOUNT_STATUS_HISTORY = Mart(
    name="account_status_history",
    key=("company_id", "period"),
    rows=_rows,
    batch="company_id",
    ids=account_ids,
)
