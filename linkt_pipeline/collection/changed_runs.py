"""The runs that changed since a moment, each once, from a list that changes while it is read.

The list is in ascending order of changes. A run that changes moves to its end, and the runs behind it move up by one
place, over the pages' edges: page numbers would skip some of them. So each request starts at the moment where the last
page ended; page numbers serve only inside a group of runs that share one moment. This is sound only in ascending order,
which the API is asked for and does not promise. So each page is checked for it, as far as a page can show. Once a page
is out of order, the whole list is read by page numbers, again and again, until a reading brings nothing new.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta

from linkt_pipeline.api import LinktClient, MalformedBodyError, Page, Run
from linkt_pipeline.api.filters import RunFilters
from linkt_pipeline.api.pagination import walk_pages

_EDGE = timedelta(seconds=1)  # whether updated_after includes its own moment is not documented


class ChangedRuns:
    """The list as an async iterable; iterate it once.

    Args:
        client: the API.
        after: runs updated since this moment.

    Attributes:
        reached: every run that changed up to this moment has been given; None while that is not certain.
        is_whole: every row of the list was given, in order, as far as the list itself shows.
        unreadable: rows of the list that can't be read, by their text; such a run can still be readable by itself.
    """

    def __init__(self, client: LinktClient, after: datetime) -> None:
        self.reached: datetime | None = None
        self.is_whole = False
        self.unreadable: dict[str, MalformedBodyError] = {}
        self._client = client
        self._start = after
        self._in_order = True
        self._given: set[str] = set()
        self._newest: datetime | None = None

    async def __aiter__(self) -> AsyncIterator[Run]:
        """Every run once; in the order of their changes as long as the API keeps it."""
        async for run in self._by_time():
            yield run
        while not self._in_order:
            self.reached = None
            # A run that moves while the pages are read can be skipped once, so only a reading without news ends this.
            given = len(self._given)
            async for listed in walk_pages(self._page_of_all, on_malformed=self._note_unreadable):
                for run in self._fresh([listed]):
                    yield run
            self._in_order = len(self._given) == given
        self.reached = self._newest

    async def _by_time(self) -> AsyncIterator[Run]:
        """From stretch to stretch of time, to the end of the list or to where its order is broken."""
        stretch = _Stretch(self._start)
        while True:
            page = await self._client.list_runs_page(page=stretch.pages + 1, **_since(stretch.after))
            self._in_order = stretch.continues_with(page)
            if not self._in_order:
                return
            # Only a page in order proves that no changed run before this stretch was passed over.
            if stretch.after > self._start:
                self.reached = stretch.after
            stretch.add(page)
            for error in page.malformed:
                self._note_unreadable(error)
            fresh = self._fresh(page.items)
            for run in fresh:
                yield run
            self.is_whole = (stretch.is_whole and not _is_full(page)) or (page.total is None and not page.items)
            if self.is_whole or not page.items or (not fresh and stretch.pages > 1):
                return
            stretch = stretch.next() or stretch

    async def _page_of_all(self, page: int) -> Page[Run]:
        return await self._client.list_runs_page(page, **_since(self._start))

    def _note_unreadable(self, error: MalformedBodyError) -> None:
        self.unreadable[error.payload] = error

    def _fresh(self, runs: Iterable[Run]) -> list[Run]:
        """The runs that were not given before; from now on they count as given."""
        fresh = {run.id: run for run in runs if run.id not in self._given}
        self._given |= set(fresh)
        times = [self._newest, *(run.updated_at for run in fresh.values())]
        self._newest = max(filter(None, times), default=None)
        return list(fresh.values())


class _Stretch:
    """The pages that were asked for with one ``updated_after``, as one list.

    Args:
        after: where the list starts.
        left: how many rows it must have at least, as the stretch before it has shown.
    """

    def __init__(self, after: datetime, left: int = 0) -> None:
        self.after = after
        self.pages = 0
        self._left = left
        self._times: dict[str, datetime | None] = {}
        self._malformed = 0
        self._total: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every row of it was listed."""
        return self._total is not None and len(self._times) + self._malformed >= self._total

    def continues_with(self, page: Page[Run]) -> bool:
        """Whether the page can be the next one of a list in ascending order.

        A single page that holds the whole list can't be out of order. A first page with a total below the rows that
        were left shows that some of these lie before its start.
        """
        if self.pages == 0 and page.total is not None:
            # A changed run only moves to the end, so fewer rows than were left mean that some lie before the start.
            if page.total < self._left:
                return False
            if len(page.items) + len(page.malformed) >= page.total:
                return True
        times = [time for time in (*self._times.values(), *(run.updated_at for run in page.items)) if time]
        return times == sorted(times)

    def add(self, page: Page[Run]) -> None:
        """Take the next page in."""
        self.pages += 1
        self._total = page.total
        self._times |= {run.id: run.updated_at for run in page.items}
        self._malformed += len(page.malformed)

    def next(self) -> "_Stretch | None":
        """The stretch that starts where this one has come to; None while all of its rows share one moment."""
        # A bit back, so that further runs of the last moment are listed again and none is lost; doubles are dropped.
        end = max(filter(None, self._times.values()), default=self.after) - _EDGE
        if end <= self.after:
            return None
        passed = self._malformed + sum(time is None or time <= end for time in self._times.values())
        return _Stretch(end, (self._total or 0) - passed)


def _is_full(page: Page[Run]) -> bool:
    """Whether more rows may follow. The total does not decide: it may count only its own page, as a queue's does."""
    received = len(page.items) + len(page.malformed)
    return received > 0 and received >= max(page.page_size, page.total or 0)


def _since(after: datetime) -> RunFilters:
    return RunFilters(updated_after=after, sort_by="updated_at", order=1)
