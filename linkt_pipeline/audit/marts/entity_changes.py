"""marts.entity_changes: what changed on each entity from one version to the next."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from linkt_pipeline.audit.landed import CHOSEN, chosen
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.values import parse_json, same
from linkt_pipeline.audit.wire import data_of, external_key, part, value_of
from linkt_pipeline.audit.world import World
from linkt_pipeline.plain_text import word

_RECORD = ("entity_type", "icp_id", "sheet_id", "parent_id", "status", "comments", "external_id", "external_source")
_EXTERNAL = frozenset({"external_id", "external_source"})

_VERSIONS = """
select entity_id, coalesce(epoch_us(updated_at), epoch_us(fetched_at)), epoch_us(fetched_at), run_id, content_hash,
    data::varchar, duplicate_info::varchar, external_unknown is null, entity_type, icp_id, sheet_id, parent_id,
    status, comments, external_id, external_source
from linkt.entity_versions
"""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an entity.

    Attributes:
        made_at: when Linkt made it, else when it was fetched; microseconds.
        fetched_at: microseconds.
        content_hash: orders versions of one moment.
        run_id: run that named the entity then.
        keeps_external: whether the release that landed it kept the external id.
        record: what Linkt keeps about the entity itself.
        data: its fields.
    """

    made_at: int
    fetched_at: int
    content_hash: str
    run_id: str | None
    keeps_external: bool
    record: dict[str, Any]
    data: dict[str, Any]


def changed_ids(world: World) -> list[str]:
    """The entities that have more than one version."""
    rows = world.landed.rows("select entity_id from linkt.entity_versions group by 1 having count(*) > 1 order by 1")
    present = set(world.landed.ids("entities", "entity_id"))
    return [entity_id for (entity_id,) in rows if entity_id in present]


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    for entity_id, versions in read_versions(world, ids).items():
        for number, (old, new) in enumerate(pairwise(in_order(versions)), 2):
            for change in _changes(old, new):
                yield {
                    "entity_id": entity_id,
                    "entity_type": new.record["entity_type"],
                    "version_number": number,
                    **change,
                    "changed_at": new.made_at,
                    "fetched_at": new.fetched_at,
                    "run_id": new.run_id,
                }


def in_order(versions: Iterable[Version]) -> list[Version]:
    """The versions of an entity, oldest first."""
    # Versions can share both times; the hash makes their order the same every time.
    return sorted(versions, key=lambda version: (version.made_at, version.fetched_at, version.content_hash))


def read_versions(world: World, ids: Collection[str]) -> dict[str, list[Version]]:
    """All versions of some entities."""
    found: dict[str, list[Version]] = defaultdict(list)
    rows = world.landed.rows(f"{_VERSIONS} where entity_id {CHOSEN}", [chosen(ids)])
    for entity_id, made_at, fetched_at, run_id, content_hash, data, info, keeps_external, *record in rows:
        known = dict(zip(_RECORD, record, strict=True))
        known["entity_type"] = word(known["entity_type"])
        known["external_source"], known["external_id"] = external_key(known)
        known["primary_entity_id"] = part(parse_json(info), "primary_entity_id")
        fields = data_of({"data": parse_json(data)})
        found[entity_id].append(Version(made_at, fetched_at, content_hash, run_id, keeps_external, known, fields))
    return found


def _changes(old: Version, new: Version) -> Iterator[dict[str, Any]]:
    for name in sorted(old.data.keys() | new.data.keys()):
        before, after = old.data.get(name), new.data.get(name)
        if not same(value_of(before), value_of(after)):
            yield _change("field", name, value_of(before), value_of(after))
        elif not same(part(before, "display"), part(after, "display")):
            yield _change("display", name, part(before, "display"), part(after, "display"))
    # An earlier release did not keep external ids, so their first appearance is no change in Linkt.
    both_keep_external = old.keeps_external and new.keeps_external
    for name, before in old.record.items():
        if (both_keep_external or name not in _EXTERNAL) and not same(before, new.record[name]):
            yield _change("record", name, before, new.record[name])


def _change(scope: str, name: str, before: Any, after: Any) -> dict[str, Any]:
    """A change; null is no value."""
    kind = "added" if before is None else "removed" if after is None else "changed"
    return {"scope": scope, "field": name, "change": kind, "old_value": before, "new_value": after}


ENTITY_CHANGES = Mart(
    name="entity_changes",
    key=("entity_id", "version_number", "scope", "field"),
    rows=_rows,
    batch="entity_id",
    ids=changed_ids,
    skipped=("history_version",),
)
