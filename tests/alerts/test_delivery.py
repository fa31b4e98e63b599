"""Alerts reach their channels: once, whatever is repeated or killed, and a dead channel holds up nothing."""

import email.policy
import logging
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from linkt_pipeline.alerts import sending
from linkt_pipeline.alerts.delivery import Delivered, deliver_alerts, states_of_channels
from linkt_pipeline.alerts.sending import open_channel
from linkt_pipeline.alerts.state import ChannelState, next_due
from linkt_pipeline.alerts.texts import Due, text_of
from linkt_pipeline.ledger import duckdb_store
from linkt_pipeline.ledger.rows import LedgerRows
from linkt_pipeline.tasks import AlertChannel, AlertEvent
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.outbox import Alert, tell
from tests.alerts.receivers import Receiver, free_port, http_receiver, mail_receiver
from tests.warehouse.deliveries import fetch

SECRET = "xoxb-4711-very-secret"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as found:
        yield found


def channel(address: str, name: str = "ops", *events: AlertEvent) -> AlertChannel:
    return AlertChannel.model_validate({"to": address, "name": name, **({"on": list(events)} if events else {})})


def dead(name: str = "dead") -> AlertChannel:
    return channel(f"json://127.0.0.1:{free_port()}/{SECRET}", name)


def happen(warehouse: FileWarehouse, *numbers: int, event: AlertEvent = AlertEvent.RUN_FAILED, **more: Any) -> None:
    """Runs that have failed."""
    facts = {"status": "FAILED", "kind": "timeout", "advice": "ask for less", "credits": 12.5, **more}
    with warehouse.write() as con:
        for number in numbers:
            tell(con, Alert(event, f"run{number}", facts, "saas", f"run{number}", f"dagster{number}"))


def deliver(warehouse: FileWarehouse, *channels: AlertChannel, **options: Any) -> Delivered:
    return deliver_alerts(warehouse, channels, **options)


def state(warehouse: FileWarehouse, of: AlertChannel) -> ChannelState:
    return states_of_channels(warehouse, [of], datetime.now(UTC))[0]


def forget_pause(warehouse: FileWarehouse) -> None:
    """The time until the next attempt has passed."""
    with warehouse.write() as con:
        con.execute("update linkt.alert_channels set next_attempt_at = now() - interval 1 second")


# --- what arrives


def test_an_alert_arrives_with_its_advice_and_the_link_to_its_dagster_run(
    warehouse: FileWarehouse, receiver: Receiver
) -> None:
    happen(warehouse, 1)

    assert deliver(warehouse, channel(receiver.address()), dagster_url="http://dagster:3000") == Delivered(sent=1)

    (message,) = receiver.messages
    assert message["title"] == "Linkt run of task saas ended FAILED: timeout"
    assert message["message"].splitlines()[:2] == [
        "Run run1 of task saas ended FAILED (timeout); it cost 12.5 credits.",
        "What to do: ask for less",
    ]
    assert message["message"].endswith("Dagster run: http://dagster:3000/runs/dagster1")


def test_an_alert_arrives_by_mail(warehouse: FileWarehouse) -> None:
    happen(warehouse, 1)

    with mail_receiver() as mail:
        address = f"mailto://127.0.0.1:{mail.port}?from=linkt@example.com&to=ops@example.com"
        delivered = deliver(warehouse, channel(address))

    assert delivered == Delivered(sent=1)
    (message,) = mail.messages
    assert message["to"] == ["ops@example.com"]
    assert "Linkt run of task saas ended FAILED: timeout" in message["mail"]


def test_a_name_is_no_markup_in_a_mail(warehouse: FileWarehouse) -> None:
    happen(warehouse, 1, advice="see <img src=http://elsewhere.example/x> & ask")

    with mail_receiver() as mail:
        deliver(warehouse, channel(f"mailto://127.0.0.1:{mail.port}?from=linkt@example.com&to=ops@example.com"))
        address = f"mailto://127.0.0.1:{mail.port}?from=linkt@example.com&to=ops@example.com&format=html"
        deliver(warehouse, channel(address, "html"))

    plain, html = (email.message_from_string(message["mail"], policy=email.policy.default) for message in mail.messages)
    assert plain.get_content_type() == "text/plain"
    assert "What to do: see <img src=http://elsewhere.example/x> & ask\r\n" in plain.get_content()
    (body,) = (part.get_content() for part in html.walk() if part.get_content_type() == "text/html")
    assert "ask" in body
    assert "<img" not in body


@pytest.mark.parametrize(
    ("event", "facts", "over"),
    [
        (AlertEvent.UNCLEAR_START, {}, "update linkt.executions set state = 'started'"),
        (AlertEvent.CHECK_FAILED, {"check": "c", "offending": 1}, "update linkt.alerts set over_at = now()"),
        (
            AlertEvent.STALE,
            {"marts": [["marts.people", "2026-01-02T00:00:00+00:00"]]},
            "update linkt.model_builds set problem_since = problem_since + interval 1 day",
        ),
    ],
)
def test_what_was_settled_while_its_alert_waited_asks_for_nothing(
    warehouse: FileWarehouse, event: AlertEvent, facts: dict[str, Any], over: str
) -> None:
    with warehouse.write() as con:
        con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, parameters, attempt, state, intended_at) "
            "values ('x', 'saas', 't', '{}', 1, 'unknown', now())"
        )
        con.execute(
            "insert into linkt.model_builds by name "
            "select 'marts.people' as model, 'broken' as problem, timestamptz '2026-01-02 00:00:00+00' as problem_since"
        )
        tell(con, Alert(event, "x", facts, "saas"))
    to_dos = []
    for _ in range(2):
        with warehouse.write() as con:
            due = next_due(con, dead(), datetime.now(UTC), [])
            assert due is not None
            title, text = text_of(due)
            to_dos.append((title.startswith("Over: "), "What to do: " in text))
            con.execute(over)

    assert to_dos == [(False, True), (True, False)]


def test_a_channel_is_told_of_its_events_alone(warehouse: FileWarehouse, receiver: Receiver) -> None:
    happen(warehouse, 1)
    happen(warehouse, 2, event=AlertEvent.UNCLEAR_START)

    deliver(warehouse, channel(receiver.address(), "one", AlertEvent.UNCLEAR_START))

    assert receiver.titles == ["A start of task saas needs a decision"]


def test_how_many_rows_were_rejected_is_counted_when_it_is_told(warehouse: FileWarehouse, receiver: Receiver) -> None:
    with warehouse.write() as con:
        facts = {"resource_type": "entity", "subject": "r1", "rejects": 1}
        tell(con, Alert(AlertEvent.REJECTED, "entity/r1", facts, run_id="r1"))
        for number in range(3):
            con.execute(
                "insert into linkt.rejects (resource_type, resource_id, run_id, reason, received_at) "
                "values ('entity', ?, 'r1', 'jane.doe@example.com is no date', now())",
                [f"e{number}"],
            )

    deliver(warehouse, channel(receiver.address()))

    assert receiver.titles == ["Linkt sent 3 entities that can't be used"]
    assert "jane.doe" not in receiver.texts


@pytest.mark.parametrize(
    "way", ["jane.doe@example.com", "o'neil@example.com", "jane%40example.com", "+49 30 1234567", "0049 30 1234567"]
)
def test_no_way_to_reach_a_person_is_in_a_text(way: str) -> None:
    facts = {"status": "FAILED", "kind": "timeout", "advice": f"ask {way} or others", "credits": 1}

    _, text = text_of(Due("k", AlertEvent.RUN_FAILED, facts, None, "0" * 24, None, datetime.now(UTC)))

    assert re.search(r"ask \[(e-mail|phone)\] or others", text)
    assert "0" * 24 in text


# --- once


def test_an_alert_is_sent_once_however_often_it_happens_and_is_delivered(
    warehouse: FileWarehouse, receiver: Receiver
) -> None:
    for _ in range(3):
        happen(warehouse, 1, 2)
        deliver(warehouse, channel(receiver.address()))

    assert len(receiver.messages) == 2
    assert fetch(warehouse, "select count(*), sum(attempts) from linkt.alert_deliveries") == [(2, 2)]


def test_each_channel_is_told_once(warehouse: FileWarehouse, receiver: Receiver) -> None:
    happen(warehouse, 1)
    first, second = channel(receiver.address("first"), "first"), channel(receiver.address("second"), "second")

    deliver(warehouse, first)
    deliver(warehouse, first, second)

    assert sorted(message["path"] for message in receiver.messages) == ["/first", "/second"]


def test_a_new_channel_is_not_told_of_what_happened_long_before(warehouse: FileWarehouse, receiver: Receiver) -> None:
    happen(warehouse, 1, 2)
    with warehouse.write() as con:
        con.execute("update linkt.alerts set happened_at = now() - interval 2 hours where run_id = 'run1'")

    deliver(warehouse, channel(receiver.address()))

    assert ["run2" in message["message"] for message in receiver.messages] == [True]


_DELIVER = """
import os, signal, sys
from pathlib import Path
from linkt_pipeline.alerts.delivery import deliver_alerts
from linkt_pipeline.alerts.sending import open_channel
from linkt_pipeline.tasks import AlertChannel
from linkt_pipeline.warehouse.engines.file import FileWarehouse

path, address, killed = sys.argv[1:]

def opened(channel):
    send = open_channel(channel)
    def sent_and_killed(title, text):
        send(title, text)
        os.kill(os.getpid(), signal.SIGKILL)
    return sent_and_killed if killed == "killed" else send

channel = AlertChannel.model_validate({"to": address, "name": "ops"})
print(deliver_alerts(FileWarehouse(Path(path)), [channel], open_channel=opened).sent)
"""


def process(warehouse: FileWarehouse, receiver: Receiver, killed: str = "lives") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _DELIVER, str(warehouse.path), receiver.address(), killed],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_process_that_is_killed_between_sending_and_writing_it_down_repeats_one_message_alone(
    warehouse: FileWarehouse, receiver: Receiver
) -> None:
    happen(warehouse, 1, 2, 3)

    first = process(warehouse, receiver, "killed")
    assert first.wait(60) == -signal.SIGKILL
    assert len(receiver.messages) == 1
    second = process(warehouse, receiver)
    out, _ = second.communicate(timeout=60)

    assert out.strip() == "3"
    told = [message["message"].split()[1] for message in receiver.messages]
    assert sorted(told) == ["run1", "run1", "run2", "run3"]


def test_processes_that_deliver_at_one_moment_send_each_alert_once(
    warehouse: FileWarehouse, receiver: Receiver
) -> None:
    happen(warehouse, *range(6))

    processes = [process(warehouse, receiver) for _ in range(3)]
    sent = [int(each.communicate(timeout=60)[0]) for each in processes]
    sent.append(deliver(warehouse, channel(receiver.address())).sent)

    assert sum(sent) == 6
    assert len({message["message"] for message in receiver.messages}) == len(receiver.messages) == 6


# --- a channel that takes nothing


def test_a_dead_channel_holds_up_no_other_and_is_tried_again_later(
    warehouse: FileWarehouse, receiver: Receiver
) -> None:
    happen(warehouse, 1, 2)
    broken, works = dead(), channel(receiver.address())

    delivered = deliver(warehouse, broken, works)

    assert delivered.sent == 2
    assert list(delivered.failed) == ["dead"]
    found = state(warehouse, broken)
    assert (found.pending, found.failures) == (2, 1)
    assert found.next_attempt_at is not None
    assert timedelta(seconds=20) < found.next_attempt_at - datetime.now(UTC) <= timedelta(seconds=30)
    assert deliver(warehouse, broken, works) == Delivered()  # nothing is tried before


def test_a_redirect_is_no_confirmation_unless_it_is_asked_for(warehouse: FileWarehouse, receiver: Receiver) -> None:
    happen(warehouse, 1)
    receiver.status = 302

    done = deliver(warehouse, channel(receiver.address()))
    followed = deliver(warehouse, channel(f"{receiver.address()}?redirect=yes", "followed"))

    assert (done.sent, list(done.failed), followed.sent) == (0, ["ops"], 1)


@pytest.mark.parametrize("ahead", ["next_attempt_at", "since", "lease_until"])
def test_a_clock_that_was_ahead_silences_no_channel(warehouse: FileWarehouse, receiver: Receiver, ahead: str) -> None:
    ops = channel(receiver.address())
    happen(warehouse, 1)
    deliver(warehouse, ops)
    with warehouse.write() as con:
        con.execute("update linkt.alert_channels set lease_owner = 'other-host/1'")
        con.execute(f"update linkt.alert_channels set {ahead} = now() + interval 400 days")
    happen(warehouse, 2)

    deliver(warehouse, ops)

    assert len(receiver.messages) == 2


def test_a_lease_of_another_host_is_live_by_the_ledgers_clock(
    warehouse: FileWarehouse, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops = channel(receiver.address())
    happen(warehouse, 1)
    deliver(warehouse, ops)
    now, behind = duckdb_store._now, timedelta(minutes=5)  # by the clock of this host, every lease has run out
    monkeypatch.setattr(duckdb_store, "_now", lambda: now() - behind)
    monkeypatch.setattr(LedgerRows, "clock_ahead", -behind)
    with warehouse.write() as con:
        con.execute(
            "update linkt.alert_channels set lease_owner = 'other-host/boot-1/7/0', lease_until = ?",
            [now() - behind + timedelta(minutes=1)],
        )
    happen(warehouse, 2)

    deliver(warehouse, ops)

    assert len(receiver.messages) == 1


def test_the_pause_doubles_with_each_failure_and_ends_with_success(
    warehouse: FileWarehouse, receiver: Receiver
) -> None:
    happen(warehouse, 1)
    receiver.status = 503
    ops = channel(receiver.address())
    pauses = []
    for _ in range(4):
        forget_pause(warehouse)
        deliver(warehouse, ops)
        due = state(warehouse, ops).next_attempt_at
        assert due is not None
        pauses.append(round((due - datetime.now(UTC)).total_seconds(), -1))
    receiver.status = 200
    forget_pause(warehouse)

    deliver(warehouse, ops)

    assert pauses == [30, 60, 120, 240]
    found = state(warehouse, ops)
    assert (found.pending, found.failures, found.next_attempt_at, found.last_error) == (0, 0, None, None)
    assert len(receiver.messages) == 1


def test_an_alert_that_is_always_refused_holds_up_no_other(warehouse: FileWarehouse) -> None:
    happen(warehouse, 1)
    taken: list[str] = []

    def refusing(of: AlertChannel) -> sending.Send:
        def send(title: str, text: str) -> None:
            if "run1" in text:
                raise sending.NotSentError("too long")
            taken.append(text)

        return send

    ops = channel("json://nobody")
    deliver(warehouse, ops, open_channel=refusing)
    happen(warehouse, 2, 3)
    forget_pause(warehouse)
    deliver(warehouse, ops, open_channel=refusing)

    assert len(taken) == 2


def test_a_channel_that_does_not_answer_costs_no_more_than_its_time(
    warehouse: FileWarehouse, receiver: Receiver
) -> None:
    happen(warehouse, 1)
    receiver.delay = 5
    begun = time.monotonic()

    delivered = deliver(
        warehouse,
        channel(receiver.address()),
        open_channel=lambda each: open_channel(each, timedelta(milliseconds=300)),
    )

    assert delivered.failed == {"ops": "no answer within 0.3 s"}
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    "address",
    [f"json://user:{SECRET}@127.0.0.1:{{port}}/{SECRET}?token={SECRET}", f"mailto://user:{SECRET}@127.0.0.1:{{port}}"],
    ids=["http", "mail"],
)
def test_no_part_of_an_address_is_in_a_text_or_a_log(
    warehouse: FileWarehouse, receiver: Receiver, address: str, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    happen(warehouse, 1)
    receiver.status = 401
    ops = channel(address.format(port=receiver.port))

    delivered = deliver(warehouse, ops)

    assert delivered.failed
    stored = fetch(warehouse, "select * from linkt.alert_channels") + fetch(warehouse, "from linkt.alert_deliveries")
    told = capfd.readouterr()
    assert SECRET not in f"{delivered} {stored} {ops!r} {caplog.text} {told.out} {told.err}"


def test_an_address_that_apprise_does_not_know_is_told_without_it(warehouse: FileWarehouse) -> None:
    happen(warehouse, 1)

    delivered = deliver(warehouse, channel(f"nonsense://{SECRET}"))

    assert "nonsense://" in delivered.failed["ops"]
    assert SECRET not in str(delivered)


def test_what_happened_a_week_ago_is_no_news(warehouse: FileWarehouse, receiver: Receiver) -> None:
    happen(warehouse, 1)
    receiver.status = 500
    deliver(warehouse, channel(receiver.address()))
    receiver.status = 200
    forget_pause(warehouse)
    with warehouse.write() as con:
        con.execute("update linkt.alerts set happened_at = now() - interval 8 days")
        con.execute("update linkt.alert_channels set since = now() - interval 9 days")

    assert deliver(warehouse, channel(receiver.address())) == Delivered()
    assert state(warehouse, channel(receiver.address())).pending == 0


# --- what it costs where there is nothing to do


def test_without_channels_or_a_warehouse_nothing_is_opened(tmp_path: Path, receiver: Receiver) -> None:
    none = FileWarehouse(tmp_path / "none.duckdb")

    assert deliver(none) == deliver(none, channel(receiver.address())) == Delivered()
    assert not none.path.exists()


def test_nothing_is_written_where_nothing_is_due(warehouse: FileWarehouse, receiver: Receiver) -> None:
    happen(warehouse, 1)
    deliver(warehouse, channel(receiver.address()))
    before = warehouse.path.stat()

    deliver(warehouse, channel(receiver.address()))

    after = warehouse.path.stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)


@pytest.mark.parametrize("apprise", [True, False])
def test_what_happens_to_a_channel_that_was_seen_is_sent_however_late(
    warehouse: FileWarehouse, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, apprise: bool
) -> None:
    """The first look found nothing to send, or nothing to send it with."""
    monkeypatch.setattr("linkt_pipeline.alerts.delivery.is_installed", lambda: apprise)
    with warehouse.write():
        pass  # there is a warehouse
    deliver(warehouse, channel(receiver.address()))
    monkeypatch.undo()
    happen(warehouse, 1)
    with warehouse.write() as con:
        con.execute("update linkt.alerts set happened_at = happened_at - interval 3 hours")
        con.execute("update linkt.alert_channels set since = since - interval 3 hours")

    assert deliver(warehouse, channel(receiver.address())).sent == 1


def test_a_new_channel_is_told_of_all_that_the_work_before_it_brought(
    warehouse: FileWarehouse, receiver: Receiver
) -> None:
    happen(warehouse, 1, 2)
    with warehouse.write() as con:
        con.execute("update linkt.alerts set happened_at = now() - interval 3 hours where run_id = 'run1'")
        con.execute("update linkt.alerts set happened_at = now() - interval 5 hours where run_id = 'run2'")

    deliver(warehouse, channel(receiver.address()), since=datetime.now(UTC) - timedelta(hours=3))

    assert ["run1" in message["message"] for message in receiver.messages] == [True]


def test_without_apprise_all_is_kept(
    warehouse: FileWarehouse, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(warehouse, 1)
    monkeypatch.setattr("linkt_pipeline.alerts.delivery.is_installed", lambda: False)

    assert deliver(warehouse, channel(receiver.address())) == Delivered(not_installed=True)
    assert state(warehouse, channel(receiver.address())).pending == 1
