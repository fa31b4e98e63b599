"""The state of channels and deliveries, in the warehouse.

Each message is sent between two transactions: one takes the channel's lease, the other writes down what became of the
message. If a process is killed between the two, its message is sent again. That can happen to one message only, because
the next one is sent after the second transaction.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import orjson

from linkt_pipeline.alerts.texts import Due
from linkt_pipeline.ledger.lease_owner import Owner, owner_is_gone
from linkt_pipeline.ledger.values import ExecutionState
from linkt_pipeline.tasks import AlertChannel, AlertEvent
from linkt_pipeline.warehouse.outbox_state import stale_marts
from linkt_pipeline.warehouse.queries import EXECUTIONS

KEEP_TRYING = timedelta(days=7)  # an older alert is no news, and nobody waits for it
_BEFORE_FIRST_SEEN = timedelta(hours=1)  # an alert of the work after which a channel is added
_LEASE = timedelta(minutes=1)  # longer than one message can take
_CLOCKS_DIFFER_BY = timedelta(minutes=10)  # of hosts; what lies further ahead was written by a clock that was wrong
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=6)


@dataclass(frozen=True)
class ChannelState:
    """The state of a channel of tasks.yaml. Times are aware, in UTC.

    Attributes:
        channel: its name.
        pending: alerts that it has not taken yet.
        failures: failed attempts in a row.
        next_attempt_at: no attempt is made before; None if one may be made now.
        sent_at: when it last took an alert.
        last_error: why the last attempt failed; None if it went well.
    """

    channel: str
    pending: int = 0
    failures: int = 0
    next_attempt_at: datetime | None = None
    sent_at: datetime | None = None
    last_error: str | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether something is to be sent now."""
        return self.pending > 0 and not _is_ahead(self.next_attempt_at, now, _LONGEST_PAUSE)


def _is_ahead(moment: datetime | None, now: datetime, longest: timedelta) -> bool:
    """Whether to wait for a moment. A moment further ahead than any that is ever set comes from a wrong clock."""
    return moment is not None and now < moment <= now + longest + _CLOCKS_DIFFER_BY


# $1: the channel; $2: its events; $3: alerts from before this moment are given up; $4: a channel that is first seen now
# gets the alerts from this moment on. A channel whose `since` is later was first seen while the clock was ahead.
_PENDING = """
    from linkt.alerts as alert
    left join linkt.alert_channels as channel on channel.channel = $1
    left join linkt.alert_deliveries as delivery
        on delivery.event_key = alert.event_key and delivery.channel = $1
    where alert.event in (select unnest($2::varchar[])) and alert.happened_at >= $3
        and alert.happened_at >= coalesce(least(channel.since, $4), $3) and delivery.sent_at is null
"""


def channel_states(
    con: duckdb.DuckDBPyConnection, channels: Iterable[AlertChannel], now: datetime
) -> list[ChannelState]:
    """The state of each channel, in the order given."""
    stored = {
        name: rest
        for name, *rest in con.execute(
            "select channel, failures, next_attempt_at, sent_at, last_error from linkt.alert_channels"
        ).fetchall()
    }
    states = []
    for channel in channels:
        failures, next_attempt_at, sent_at, last_error = stored.get(channel.name, (0, None, None, None))
        since = None if channel.name in stored else now - _BEFORE_FIRST_SEEN
        states.append(
            ChannelState(
                channel.name,
                _count_pending(con, channel, now, since),
                failures,
                _in_utc(next_attempt_at),
                _in_utc(sent_at),
                last_error,
            )
        )
    return states


def is_any_new(con: duckdb.DuckDBPyConnection, channels: Iterable[AlertChannel]) -> bool:
    """Whether a channel was never seen before."""
    known = {name for (name,) in con.execute("select channel from linkt.alert_channels").fetchall()}
    return any(channel.name not in known for channel in channels)


def note_seen(con: duckdb.DuckDBPyConnection, channels: Iterable[AlertChannel], since: datetime) -> None:
    """Write down channels that are new, also where nothing is due.

    What happens from then on is theirs, however late it is sent.

    Args:
        con: a transaction.
        channels: of tasks.yaml.
        since: when they were seen.
    """
    for channel in channels:
        con.execute(
            "insert into linkt.alert_channels (channel, since, failures) select $1::varchar, $2::timestamptz, 0 "
            "where not exists (from linkt.alert_channels where channel = $1)",
            [channel.name, since - _BEFORE_FIRST_SEEN],
        )


def take_lease(con: duckdb.DuckDBPyConnection, channel: AlertChannel, owner: Owner, now: datetime) -> bool:
    """Whether this process may send to a channel now.

    Args:
        con: a transaction.
        channel: of tasks.yaml, and noted by :func:`note_seen`.
        owner: who asks.
        now: the present.
    """
    found = con.execute(
        "select lease_owner, lease_until, next_attempt_at from linkt.alert_channels where channel = ?", [channel.name]
    ).fetchone()
    if found is None:
        return False
    holder, until, next_attempt_at = found
    held = holder is not None and holder != owner.name and _is_ahead(until, now, _LEASE)
    if (held and not owner_is_gone(holder)) or _is_ahead(next_attempt_at, now, _LONGEST_PAUSE):
        return False
    con.execute(
        "update linkt.alert_channels set lease_owner = ?, lease_until = ? where channel = ?",
        [owner.name, now + _LEASE, channel.name],
    )
    return True


def give_up_lease(con: duckdb.DuckDBPyConnection, channel: AlertChannel, owner: Owner) -> None:
    """The next process need not wait for the lease to expire."""
    con.execute(
        "update linkt.alert_channels set lease_owner = null, lease_until = null where channel = ? and lease_owner = ?",
        [channel.name, owner.name],
    )


def next_due(
    con: duckdb.DuckDBPyConnection,
    channel: AlertChannel,
    now: datetime,
    skip: Collection[str],
    executions: str = EXECUTIONS,
) -> Due | None:
    """The alert to send next: the least tried, then the oldest, so that one that is always refused holds up no other.

    Args:
        con: a connection.
        channel: of tasks.yaml.
        now: the present.
        skip: keys of alerts that were tried just now.
        executions: what holds the executions as they are now.
    """
    row = con.execute(
        f"""
        select alert.event_key, alert.event, alert.facts, alert.task_key, alert.run_id, alert.dagster_run_id,
            alert.happened_at, alert.over_at is not null
        {_PENDING} and alert.event_key not in (select unnest($5::varchar[]))
        order by coalesce(delivery.attempts, 0), alert.happened_at, alert.event_key limit 1
        """,
        [*_pending_parameters(channel, now), list(skip)],
    ).fetchone()
    return None if row is None else _with_figures_of_now(con, row, executions)


def note_sent(con: duckdb.DuckDBPyConnection, channel: AlertChannel, key: str, owner: Owner, now: datetime) -> None:
    """A channel has taken an alert."""
    _note_attempt(con, channel.name, key, sent_at=now, error=None)
    con.execute(
        "update linkt.alert_channels set failures = 0, next_attempt_at = null, last_error = null, sent_at = ? "
        "where channel = ?",
        [now, channel.name],
    )
    _extend_lease(con, channel, owner, now)


def note_failure(con: duckdb.DuckDBPyConnection, channel: AlertChannel, key: str, error: str, now: datetime) -> None:
    """A channel has not taken an alert: nothing is sent there for 30 seconds, doubled each time, six hours at most."""
    _note_attempt(con, channel.name, key, sent_at=None, error=error)
    row = con.execute("select failures from linkt.alert_channels where channel = ?", [channel.name]).fetchone()
    failures = int(row[0]) if row else 0
    pause = min(_FIRST_PAUSE * 2 ** min(failures, 20), _LONGEST_PAUSE)
    con.execute(
        "update linkt.alert_channels set failures = ?, next_attempt_at = ?, last_error = ? where channel = ?",
        [failures + 1, now + pause, error, channel.name],
    )


def _note_attempt(
    con: duckdb.DuckDBPyConnection, channel: str, key: str, *, sent_at: datetime | None, error: str | None
) -> None:
    con.execute(
        """
        merge into linkt.alert_deliveries as stored
        using (
            select $1::varchar as event_key, $2::varchar as channel, $3::timestamptz as sent_at,
                $4::varchar as last_error
        ) as made
        on stored.event_key = made.event_key and stored.channel = made.channel
        when matched then update set
            attempts = stored.attempts + 1, sent_at = made.sent_at, last_error = made.last_error
        when not matched then insert (event_key, channel, attempts, sent_at, last_error)
            values (made.event_key, made.channel, 1, made.sent_at, made.last_error)
        """,
        [key, channel, sent_at, error],
    )


def _extend_lease(con: duckdb.DuckDBPyConnection, channel: AlertChannel, owner: Owner, now: datetime) -> None:
    con.execute(
        "update linkt.alert_channels set lease_until = ? where channel = ? and lease_owner = ?",
        [now + _LEASE, channel.name, owner.name],
    )


def _count_pending(con: duckdb.DuckDBPyConnection, channel: AlertChannel, now: datetime, since: datetime | None) -> int:
    name, events, oldest, first_seen = _pending_parameters(channel, now)
    oldest = max(filter(None, [oldest, since]))
    row = con.execute(f"select count(*) {_PENDING}", [name, events, oldest, first_seen]).fetchone()
    return int(row[0]) if row else 0


def _pending_parameters(channel: AlertChannel, now: datetime) -> tuple[str, list[str], datetime, datetime]:
    return channel.name, [event.value for event in channel.on], now - KEEP_TRYING, now - _BEFORE_FIRST_SEEN


def _with_figures_of_now(con: duckdb.DuckDBPyConnection, row: Sequence[Any], executions: str) -> Due:
    key, event, facts, task_key, run_id, dagster_run_id, happened_at, is_over = row
    known = orjson.loads(facts)
    if event == AlertEvent.REJECTED:  # further rows of the run may have been rejected since
        counted = con.execute(
            "select count(*) from linkt.rejects where resource_type = ? and coalesce(run_id, resource_id) = ?",
            [known["resource_type"], known["subject"]],
        ).fetchone()
        known["rejects"] = max(known["rejects"], int(counted[0]) if counted else 0)
    if run_id is not None and task_key is None:
        ours = con.execute(
            f"select task_key, dagster_run_id from {executions} where lower(run_id) = lower(?)",  # noqa: S608
            [run_id],
        ).fetchone()
        task_key, dagster_run_id = ours or (None, dagster_run_id)
    elif event == AlertEvent.UNCLEAR_START:
        is_over = not _is_unclear(con, key.partition("/")[2], executions)
    elif event == AlertEvent.STALE:
        is_over = not stale_marts(con) & {tuple(mart) for mart in known["marts"]}
    happened_at = happened_at.astimezone(UTC)
    return Due(key, AlertEvent(event), known, task_key, run_id, dagster_run_id, happened_at, is_over)


def _is_unclear(con: duckdb.DuckDBPyConnection, execution_id: str, executions: str) -> bool:
    """Whether a person still has to say which run a start has made."""
    found = con.execute(f"select state from {executions} where execution_id = ?", [execution_id]).fetchone()  # noqa: S608
    return found is None or found[0] == ExecutionState.UNKNOWN


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC)
