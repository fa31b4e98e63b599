"""The sandbox's bodies have exactly the keys of the sample bodies."""

import json
from pathlib import Path

import httpx
import pytest

from linkt_pipeline.sandbox.world.reference_data import (
    FAIR,
    FAIR_FILE,
    INGEST_TASK,
    MONITOR,
    SAAS,
    SEARCH_TASK,
    SHEET_SIGNALS_TASK,
    SHEETS,
)
from tests.sandbox.driving import execute, finished

SAMPLES = Path(__file__).parent.parent / "samples"


def sample(name: str) -> dict:
    return json.loads((SAMPLES / name).read_text())


@pytest.fixture
def run(http: httpx.Client) -> dict:
    return finished(http, execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 5}))


def test_runs(http: httpx.Client, run: dict) -> None:
    expected = sample("run_completed_search.json")
    assert list(run) == list(expected)
    assert list(run["output"]) == list(expected["output"])
    assert run["output"]["credits"].keys() == expected["output"]["credits"].keys()
    assert run["output"]["credits"]["breakdown"].keys() == expected["output"]["credits"]["breakdown"].keys()
    assert run["output"]["resources"].keys() == expected["output"]["resources"].keys()
    assert http.get("/v1/run").json().keys() == sample("run_list_page.json").keys()


def test_executions_and_queues(http: httpx.Client, run: dict) -> None:
    started = http.post(f"/v1/task/{SEARCH_TASK}/execute", json={"icp_id": SAAS}).json()
    assert started.keys() == sample("execute_response.json").keys()
    queue = http.get(f"/v1/run/{run['id']}/queue?include_history=true").json()
    assert queue.keys() == sample("run_queue_page.json").keys()
    known = {key for item in sample("run_queue_page.json")["entities"] for key in item}
    assert {key for item in queue["entities"] for key in item} == known
    active = http.get(f"/v1/icp/{SAAS}/active_runs").json()["runs"][0]
    assert active.keys() == sample("icp_active_runs.json")["runs"][0].keys()


def test_entities(http: httpx.Client, run: dict) -> None:
    company, person = sample("entity_company.json"), sample("entity_person_child.json")
    named = [http.get(f"/v1/entity/{key}").json() for key in run["output"]["resources"]["entities_created"]]
    for entity in named:
        expected = company if entity["entity_type"] == "company" else person
        assert [key for key in entity if not key.startswith("external_")] == list(expected)
        assert {"external_id", "external_source"} < entity.keys()  # sent since SDK 0.13
    assert company["data"].keys() <= next(item for item in named if item["parent_id"] is None)["data"].keys()
    assert http.get("/v1/entity").json().keys() == sample("entity_list_page_1.json").keys()
    assert http.get("/v1/entity/search?q=a").json().keys() == sample("entity_search_page.json").keys()
    assert http.get("/v1/entity/counts").json().keys() == sample("entity_counts.json").keys()


def test_duplicates(http: httpx.Client) -> None:
    finished(http, execute(http, INGEST_TASK, icp_id=FAIR))
    infos = [item["duplicate_info"] for item in http.get("/v1/entity?page_size=100").json()["entities"]]
    shapes = {tuple(info) for info in infos if info}
    expected = (sample(f"entity_{name}.json")["duplicate_info"] for name in ("primary_with_duplicates", "duplicate"))
    assert shapes == {tuple(info) for info in expected}


def test_signals(http: httpx.Client) -> None:
    run = finished(http, execute(http, SHEET_SIGNALS_TASK, icp_id=MONITOR))
    signal = http.get(f"/v1/signal/{run['output']['resources']['signals_created'][0]}").json()
    newer = {"signal_display_name", "metadata"}  # of SDK 0.15
    assert signal.keys() - sample("signal_full.json").keys() == newer
    assert sample("signal_full.json").keys() <= signal.keys()
    assert http.get("/v1/signal").json().keys() == sample("signal_list_page.json").keys()


@pytest.mark.parametrize(
    ("path", "name", "more"),
    [
        (f"/v1/task/{SEARCH_TASK}", "task_search.json", set()),
        (f"/v1/task/{INGEST_TASK}", "task_ingest.json", set()),
        (f"/v1/task/{SHEET_SIGNALS_TASK}", "task_signal_sheet.json", set()),
        ("/v1/task", "task_list_page.json", set()),
        (f"/v1/icp/{SAAS}", "icp.json", {"mode"}),
        (f"/v1/sheet/{SHEETS[SAAS, 'company']}", "sheet.json", set()),
        (f"/v1/files/{FAIR_FILE}", "file_upload_response.json", set()),
    ],
)
def test_reference_data(http: httpx.Client, path: str, name: str, more: set[str]) -> None:
    shown, expected = http.get(path).json(), sample(name)

    assert shown.keys() == expected.keys() | more
    assert (shown.get("task_config") or {}).keys() == (expected.get("task_config") or {}).keys()
