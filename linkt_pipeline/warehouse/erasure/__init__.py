"""Removes people, companies and whole domains from the warehouse, so that they don't come back.

``targets`` finds what is meant, ``removal`` removes it, ``records`` remembers how far an erasure has come. The copies
outside of the warehouse are the business of :mod:`linkt_pipeline.assets.erasure`.
"""

from linkt_pipeline.warehouse.erasure.errors import ErasureError, StillNeededError
from linkt_pipeline.warehouse.erasure.records import (
    Erasure,
    Phase,
    begin_erasure,
    finish_erasure,
    forget_target,
    note_failure,
    remove_target,
    removed_by,
    unfinished_erasures,
)
from linkt_pipeline.warehouse.erasure.removal import preview_removal, remove_from_warehouse
from linkt_pipeline.warehouse.erasure.targets import Kind, Target, find_target

__all__ = [
    "Erasure",
    "ErasureError",
    "Kind",
    "Phase",
    "StillNeededError",
    "Target",
    "begin_erasure",
    "find_target",
    "finish_erasure",
    "forget_target",
    "note_failure",
    "preview_removal",
    "remove_from_warehouse",
    "remove_target",
    "removed_by",
    "unfinished_erasures",
]
