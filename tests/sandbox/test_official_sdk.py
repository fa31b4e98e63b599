"""The vendor's own SDK, validating every body strictly, talks to the sandbox: proof that it speaks their language."""

from collections.abc import Iterator

import pytest
from linkt import APIResponseValidationError, AuthenticationError, Linkt, NotFoundError, UnprocessableEntityError

from linkt_pipeline.sandbox import Sandbox
from linkt_pipeline.sandbox.world.reference_data import (
    FAIR,
    FAIR_FILE,
    INGEST_TASK,
    MONITOR,
    PROFILE_TASK,
    SAAS,
    SEARCH_TASK,
    SHEET_SIGNALS_TASK,
    SHEETS,
    TOPIC_SIGNALS_TASK,
)
from tests.sandbox.driving import TERMINAL, wait_until


@pytest.fixture
def sdk(sandbox: Sandbox) -> Iterator[Linkt]:
    with Linkt(
        api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0, timeout=10, _strict_response_validation=True
    ) as client:
        yield client


def run_to_the_end(sdk: Linkt, task_id: str, icp_id: str | None = None, **parameters: object) -> dict[str, object]:
    started = sdk.task.execute(task_id, icp_id=icp_id, parameters=parameters)
    assert (started.status, len(started.run_id)) == ("SCHEDULED", 24)

    def ended() -> dict[str, object] | None:
        run = sdk.run.retrieve(started.run_id)
        return run if run["status"] in TERMINAL else None

    return wait_until(ended)


def test_strictness_is_real(sandbox: Sandbox, sdk: Linkt) -> None:
    sandbox.inject("malformed_body=wrong_type@get_entity")
    entity_id = sdk.entity.list().entities[0].id

    with pytest.raises(APIResponseValidationError):
        sdk.entity.retrieve(entity_id)


@pytest.mark.parametrize("task_id", [SEARCH_TASK, INGEST_TASK, SHEET_SIGNALS_TASK, TOPIC_SIGNALS_TASK])
def test_every_kind_of_task_runs_and_each_named_resource_reads_by_id(sdk: Linkt, task_id: str) -> None:
    run = run_to_the_end(sdk, task_id, sdk.task.retrieve(task_id).icp_id)

    assert run["status"] == "COMPLETED"
    resources = run["output"]["resources"]
    entities = [sdk.entity.retrieve(key) for key in resources["entities_created"] + resources["entities_updated"]]
    signals = [sdk.signal.retrieve(key) for key in resources["signals_created"]]
    assert entities or signals


def test_runs(sdk: Linkt) -> None:
    run = run_to_the_end(sdk, SEARCH_TASK, SAAS, num_results=3)

    listed = sdk.run.list(
        task_id=SEARCH_TASK, icp_id=SAAS, status="COMPLETED", task_type="search", order=-1, sort_by="created_at"
    )
    assert [item["id"] for item in listed.runs] == [run["id"]]
    assert sdk.run.list(updated_after=run["updated_at"], page=1, page_size=100).total == 1
    assert sdk.run.list(created_before="2026-01-01T00:00:00Z").total == 0
    queue = sdk.run.get_queue(run["id"], include_history=True, limit=2, offset=1)
    assert (queue.total, queue.queue_data_available, queue.limit, queue.offset) == (2, True, 2, 1)
    assert queue.state_counts == queue.stats
    assert sdk.run.get_queue(run["id"], state="discarded").total == queue.state_counts["discarded"]

    other = sdk.task.execute(SEARCH_TASK, icp_id=SAAS)
    assert [item.id for item in sdk.icp.get_active_runs(SAAS).runs] == [other.run_id]
    assert sdk.run.cancel(other.run_id) is None
    assert sdk.run.retrieve(other.run_id)["status"] == "CANCELED"
    assert sdk.run.delete(other.run_id) is None
    with pytest.raises(NotFoundError):
        sdk.run.retrieve(other.run_id)


def test_entities(sdk: Linkt) -> None:
    run_to_the_end(sdk, SEARCH_TASK, SAAS, num_results=3)

    companies = sdk.entity.list(
        icp_id=[SAAS], sheet_id=SHEETS[SAAS, "company"], entity_type="company", status=["new"], page=1, page_size=2
    )
    assert (len(companies.entities), companies.page_size) == (2, 2)
    assert sdk.entity.list(fields="name", hide_duplicates=True).entities[0].data.keys() == {"name"}
    counts = sdk.entity.get_counts(icp_id=[SAAS])
    assert counts.total == sum(counts.counts.values()) == sdk.entity.list(icp_id=[SAAS]).total
    name = companies.entities[0].data["name"]["value"]
    assert name in [item.data["name"]["value"] for item in sdk.entity.search(q=name[:9]).entities]
    export = sdk.entity.with_raw_response.export(entity_type="company")  # CSV, which no strict JSON check lets through
    assert "headquarters" in export.http_response.text.splitlines()[0]

    chosen = companies.entities[0].id
    assert sdk.entity.update(chosen, status="reviewed", comments="called").comments == "called"
    assert sdk.entity.bulk_update_status(entity_ids=[chosen, "f" * 24], status="passed").failed_ids == ["f" * 24]
    assert sdk.entity.retrieve(chosen).status == "passed"
    sdk.entity.delete(chosen)
    with pytest.raises(NotFoundError):
        sdk.entity.retrieve(chosen)


def test_signals(sdk: Linkt) -> None:
    run_to_the_end(sdk, SHEET_SIGNALS_TASK, MONITOR, num_results=20)

    page = sdk.signal.list(icp_id=MONITOR, days=90, page_size=100, order=1, sort_by="created_at")
    assert page.total == 20
    first = page.signals[0]
    assert sdk.signal.list(entity_id=first.entity_ids[0], signal_type=first.signal_type).total >= 1
    assert None in {signal.signal_type for signal in page.signals}


def test_entities_and_signals_are_found_by_the_key_of_a_crm(sdk: Linkt) -> None:
    run_to_the_end(sdk, INGEST_TASK, FAIR)
    run_to_the_end(sdk, SHEET_SIGNALS_TASK, MONITOR, num_results=60)
    entities = [item for page in (1, 2) for item in sdk.entity.list(page=page, page_size=100).entities]
    signals = sdk.signal.list(days=90, page_size=100).signals
    keys = {(item.external_source, item.external_id) for item in entities if item.external_id}
    assert {"salesforce", "hubspot"} == {source for source, _ in keys}
    assert None in {item.external_id for item in entities}
    assert {type(signal.metadata) for signal in signals} == {dict, type(None)}

    icps_of_a_key, signals_of_a_key = set(), set()
    for source, key in keys:
        carriers = {item.id for item in entities if (item.external_source, item.external_id) == (source, key)}
        found = sdk.entity.list(external_id=key, external_source=source, page_size=100).entities
        assert {item.id for item in found} == carriers
        if source == "salesforce":
            assert sdk.entity.list(external_id=key).total == len(carriers)
        else:
            assert sdk.entity.list(external_id=key).total == 0  # it is a record of Salesforce that is asked for
        about = sdk.signal.list(external_id=key, external_source=source, days=90, page_size=100).signals
        assert {item.id for item in about} == {item.id for item in signals if carriers & {*item.entity_ids}}
        icps_of_a_key.add(len({item.icp_id for item in found}))
        signals_of_a_key.add(len(about))
    assert 2 in icps_of_a_key
    assert signals_of_a_key > {0}


def test_tasks_icps_sheets_schedules_and_files(sdk: Linkt) -> None:
    assert {task.id for task in sdk.task.list(page_size=100).tasks} >= {SEARCH_TASK, PROFILE_TASK}
    assert sdk.task.list(flow_name="ingest").total == 1
    made = sdk.task.create(name="n", description="d", flow_name="search", deployment_name="main", icp_id=SAAS)
    sdk.task.update(made.id, name="renamed")
    assert sdk.task.retrieve(made.id).name == "renamed"
    sdk.task.delete(made.id)

    assert sdk.icp.retrieve(SAAS).entity_targets[0].root is True
    assert sdk.icp.list(page_size=100).total == 4
    assert sdk.sheet.list(icp_id=SAAS, entity_type="company").total == 1
    assert sdk.sheet.retrieve(SHEETS[SAAS, "person"]).entity_type == "person"
    assert "pricing_model" in sdk.sheet.schema.get(SHEETS[SAAS, "company"]).properties
    assert {"company", "person"} <= sdk.sheet.schema.get_default().schemas.keys()
    schedule = sdk.schedule.list(task_id=SHEET_SIGNALS_TASK).schedules[0]
    assert sdk.schedule.retrieve(schedule.id).cron_expression == "0 7 * * 1"
    assert sdk.files.list().files[0].file_id == FAIR_FILE
    assert sdk.files.retrieve(FAIR_FILE).processing_status == "completed"


def test_errors_arrive_as_the_sdks_own(sandbox: Sandbox, sdk: Linkt) -> None:
    with pytest.raises(AuthenticationError, match="Missing or invalid API key"):
        Linkt(api_key="sk-wrong", base_url=sandbox.url, max_retries=0).run.list()
    with pytest.raises(NotFoundError, match="Task not found"):
        sdk.task.execute("f" * 24)
    with pytest.raises(UnprocessableEntityError, match="less than or equal to 100"):
        sdk.run.list(page_size=101)


def test_its_blind_retries_buy_a_run_each_time(sandbox: Sandbox) -> None:
    """Why the pipeline does not execute through the SDK: one intention, three paid runs."""
    sandbox.inject("error_after_work*2")

    Linkt(api_key=sandbox.api_key, base_url=sandbox.url).task.execute(SEARCH_TASK, icp_id=SAAS)

    assert sandbox.run_count(SEARCH_TASK) == 3
