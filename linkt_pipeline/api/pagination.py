"""Walking through page-numbered lists that change while they are read."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from linkt_pipeline.api.errors import BodyTooLargeError, IncompleteListError, MalformedBodyError
from linkt_pipeline.api.models import Page


class HasId(Protocol):
    """Whatever a list's rows are, they have an id."""

    @property
    def id(self) -> str:
        """The id that distinguishes rows."""
        ...


R = TypeVar("R", bound=HasId)
T = TypeVar("T")
OnMalformed = Callable[[MalformedBodyError], None]
"""Called for each row of a list that can't be read."""

_log = logging.getLogger(__name__)

_MOST_GIANTS = 5  # in one page; each is read up to the limit, which takes its time


async def walk_pages(
    fetch: Callable[[int], Awaitable[Page[R]]],
    *,
    on_malformed: OnMalformed | None = None,
    whole: bool = False,
    first: int = 1,
) -> AsyncIterator[R]:
    """Every row once, in the order of the pages.

    Rows that come twice (the list shifted) are given once. The walk ends when the pages cover the total, or at a page
    without any new row, so that a server that repeats its last page can't keep it going. It also ends at the second
    empty page in a row: one empty page before the end counts as a hiccup. If a list ends short of its total, a warning
    is logged.

    Args:
        fetch: gives page n, counted from 1.
        on_malformed: called for each row that can't be read; by default the row is logged. The walk goes on.
        whole: the caller takes a row that the list does not show for one that does not exist.
        first: the page to begin with, where those before it were walked through already.

    Raises:
        IncompleteListError: of a list that is to be whole, after its last row: some rows were not seen or not readable.
    """
    seen: set[str] = set()
    number = first - 1
    full_page = 0
    unread: set[str] = set()
    empty_before = False
    while True:
        number += 1
        page = await fetch(number)
        unreadable = [error for error in page.malformed if error.payload not in unread]
        for error in unreadable:
            unread.add(error.payload)
            (on_malformed or _warn)(error)
        fresh = [item for item in page.items if item.id not in seen]
        for item in fresh:
            if item.id not in seen:
                seen.add(item.id)
                yield item
        received = len(page.items) + len(page.malformed)
        # A server may give fewer rows on a page than it claims. To believe the claim would end the walk too early.
        full_page = max(full_page, received)
        rows_a_page = min(page.page_size, full_page) or page.page_size
        covered = page.total is not None and number * rows_a_page >= page.total
        if whole and fresh and page.total is not None and page.page_size <= received >= page.total:
            covered = False  # the total may count this page's own rows, as that of a run's queue does
        stuck = not fresh and not unreadable
        if covered or (stuck and (received > 0 or empty_before or page.total is None)):
            listed = max(page.total or 0, len(seen) + len(unread))
            if len(seen) + len(unread) < listed and first == 1:
                _log.warning("a list ended after %d rows, but the API gives a total of %d", len(seen), listed)
            if whole and len(seen) < listed:
                raise IncompleteListError(f"{listed - len(seen)} of the {listed} rows of a list can't be read")
            return
        empty_before = received == 0


async def read_in_parts(read: Callable[[int, int], Awaitable[Page[T]]], page: int, page_size: int) -> Page[T]:
    """A page, in smaller ones where it is too large: a few giant rows must not keep their neighbours from being read.

    Args:
        read: gives page n (from 1) of a list in pages of so many rows.
        page: number of the page.
        page_size: its rows.

    Returns:
        The page; a row that is too large by itself is among the malformed ones.

    Raises:
        BodyTooLargeError: so many single rows are too large that something else must be wrong.
    """
    giants: list[BodyTooLargeError] = []
    sent = 0

    async def read_part(page: int, page_size: int) -> Page[T]:
        nonlocal sent
        sent += 1
        try:
            return await read(page, page_size)
        except BodyTooLargeError as error:
            if page_size == 1:
                giants.append(error)
                if len(giants) > _MOST_GIANTS:
                    error.requests = sent
                    raise
                return Page([], None, page, page_size, malformed=(error,))
        fewer = page_size // _smallest_divisor(page_size)
        first = (page - 1) * (page_size // fewer) + 1
        parts = [await read_part(number, fewer) for number in range(first, first + page_size // fewer)]
        return Page(
            items=[item for part in parts for item in part.items],
            total=next((part.total for part in reversed(parts) if part.total is not None), None),
            page=page,
            page_size=page_size,
            malformed=tuple(error for part in parts for error in part.malformed),
            requests=1 + sum(part.requests for part in parts),
        )

    return await read_part(page, page_size)


def _smallest_divisor(number: int) -> int:
    return next((divisor for divisor in range(2, number) if number % divisor == 0), number)


def _warn(error: MalformedBodyError) -> None:
    _log.warning("a listed row is left out: %s", error)
