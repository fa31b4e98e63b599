"""How a kind of resource is read, parsed and landed; what differs between entities and signals is here alone."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
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
from linkt_pipeline.collection.frames import (
    RowValues,
    entities_frame,
    entity_row,
    rejects_frame,
    signal_row,
    signals_frame,
)
from linkt_pipeline.collection.verdicts import Batch, Rejected, Row
from linkt_pipeline.warehouse.landing import (
    REJECTED,
    LandingCounts,
    hash_contacts,
    land_entities,
    land_rejects,
    land_signals,
    mark_deleted,
    mark_missing,
    note_pending,
    require_contact_key,
)
from linkt_pipeline.warehouse.state import note_change
from linkt_pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Resource:
    """One kind of resource: how to read it, parse it and land it.

    Attributes:
        kind: ``entity`` or ``signal``, as in ``run_resources.resource_type``.
        read_body: the single read.
        read_page: a page of an ICP's list.
        values: what is landed of a parsed object.
    """

    kind: str
    read_body: Callable[[LinktClient, str], Awaitable[bytes]]
    read_page: Callable[[LinktClient, str, int, int], Awaitable[Page[Any]]]
    values: Callable[[Any], RowValues]
    _parse: Callable[[bytes], Any]
    _frame: Callable[[Sequence[RowValues], datetime], pl.DataFrame]
    _land: Callable[[duckdb.DuckDBPyConnection, pl.DataFrame], LandingCounts]

    def row(self, item: Any, asked_at: datetime) -> Row:
        """A parsed object, of a list or a single read."""
        return Row(self.values(item), len(item.payload), asked_at)

    def parse(self, resource_id: str, body: bytes, asked_at: datetime) -> Row | Rejected:
        """The row of one body of a single read, or why it can't be used."""
        try:
            item = self._parse(body)
        except MalformedBodyError as error:
            reason = error.reason
        else:
            if item.id == resource_id:
                return self.row(item, asked_at)
            if same_id(item.id, resource_id):
                return self.row(item.known_as(resource_id), asked_at)
            reason = f"the body speaks of {item.id!r} instead"
        return Rejected(resource_id, reason, body.decode("utf-8", "replace"), asked_at)

    def land(self, warehouse: Warehouse, batch: Batch) -> LandingCounts:
        """Land a batch and settle its ids, in one transaction. If nothing changes, no model has to be built again."""
        moment = batch.asked_since
        frame = self._frame(batch.rows, moment)  # made before the warehouse is opened, so that nobody waits for it
        key = warehouse.contact_key
        if key:
            frame = hash_contacts(frame, key)
        missed = deleted = noted = 0
        with warehouse.write(threads=1, news=False) as con:
            require_contact_key(con, key)
            counts = self._land(con, frame)
            if batch.missing:
                missed = mark_missing(con, self.kind, batch.missing, at=moment)
                if self.kind == "entity":
                    deleted = mark_deleted(con, batch.missing, at=moment)
            if batch.rejected:
                rejects = [
                    (each.resource_id, each.reason, REJECTED if key else each.payload) for each in batch.rejected
                ]
                land_rejects(con, rejects_frame(self.kind, rejects, moment))
            if batch.failed:
                noted = note_pending(con, self.kind, batch.failed)
            if counts.is_news or missed or deleted or noted or batch.rejected:
                note_change(con)
        return replace(counts, deleted=deleted)


async def _entity_page(client: LinktClient, icp_id: str, page: int, page_size: int) -> Page[Entity]:
    return await client.list_entities_page(page, icp_id=icp_id, page_size=page_size)


async def _signal_page(client: LinktClient, icp_id: str, page: int, page_size: int) -> Page[Signal]:
    # 90 days is as far as the list looks back, and without it it shows 30; older ones are read by id.
    return await client.list_signals_page(
        page, icp_id=icp_id, page_size=page_size, days=90, sort_by="created_at", order=-1
    )


ENTITIES = Resource(
    "entity", LinktClient.get_entity_body, _entity_page, entity_row, parse_entity, entities_frame, land_entities
)
REFRESHED_ENTITIES = replace(ENTITIES, _land=partial(land_entities, for_runs=False))
SIGNALS = Resource(
    "signal", LinktClient.get_signal_body, _signal_page, signal_row, parse_signal, signals_frame, land_signals
)
