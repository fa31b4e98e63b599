"""The API's bodies as values: every sample body is read, and odd ones lose nothing.

V1 has been frozen for a while, yet its documentation, its SDK and its real answers disagree in places; these tests
pin what the models do in each of those.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from linkt_pipeline.api import (
    Entity,
    Execution,
    Icp,
    MalformedBodyError,
    Run,
    RunQueue,
    RunStatus,
    Sheet,
    Signal,
    Task,
)
from linkt_pipeline.api.fields import read_timestamp
from linkt_pipeline.api.wire import parse_one, parse_page

SAMPLES = Path(__file__).parent.parent / "samples"
SINGLE = {
    "run_queue_": RunQueue,
    "run_": Run,
    "entity_": Entity,
    "signal_": Signal,
    "task_": Task,
    "icp": Icp,
    "sheet": Sheet,
    "execute_response": Execution,
}
LISTS = {"entities": Entity, "signals": Signal, "tasks": Task, "runs": Run}
# Bodies of endpoints this client has no use for.
NOT_READ = {
    "entity_bulk_status_response",
    "entity_counts",
    "file_upload_response",
    "schedule",
    "webhook_signal_completed",
}


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.json").read_bytes()


def names() -> list[str]:
    return sorted(p.stem for p in SAMPLES.glob("*.json") if p.stem not in NOT_READ and not p.stem.startswith("error_"))


def model_for(name: str) -> type:
    return next(model for prefix, model in SINGLE.items() if name.startswith(prefix))


@pytest.mark.parametrize("name", names())
def test_every_sample_body_is_read_and_keeps_every_key(name):
    wire = json.loads(sample(name))
    list_key = next((key for key in LISTS if isinstance(wire.get(key), list) and "state_counts" not in wire), None)

    if list_key:
        page = parse_page(LISTS[list_key], list_key, sample(name), page=1, page_size=20)
        assert page.malformed == ()
        assert [json.loads(item.payload) for item in page.items] == wire[list_key]
        assert page.total == wire.get("total")
    else:
        read = parse_one(model_for(name), sample(name))
        assert read.payload == sample(name).decode()
        known_as = {"status": "raw_status"} if hasattr(read, "raw_status") else {}
        assert {known_as.get(key, key) for key in wire} <= set(read.model_dump()) | set(read.model_extra)


def test_there_are_samples_of_each_kind():
    assert {model_for(name) for name in names()} == set(SINGLE.values())


@pytest.mark.parametrize(
    ("wire", "status", "terminal"),
    [
        ("SCHEDULED", RunStatus.SCHEDULED, False),
        ("PENDING", RunStatus.PENDING, False),
        ("RUNNING", RunStatus.RUNNING, False),
        ("PAUSED", RunStatus.PAUSED, False),
        ("COMPLETED", RunStatus.COMPLETED, True),
        ("FAILED", RunStatus.FAILED, True),
        ("CANCELED", RunStatus.CANCELED, True),
        ("CRASHED", RunStatus.CRASHED, True),
        ("cancelled", RunStatus.CANCELED, True),
        ("CANCELLED", RunStatus.CANCELED, True),
        ("Cancelling", RunStatus.RUNNING, False),
        (" completed\n", RunStatus.COMPLETED, True),
        ("RESURRECTED", RunStatus.UNKNOWN, False),
        ("", RunStatus.UNKNOWN, False),
        (None, RunStatus.UNKNOWN, False),
        (3, RunStatus.UNKNOWN, False),
    ],
)
def test_status_knows_whether_it_is_the_last_one(wire, status, terminal):
    assert RunStatus.parse(wire) is status
    assert status.is_terminal is terminal


def test_no_state_was_added_without_deciding_whether_it_is_terminal():
    assert len(RunStatus) == 9


ABSURD = [-1, 3e9, 1e13, 1.7e18, 1e308, 10**30, "1e400", "NaN", "Infinity", "-5", True, [], {"a": 1}, "9" * 400]


@pytest.mark.parametrize("value", ABSURD, ids=repr)
def test_an_absurd_amount_is_none_and_stays_in_the_payload(value):
    output = {"run_time": value, "credits": {"total_credits": value, "breakdown": {"search": value, "enrich": 2.5}}}
    body = json.dumps({"id": "a", "output": output}).encode()

    run = parse_one(Run, body)

    assert (run.run_time_seconds, run.total_credits) == (None, None)
    assert run.credit_breakdown == {"enrich": 2.5} | ({"search": float(value)} if value in (-1, "-5") else {})
    assert run.payload == body.decode()


@pytest.mark.parametrize("value", [*ABSURD, 1.5, "7"], ids=repr)
def test_an_absurd_count_of_a_queue_is_left_out(value):
    queue = parse_one(RunQueue, json.dumps({"state_counts": {"queued": 3, "completed": value}}).encode())

    assert queue.state_counts == {"queued": 3}


@pytest.mark.parametrize("value", [1e13, 10**30, "NaN", "inf", "1e400", {}, [1]], ids=repr)
def test_an_absurd_score_is_none(value):
    assert parse_one(Signal, json.dumps({"id": "a", "score": value}).encode()).score is None


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("2026-04-07T09:00:05Z", datetime(2026, 4, 7, 9, 0, 5, tzinfo=UTC)),
        ("2026-04-07T09:55:31.204000+00:00", datetime(2026, 4, 7, 9, 55, 31, 204000, tzinfo=UTC)),
        ("2025-11-20T16:00:01.482000", datetime(2025, 11, 20, 16, 0, 1, 482000, tzinfo=UTC)),
        ("2026-04-07T11:00:05+02:00", datetime(2026, 4, 7, 9, 0, 5, tzinfo=UTC)),
        ("2026-04-07T09:00:05.123456789Z", datetime(2026, 4, 7, 9, 0, 5, 123456, tzinfo=UTC)),
        (None, None),
        ("", None),
        ("yesterday", None),
        (1775552405, None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_timestamps_are_utc_whatever_their_rendering(wire, expected):
    read = read_timestamp(wire)
    assert read == expected
    assert read is None or read.tzinfo is UTC


@pytest.mark.parametrize(
    ("name", "credits", "created", "seconds", "version"),
    [
        ("run_completed_search", 8.6, 6, 6841.73, "1.0"),
        ("run_completed_empty", 0.0, 0, None, "1.0"),
        ("run_completed_null_output", None, 0, None, None),
        ("run_crashed_output_absent", None, 0, None, None),
        ("run_failed_no_icp", None, 0, None, None),
        ("run_canceled_partial_output", 1.1, 1, 633.0, "1.0"),
        ("run_legacy_agent", None, 0, None, None),
        ("run_running", None, 0, None, None),
    ],
)
def test_a_runs_yield_is_safe_to_ask_for_in_every_state(name, credits, created, seconds, version):
    run = parse_one(Run, sample(name))

    assert run.total_credits == credits
    assert len(run.entities_created) == created
    if seconds is not None:
        assert run.run_time_seconds == seconds
    assert run.output_version == version
    assert isinstance(run.credit_breakdown, dict)
    assert isinstance(run.signals_created + run.entities_updated, list)


@pytest.mark.parametrize(
    "output",
    [
        {},
        {"credits": None, "resources": None, "run_time": None},
        {"credits": 5, "resources": ["x"], "run_time": "long"},
        {"credits": {"total_credits": "n/a", "breakdown": [1]}, "resources": {"entities_created": None}},
        {"credits": {"total_credits": True, "breakdown": {"a": None, "b": True}}},
        "a text",
        ["a", "list"],
    ],
)
def test_output_of_any_shape_reads_as_nothing_rather_than_failing(output):
    run = parse_one(Run, json.dumps({"id": "r", "status": "FAILED", "output": output}).encode())

    assert (run.total_credits, run.credit_breakdown, run.run_time_seconds) == (None, {}, None)
    assert (run.entities_created, run.entities_updated, run.signals_created) == ([], [], [])
    assert json.loads(run.payload)["output"] == output


def test_malformed_ids_in_a_run_are_kept_for_the_caller_to_reject():
    ids = ["69d4d1365c41d0beef002a2b", "", "../admin", 7, None, {"id": "x"}]
    run = parse_one(Run, json.dumps({"id": "r", "output": {"resources": {"entities_created": ids}}}).encode())

    assert run.entities_created == ["69d4d1365c41d0beef002a2b", "", "../admin", "7", "null", '{"id":"x"}']


def test_attributes_stay_as_they_are():
    entity = parse_one(Entity, sample("entity_odd_fields"))

    assert entity.data == json.loads(sample("entity_odd_fields"))["data"]


@pytest.mark.parametrize(
    ("model", "wire", "field"),
    [
        (Entity, {}, "id"),
        (Entity, {"id": None, "data": {}}, "id"),
        (Entity, {"id": 5, "data": {}}, "id"),
        (Entity, {"id": "", "data": {}}, "id"),
        (Entity, {"id": "e", "data": [1]}, "data"),
        (Run, {"status": "RUNNING"}, "id"),
        (Signal, {"id": ["s"]}, "id"),
        (Execution, {"id": "r"}, "run_id"),
    ],
)
def test_what_is_truly_unusable_is_refused_with_the_field_named(model, wire, field):
    with pytest.raises(MalformedBodyError, match=f"'{field}'") as caught:
        parse_one(model, json.dumps(wire).encode())

    assert caught.value.field == field
    assert json.loads(caught.value.payload) == wire
    assert not caught.value.truncated


def test_an_optional_field_of_the_wrong_type_does_not_cost_the_row():
    wire = {"id": "s", "summary": 5, "score": "high", "references": ["u", None, 3], "strength": {"a": 1}, "new": [1]}
    signal = parse_one(Signal, json.dumps(wire).encode())

    assert (signal.summary, signal.score, signal.strength) == ("5", None, None)
    assert signal.references == ["u", "null", "3"]
    assert signal.model_extra["new"] == [1]
    assert json.loads(signal.payload) == wire


def test_null_lists_and_null_data_read_as_empty():
    assert parse_one(Signal, b'{"id": "s", "references": null, "entity_ids": null}').references == []
    assert parse_one(Entity, b'{"id": "e", "data": null}').data == {}


@pytest.mark.parametrize(
    ("body", "counts", "available"),
    [
        (sample("run_queue_page"), {"queued": 11, "processing": 1, "completed": 4, "discarded": 1}, True),
        (sample("run_queue_expired"), {}, False),
        (b'{"entities": [], "stats": {"queued": 2, "note": "x"}}', {"queued": 2}, True),
    ],
)
def test_queue_counts_fall_back_to_stats(body, counts, available):
    queue = parse_one(RunQueue, body)

    assert queue.state_counts == counts
    assert queue.queue_data_available is available


def test_a_wire_key_called_payload_is_an_ordinary_unknown_key():
    body = b'{"id": "e", "data": {}, "payload": {"x": 1}}'

    assert parse_one(Entity, body).payload == body.decode()


def test_models_are_values():
    entity = parse_one(Entity, sample("entity_company"))

    with pytest.raises(ValueError, match="frozen"):
        entity.id = "other"
