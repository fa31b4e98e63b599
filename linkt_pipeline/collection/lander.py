"""From bodies to landed rows, a batch at a time; what differs between entities and signals is here alone."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import duckdb
import polars as pl

from linkt_pipeline.api import (
    Entity,
    LinktClient,
    MalformedBodyError,
    Page,
    Signal,
    parse_entity,
    parse_signal,
    same_id,
)
from linkt_pipeline.collection.frames import Row, entities_frame, entity_row, rejects_frame, signal_row, signals_frame
from linkt_pipeline.warehouse.file import Warehouse
from linkt_pipeline.warehouse.landing import (
    LandingCounts,
    land_entities,
    land_rejects,
    land_signals,
    mark_deleted,
    mark_missing,
)
from linkt_pipeline.warehouse.state import note_change


@dataclass(frozen=True)
class Rejected:
    """An id whose body can't be used, kept with the body and the reason."""

    resource_id: str
    reason: str
    payload: str | None


@dataclass
class Batch:
    """What was read and is not landed yet.

    Attributes:
        rows: what is to be landed.
        bodies: those of single reads that are not parsed yet, with the id that was asked for.
        missing: ids that answered 404.
        rejected: ids whose body can't be used.
        read_since: when the first of its requests was sent; nothing in it is older than that.
        size: bytes of the bodies that it holds, parsed or not.
        unparsed: of these, bytes of ``bodies``.
    """

    rows: list[Row] = field(default_factory=list)
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    read_since: datetime = field(default_factory=lambda: datetime.now(UTC))
    size: int = 0
    unparsed: int = 0

    def add_body(self, resource_id: str, body: bytes) -> None:
        """Take the body of a single read in."""
        self.bodies.append((resource_id, body))
        self.size += len(body)
        self.unparsed += len(body)

    def pop_bodies(self) -> list[tuple[str, bytes]]:
        """The bodies that are not parsed yet, which is up to the caller now."""
        bodies, self.bodies, self.unparsed = self.bodies, [], 0
        return bodies

    def take_in(self, other: "Batch") -> None:
        """Everything of another batch besides what is here."""
        self.rows += other.rows
        self.bodies += other.bodies
        self.missing += other.missing
        self.rejected += other.rejected
        self.read_since = min(self.read_since, other.read_since)
        self.size += other.size
        self.unparsed += other.unparsed

    def __len__(self) -> int:
        return len(self.rows) + len(self.bodies) + len(self.missing) + len(self.rejected)


@dataclass(frozen=True)
class Reader:
    """One kind of resource: how to read it, parse it and land it.

    Attributes:
        resource: ``entity`` or ``signal``, as in ``run_resources.resource_type``.
        read_body: the single read.
        read_page: a page of an ICP's list.
        row: what is landed of a parsed object.
    """

    resource: str
    read_body: Callable[[LinktClient, str], Awaitable[bytes]]
    read_page: Callable[[LinktClient, str, int, int], Awaitable[Page[Any]]]
    row: Callable[[Any], Row]
    _parse: Callable[[bytes], Any]
    _frame: Callable[[Sequence[Row], datetime], pl.DataFrame]
    _land: Callable[[duckdb.DuckDBPyConnection, pl.DataFrame], LandingCounts]

    def parse(self, resource_id: str, body: bytes) -> Row | Rejected:
        """The row of one body of a single read, or why it can't be used."""
        try:
            model = self._parse(body)
        except MalformedBodyError as error:
            reason = error.reason
        else:
            if model.id == resource_id:
                return self.row(model)
            if same_id(model.id, resource_id):
                return self.row(model.known_as(resource_id))
            reason = f"the body speaks of {model.id!r} instead"
        return Rejected(resource_id, reason, body.decode("utf-8", "replace"))

    def land(self, warehouse: Warehouse, batch: Batch) -> LandingCounts:
        """Land a batch and settle its ids, in one transaction. What changes nothing is no news to anybody."""
        moment = batch.read_since
        frame = self._frame(batch.rows, moment)  # before the warehouse is opened: nobody waits for it
        missed = deleted = 0
        with warehouse.write(threads=1, news=False) as con:
            counts = self._land(con, frame)
            if batch.missing:
                missed = mark_missing(con, self.resource, batch.missing, at=moment)
                if self.resource == "entity":
                    deleted = mark_deleted(con, batch.missing, at=moment)
            if batch.rejected:
                rejects = [(each.resource_id, each.reason, each.payload) for each in batch.rejected]
                land_rejects(con, rejects_frame(self.resource, rejects, moment))
            if counts.is_news or missed or deleted or batch.rejected:
                note_change(con)
        return replace(counts, deleted=deleted)


async def _entity_page(client: LinktClient, icp_id: str, page: int, page_size: int) -> Page[Entity]:
    return await client.list_entities_page(page, icp_id=icp_id, page_size=page_size)


async def _signal_page(client: LinktClient, icp_id: str, page: int, page_size: int) -> Page[Signal]:
    # 90 days is as far as the list looks back, and without it it shows 30; older ones are read by id.
    return await client.list_signals_page(
        page, icp_id=icp_id, page_size=page_size, days=90, sort_by="created_at", order=-1
    )


ENTITIES = Reader(
    "entity", LinktClient.get_entity_body, _entity_page, entity_row, parse_entity, entities_frame, land_entities
)
REFRESHED_ENTITIES = replace(ENTITIES, _land=partial(land_entities, for_runs=False))
SIGNALS = Reader(
    "signal", LinktClient.get_signal_body, _signal_page, signal_row, parse_signal, signals_frame, land_signals
)
