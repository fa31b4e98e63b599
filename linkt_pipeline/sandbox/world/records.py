"""The rows of the sandbox's world. Bodies are kept as JSON bytes: a read by id is a dictionary lookup."""

from dataclasses import dataclass, field
from typing import Any

from linkt_pipeline.sandbox.world.ids import flow_run_id, timestamp
from linkt_pipeline.sandbox.world.plan import REPORTED_SECONDS_PER_SECOND

TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELED", "CRASHED"})


@dataclass(slots=True)
class RunRecord:
    """One run. Times are Unix seconds on the real clock; ``skew`` is added where the API shows them.

    Attributes:
        number: counts the runs of this world; seeds everything the run does.
        wanted: companies to create, one item each (None, or a row of the user's file).
        outcome: fields of :class:`linkt_pipeline.sandbox.world.plan.Outcome`.
        cursor: how many steps of the plan are done.
    """

    id: str
    number: int
    task_id: str | None
    icp_id: str | None
    task_type: str | None
    input: dict[str, Any]
    wanted: list[Any]
    updates: int
    signals_wanted: int
    life: float
    started: float
    updated: float
    skew: float
    outcome: dict[str, Any]
    status: str = "SCHEDULED"
    cursor: int = 0
    ended: float | None = None
    error: str | None = None
    entities_created: list[str] = field(default_factory=list)
    entities_updated: list[str] = field(default_factory=list)
    signals_created: list[str] = field(default_factory=list)
    credits: dict[str, float] = field(default_factory=dict)

    @property
    def terminal(self) -> bool:
        """Whether the run has ended for good."""
        return self.status in TERMINAL

    def charge(self, action_type: str, credits: float) -> None:
        """Add fractional credits to one line of the breakdown."""
        self.credits[action_type] = round(self.credits.get(action_type, 0.0) + credits, 2)

    def body(self) -> dict[str, Any]:
        """The run as ``GET /v1/run/{run_id}`` and the list show it."""
        body = {
            "id": self.id,
            "task_id": self.task_id,
            "icp_id": self.icp_id,
            "task_type": self.task_type,
            "flow_run_id": flow_run_id(self.id),
            "status": self.status,
            "input": self.input,
            "output": None,
            "error": self.error,
            "created_at": timestamp(self.started + self.skew),
            "updated_at": timestamp(self.updated + self.skew),
        }
        if self.terminal:
            match self.outcome.get("output", "full"):
                case "full":
                    body["output"] = self._output()
                case "partial":
                    body["output"] = self._partial_output()
                case "legacy":
                    body["output"] = {"message": "free-form legacy result"}
                case "absent":
                    del body["output"]
        return body

    def _output(self) -> dict[str, Any]:
        lasted = (self.ended or self.updated) - self.started
        return {
            "version": "1.0",
            "credits": {"total_credits": round(sum(self.credits.values()), 2), "breakdown": self.credits},
            "resources": {
                "entities_created": self.entities_created,
                "entities_updated": self.entities_updated,
                "signals_created": self.signals_created,
            },
            "run_time": round(lasted * REPORTED_SECONDS_PER_SECOND, 2),
        }

    def _partial_output(self) -> dict[str, Any]:
        return {
            "version": "1.0",
            "credits": {"total_credits": round(sum(self.credits.values()), 2)},
            "resources": {"entities_created": self.entities_created},
        }


@dataclass(slots=True)
class EntityRow:
    """An entity's filterable fields beside its body. ``number`` is the company's, also for its people.

    Attributes:
        external: the record it stands for in a CRM: the CRM and the record's id; None for one that is in none.
    """

    id: str
    number: int
    icp_id: str
    sheet_id: str
    entity_type: str
    status: str | None
    name: str
    parent_id: str | None
    hidden_duplicate: bool
    body: bytes
    external: tuple[str, str] | None = None


@dataclass(slots=True)
class SignalRow:
    """A signal's filterable fields beside its body."""

    id: str
    icp_id: str
    entity_ids: list[str]
    signal_type: str | None
    strength: str | None
    summary: str
    created: float
    body: bytes
