"""Lands frames of API objects: merged by id, newer wins, everything of a batch in the caller's one transaction.

Call these inside ``Warehouse.write()``. Delivering something twice changes nothing; delivering the versions of an
object in another order ends in the same rows.
"""

from linkt_pipeline.warehouse.landing.contacts import REJECTED, hash_contacts, hashed_email, require_contact_key
from linkt_pipeline.warehouse.landing.counts import LandingCounts
from linkt_pipeline.warehouse.landing.deletions import mark_deleted
from linkt_pipeline.warehouse.landing.entities import land_entities
from linkt_pipeline.warehouse.landing.kept_out import is_erased_row
from linkt_pipeline.warehouse.landing.reference import land_icps, land_queue_counts, land_sheets, land_tasks
from linkt_pipeline.warehouse.landing.resources import (
    clear_rejects,
    land_rejects,
    mark_missing,
    note_pending,
    reopen_resources,
)
from linkt_pipeline.warehouse.landing.runs import land_runs
from linkt_pipeline.warehouse.landing.signals import land_signals

__all__ = [
    "REJECTED",
    "LandingCounts",
    "clear_rejects",
    "hash_contacts",
    "hashed_email",
    "is_erased_row",
    "land_entities",
    "land_icps",
    "land_queue_counts",
    "land_rejects",
    "land_runs",
    "land_sheets",
    "land_signals",
    "land_tasks",
    "mark_deleted",
    "mark_missing",
    "note_pending",
    "reopen_resources",
    "require_contact_key",
]
