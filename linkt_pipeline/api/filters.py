"""What each list can be narrowed by. A filter that is None is not sent; a list becomes a repeated key."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

OneOrMany = str | Sequence[str] | None


class PageFilters(TypedDict, total=False):
    """Common to all lists.

    Attributes:
        page_size: rows a page, at most (and by default) 100.
    """

    page_size: int


class RunFilters(PageFilters, total=False):
    """Filters of ``GET /v1/run``. Times must be aware; whether a bound itself counts is not documented.

    Attributes:
        status: one status only.
        task_type: ``search``, ``signal``, ``profile`` or ``ingest``.
        updated_after: the API's only incremental cursor.
        sort_by: such as ``created_at`` or ``updated_at``.
        order: -1 newest first, 1 oldest first.
    """

    task_id: str | None
    icp_id: str | None
    status: str | None
    task_type: str | None
    created_after: datetime | None
    created_before: datetime | None
    updated_after: datetime | None
    updated_before: datetime | None
    sort_by: str | None
    order: int | None


class EntityFilters(PageFilters, total=False):
    """Filters of ``GET /v1/entity``. There is none by time, and no guaranteed order.

    Attributes:
        status: ``new``, ``reviewed``, ``passed``, ``contacted`` or ``null``.
        external_id: entities of all ICPs that carry this id of another system.
        external_source: the system that owns it; the API takes ``salesforce`` where none is given.
    """

    icp_id: OneOrMany
    sheet_id: str | None
    entity_type: str | None
    status: OneOrMany
    external_id: str | None
    external_source: str | None


class SignalFilters(PageFilters, total=False):
    """Filters of ``GET /v1/signal``.

    Attributes:
        days: 1 to 90; without it the API shows the last 30 days only, and never more than 90.
        sort_by: ``created_at``, ``updated_at``, ``signal_type`` or ``strength``.
        order: -1 newest first, 1 oldest first.
        external_id: signals of the entities, in all ICPs, that carry this id of another system.
        external_source: the system that owns it; the API takes ``salesforce`` where none is given.
    """

    icp_id: str | None
    entity_id: str | None
    external_id: str | None
    external_source: str | None
    signal_type: str | None
    strength: str | None
    days: int | None
    search_term: str | None
    sort_by: str | None
    order: int | None


class TaskFilters(PageFilters, total=False):
    """Filters of ``GET /v1/task``."""

    flow_name: str | None


class SheetFilters(PageFilters, total=False):
    """Filters of ``GET /v1/sheet``."""

    icp_id: str | None
