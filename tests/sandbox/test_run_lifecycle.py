"""Runs go SCHEDULED, PENDING, RUNNING, COMPLETED; what they find is readable before they end."""

import itertools
import time

import httpx
import pytest

from linkt_pipeline.sandbox import Sandbox, running_sandbox
from linkt_pipeline.sandbox.world.reference_data import (
    FAIR,
    INGEST_TASK,
    PROFILE_TASK,
    SAAS,
    SEARCH_TASK,
    TOPIC_SIGNALS_TASK,
)
from linkt_pipeline.settings import SANDBOX_TASKS_FILE
from linkt_pipeline.tasks_yaml import load_tasks
from tests.sandbox.driving import TERMINAL, execute, finished, wait_until


@pytest.mark.parametrize("task", load_tasks(SANDBOX_TASKS_FILE).values(), ids=lambda task: task.key)
def test_every_task_of_the_sandboxs_tasks_file_completes(http: httpx.Client, task) -> None:
    run = finished(http, execute(http, task.task_id, icp_id=task.icp_id, parameters=task.parameters))

    assert run["status"] == "COMPLETED"
    assert run["input"] == {"icp_id": task.icp_id, "parameters": task.parameters}
    assert run["output"]["version"] == "1.0"
    assert run["output"]["run_time"] > 60  # believable, not the compressed clock's
    credits = run["output"]["credits"]
    assert credits["total_credits"] == pytest.approx(sum(credits["breakdown"].values()))
    assert credits["total_credits"] % 1 != 0


def test_statuses_come_in_order_and_output_only_at_the_end(http: httpx.Client) -> None:
    run_id = execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 4})
    seen: list[dict] = []

    def look() -> bool:
        seen.append(http.get(f"/v1/run/{run_id}").json())
        return seen[-1]["status"] in TERMINAL

    wait_until(look)

    order = [status for status, _ in itertools.groupby(run["status"] for run in seen)]
    usual = ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"]
    assert order == [status for status in usual if status in order]
    assert {"RUNNING", "COMPLETED"} <= set(order)
    assert all((run["output"] is None) == (run["status"] != "COMPLETED") for run in seen)


def test_entities_are_readable_while_the_run_is_still_going(http: httpx.Client) -> None:
    before = http.get("/v1/entity").json()["total"]
    run_id = execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 40})

    wait_until(lambda: http.get("/v1/entity").json()["total"] > before)

    assert http.get(f"/v1/run/{run_id}").json()["status"] == "RUNNING"


@pytest.mark.parametrize("wanted", [0, 1, 7])
def test_a_search_finds_as_many_companies_as_asked_for(http: httpx.Client, wanted: int) -> None:
    run = finished(http, execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": wanted}))

    entities = [http.get(f"/v1/entity/{key}").json() for key in run["output"]["resources"]["entities_created"]]
    assert sum(entity["entity_type"] == "company" for entity in entities) == wanted
    companies = {entity["id"] for entity in entities if entity["parent_id"] is None}
    assert {entity["parent_id"] for entity in entities if entity["parent_id"]} <= companies


def test_a_later_search_finds_new_companies_and_revises_earlier_ones(http: httpx.Client) -> None:
    first = finished(http, execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 8}))
    bodies = {entity["id"]: entity for entity in http.get("/v1/entity?page_size=100").json()["entities"]}

    second = finished(http, execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 8}))

    created, updated = (second["output"]["resources"][key] for key in ("entities_created", "entities_updated"))
    assert not set(created) & set(first["output"]["resources"]["entities_created"])
    assert updated
    assert set(updated) <= bodies.keys()
    for key in updated:
        after = http.get(f"/v1/entity/{key}").json()
        assert after["data"]["employees"] != bodies[key]["data"]["employees"]
        assert after["updated_at"] > bodies[key]["updated_at"]
        assert after["created_at"] == bodies[key]["created_at"]


def test_an_ingest_creates_the_companies_of_its_rows_and_updates_them_next_time(http: httpx.Client) -> None:
    body = {"icp_id": FAIR, "parameters": {"input_entities": [{"company_name": "Zephyr Mill Ltd"}, "Quarrybank"]}}
    first = finished(http, execute(http, INGEST_TASK, **body))["output"]["resources"]
    second = finished(http, execute(http, INGEST_TASK, **body))["output"]["resources"]

    found = [http.get(f"/v1/entity/{key}").json() for key in first["entities_created"]]
    companies = {entity["data"]["name"]["value"] for entity in found if entity["entity_type"] == "company"}
    assert companies == {"Zephyr Mill Ltd", "Quarrybank"}
    assert second["entities_created"] == []
    assert set(second["entities_updated"]) <= set(first["entities_created"])
    assert len(second["entities_updated"]) == 2


def test_cancel_keeps_what_was_found_and_stops_the_rest(http: httpx.Client) -> None:
    before = http.get("/v1/entity").json()["total"]
    run_id = execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 200})
    wait_until(lambda: http.get("/v1/entity").json()["total"] > before)

    assert http.post(f"/v1/run/{run_id}/cancel").status_code == 204

    run = http.get(f"/v1/run/{run_id}").json()
    assert run["status"] == "CANCELED"
    created = run["output"]["resources"]["entities_created"]
    total = http.get("/v1/entity").json()["total"]
    time.sleep(0.3)  # longer than the run would have gone on
    assert http.get("/v1/entity").json()["total"] == total == before + len(created)
    assert http.post(f"/v1/run/{run_id}/cancel").status_code == 204
    assert http.get(f"/v1/run/{run_id}").json() == run


def test_a_task_without_an_icp_fails_for_want_of_one(http: httpx.Client) -> None:
    run = finished(http, execute(http, PROFILE_TASK))

    assert (run["status"], run["icp_id"], run["output"]) == ("FAILED", None, None)
    assert "ICP ID" in run["error"]


def test_ids_begin_with_their_creation_time(http: httpx.Client) -> None:
    run_id = execute(http, TOPIC_SIGNALS_TASK)

    assert len(run_id) == 24
    assert abs(int(run_id[:8], 16) - time.time()) < 5


def test_the_queue_tells_what_became_of_each_candidate(http: httpx.Client) -> None:
    run_id = execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 10})
    early = http.get(f"/v1/run/{run_id}/queue").json()
    finished(http, run_id)
    late = http.get(f"/v1/run/{run_id}/queue?include_history=true&limit=100").json()

    assert early["state_counts"]["queued"] == sum(early["state_counts"].values())
    assert late["state_counts"]["queued"] == late["state_counts"]["processing"] == 0
    assert late["total"] == len(late["entities"]) == sum(late["state_counts"].values())
    assert all(item["reason"] for item in late["entities"] if item["state"] == "discarded")
    assert late["state_counts"]["discarded"] == 3
    assert http.get(f"/v1/run/{run_id}/queue").json()["entities"] == []  # nothing is queued any more


def test_the_same_seed_tells_the_same_story() -> None:
    def names(seed: int) -> list[str]:
        with running_sandbox(seed=seed, speed=50) as sandbox:
            client = httpx.Client(base_url=sandbox.url, headers={"x-api-key": sandbox.api_key})
            finished(client, execute(client, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 5}))
            entities = client.get("/v1/entity?page_size=100").json()["entities"]
            return [str(entity["data"]["name"]["value"]) for entity in entities]

    assert names(3) == names(3) != names(4)


def test_each_execute_is_another_run(sandbox: Sandbox, http: httpx.Client) -> None:
    assert execute(http, SEARCH_TASK, icp_id=SAAS) != execute(http, SEARCH_TASK, icp_id=SAAS)
    assert sandbox.run_count(SEARCH_TASK) == 2
    assert sandbox.run_count(INGEST_TASK) == 0
