"""Names of tasks, ICPs and sheets: what can't be read of them keeps nothing else back."""

import asyncio
from datetime import timedelta

import pytest

from linkt_pipeline.api import AuthenticationError, ServerError
from linkt_pipeline.collection.reference import ReferenceCounts, refresh_reference_data
from tests.executions.scene import Scene


def refresh(scene: Scene) -> ReferenceCounts:
    async def work() -> ReferenceCounts:
        async with scene.worker(retry_for=timedelta(0)) as worker:
            return await refresh_reference_data(worker.client, scene.warehouse)

    return asyncio.run(work())


def test_a_list_that_the_key_may_not_read_keeps_no_other_back(scene: Scene) -> None:
    scene.sandbox.inject("http_403@list_sheets*0")

    counts = refresh(scene)

    assert (counts.sheets, len(counts.failures)) == (0, 1)
    assert "403" in counts.failures[0]
    assert counts.icps == scene.query("select count(*) from linkt.icps")[0][0] > 0


def test_without_any_name_there_are_ids(scene: Scene) -> None:
    for name in ("tasks", "icps", "sheets"):
        scene.sandbox.inject(f"http_403@list_{name}*0")
    assert len(refresh(scene).failures) == 3


def test_a_refused_key_is_told(scene: Scene) -> None:
    scene.sandbox.inject("http_401@list_sheets")
    with pytest.raises(AuthenticationError):
        refresh(scene)


def test_an_outage_of_all_lists_is_told(scene: Scene) -> None:
    for name in ("tasks", "icps", "sheets"):
        scene.sandbox.inject(f"http_500@list_{name}*0")
    with pytest.raises(ServerError):
        refresh(scene)
