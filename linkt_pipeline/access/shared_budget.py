"""One request budget for the processes of several hosts: each spends shares that it takes from PostgreSQL.

The gate of a throttle is asked for every request, in the event loop. So it never waits for PostgreSQL: it hands out the
places of a share, and a thread fetches the next share when one is used up. How large the next share is depends on how
much of the last one was used; so a host that asks seldom holds no places that others could use.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta

from linkt_pipeline.access.errors import NoRequestError, RequestsNotCountedError
from linkt_pipeline.access.request_budget import MARGIN, MINUTE
from linkt_pipeline.access.request_shares import RequestShares, Settlement, Share
from linkt_pipeline.clock import seconds_since_boot
from linkt_pipeline.postgres.address import PostgresAddress
from linkt_pipeline.warehouse.errors import WarehouseError

_LIFE = 1 / 20  # of a window; the smaller, the less lies idle with others, and the more often PostgreSQL is asked
_LARGEST = 1 / 20  # of the requests of a window, in one share
_LARGEST_WITHOUT_WINDOW = 50
_LOOK = 0.002  # seconds between two looks for a share that is being fetched
_PATIENCE = timedelta(seconds=10)


class SharedRequestBudget:
    """Places for requests, shared by the processes of all hosts.

    Args:
        address: of the PostgreSQL.
        per_window: requests per window, if limited.
        per_day: requests per UTC day, if limited.
        recorded: the requests of a day that the warehouse knows.
        window: length of the window of ``per_window``.
    """

    def __init__(
        self,
        address: PostgresAddress,
        *,
        per_window: int | None = None,
        per_day: int | None = None,
        recorded: Mapping[date, int] | None = None,
        window: timedelta = MINUTE,
    ) -> None:
        self.is_limited = per_window is not None or per_day is not None
        self._largest = _LARGEST_WITHOUT_WINDOW if per_window is None else max(1, int(per_window * _LARGEST))
        self._shares = RequestShares(
            address,
            per_window=per_window,
            per_day=per_day,
            recorded=recorded or {},
            window=window * MARGIN,
            life=window * _LIFE,
            patience=_PATIENCE,
        )
        self._guard = threading.Lock()
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="request shares")
        self._share: _Spending | None = None
        self._fetching: Future[None] | None = None
        self._wanted = 1
        self._ask_again_at = 0.0
        self._error: NoRequestError | None = None
        self._returning: threading.Timer | None = None

    def reserve(self) -> float:
        """Take a place for one request that leaves now. Never waits for PostgreSQL.

        Returns:
            0, or the seconds after which to ask again.

        Raises:
            DailyLimitReachedError: the day's requests are used up.
            RequestsNotCountedError: PostgreSQL can't be used.
        """
        with self._guard:
            if self._share is not None and self._share.use():
                return 0.0
            if (error := self._error) is not None:
                self._error = None
                raise error
            if self._fetching is None:
                if (wait := self._ask_again_at - seconds_since_boot()) > 0:
                    return wait
                self._fetching = self._fetcher.submit(self._fetch)
            return _LOOK

    def close(self) -> None:
        """Give back what is left. If that can't be said, it comes back by itself."""
        self._fetcher.shutdown(wait=True)
        with self._guard:
            spent, self._share = self._share, None
            if self._returning is not None:
                self._returning.cancel()
        if spent is not None:
            with suppress(WarehouseError):
                self._shares.settle(spent.settlement())

    def _fetch(self) -> None:
        with self._guard:
            spent, self._share = self._share, None
            if spent is not None:
                self._wanted = min(self._largest, 2 * spent.used) if spent.is_used_up else max(1, spent.used)
        asked_at = seconds_since_boot()
        error: NoRequestError | None = None
        answer: Share | float = 0.0
        try:
            answer = self._shares.take(self._wanted, spent.settlement() if spent else None)
        except NoRequestError as refused:
            error = refused
        except WarehouseError as failed:
            error = RequestsNotCountedError(str(failed))
        with self._guard:
            self._error, self._fetching = error, None
            if isinstance(answer, Share):
                self._share = _Spending(answer, asked_at)
                self._return_later(self._share)
            else:
                self._ask_again_at = seconds_since_boot() + answer

    def _return_later(self, spending: "_Spending") -> None:
        """Settle a share at the end of its life, if nothing else has: others may be waiting for its places."""
        if self._returning is not None:
            self._returning.cancel()
        self._returning = threading.Timer(spending.life_left, self._return, [spending])
        self._returning.daemon = True
        self._returning.start()

    def _return(self, spending: "_Spending") -> None:
        with self._guard:
            if self._share is not spending:
                return
            self._share, self._wanted = None, max(1, spending.used)
        with suppress(WarehouseError):
            self._shares.settle(spending.settlement())


class _Spending:
    """A share of this process, and how much of it is used."""

    def __init__(self, share: Share, asked_at: float) -> None:
        self._share = share
        self._ends_at = asked_at + share.life
        self._last_used_at = asked_at
        self.used = 0

    @property
    def is_used_up(self) -> bool:
        """Whether every place is used."""
        return self.used >= self._share.places

    @property
    def life_left(self) -> float:
        """Seconds until its places may no longer be used."""
        return max(0.0, self._ends_at - seconds_since_boot())

    def use(self) -> bool:
        """Use a place; False if there is none any more."""
        now = seconds_since_boot()
        if self.is_used_up or now >= self._ends_at:
            return False
        self.used, self._last_used_at = self.used + 1, now
        return True

    def settlement(self) -> Settlement:
        """What was made of it."""
        ago = timedelta(seconds=max(0.0, seconds_since_boot() - self._last_used_at))
        return Settlement(self._share.share_id, self.used, ago)
