"""Each fault does what it says to a real HTTP client, as often as asked, and the work is or is not done."""

import time
from email.utils import parsedate_to_datetime

import httpx
import pytest

from linkt_pipeline.sandbox import Sandbox, running_sandbox
from linkt_pipeline.sandbox.errors import FaultSpecError
from linkt_pipeline.sandbox.faults import KINDS, parse_fault
from linkt_pipeline.sandbox.world.reference_data import SAAS, SEARCH_TASK, SHEET_SIGNALS_TASK
from linkt_pipeline.sandbox.world.vocabulary import ERROR_TEXTS
from tests.sandbox.driving import execute, finished, wait_until

EXECUTE = f"/v1/task/{SEARCH_TASK}/execute"

# A reset that arrives while httpcore still sends the body is swallowed there, and the next read finds the end instead.
RESET = (httpx.ReadError, httpx.RemoteProtocolError)


@pytest.mark.parametrize(
    ("fault", "error", "runs_bought"),
    [
        ("lost_reply", RESET, 1),
        ("cut_body@execute", httpx.RemoteProtocolError, 1),
        ("late_reply=1.5", httpx.ReadTimeout, 1),
        ("reset@execute", RESET, 0),
        ("hang=1.5@execute", httpx.ReadTimeout, 0),
    ],
)
def test_replies_that_never_arrive(
    sandbox: Sandbox, fault: str, error: type[Exception] | tuple[type[Exception], ...], runs_bought: int
) -> None:
    sandbox.inject(fault)

    with httpx.Client(base_url=sandbox.url, headers={"x-api-key": sandbox.api_key}, timeout=0.5) as http:
        with pytest.raises(error):
            http.post(EXECUTE, json={})
        assert sandbox.run_count(SEARCH_TASK) == runs_bought
        assert http.post(EXECUTE, json={}).status_code == 200  # once, and then all is well


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "runs_bought"),
    [
        ("error_after_work", 500, "text/plain", 1),
        ("error_after_work=503", 503, "application/json", 1),
        ("http_500@execute", 500, "text/plain", 0),
        ("http_502", 502, "text/html", 0),
        ("http_503", 503, None, 0),
        ("http_409=Task has active runs", 409, "application/json", 0),
        ("http_401", 401, "application/json", 0),
        ("http_429", 429, "application/json", 0),
        ("malformed_body=empty@execute", 200, "application/json", 1),
        ("malformed_body=html@execute", 200, "text/html", 1),
    ],
)
def test_replies_that_are_no_use(
    sandbox: Sandbox, http: httpx.Client, fault: str, status: int, content_type: str | None, runs_bought: int
) -> None:
    sandbox.inject(fault)

    reply = http.post(EXECUTE, json={})

    assert reply.status_code == status
    assert (reply.headers.get("content-type") or "").startswith(content_type or "")
    assert sandbox.run_count(SEARCH_TASK) == runs_bought


def test_retry_after_comes_in_both_forms_or_not_at_all(sandbox: Sandbox, http: httpx.Client) -> None:
    for fault in ("http_429=2.5", "http_429=date:90", "http_429=none"):
        sandbox.inject(fault)

    seconds, date, none = (http.get("/v1/run").headers.get("retry-after") for _ in range(3))

    assert seconds == "2.5"
    assert 60 < parsedate_to_datetime(date).timestamp() - time.time() < 91
    assert none is None


@pytest.mark.parametrize("how", ["truncated", "empty", "html", "list", "missing_id", "wrong_type"])
def test_an_entitys_body_can_be_spoilt_in_many_ways(sandbox: Sandbox, http: httpx.Client, how: str) -> None:
    good = http.get("/v1/entity").json()["entities"][0]
    sandbox.inject(f"malformed_body={how}@get_entity")

    spoilt, again = (http.get(f"/v1/entity/{good['id']}") for _ in range(2))

    assert spoilt.status_code == 200
    assert spoilt.content != again.content
    assert again.json() == good


@pytest.mark.parametrize(
    ("fault", "status", "output_keys"),
    [
        *((f"failed_run={kind}", "FAILED", None) for kind in ("rate_limit", "sheet_capacity", "timeout", "other")),
        ("failed_run=invalid_configuration", "FAILED", ()),
        ("crashed_run", "CRASHED", ()),
        ("canceled_run", "CANCELED", ("version", "credits", "resources", "run_time")),
        ("null_output", "COMPLETED", ()),
        ("legacy_output", "COMPLETED", ("message",)),
    ],
)
def test_runs_that_end_oddly(
    sandbox: Sandbox, http: httpx.Client, fault: str, status: str, output_keys: tuple[str, ...] | None
) -> None:
    sandbox.inject(fault)

    run = finished(http, execute(http, SEARCH_TASK, icp_id=SAAS, parameters={"num_results": 10}))

    assert run["status"] == status
    if output_keys is None:
        assert run["output"]["credits"]["total_credits"] > 0
        assert set(run["output"]["resources"]) == {"entities_created"}
    else:
        assert tuple(run.get("output") or ()) == output_keys
    if fault.startswith("failed_run"):
        assert run["error"] == ERROR_TEXTS[fault.partition("=")[2]]
    assert finished(http, execute(http, SEARCH_TASK, icp_id=SAAS))["status"] == "COMPLETED"


def test_an_empty_run_completes_with_nothing(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.inject("empty_run")

    output = finished(http, execute(http, SEARCH_TASK, icp_id=SAAS))["output"]

    assert output["credits"] == {"total_credits": 0, "breakdown": {}}
    assert not any(output["resources"].values())


def test_a_paused_run_goes_on_when_its_time_is_over(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.inject("paused_run=0.5")
    run_id = execute(http, SEARCH_TASK, icp_id=SAAS)

    wait_until(lambda: http.get(f"/v1/run/{run_id}").json()["status"] == "PAUSED")
    assert http.get(f"/v1/icp/{SAAS}/active_runs").json() == {"runs": []}

    assert finished(http, run_id)["status"] == "COMPLETED"


def test_a_run_paused_for_ever_can_be_cancelled(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.inject("paused_run")
    run_id = execute(http, SEARCH_TASK, icp_id=SAAS)
    wait_until(lambda: http.get(f"/v1/run/{run_id}").json()["status"] == "PAUSED")

    http.post(f"/v1/run/{run_id}/cancel")

    assert http.get(f"/v1/run/{run_id}").json()["status"] == "CANCELED"


def test_an_unknown_status_is_shown_on_the_way(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.inject("unknown_status=ARCHIVING")
    run_id = execute(http, SEARCH_TASK, icp_id=SAAS)

    wait_until(lambda: http.get(f"/v1/run/{run_id}").json()["status"] == "ARCHIVING")

    assert finished(http, run_id)["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("task_id", "key"), [(SEARCH_TASK, "entities_created"), (SHEET_SIGNALS_TASK, "signals_created")]
)
def test_runs_name_ids_that_lead_nowhere(sandbox: Sandbox, http: httpx.Client, task_id: str, key: str) -> None:
    sandbox.inject("missing_ids=2")
    sandbox.inject("malformed_ids=1")

    named = finished(http, execute(http, task_id, parameters={"num_results": 3}))["output"]["resources"][key]

    assert named[-1] == "not-an-id/0"
    kind = "entity" if key.startswith("entities") else "signal"
    statuses = [http.get(f"/v1/{kind}/{name}").status_code for name in named[:-1]]
    assert statuses[-2:] == [404, 404]
    assert set(statuses[:-2]) == {200}


def test_one_named_id_can_be_missing_until_the_fault_is_cleared(sandbox: Sandbox, http: httpx.Client) -> None:
    first, second = (entity["id"] for entity in http.get("/v1/entity?page_size=2").json()["entities"])
    sandbox.inject(f"missing@get_entity:{first}")

    assert [http.get(f"/v1/entity/{key}").status_code for key in (first, second, first)] == [404, 200, 404]
    sandbox.world.faults.clear()
    assert http.get(f"/v1/entity/{first}").status_code == 200


def test_lists_can_lag_behind_and_be_stale(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.inject("lagging_list=0.4")
    run_id = execute(http, SEARCH_TASK, icp_id=SAAS)
    assert http.get("/v1/run").json()["runs"] == []
    assert http.get(f"/v1/run/{run_id}").status_code == 200
    wait_until(lambda: http.get("/v1/run").json()["total"] == 1)

    sandbox.inject("stale_list=0.5")
    assert finished(http, run_id)["status"] == "COMPLETED"
    assert http.get("/v1/run").json()["runs"][0]["status"] == "RUNNING"
    wait_until(lambda: http.get("/v1/run").json()["runs"][0]["status"] == "COMPLETED")


@pytest.mark.parametrize("skew", [180, -180])
def test_the_servers_clock_can_be_wrong(sandbox: Sandbox, http: httpx.Client, skew: int) -> None:
    sandbox.inject(f"clock_skew={skew}")

    run_id = execute(http, SEARCH_TASK, icp_id=SAAS)

    assert int(run_id[:8], 16) - time.time() == pytest.approx(skew, abs=2)
    stamp = http.get(f"/v1/run/{run_id}").json()["created_at"]
    assert http.get("/v1/run", params={"created_after": stamp, "created_before": stamp}).json()["total"] == 1


def test_lists_can_drift_and_never_end(sandbox: Sandbox, http: httpx.Client) -> None:
    total = http.get("/v1/entity").json()["total"]
    sandbox.inject("drifting_total=5@list_entities*1")
    assert [http.get("/v1/entity").json()["total"] for _ in range(2)] == [total + 5, total]

    sandbox.inject("endless_page@list_entities")
    pages = [http.get("/v1/entity", params={"page": page, "page_size": 3}).json() for page in (1, 2, 99)]
    assert [page["entities"] for page in pages] == [pages[0]["entities"]] * 3
    assert len(pages[0]["entities"]) == 3


def test_counts_skips_and_endpoints_are_kept_to(sandbox: Sandbox, http: httpx.Client) -> None:
    fault = sandbox.inject("http_503@get_run*2+1")
    run_id = execute(http, SEARCH_TASK)

    assert [http.get(f"/v1/run/{run_id}").status_code for _ in range(4)] == [200, 503, 503, 200]
    assert http.get("/v1/run").status_code == 200
    assert fault.fired == 2


def test_a_probability_hits_some_requests_and_not_others(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.inject("http_500@list_runs*0%0.5")

    statuses = [http.get("/v1/run").status_code for _ in range(60)]

    assert 10 < statuses.count(500) < 50


def test_faults_can_be_set_over_http_from_another_process(http: httpx.Client) -> None:
    assert http.post("/_sandbox/faults", json={"fault": "http_500@list_runs"}).status_code == 201
    assert http.post("/_sandbox/faults", json={"fault": "nonsense"}).status_code == 422
    assert [http.get("/v1/run").status_code for _ in range(2)] == [500, 200]
    assert http.get("/_sandbox/faults").json()["faults"][0]["fired"] == 1
    assert http.delete("/_sandbox/faults").status_code == 204
    log = http.get("/_sandbox/requests").json()
    assert log["counts"] == {"list_runs": 2}
    assert [entry["status"] for entry in log["requests"]] == [500, 200]


def test_faults_given_at_the_start_are_in_force() -> None:
    with running_sandbox(faults=["http_500@list_runs"]) as sandbox:
        headers = {"x-api-key": sandbox.api_key}
        assert [httpx.get(f"{sandbox.url}/v1/run", headers=headers).status_code for _ in range(2)] == [500, 200]


@pytest.mark.parametrize("spec", ["", "nonsense", "http_200", "reset@nowhere", "reset%2", "reset%zero", "reset*some"])
def test_a_fault_that_can_not_be_read_is_refused(spec: str) -> None:
    with pytest.raises(FaultSpecError, match="fault"):
        parse_fault(spec)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "http_NNN"])
def test_every_kind_of_fault_can_be_written_by_its_name_alone(name: str) -> None:
    assert parse_fault(name).kind is KINDS[name]
