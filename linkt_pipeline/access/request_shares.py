"""The request budget of all hosts, in PostgreSQL: shares of the minute and of the day that processes take and settle.

A share is some places for requests. Its process may use them for a short life only, so that a share counts towards the
window until its life and one more window have passed, whatever becomes of its process. A process that has used its
share up, or needs no more of it, settles it: from then on only the requests that were made count, until one window
after the last of them. So the sum of all hosts never exceeds the plan, and what a dead host had comes back by itself.

All times here are PostgreSQL's. A process says how long ago something was, and rounds to the safe side: it counts the
life of a share from the moment when it asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg

from linkt_pipeline.access.errors import DailyLimitReachedError
from linkt_pipeline.access.request_budget import MARGIN, MINUTE, Spent
from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.postgres.connections import connections_to, own_name
from linkt_pipeline.postgres.errors import ledger_error

_BEGIN = "begin isolation level read committed read write"
_HOLD = "select pg_advisory_xact_lock(hashtextextended(current_schema() || '/requests', 0))"
_FORGET_DAYS_AFTER = 7
_SETTLE = """
update request_shares set
    used = %(used)s,
    counts_until = case when %(used)s = 0 then clock_timestamp()
        else clock_timestamp() - %(last_used_ago)s + %(window)s end
where share_id = %(share_id)s and used is null
returning day, places - used
"""
_STATE = """
select
    (clock_timestamp() at time zone 'UTC')::date,
    coalesce(sum(coalesce(used, places)), 0),
    coalesce(sum(places) filter (where used is null), 0),
    coalesce(extract(epoch from min(counts_until) - clock_timestamp()), 0),
    extract(epoch from date_trunc('day', clock_timestamp() at time zone 'UTC') + interval '1 day'
        - clock_timestamp() at time zone 'UTC')
from request_shares
"""
_USED_TODAY = """
insert into request_days (day, used) values (%s, %s)
on conflict (day) do update set used = greatest(request_days.used, excluded.used)
returning used
"""
_TAKE = """
insert into request_shares (taken_by, places, day, counts_until)
values (%s, %s, %s, clock_timestamp() + %s + %s) returning share_id
"""
_SPENT = """
select today, coalesce((select used from request_days where day = today), 0),
    coalesce((select sum(coalesce(used, places)) from request_shares where counts_until > clock_timestamp()), 0)
from (select (clock_timestamp() at time zone 'UTC')::date as today) as now
"""
_TAKEN_ELSEWHERE = """
insert into request_shares (taken_by, places, used, day, counts_until)
values (%s, %s, %s, %s, clock_timestamp() + %s)
"""


@dataclass(frozen=True)
class Share:
    """Places that a process may use.

    Attributes:
        share_id: names it.
        places: how many.
        life: for so many seconds from the moment when it was asked for.
    """

    share_id: int
    places: int
    life: float


@dataclass(frozen=True)
class Settlement:
    """What a process has made of a share.

    Attributes:
        share_id: which.
        used: how many places.
        last_used_ago: how long ago the last of them was used.
    """

    share_id: int
    used: int
    last_used_ago: timedelta


class RequestShares:
    """The budget of one deployment.

    Args:
        address: of the PostgreSQL.
        per_window: requests per window, if limited.
        per_day: requests per UTC day, if limited.
        recorded: the requests of a day that the warehouse knows.
        window: length of the window, with the margin for requests that travel for different times.
        life: how long a process may use a share.
        patience: how long to try to reach PostgreSQL.
    """

    def __init__(
        self,
        address: PostgresAddress,
        *,
        per_window: int | None,
        per_day: int | None,
        recorded: Mapping[date, int],
        window: timedelta,
        life: timedelta,
        patience: timedelta,
    ) -> None:
        self._connections = connections_to(address)
        self._per_window, self._per_day, self._recorded = per_window, per_day, recorded
        self._window, self._life, self._patience = window, life, patience

    def take(self, wanted: int, before: Settlement | None = None) -> Share | float:
        """Settle the last share, and take the next one.

        Args:
            wanted: places at most.
            before: what was made of the last share.

        Returns:
            A share, or the seconds after which to ask again.

        Raises:
            DailyLimitReachedError: the day's requests are used up.
            WarehouseError: PostgreSQL can't be used now; nothing was taken.
        """
        try:
            with self._connections.transaction(_BEGIN, timeout=self._patience) as postgres:
                postgres.execute(_HOLD)
                if before is not None:
                    self._settle(postgres, before)
                answer = self._take(postgres, wanted)
        except psycopg.Error as error:
            raise ledger_error(error, self._connections.address, self._patience.total_seconds()) from error
        if isinstance(answer, DailyLimitReachedError):  # only now, when the last share is settled for good
            raise answer
        return answer

    def settle(self, settlement: Settlement) -> None:
        """Give back what a share has left.

        Raises:
            WarehouseError: PostgreSQL can't be used now; the share comes back by itself.
        """
        try:
            with self._connections.transaction(_BEGIN, timeout=self._patience) as postgres:
                postgres.execute(_HOLD)
                self._settle(postgres, settlement)
        except psycopg.Error as error:
            raise ledger_error(error, self._connections.address, self._patience.total_seconds()) from error

    def _settle(self, postgres: psycopg.Connection, settlement: Settlement) -> None:
        given: dict[str, Any] = {**vars(settlement), "window": self._window}
        for day, unused in postgres.execute(_SETTLE, given).fetchall():
            postgres.execute("update request_days set used = used - %s where day = %s", [unused, day])

    def _take(self, postgres: psycopg.Connection, wanted: int) -> Share | float | DailyLimitReachedError:
        postgres.execute("delete from request_shares where counts_until <= clock_timestamp()")
        ((today, counted, unsettled, next_in, day_left),) = postgres.execute(_STATE).fetchall()
        free = wanted if self._per_window is None else min(wanted, self._per_window - counted)
        if free <= 0:
            # What others settle early comes back early.
            longest = self._life.total_seconds() if unsettled else self._window.total_seconds()
            return min(max(float(next_in), 0.001), longest)
        if self._per_day is not None:
            ((used,),) = postgres.execute(_USED_TODAY, [today, self._recorded.get(today, 0)]).fetchall()
            free = min(free, self._per_day - used)
            if free <= 0 and used - unsettled < self._per_day:
                return self._life.total_seconds()
            if free <= 0:
                return DailyLimitReachedError(used, today, self._per_day)
            postgres.execute("update request_days set used = used + %s where day = %s", [free, today])
            oldest = today - timedelta(days=_FORGET_DAYS_AFTER)
            postgres.execute("delete from request_days where day < %s", [oldest])
        life = min(self._life, timedelta(seconds=float(day_left)))  # a share belongs to one day
        ((share_id,),) = postgres.execute(_TAKE, [own_name(), free, today, life, self._window]).fetchall()
        return Share(share_id, free, life.total_seconds())


def spent_shares(postgres: psycopg.Connection) -> Spent:
    """What counts towards the budget now."""
    ((day, used, recent),) = postgres.execute(_SPENT).fetchall()
    return Spent(day, used, recent)


def note_spent(postgres: psycopg.Connection, spent: Spent) -> None:
    """Count what was spent elsewhere, in the caller's transaction."""
    postgres.execute(_USED_TODAY, [spent.day, spent.used])
    if spent.recent:
        postgres.execute(_TAKEN_ELSEWHERE, [own_name(), spent.recent, spent.recent, spent.day, MINUTE * MARGIN])
