"""Read again what the warehouse knows, so that it stays true: labels set and rows deleted in Linkt's own screens.

Linkt does not report what changed without a run. So each known ICP is read page by page, for a hundredth of the
requests of single reads. Every entity on its pages is landed, named by a run or not. An entity on no page may be
deleted; or the list left it out, because it shifted, ended early or lies. A list is no verdict. So each of these
entities is read by itself, and only a 404 marks it as deleted. A 404 may be wrong too, and a marked entity may exist
again although no list shows it: so a few of the marked ones are read again each time.

Signals never change in Linkt, and their list looks back 90 days at most, so the refresh leaves them alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from linkt_pipeline.access.errors import DailyLimitReachedError
from linkt_pipeline.api import (
    AuthenticationError,
    BodyTooLargeError,
    LinktApiError,
    LinktClient,
    MalformedBodyError,
    NotFoundError,
    Page,
    RateLimitedError,
    RefusedError,
    ReplyLostError,
    ServerError,
    UnexpectedRedirectError,
)
from linkt_pipeline.api.models import Entity
from linkt_pipeline.api.pagination import walk_pages
from linkt_pipeline.collection.errors import RefreshGoingError
from linkt_pipeline.collection.lander import Fetched, Lander, Progress, landing
from linkt_pipeline.collection.organization import Organization
from linkt_pipeline.collection.planner import PAGE_SIZE
from linkt_pipeline.collection.reading import CONCURRENCY, Reader
from linkt_pipeline.collection.refresh_state import Place, RefreshState
from linkt_pipeline.collection.resources import REFRESHED_ENTITIES
from linkt_pipeline.collection.verdicts import Failed, Missing, Rejected, Row, Verdict
from linkt_pipeline.warehouse.queries import (
    StoredEntity,
    known_entity_ids,
    known_icp_ids,
    rejected_ids,
    stored_entities,
)
from linkt_pipeline.warehouse.warehouse import Warehouse

Log = Callable[[str], None]

# Size of a group of entities that no page shows and that are read by themselves. If all of a group exist, the list
# leaves out existing rows, and going on would cost a request for each row of the warehouse.
_ASKED_AT_ONCE = 20
_ASKED_AGAIN = 10  # deleted ones at a time; if none of a group is back, the others wait
_FAILURES_TO_STOP = 3  # so many lists in a row that can't be read are an outage


@dataclass
class Refreshed:
    """What one refresh did.

    Attributes:
        fetched: pages and single reads, and what landing changed.
        icps: ICPs that were read to the end.
        failures: ICPs whose list can't be read for now, with the reason; nothing of theirs was taken for deleted.
        stopped: why it ended before the last ICP; the next one goes on there.
    """

    fetched: Fetched = field(default_factory=Fetched)
    icps: int = 0
    failures: list[str] = field(default_factory=list)
    stopped: str | None = None

    @property
    def counts(self) -> dict[str, int]:
        """What it did, in figures."""
        return {
            "refreshed_icps": self.icps,
            "refreshed_new": self.fetched.inserted,
            "refreshed_changed": self.fetched.updated,
            "deleted": self.fetched.deleted,
            "restored": self.fetched.restored,
            "refresh_requests": self.fetched.pages + self.fetched.reads,
        }

    @property
    def warnings(self) -> list[str]:
        """What a person should know, one line each."""
        lines = [f"not refreshed: {failure}" for failure in self.failures]
        lines += [f"can't be read for now: {failure}" for failure in self.fetched.failures]
        return [*lines, f"the refresh goes on next time: {self.stopped}"] if self.stopped else lines


async def refresh_entities(
    client: LinktClient,
    warehouse: Warehouse,
    *,
    log: Log = lambda _: None,
    progress: Progress = lambda _: None,
    concurrency: int = CONCURRENCY,
) -> Refreshed:
    """Read the known ICPs again: at most their pages, one more for each, and one for each entity no page shows.

    Of each ICP's deleted entities twenty are asked for again, more only while some of them turn out to be there.

    If the requests of the day end a refresh, the next one goes on at that page. ICPs that a refresh read before it
    ended early are left out for an hour. After that they are read again, after the ICPs that were not read.

    Args:
        client: the API.
        warehouse: what is known; receives the rows.
        log: called with one line for each ICP that has something to report.
        progress: called after every landed batch.
        concurrency: single reads in flight.

    Raises:
        RefreshGoingError: another process is at it.
        OtherOrganizationError: the key shows nothing of what the warehouse knows; nothing was marked or landed.
        LinktApiError: the API can't be reached or refuses the key. What was read is landed.
    """
    if not warehouse.exists:
        return Refreshed()
    organization = Organization(client, warehouse)
    with _alone(warehouse):
        async with landing(warehouse, REFRESHED_ENTITIES, organization, progress=progress) as lander:
            refreshing = _Refresh(client, warehouse, organization, lander, concurrency, log)
            await refreshing.run()
    return refreshing.refreshed


@contextmanager
def _alone(warehouse: Warehouse) -> Iterator[None]:
    """One refresh at a time. Two would each read everything, and one would land 404s that the other has outdated."""
    with warehouse.alone("refresh") as is_alone:
        if not is_alone:
            raise RefreshGoingError
        yield


@dataclass
class _Icp:
    """An ICP that is being refreshed.

    Attributes:
        icp_id: its id.
        page: the next page of its list; None once the list is read.
        known: entities of the warehouse, deleted ones included.
        rejected: ids that are kept as rejects.
        unseen: known entities, not deleted so far, that no page has shown.
        deleted: known entities that are marked as deleted and that no page has shown, with when they were.
        asked_at: when its last page was asked for.
        skipped: pages that too many giant rows keep from being read.
        of_others: rows of the last page that are left to the list of another ICP.
        asked_up_to: the last entity that was read by itself, if some are left for the next refresh.
        asked_again_up_to: the same for the deleted ones.
    """

    icp_id: str
    page: int | None
    known: frozenset[str]
    rejected: frozenset[str]
    unseen: set[str]
    deleted: dict[str, datetime]
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    skipped: int = 0
    of_others: set[str] = field(default_factory=set)
    asked_up_to: str | None = None
    asked_again_up_to: str | None = None

    def saw(self, entity_id: str) -> None:
        """Note that a page has shown this entity."""
        self.unseen.discard(entity_id)
        self.deleted.pop(entity_id, None)


class _Refresh:
    def __init__(
        self,
        client: LinktClient,
        warehouse: Warehouse,
        organization: Organization,
        lander: Lander,
        concurrency: int,
        log: Log,
    ) -> None:
        self.client, self.warehouse, self.organization = client, warehouse, organization
        self.lander, self.log = lander, log
        self.reader = Reader(client, lander, concurrency, self._take)
        self.refreshed = Refreshed(lander.done)
        self.state = RefreshState()
        self.icp_ids: set[str] = set()
        self.failed_in_a_row = 0
        self.gone = 0  # ids that answered 404 ...
        self.there = 0  # ... and those whose own read gave a row

    async def run(self) -> None:
        """Refresh every ICP that is due."""
        try:
            for icp_id in await self.lander.on_thread(self._begin):
                await self._refresh(icp_id)
        except DailyLimitReachedError:
            self.refreshed.stopped = "as many of the day's requests as a refresh may take are used up"
        except RateLimitedError as error:
            self.refreshed.stopped = str(error)
        else:
            await self.lander.on_thread(self._keep, self.state.finished(datetime.now(UTC)))

    def _begin(self) -> list[str]:
        with self.warehouse.read() as con:
            now = datetime.now(UTC)
            self.state = RefreshState.read(con).resumed(now)
            self.icp_ids = known = known_icp_ids(con)
        left = self.state.left(known, now)
        if len(left) < len(known):
            self.log(
                f"the last refresh ended early; this one leaves out {len(known) - len(left):,} of {len(known):,} ICPs, "
                "which were read within the last hour"
            )
        if self.state.place and self.state.place.page not in (1, None):
            self.log(f"it goes on at page {self.state.place.page:,} of ICP {self.state.place.icp_id}")
        return left

    def _keep(self, state: RefreshState) -> None:
        self.state = state
        with self.warehouse.write(news=False) as con:
            state.write(con)

    async def _refresh(self, icp_id: str) -> None:
        began_at = datetime.now(UTC)
        icp = await self.lander.on_thread(self._known_of, icp_id)
        try:
            await self._look_through(icp)
        except (LinktApiError, DailyLimitReachedError) as error:
            await self.lander.flush()
            unseen = () if icp.page == 1 else tuple(sorted(icp.unseen))
            is_paused = isinstance(error, DailyLimitReachedError | RateLimitedError)
            place = Place(icp_id, icp.page, unseen, began_at, is_paused)
            await self.lander.on_thread(self._keep, self.state.stopped_at(place))
            raise
        await self.lander.flush()
        passed = self.state.passed(icp_id, began_at, icp.asked_up_to, icp.asked_again_up_to)
        await self.lander.on_thread(self._keep, passed)

    def _known_of(self, icp_id: str) -> _Icp:
        with self.warehouse.read() as con:
            known = known_entity_ids(con, icp_id)
            rejected = rejected_ids(con, "entity")
        unseen = {entity_id for entity_id, deleted_at in known.items() if deleted_at is None}
        deleted = {entity_id: deleted_at for entity_id, deleted_at in known.items() if deleted_at is not None}
        begun = self.state.place if self.state.place and self.state.place.icp_id == icp_id else Place(icp_id)
        if begun.page != 1:
            unseen &= set(begun.unseen)
        return _Icp(icp_id, begun.page, frozenset(known), frozenset(rejected), unseen, deleted)

    async def _look_through(self, icp: _Icp) -> None:
        if icp.page is not None and not await self._read_list(icp, icp.page):
            return
        icp.page = None
        self.refreshed.icps += 1
        if icp.unseen:
            await self._ask_for_unseen(icp)
        if icp.deleted:
            await self._ask_again_for_deleted(icp)

    async def _read_list(self, icp: _Icp, first: int) -> bool:
        """Whether the list was read to its end, whatever it has shown."""

        def keep(error: MalformedBodyError) -> None:
            self._keep_unreadable(icp, error)

        try:
            async for entity in walk_pages(partial(self._read_page, icp), first=first, on_malformed=keep):
                icp.saw(entity.id)
                if entity.id in icp.of_others:
                    continue
                await self.lander.take([self.lander.resource.row(entity, icp.asked_at)])
        except NotFoundError:  # the ICP was deleted; a single read gives each of its entities a verdict
            self.log(f"Linkt no longer has a list of ICP {icp.icp_id}")
        except AuthenticationError:
            raise
        except (MalformedBodyError, ServerError, ReplyLostError, RefusedError, UnexpectedRedirectError) as error:
            self.refreshed.failures.append(f"ICP {icp.icp_id}: {error}")
            self.failed_in_a_row += 1
            if self.failed_in_a_row >= _FAILURES_TO_STOP:
                raise
            return False
        if not icp.skipped:
            self.failed_in_a_row = 0
        return True

    async def _read_page(self, icp: _Icp, number: int) -> Page[Entity]:
        icp.page = number  # all rows of the one before were taken
        icp.asked_at = datetime.now(UTC)
        try:
            page = await self.lander.resource.read_page(self.client, icp.icp_id, number, PAGE_SIZE)
        except BodyTooLargeError as error:
            return self._without(icp, number, error)
        self.lander.done.pages += page.requests
        if not icp.known.issuperset(entity.id for entity in page.items):
            page = await self._recognised(icp, page)
        if any(entity.id in icp.known for entity in page.items):
            self.organization.confirm()
        elif page.items:  # they may be strangers
            await self.organization.require()
        return page

    def _without(self, icp: _Icp, number: int, error: BodyTooLargeError) -> Page[Entity]:
        """Take no rows from a page of giant rows; the entities that it would have shown are read by themselves."""
        self.lander.done.pages += error.requests
        if not icp.skipped:
            self.failed_in_a_row += 1
            if self.failed_in_a_row >= _FAILURES_TO_STOP:
                raise error
        icp.skipped += 1
        self.refreshed.failures.append(f"page {number:,} of ICP {icp.icp_id}, whose rows are asked for by id: {error}")
        return Page([], total=number * PAGE_SIZE + 1, page=number, page_size=PAGE_SIZE)  # the list goes on

    async def _recognised(self, icp: _Icp, page: Page[Entity]) -> Page[Entity]:
        """The page, with the ids as the warehouse spells them.

        A list may show a row of another ICP as if it belonged to this one. If both rows have the same ``updated_at``,
        the lists do not show which is right, and each would overwrite the other every time. So the row stays with its
        ICP; if the list of that ICP does not show it, its single read decides.
        """
        sent = [entity.id.strip().lower() for entity in page.items]
        stored = await self.lander.on_thread(self._stored, sent, {entity.id for entity in page.items})
        icp.of_others = set()
        items: list[Entity] = []
        for name, entity in zip(sent, page.items, strict=True):
            found = stored.get(name)
            if found is None:
                items.append(entity)
                continue
            items.append(entity if found.entity_id == entity.id else entity.known_as(found.entity_id))
            is_of_another = found.icp_id != icp.icp_id and found.icp_id in self.icp_ids
            if is_of_another and entity.icp_id != found.icp_id and entity.updated_at == found.updated_at:
                icp.of_others |= set() if found.is_deleted else {found.entity_id}
        return replace(page, items=items)

    def _stored(self, names: list[str], spelled: set[str]) -> dict[str, StoredEntity]:
        with self.warehouse.read() as con:
            found = stored_entities(con, names)
        # Of two spellings that were landed, the very one that was sent.
        found.sort(key=lambda entity: (entity.entity_id in spelled, entity.entity_id))
        return {entity.entity_id.lower(): entity for entity in found}

    def _keep_unreadable(self, icp: _Icp, error: MalformedBodyError) -> None:
        """Note the rows that can't be read: they exist, so the warehouse keeps what it knows of them."""
        icp.saw(error.subject)
        self.lander.done.failures.append(f"{error.subject}: {error}")
        if error.subject not in icp.known | icp.rejected:
            self.lander.add(Rejected(error.subject, error.reason, error.payload, icp.asked_at))

    async def _take(self, verdicts: Sequence[Verdict]) -> None:
        """Verdicts of single reads. The warehouse knows these entities and keeps them, so none becomes a reject."""
        self.there += sum(isinstance(verdict, Row) for verdict in verdicts)
        self.gone += sum(isinstance(verdict, Missing) for verdict in verdicts)
        await self.lander.take(
            [
                Failed(verdict.resource_id, verdict.reason, verdict.asked_at)
                if isinstance(verdict, Rejected)
                else verdict
                for verdict in verdicts
            ]
        )

    async def _ask_for_unseen(self, icp: _Icp) -> None:
        await self.organization.require()
        self.log(
            f"ICP {icp.icp_id}: {len(icp.unseen):,} of the {len(icp.known):,} entities known of it are on no page; "
            "they are asked for by id"
        )
        in_turn = self.state.in_turn(icp.icp_id, icp.unseen)
        for start in range(0, len(in_turn), _ASKED_AT_ONCE):
            gone, there, chunk = self.gone, self.there, in_turn[start : start + _ASKED_AT_ONCE]
            await self.reader.read(chunk)
            icp.unseen -= set(chunk)
            if self.there > there:
                self.failed_in_a_row = 0
            owed = icp.skipped * PAGE_SIZE > start + len(chunk) and self.there > there
            if self.gone == gone and icp.unseen and not owed:
                icp.asked_up_to = chunk[-1]
                self.log(
                    f"ICP {icp.icp_id}: its list leaves out entities that are there; {len(icp.unseen):,} more are left "
                    "to the next refresh"
                )
                return

    async def _ask_again_for_deleted(self, icp: _Icp) -> None:
        """The newest verdicts first, so that a wrong one is soon corrected; then the others, in turn."""
        await self.organization.require()
        newest = sorted(icp.deleted, key=lambda entity_id: (icp.deleted[entity_id], entity_id), reverse=True)
        await self._ask_while_some_are_back(icp, newest)
        icp.asked_again_up_to = await self._ask_while_some_are_back(
            icp, self.state.again_in_turn(icp.icp_id, icp.deleted)
        )

    async def _ask_while_some_are_back(self, icp: _Icp, entity_ids: Sequence[str]) -> str | None:
        """The last entity that was read by itself, if some are left for the next refresh; else None."""
        for start in range(0, len(entity_ids), _ASKED_AGAIN):
            there, chunk = self.there, entity_ids[start : start + _ASKED_AGAIN]
            await self.reader.read(chunk)
            for entity_id in chunk:
                del icp.deleted[entity_id]
            if self.there == there:
                return chunk[-1] if icp.deleted else None
        return None
