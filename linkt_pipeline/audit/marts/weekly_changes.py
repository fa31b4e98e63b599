"""marts.weekly_changes: what changed in each week."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from linkt_pipeline.audit.landed import pieces
from linkt_pipeline.audit.marts.entity_changes import ENTITY_CHANGES, changed_ids
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.marts.signal_feed import signal_columns
from linkt_pipeline.audit.moments import monday_of
from linkt_pipeline.audit.roots import COMPANY, PERSON
from linkt_pipeline.audit.wire import text
from linkt_pipeline.audit.world import World, moment

_FIGURES = ("new_companies", "known_companies", "new_people", "signals", "strong_signals", "changed_entities",
            "changed_fields", "status_changes", "runs", "credits")  # fmt: skip
_STRONG_SCORE = 0.8

Weeks = dict[tuple[str, str | None], Counter[str]]


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    weeks: Weeks = defaultdict(Counter)
    _count_entities(world, weeks)
    _count_signals(world, weeks)
    _count_changes(world, weeks)
    for run in world.runs:
        week = weeks[monday_of(run.spent_at, world.zone_of(run.task_id)), run.icp_id]
        week["runs"] += run.is_success is not None
        week["credits"] += run.credits or 0  # type: ignore[assignment]
    for (monday, icp_id), counts in weeks.items():
        yield {
            "week": monday,
            "icp_id": icp_id,
            "icp_name": world.icp_names.get(icp_id) if icp_id else None,
            **{name: counts[name] for name in _FIGURES},
        }


def _count_entities(world: World, weeks: Weeks) -> None:
    for body in world.landed.bodies("entities", "entity_id"):
        kind, first_seen_at = world.ties.of[body.id].kind, moment(body, "created_at")
        is_copy = world.ties.root_of(body.id) != body.id
        if first_seen_at is None or kind not in (COMPANY, PERSON) or (kind == PERSON and is_copy):
            continue
        week = weeks[monday_of(first_seen_at, world.timezone), text(body.body, "icp_id")]
        week["new_people" if kind == PERSON else "known_companies" if is_copy else "new_companies"] += 1


def _count_signals(world: World, weeks: Weeks) -> None:
    for signal in world.landed.bodies("signals", "signal_id"):
        columns = signal_columns(world, signal)
        if columns["detected_at"] is None:
            continue
        strength = columns["strength_level"]
        is_strong = strength == "high" or (strength is None and (columns["score"] or 0) >= _STRONG_SCORE)
        week = weeks[monday_of(columns["detected_at"], world.timezone), columns["icp_id"]]
        week["signals"] += 1
        week["strong_signals"] += is_strong


def _count_changes(world: World, weeks: Weeks) -> None:
    seen: set[tuple[str, str]] = set()
    for piece in pieces(changed_ids(world)):
        icps = {body.id: text(body.body, "icp_id") for body in world.entities(piece).values()}
        for change in ENTITY_CHANGES.rows(world, piece):
            of_record = change["scope"] == "record" and change["field"] in ("status", "comments")
            entity_id = change["entity_id"]
            if entity_id not in icps or not (of_record or change["scope"] == "field"):
                continue
            monday = monday_of(change["changed_at"], world.timezone)
            week = weeks[monday, icps[entity_id]]
            week["changed_entities"] += (monday, entity_id) not in seen
            seen.add((monday, entity_id))
            week["changed_fields"] += change["scope"] == "field"
            week["status_changes"] += change["scope"] == "record" and change["field"] == "status"


WEEKLY_CHANGES = Mart(name="weekly_changes", key=("week", "icp_id"), rows=_rows)
