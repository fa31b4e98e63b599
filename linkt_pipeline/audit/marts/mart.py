"""What a recomputed mart consists of."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from linkt_pipeline.audit.world import World

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Mart:
    """How to recompute one mart.

    Attributes:
        name: table in schema ``marts``.
        key: columns that identify a row.
        rows: the rows of some ids, or all rows of a mart that is computed at once. A column may be UNSURE.
        batch: column whose ids cut the mart into batches; None for a mart that is computed at once.
        ids: all ids of that column that may have rows.
        skipped: columns that say nothing to compare: fingerprints.
    """

    name: str
    key: tuple[str, ...]
    rows: Callable[[World, Collection[str]], Iterable[Row]]
    batch: str | None = None
    ids: Callable[[World], Collection[str]] = lambda world: ()
    skipped: tuple[str, ...] = ()
