"""The client and the sandbox over real HTTP: the whole path of a run, and the faults that cost money."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from linkt_pipeline.api import (
    AuthenticationError,
    Execution,
    LinktClient,
    NotFoundError,
    RateLimitedError,
    ReplyLostError,
    Run,
    RunStatus,
    ServerError,
    ServiceUnavailableError,
    Throttle,
    parse_entity,
    parse_signal,
)
from linkt_pipeline.sandbox import Sandbox, running_sandbox

SEARCH, ICP = "6964b9b45a4d0beef1000031", "6964b8105a4d0beef1000011"
SIGNALS, WATCHED_ICP = "6964ba2c5a4d0beef1000033", "6964b8885a4d0beef1000013"


@pytest.fixture
def sandbox():
    with running_sandbox(speed=50) as served:
        yield served


def client_of(sandbox: Sandbox, **options: object) -> LinktClient:
    return LinktClient(sandbox.url, SecretStr(sandbox.api_key), **{"retry_for": timedelta(seconds=10), **options})


async def finish(client: LinktClient, execution: Execution) -> Run:
    async with asyncio.timeout(30):
        while not (run := await client.get_run(execution.run_id)).status.is_terminal:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return run


def test_a_search_from_start_to_entities(sandbox):
    async def scenario():
        async with client_of(sandbox) as client:
            execution = await client.execute_task(SEARCH, icp_id=ICP, parameters={"num_results": 5})
            run = await finish(client, execution)
            queue = await client.get_run_queue(run.id)
            bodies = await asyncio.gather(*(client.get_entity_body(i) for i in run.entities_created))
            paged = [entity async for entity in client.list_entities(icp_id=[ICP], page_size=3)]
            return execution, run, queue, bodies, paged

    execution, run, queue, bodies, paged = asyncio.run(scenario())
    entities = [parse_entity(body) for body in bodies]

    assert (run.id, run.status, run.task_id, run.icp_id) == (execution.run_id, RunStatus.COMPLETED, SEARCH, ICP)
    assert run.total_credits == pytest.approx(sum(run.credit_breakdown.values()))
    assert [entity.id for entity in entities] == run.entities_created
    assert {entity.id: entity.data for entity in paged}.items() >= {e.id: e.data for e in entities}.items()
    assert sum(queue.state_counts.values()) > 0


def test_signals_by_id_and_by_page_are_the_same(sandbox):
    async def scenario():
        async with client_of(sandbox) as client:
            run = await finish(client, await client.execute_task(SIGNALS, icp_id=WATCHED_ICP, parameters={}))
            bodies = [await client.get_signal_body(i) for i in run.signals_created]
            return run, bodies, [s async for s in client.list_signals(icp_id=WATCHED_ICP, days=90, page_size=2)]

    run, bodies, paged = asyncio.run(scenario())
    signals = [parse_signal(body) for body in bodies]

    assert run.signals_created
    assert sorted(s.id for s in signals) == sorted(s.id for s in paged)


def test_the_key_of_a_crm_finds_entities_of_all_icps_and_their_signals(sandbox):
    async def scenario():
        async with client_of(sandbox) as client:
            await finish(client, await client.execute_task(SIGNALS, icp_id=WATCHED_ICP, parameters={"num_results": 40}))
            entities = [entity async for entity in client.list_entities()]
            named = {entity_id async for signal in client.list_signals(days=90) for entity_id in signal.entity_ids}
            linked = next(each for each in entities if each.id in named and each.external_source == "salesforce")
            key = {"external_id": linked.external_id, "external_source": "salesforce"}
            found = [entity async for entity in client.list_entities(**key)]
            signals = [signal async for signal in client.list_signals(days=90, **key)]
            elsewhere = await client.list_entities_page(external_id=linked.external_id, external_source="hubspot")
            return linked, found, signals, elsewhere

    linked, found, signals, elsewhere = asyncio.run(scenario())
    assert linked in found
    assert {entity.external_id for entity in found} == {linked.external_id}
    assert signals
    assert all(linked.id in signal.entity_ids for signal in signals)
    assert elsewhere.items == []


def test_reference_data_is_listed_and_read(sandbox):
    async def scenario():
        async with client_of(sandbox) as client:
            tasks = [task async for task in client.list_tasks(page_size=2)]
            icps = [icp async for icp in client.list_icps(page_size=2)]
            sheets = [sheet async for sheet in client.list_sheets(page_size=2)]
            return tasks, icps, sheets, await client.get_task(tasks[0].id)

    tasks, icps, sheets, task = asyncio.run(scenario())

    assert len({t.id for t in tasks}) == len(tasks) >= 4
    assert task.id == tasks[0].id
    assert {s.icp_id for s in sheets} <= {i.id for i in icps}


def test_a_cancelled_run_is_found_by_every_filter(sandbox):
    async def scenario():
        before = datetime.now(UTC) - timedelta(minutes=5)
        async with client_of(sandbox) as client:
            execution = await client.execute_task(SEARCH, icp_id=ICP, parameters={})
            await client.cancel_run(execution.run_id)
            run = await finish(client, execution)
            listed = client.list_runs(
                task_id=SEARCH, icp_id=ICP, status="CANCELED", task_type="search", created_after=before, order=-1
            )
            return run, [r.id async for r in listed], [r.id async for r in client.list_runs(status="FAILED")]

    run, cancelled, failed = asyncio.run(scenario())

    assert run.status is RunStatus.CANCELED
    assert cancelled == [run.id]
    assert failed == []


@pytest.mark.parametrize(
    ("fault", "error", "runs"),
    [
        ("lost_reply", ReplyLostError, 1),
        ("error_after_work", ServerError, 1),
        ("cut_body", ReplyLostError, 1),
        ("reset", ReplyLostError, 0),
        ("http_500", ServerError, 0),
        ("http_503", ServiceUnavailableError, 0),
        ("http_429", RateLimitedError, 0),
    ],
)
def test_an_execute_that_goes_wrong_is_never_sent_again(sandbox, fault, error, runs):
    sandbox.inject(f"{fault}@execute")  # not only the first time: a second POST would show in the count

    async def scenario():
        async with client_of(sandbox) as client:
            with pytest.raises(error):
                await client.execute_task(SEARCH, icp_id=ICP, parameters={})

    asyncio.run(scenario())

    assert sandbox.run_count(SEARCH) == runs


@pytest.mark.parametrize("fault", ["http_503", "http_502", "reset", "cut_body", "http_429=0"])
def test_reads_outlive_passing_faults(sandbox, fault):
    sandbox.inject(f"{fault}@get_task*1")

    async def scenario():
        async with client_of(sandbox) as client:
            return await client.get_task(SEARCH)

    assert asyncio.run(scenario()).id == SEARCH


def task_ids(sandbox: Sandbox) -> list[str]:
    async def scenario() -> list[str]:
        async with client_of(sandbox) as client:
            return [task.id async for task in client.list_tasks(page_size=2)]

    return asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_total_that_drifts_costs_no_row(sandbox):
    expected = task_ids(sandbox)
    sandbox.inject("drifting_total@list_tasks")

    assert task_ids(sandbox) == expected


def test_a_first_page_that_never_ends_is_read_once_and_reported_as_short(sandbox, caplog):
    expected = task_ids(sandbox)
    sandbox.inject("endless_page@list_tasks")

    assert task_ids(sandbox) == expected[:2]
    assert f"ended after 2 rows, but the API gives a total of {len(expected)}" in caplog.text


def test_refusals_have_their_errors(sandbox):
    async def scenario():
        async with client_of(sandbox) as client:
            with pytest.raises(NotFoundError):
                await client.get_entity_body("0" * 24)
        async with LinktClient(sandbox.url, SecretStr("sk-wrong-key-000")) as client:
            with pytest.raises(AuthenticationError, match="LINKT_API_KEY"):
                await client.get_task(SEARCH)

    asyncio.run(scenario())


def test_a_known_limit_meets_no_429():
    seen = []

    async def scenario(sandbox):
        throttle = Throttle(60)
        async with client_of(sandbox, throttle=throttle, on_request=seen.append) as client:
            await asyncio.gather(*(client.get_task(SEARCH) for _ in range(33)))

    with running_sandbox(requests_per_minute=60) as sandbox:
        try:
            asyncio.run(scenario(sandbox))
        except RateLimitedError as error:  # pragma: no cover
            pytest.fail(str(error))

    assert {record.status for record in seen} == {200}
