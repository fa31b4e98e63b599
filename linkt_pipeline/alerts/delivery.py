"""Sends the alerts that are due. Called after the work, never within it, so that no failure here touches the work."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Concatenate, ParamSpec

import duckdb

from linkt_pipeline.alerts.errors import NotSentError
from linkt_pipeline.alerts.sending import Send, is_installed, open_channel
from linkt_pipeline.alerts.state import (
    ChannelState,
    channel_states,
    give_up_lease,
    is_any_new,
    next_due,
    note_failure,
    note_seen,
    note_sent,
    take_lease,
)
from linkt_pipeline.alerts.texts import text_of
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner
from linkt_pipeline.tasks import AlertChannel
from linkt_pipeline.warehouse.errors import WarehouseBusyError
from linkt_pipeline.warehouse.warehouse import Warehouse

TIME_FOR_ALL = timedelta(seconds=10)  # then no further message is begun; the rest waits for the next delivery
PATIENCE = timedelta(seconds=5)  # with others that have the warehouse open: the next time will do
_ATTEMPTS_TO_RECORD = 6  # each of that patience: what is sent and not written down is sent again

P = ParamSpec("P")

Open = Callable[[AlertChannel], Send]


@dataclass(frozen=True)
class Delivered:
    """What was sent.

    Attributes:
        sent: alerts that channels took.
        failed: for each channel that took no alert, by its name, the reason.
        not_installed: there are channels, and Apprise is missing.
    """

    sent: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    not_installed: bool = False


def deliver_alerts(
    warehouse: Warehouse,
    channels: Sequence[AlertChannel],
    dagster_url: str | None = None,
    *,
    since: datetime | None = None,
    time_for_all: timedelta = TIME_FOR_ALL,
    open_channel: Open = open_channel,
) -> Delivered:
    """Send each channel the alerts that are due, all channels side by side. Skip channels that wait after a failure.

    Args:
        warehouse: of the deployment, with a ``lock_timeout`` of :data:`PATIENCE`.
        channels: of tasks.yaml.
        dagster_url: address of Dagster's web server, for links.
        since: when the work began after which this is called; a channel that is new gets what happened meanwhile.
        time_for_all: no further message is begun after it.
        open_channel: gives the way to send to a channel.

    Raises:
        WarehouseError: the warehouse can't be read; nothing was sent.
    """
    if not channels or not warehouse.exists:
        return Delivered(not_installed=bool(channels) and not is_installed())
    due, clock_ahead = _due(warehouse, channels, since)
    if not is_installed():  # a new channel is noted all the same: what happens meanwhile is sent afterwards
        return Delivered(not_installed=True)
    if not due:
        return Delivered()
    until = monotonic() + time_for_all.total_seconds()
    courier = partial(_Courier, warehouse, Owner.this_process(), clock_ahead, dagster_url, until, open_channel)
    with ThreadPoolExecutor(len(due)) as threads:
        results = list(threads.map(lambda channel: courier(channel).run(), due))
    return Delivered(
        sum(sent for sent, _ in results),
        {channel.name: reason for channel, (_, reason) in zip(due, results, strict=True) if reason},
    )


def _due(
    warehouse: Warehouse, channels: Sequence[AlertChannel], since: datetime | None
) -> tuple[list[AlertChannel], timedelta]:
    """Channels to which something is to be sent now, and the lead of the ledger's clock over that of this host.

    Channels that are new are noted first.
    """
    with ledger_of(warehouse).read() as rows:
        now, clock_ahead, con = rows.now, rows.clock_ahead, rows.con
        is_new = is_any_new(con, channels)
        states = channel_states(con, channels, now)
    if is_new:
        with warehouse.write(news=False) as con:
            note_seen(con, channels, min(since or now, now))
            states = channel_states(con, channels, now)
    return [channel for channel, state in zip(channels, states, strict=True) if state.is_due(now)], clock_ahead


def states_of_channels(warehouse: Warehouse, channels: Sequence[AlertChannel], now: datetime) -> list[ChannelState]:
    """How each channel does; all are new where there is no warehouse yet."""
    if not warehouse.exists:
        return [ChannelState(channel.name) for channel in channels]
    with warehouse.read() as con:
        return channel_states(con, channels, now)


class _Courier:
    """Sends to one channel, one message at a time."""

    def __init__(
        self,
        store: Warehouse,
        owner: Owner,
        clock_ahead: timedelta,
        dagster_url: str | None,
        until: float,
        open_channel: Open,
        channel: AlertChannel,
    ) -> None:
        self.store, self.owner, self.dagster_url, self.until = store, owner, dagster_url, until
        # Hosts that share a warehouse compare times of one clock, so that none takes another's lease for an old one.
        self.clock_ahead = clock_ahead
        self.open_channel, self.channel = open_channel, channel
        self.ledger = ledger_of(store)

    def run(self) -> tuple[int, str | None]:
        """How many messages the channel took, and why it has not taken the next one."""
        with self.store.write(news=False) as con:
            if not take_lease(con, self.channel, self.owner, self._now()):
                return 0, None
        try:
            return self._send_all()
        finally:
            self._record(give_up_lease, self.channel, self.owner)

    def _send_all(self) -> tuple[int, str | None]:
        send: Send | None = None
        tried: list[str] = []
        while monotonic() < self.until:
            with self.ledger.read() as rows:
                self.clock_ahead = rows.clock_ahead
                alert = next_due(rows.con, self.channel, rows.now, tried, rows.in_warehouse)
            if alert is None:
                break
            tried.append(alert.key)
            try:
                send = send or self.open_channel(self.channel)
                send(*text_of(alert, self.dagster_url))
            except NotSentError as error:
                self._record(note_failure, self.channel, alert.key, str(error), self._now())
                return len(tried) - 1, str(error)
            self._record(note_sent, self.channel, alert.key, self.owner, self._now())
        return len(tried), None

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.clock_ahead

    def _record(
        self, note: Callable[Concatenate[duckdb.DuckDBPyConnection, P], None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Write down what became of a message, and wait for another process that has the warehouse open."""
        for left in reversed(range(_ATTEMPTS_TO_RECORD)):
            try:
                with self.store.write(news=False) as con:
                    note(con, *args, **kwargs)
            except WarehouseBusyError:
                if not left:
                    raise
            else:
                return
