"""Settle many pending ids with few requests: by whole pages where they pay, one by one where they don't.

A page of 100 rows costs one request, as one id does. But lists have no filter by id: only reading a page shows how
many wanted ids it holds. So the ids that share an ICP are read by pages as long as that saves requests:

* the next page is read while the last one settled more than one id (lists tend to show the newest first), or
  while the pages still unread are fewer than the ids still wanted, and
* pages may fall behind the ids they settled by :data:`ALLOWANCE` at most, in each ICP and over the whole plan.

The second rule is the bound: requests <= ids + ALLOWANCE, whatever the lists hold. An id that is on no page is read by
itself, and only that single read decides that it is gone.
"""

from dataclasses import dataclass, field

PAGE_SIZE = 100
ALLOWANCE = 2
_WORTH_PAGING = 3  # ids of one ICP below which a page can hardly win


@dataclass
class PageBudget:
    """Pages read against ids settled by them; pages may run ahead by :data:`ALLOWANCE`."""

    pages: int = 0
    hits: int = 0

    @property
    def allows_a_page(self) -> bool:
        """Whether one more page keeps within the bound even if it holds no wanted id."""
        return self.pages - self.hits < ALLOWANCE

    def record(self, hits: int) -> None:
        """A page was read and settled this many wanted ids."""
        self.pages += 1
        self.hits += hits


@dataclass
class GroupPlan:
    """The decision, page by page, for the ids of one ICP.

    Attributes:
        wanted: ids of the group that are not settled yet.
        shared: the budget of the whole plan.
        own: the budget of this group.
        total: rows of the ICP's list, known after its first page.
        last_hits: wanted ids on the last page read.
    """

    wanted: set[str]
    shared: PageBudget
    own: PageBudget = field(default_factory=PageBudget)
    total: int = 0
    last_hits: int = 0

    @property
    def next_page(self) -> int:
        """Number of the page to read next, from 1."""
        return self.own.pages + 1

    def wants_page(self) -> bool:
        """Whether reading the next page is expected to save requests."""
        if not self.wanted or not (self.own.allows_a_page and self.shared.allows_a_page):
            return False
        if self.own.pages == 0:
            return len(self.wanted) >= _WORTH_PAGING
        # Reading all unread pages also wins if these are fewer than the single reads that they save.
        unread = -(-self.total // PAGE_SIZE) - self.own.pages
        return unread > 0 and (self.last_hits > 1 or unread < len(self.wanted))

    def record(self, found: set[str], total: int) -> set[str]:
        """Take a page into account.

        Returns:
            The wanted ids it settled.
        """
        settled = self.wanted & found
        self.wanted -= settled
        self.total = total
        self.last_hits = len(settled)
        self.own.record(len(settled))
        self.shared.record(len(settled))
        return settled
