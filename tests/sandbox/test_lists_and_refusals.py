"""Filters, paging and error bodies."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from linkt_pipeline.sandbox import Sandbox
from linkt_pipeline.sandbox.world.reference_data import (
    FAIR,
    INGEST_TASK,
    MONITOR,
    SAAS,
    SEARCH_TASK,
    SHEET_SIGNALS_TASK,
)
from linkt_pipeline.sandbox.world.vocabulary import SIGNALS
from tests.sandbox.driving import execute, finished


def listed(http: httpx.Client, path: str, key: str, **params) -> list[str]:
    reply = http.get(path, params=params)
    assert reply.status_code == 200, reply.text
    return [item["id"] for item in reply.json()[key]]


def test_runs_are_filtered_by_every_parameter(http: httpx.Client) -> None:
    first = finished(http, execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 1}))
    second = finished(http, execute(http, INGEST_TASK, icp_id=FAIR))
    a, b = first["id"], second["id"]

    assert listed(http, "/v1/run", "runs") == [b, a]
    assert listed(http, "/v1/run", "runs", order=1) == [a, b]
    assert listed(http, "/v1/run", "runs", task_id=SEARCH_TASK) == [a]
    assert listed(http, "/v1/run", "runs", icp_id=FAIR) == [b]
    assert listed(http, "/v1/run", "runs", task_type="ingest") == [b]
    assert listed(http, "/v1/run", "runs", status="RUNNING") == []
    assert listed(http, "/v1/run", "runs", created_after=second["created_at"]) == [b]
    assert listed(http, "/v1/run", "runs", created_before=first["created_at"]) == [a]
    assert listed(http, "/v1/run", "runs", updated_after=second["updated_at"]) == [b]
    assert listed(http, "/v1/run", "runs", updated_before=first["updated_at"]) == [a]
    assert listed(http, "/v1/run", "runs", page=2, page_size=1) == [a]


def test_paging_covers_everything_once(http: httpx.Client) -> None:
    finished(http, execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 30}))
    total = http.get("/v1/entity").json()["total"]

    ids = [key for page in range(1, 20) for key in listed(http, "/v1/entity", "entities", page=page, page_size=7)]

    assert len(ids) == len(set(ids)) == total
    assert len(listed(http, "/v1/entity", "entities")) == 20  # the default page


def test_entities_are_filtered_by_repeated_keys(http: httpx.Client) -> None:
    finished(http, execute(http, INGEST_TASK, icp_id=FAIR))

    saas = listed(http, "/v1/entity", "entities", icp_id=SAAS, page_size=100)
    fair = listed(http, "/v1/entity", "entities", icp_id=FAIR, page_size=100)
    both = listed(http, "/v1/entity", "entities", icp_id=[SAAS, FAIR], page_size=100)
    assert saas
    assert fair
    assert sorted(both) == sorted(saas + fair)
    assert listed(http, "/v1/entity", "entities", icp_id=f"{SAAS},{FAIR}") == []  # not how lists are written


def test_a_company_of_two_icps_is_marked_on_both_sides(http: httpx.Client) -> None:
    finished(http, execute(http, INGEST_TASK, icp_id=FAIR))
    entities = {entity["id"]: entity for entity in http.get("/v1/entity?page_size=100").json()["entities"]}

    copies = [entity for entity in entities.values() if (entity["duplicate_info"] or {}).get("is_duplicate")]
    assert copies
    for copy in copies:
        primary = entities[copy["duplicate_info"]["primary_entity_id"]]
        assert copy["id"] in primary["duplicate_info"]["duplicate_entity_ids"]
        assert primary["icp_id"] != copy["icp_id"]
    hidden = set(entities) - set(listed(http, "/v1/entity", "entities", hide_duplicates="true", page_size=100))
    assert hidden == {copy["id"] for copy in copies}


def test_signals_come_in_all_types_and_with_gaps(http: httpx.Client) -> None:
    finished(http, execute(http, SHEET_SIGNALS_TASK, icp_id=MONITOR, parameters={"num_results": 60}))
    signals = http.get("/v1/signal?page_size=100").json()["signals"]

    assert {signal["signal_type"] for signal in signals} == {*SIGNALS, None}
    strengths = {signal["strength"] for signal in signals}
    assert {"HIGH", "strong", None} <= strengths
    assert None in {signal["score"] for signal in signals}
    assert len({url.split("/")[2] for signal in signals for url in signal["references"]}) > 4
    one = signals[0]["entity_ids"][0]
    about = listed(http, "/v1/signal", "signals", entity_id=one, page_size=100)
    assert about == [signal["id"] for signal in signals if one in signal["entity_ids"]]


def test_everything_made_up_is_on_example_domains(http: httpx.Client) -> None:
    finished(http, execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 40}))

    text = http.get("/v1/entity?page_size=100").text
    hosts = {part.split("/")[0].split('"')[0] for part in text.split("https://")[1:]}
    mail_hosts = {part.split('"')[0] for part in text.split("@")[1:]}
    assert hosts
    assert mail_hosts
    assert all(host.endswith(".example") for host in hosts | mail_hosts)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v1/run?page_size=101", 422, "less than or equal to 100"),
        ("GET", "/v1/run?page=0", 422, "greater than or equal to 1"),
        ("GET", "/v1/run?status=DONE", 422, "SCHEDULED"),
        ("GET", "/v1/run?created_after=yesterday", 422, "valid datetime"),
        ("GET", "/v1/entity?status=new,reviewed", 422, "status"),
        ("GET", "/v1/signal?days=91", 422, "less than or equal to 90"),
        ("GET", "/v1/entity/search", 422, "Field required"),
        ("GET", "/v1/run/ffffffffffffffffffffffff", 404, "Run not found"),
        ("GET", "/v1/entity/not-an-id", 404, "Entity not found"),
        ("GET", "/v1/signal/ffffffffffffffffffffffff", 404, "Signal not found"),
        ("POST", "/v1/task/ffffffffffffffffffffffff/execute", 404, "Task not found"),
        ("POST", "/v1/run/ffffffffffffffffffffffff/cancel", 404, "Run not found"),
        ("GET", "/v2/runs", 404, "Not Found"),
        ("DELETE", "/v1/signal/ffffffffffffffffffffffff", 405, "Method Not Allowed"),
    ],
)
def test_refusals_say_why(http: httpx.Client, method: str, path: str, status: int, words: str) -> None:
    reply = http.request(method, path)

    assert reply.status_code == status
    assert words in reply.text
    assert "detail" in reply.json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "json_invalid"),
        (b"[]", "dictionary"),
        (b'{"icp_id": 7}', "icp_id"),
        (b'{"parameters": []}', "parameters"),
        (b'{"parameters": {"num_results": "many"}}', "num_results"),
    ],
)
def test_a_bad_execute_body_buys_nothing(sandbox: Sandbox, http: httpx.Client, body: bytes, field: str) -> None:
    reply = http.post(f"/v1/task/{SEARCH_TASK}/execute", content=body)

    assert reply.status_code == 422
    assert field in reply.text
    assert sandbox.run_count() == 0


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "sk-wrong"}, {"authorization": "Bearer sk-sandbox"}])
def test_without_the_right_key_there_is_only_a_401(sandbox: Sandbox, headers: dict[str, str]) -> None:
    reply = httpx.get(f"{sandbox.url}/v1/run", headers=headers)

    assert (reply.status_code, reply.json()) == (401, {"detail": "Missing or invalid API key"})


def test_a_listing_by_update_time_misses_no_run(http: httpx.Client) -> None:
    since = datetime.now(UTC) - timedelta(seconds=1)
    runs = {execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 1}) for _ in range(3)}

    assert set(listed(http, "/v1/run", "runs", updated_after=since.isoformat().replace("+00:00", "Z"))) == runs
