"""What the V1 API sends, as values. The only place in the product that knows V1's wire shapes.

Every model keeps unknown keys and the untouched JSON text (``payload``). Only what a row can't do without is
required: an id. Optional fields that are null, absent or of the wrong type read as None; ``payload`` still has them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from linkt_pipeline.api.errors import MalformedBodyError
from linkt_pipeline.api.fields import (
    LARGEST_COST,
    LONGEST_RUN,
    Id,
    JsonObject,
    Number,
    Texts,
    Timestamp,
    as_text,
    number,
    part,
    whole_number,
)
from linkt_pipeline.api.status import FileStatus, RunStatus
from linkt_pipeline.redaction import redact

T = TypeVar("T")

_MOST_CREDITS = 1e9  # beyond it, or below zero, a total is no statement about a cost


class WireModel(BaseModel):
    """An object of the API.

    Attributes:
        payload: the JSON text of this object as it arrived.
        document: the same as Python values, not to be changed; None for an object that was not read from a text.
    """

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=False)

    essential: ClassVar[frozenset[str]] = frozenset({"id"})

    # The aliases keep wire keys called "payload" or "document", should they appear, out of these fields.
    payload: str = Field(default="", validation_alias="\x00payload", exclude=True, repr=False)
    document: dict[str, Any] | None = Field(default=None, validation_alias="\x00document", exclude=True, repr=False)

    def read_from(self, text: str, document: dict[str, Any]) -> Self:
        """The same object, now knowing what it was read from (set in place: thousands a second pass here)."""
        self.__dict__["payload"] = text
        self.__dict__["document"] = document
        return self

    def known_as(self, known_id: str) -> Self:
        """The same object under another spelling of its id, in its payload too: a spelling changes no content."""
        document = self.document and {**self.document, "id": known_id}
        payload = self.payload.replace(f'"{self.__dict__["id"]}"', f'"{known_id}"', 1)
        return self.model_copy(update={"id": known_id, "payload": payload, "document": document})


class RunOutput(WireModel):
    """What a run hands over. Documented for completed runs; partial, legacy and odd ones are kept as they are."""

    essential = frozenset()

    version: Any = None
    credits: Any = None
    resources: Any = None
    run_time: Any = None


class Run(WireModel):
    """One execution of a task."""

    id: Id
    task_id: str | None = None
    icp_id: str | None = None
    task_type: str | None = None
    flow_run_id: str | None = None
    raw_status: str = Field(default="", validation_alias="status")
    input: dict[str, Any] | None = None
    output: RunOutput | None = None
    error: str | None = None
    created_at: Timestamp = None
    updated_at: Timestamp = None

    @field_validator("error")
    @classmethod
    def _no_credential_in_error(cls, error: str | None) -> str | None:
        """Take credentials out: failing programs quote their arguments, and an error text reaches people and logs."""
        return None if error is None else redact(error)

    def read_from(self, text: str, document: dict[str, Any]) -> Self:
        """The same object, now knowing what it was read from, without what looks like a credential."""
        return super().read_from(redact(text), document)

    @property
    def status(self) -> RunStatus:
        """The state the wire's word means."""
        return RunStatus.parse(self.raw_status)

    @property
    def total_credits(self) -> float | None:
        """Credits spent, None when the run does not say, or says something absurd."""
        return number(part(self.output and self.output.credits, "total_credits"), least=0, most=LARGEST_COST)

    @property
    def credit_breakdown(self) -> dict[str, float]:
        """Credits by action type, without entries that are no amounts."""
        breakdown = part(self.output and self.output.credits, "breakdown")
        if not isinstance(breakdown, Mapping):
            return {}
        # A refund is below zero.
        amounts = (
            (str(action), number(credits, least=-LARGEST_COST, most=LARGEST_COST))
            for action, credits in breakdown.items()
        )
        return {action: amount for action, amount in amounts if amount is not None}

    @property
    def credits(self) -> float | None:
        """What the run cost, as ``linkt.run_costs`` reads it: the total, else the sum of the breakdown, else None."""
        total = self.total_credits
        if total is not None and 0 <= total <= _MOST_CREDITS:
            return total
        items = [amount for amount in self.credit_breakdown.values() if abs(amount) <= _MOST_CREDITS]
        return max(0.0, sum(items)) if items else None

    @property
    def run_time_seconds(self) -> float | None:
        """How long the run worked, in seconds: up to ten years."""
        return number(self.output.run_time, least=0, most=LONGEST_RUN) if self.output else None

    @property
    def output_version(self) -> str | None:
        """Version of the output's shape; None for legacy, free-form output."""
        version = self.output.version if self.output else None
        return None if version is None else as_text(version)

    @property
    def entities_created(self) -> list[str]:
        """Ids as sent; a malformed one is kept for the caller to reject."""
        return self._named("entities_created")

    @property
    def entities_updated(self) -> list[str]:
        """Ids as sent; a malformed one is kept for the caller to reject."""
        return self._named("entities_updated")

    @property
    def signals_created(self) -> list[str]:
        """Ids as sent; a malformed one is kept for the caller to reject."""
        return self._named("signals_created")

    def _named(self, resource: str) -> list[str]:
        ids = part(self.output and self.output.resources, resource)
        return [as_text(item) for item in ids] if isinstance(ids, list) else []


class Execution(WireModel):
    """The answer to an execute. The key is ``run_id`` here, not ``id``."""

    essential = frozenset({"run_id"})

    run_id: Id
    flow_run_id: str | None = None
    raw_status: str = Field(default="", validation_alias="status")

    @property
    def status(self) -> RunStatus:
        """The state the new run starts in, as a rule SCHEDULED."""
        return RunStatus.parse(self.raw_status)


class Entity(WireModel):
    """A company, a person or another thing of a sheet. ``data`` holds any JSON under names the customer chose.

    Attributes:
        external_id: the record's id in another system, such as a Salesforce account id.
        external_source: that system, such as ``salesforce``.
    """

    essential = frozenset({"id", "data"})

    id: Id
    sheet_id: str | None = None
    sheet_name: str | None = None
    icp_id: str | None = None
    entity_type: str | None = None
    parent_id: str | None = None
    status: str | None = None
    comments: str | None = None
    data: JsonObject = Field(default_factory=dict)
    duplicate_info: dict[str, Any] | None = None
    external_id: str | None = None
    external_source: str | None = None
    created_at: Timestamp = None
    updated_at: Timestamp = None


class Signal(WireModel):
    """A business event. Immutable; ``created_at`` is when it was detected, not when it happened.

    Attributes:
        metadata: what else the workflow knows; its contents are documented nowhere.
    """

    id: Id
    icp_id: str | None = None
    signal_type: str | None = None
    signal_display_name: str | None = None
    strength: str | None = None
    score: Number = None
    summary: str | None = None
    references: Texts = Field(default_factory=list)
    entity_ids: Texts = Field(default_factory=list)
    metadata: dict[str, Any] | None = None
    created_at: Timestamp = None


class Task(WireModel):
    """A reusable workflow; executing it starts runs."""

    id: Id
    name: str | None = None
    description: str | None = None
    flow_name: str | None = None
    deployment_name: str | None = None
    icp_id: str | None = None
    prompt: str | None = None
    task_config: dict[str, Any] | None = None
    created_at: Timestamp = None
    updated_at: Timestamp = None


class Schedule(WireModel):
    """Linkt's own schedule of a task. Its cron expression is in UTC."""

    id: Id
    name: str | None = None
    task_id: str | None = None
    icp_id: str | None = None
    cron_expression: str | None = None
    status: str | None = None


class Icp(WireModel):
    """An ideal customer profile: what kind of entities to look for."""

    id: Id
    name: str | None = None
    description: str | None = None
    mode: str | None = None
    created_at: Timestamp = None
    updated_at: Timestamp = None


class Sheet(WireModel):
    """A table of entities of one type within an ICP."""

    id: Id
    name: str | None = None
    description: str | None = None
    icp_id: str | None = None
    entity_type: str | None = None
    entity_schema: dict[str, Any] | None = None
    created_at: Timestamp = None
    updated_at: Timestamp = None


class UploadedFile(WireModel):
    """A file of the organization. The list of files shows id, name and size only.

    Attributes:
        raw_status: how far Linkt's processing has come, as sent.
        csv_metadata: ``row_count``, ``columns``, ``preview_rows`` and ``encoding`` as Linkt read them; null until then.
        original_file_type: such as ``xlsx`` for a spreadsheet that Linkt converted.
    """

    essential = frozenset({"file_id"})

    file_id: Id
    name: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    raw_status: str = Field(default="", validation_alias="processing_status")
    csv_metadata: dict[str, Any] | None = None
    original_file_type: str | None = None

    @property
    def id(self) -> str:
        """The same as ``file_id``, under the name by which lists identify their rows."""
        return self.file_id

    @property
    def status(self) -> FileStatus:
        """The state the wire's word means."""
        return FileStatus.parse(self.raw_status)

    @property
    def columns(self) -> list[str] | None:
        """The header as Linkt read it; None while it does not say."""
        columns = part(self.csv_metadata, "columns")
        return [as_text(column) for column in columns] if isinstance(columns, list) else None

    @property
    def row_count(self) -> int | None:
        """Rows below the header as Linkt counted them; None while it does not say."""
        return whole_number(part(self.csv_metadata, "row_count"))

    def shown_values(self, column: str) -> list[str | None]:
        """A column of the first rows as Linkt shows them; None where it shows nothing."""
        rows = part(self.csv_metadata, "preview_rows")
        values = [part(row, column) for row in rows] if isinstance(rows, list) else []
        return [None if value is None else as_text(value) for value in values]


class RunQueue(WireModel):
    """How far a run has come, for showing only: the queue expires and is no system of record.

    Attributes:
        state_counts: items by state (queued, processing, completed, discarded); from ``stats`` where the server
            sends no ``state_counts``.
        total: number of items in *this answer*, not of matches.
    """

    essential = frozenset()

    entities: list[dict[str, Any]] = Field(default_factory=list)
    state_counts: dict[str, int] = Field(default_factory=dict)
    total: int | None = None
    queue_data_available: bool = True
    queue_data_message: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _count_from_stats(cls, wire: Any) -> Any:
        if not isinstance(wire, dict):
            return wire
        counts = wire.get("state_counts") or wire.get("stats")
        counts = counts if isinstance(counts, dict) else {}
        available = wire.get("queue_data_available")
        return {
            **wire,
            "state_counts": {state: n for state, n in counts.items() if whole_number(n) is not None},
            "queue_data_available": True if available is None else available,
        }


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        items: the rows that could be read.
        total: matches before paging, None when the server does not say.
        page: 1-based.
        page_size: as the server repeats it.
        malformed: rows of this page that could not be read, with their payload.
        requests: how many it took: more than one where it was read in parts.
    """

    items: list[T]
    total: int | None
    page: int
    page_size: int
    malformed: tuple[MalformedBodyError, ...] = ()
    requests: int = 1
