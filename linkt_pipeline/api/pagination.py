"""Walking through page-numbered lists that change while they are read."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from linkt_pipeline.api.errors import MalformedBodyError
from linkt_pipeline.api.models import Page


class HasId(Protocol):
    """Whatever a list's rows are, they have an id."""

    @property
    def id(self) -> str:
        """The id rows are told apart by."""
        ...


R = TypeVar("R", bound=HasId)

_log = logging.getLogger(__name__)


async def walk_pages(
    fetch: Callable[[int], Awaitable[Page[R]]],
    *,
    on_malformed: Callable[[MalformedBodyError], None] | None = None,
) -> AsyncIterator[R]:
    """Every row once, in the order of the pages.

    Rows that come twice (the list shifted) are given once. The walk ends when the pages cover the total, on a page
    without any new row, and on the second empty page in a row: one empty page before the end is taken for a hiccup,
    and a last page that never ends is noticed.

    Args:
        fetch: gives page n, counted from 1.
        on_malformed: told about rows that can't be read; by default they are logged. The walk goes on.
    """
    seen: set[str] = set()
    number = 0
    full_page = 0
    empty_before = False
    while True:
        number += 1
        page = await fetch(number)
        for error in page.malformed:
            (on_malformed or _warn)(error)
        fresh = [item for item in page.items if item.id not in seen]
        for item in fresh:
            if item.id not in seen:
                seen.add(item.id)
                yield item
        received = len(page.items) + len(page.malformed)
        # A server may give fewer rows a page than it claims; believing the claim would end the walk too early.
        full_page = max(full_page, received)
        covered = page.total is not None and number * min(page.page_size, full_page) >= page.total
        if received == 0:
            if covered or empty_before or page.total is None or number == 1 or number * page.page_size >= page.total:
                return
            empty_before = True
            continue
        empty_before = False
        if covered or (not fresh and not page.malformed):
            return


def _warn(error: MalformedBodyError) -> None:
    _log.warning("a listed row is left out: %s", error)
