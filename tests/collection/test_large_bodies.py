"""Bodies larger than what is read: one is rejected and keeps nothing else back, at every sync."""

from typing import Any

import orjson
import pytest

from linkt_pipeline.collection.lander import Limits
from linkt_pipeline.collection.resources import ENTITIES, Resource
from linkt_pipeline.collection.verdicts import Batch
from linkt_pipeline.sandbox.world.records import EntityRow
from linkt_pipeline.sandbox.world.reference_data import SAAS
from linkt_pipeline.warehouse.landing import LandingCounts
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.executions.scene import Scene

from .test_fetch import books, create_entities, fetch, landed, name, requests

MB = 2**20


def create_entity_of(scene: Scene, size: int, entity_id: str) -> str:
    body = {"id": entity_id, "icp_id": SAAS, "entity_type": "person", "data": {"name": "x" * size}}
    body |= {"created_at": "2026-11-01T00:00:00Z", "updated_at": "2026-11-02T00:00:00Z"}
    row = EntityRow(entity_id, 0, SAAS, "5" * 24, "person", None, "x", None, False, orjson.dumps(body))
    scene.sandbox.world.own.put_entity(row)
    return entity_id


@pytest.mark.parametrize("by_pages", [True, False])
def test_one_giant_among_many_is_rejected_and_the_others_land(scene: Scene, by_pages: bool) -> None:
    ids = create_entities(scene, SAAS, 60)
    giant = create_entity_of(scene, 9 * MB, "a" * 24)
    name(scene, SAAS, [*ids, giant])

    done = fetch(scene, by_pages=by_pages)

    assert (done.landed, done.rejected, done.failures) == (60, 1, [])
    assert landed(scene) == set(ids)
    [(reason, payload)] = scene.query("select reason, payload from linkt.rejects")
    assert reason == "the body is larger than 8 MB (LINKT_MAX_BODY_MB)"
    assert payload.startswith('{"id":"aaaa')
    assert len(payload) <= 4096


def test_what_was_rejected_for_its_size_is_not_read_for_ever(scene: Scene) -> None:
    name(scene, SAAS, [*create_entities(scene, SAAS, 4), create_entity_of(scene, 9 * MB, "a" * 24)])
    fetch(scene)
    asked = requests(scene)

    again = fetch(scene)

    assert (again.pending, requests(scene)) == (0, asked)
    assert books(scene) == {"landed": 4, "rejected": 1}


def test_what_waits_to_be_landed_is_bounded_in_bytes_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    name(scene, None, [create_entity_of(scene, MB, f"{n:024x}") for n in range(24)])
    sizes = []

    def land(resource: Resource, warehouse: Warehouse, batch: Batch) -> LandingCounts:
        sizes.append(batch.size)
        return original(resource, warehouse, batch)

    original: Any = Resource.land
    monkeypatch.setattr(Resource, "land", land)
    in_flight = 4

    done = fetch(scene, ENTITIES, concurrency=in_flight, limits=Limits(size=4 * MB))

    assert done.landed == 24
    assert max(sizes) < (4 + in_flight) * (MB + 1000)
