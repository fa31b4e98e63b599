"""What each landed run cost, brought and belongs to."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from linkt_pipeline.audit import wire
from linkt_pipeline.audit.landed import CHOSEN, Landed, chosen, pieces
from linkt_pipeline.audit.moments import DAY, EARLIEST, id_moment, moment_of
from linkt_pipeline.audit.values import parse_json

T = TypeVar("T")

_RUNS_AT_ONCE = 200  # each may name thousands of ids


@dataclass(frozen=True, slots=True)
class Execution:
    """An attempt to start a run, from the ledger; times in microseconds."""

    task_key: str
    task_id: str
    state: str
    run_id: str | None
    intended_at: int


@dataclass(frozen=True, slots=True)
class Yield:
    """What a run names: how many of each, and what became of them.

    Attributes:
        created: entities named as created.
        updated: entities named as updated.
        touched: entities named as either, each once.
        signals: signals.
        states: how many are landed, pending, missing, rejected and erased.
    """

    created: int
    updated: int
    touched: int
    signals: int
    states: Counter[str]

    @property
    def results(self) -> int:
        """Created and updated entities and signals together."""
        return self.created + self.updated + self.signals


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A landed run; times in microseconds, credits and seconds as numbers."""

    run_id: str
    task_id: str | None
    task_key: str | None
    task_type: str | None
    icp_id: str | None
    status: str | None
    meant_status: str | None
    error: str | None
    error_kind: str | None
    created_at: int | None
    updated_at: int | None
    fetched_at: int
    spent_at: int
    run_time: float | None
    items: dict[str, float]
    credits: float | None
    brought: Yield
    rows_given: int
    queue: dict[str, int]

    @property
    def is_success(self) -> bool | None:
        """True for COMPLETED, False for the other final states, None for the rest."""
        return self.meant_status == "COMPLETED" if self.meant_status in wire.FINAL else None


def read_executions(landed: Landed) -> list[Execution]:
    """The whole ledger."""
    rows = landed.rows(
        "select task_key, task_id, state, run_id, epoch_us(intended_at) from linkt.executions order by 5"
    )
    return [Execution(*row) for row in rows]


def read_runs(landed: Landed, executions: list[Execution]) -> Iterator[RunFacts]:
    """Every landed run, from its payload.

    Linkt later shows some runs without their cost and the ids they named. Landing keeps these from an earlier body. So
    what a payload leaves out is taken from the landed columns.
    """
    started: dict[str, list[Execution]] = defaultdict(list)
    for execution in executions:
        if execution.run_id is not None:
            started[execution.run_id].append(execution)
    for ids in pieces(landed.ids("runs", "run_id"), _RUNS_AT_ONCE):
        yield from _read_piece(landed, ids, started)


_NAMES = "run_id, resource_type, action, resource_id, state"
_KEPT = "task_id, icp_id, task_type, total_credits, run_time_seconds, epoch_us(created_at)"


def _read_piece(landed: Landed, ids: list[str], started: dict[str, list[Execution]]) -> Iterator[RunFacts]:
    items: dict[str, dict[str, float | None]] = defaultdict(dict)
    names: dict[str, dict[tuple[str, str, str], str | None]] = defaultdict(dict)
    queues: dict[str, dict[str, int]] = defaultdict(dict)
    for run_id, action, credits in _of(landed, "run_id, action_type, credits", "run_credits", ids):
        items[run_id][action] = credits
    for run_id, *name, state in _of(landed, _NAMES, "run_resources", ids):
        names[run_id][name[0], name[1], name[2]] = state
    for run_id, state, entities in _of(landed, "run_id, state, entities", "run_queue_counts", ids):
        queues[run_id][state] = entities
    columns = f"run_id, payload::varchar, error_kind, epoch_us(fetched_at), {_KEPT}"
    for run_id, payload, error_kind, fetched_at, *kept in _of(landed, columns, "runs", ids):
        body = parse_json(payload) or {}
        total = wire.total_credits(body)
        run_items = _items(body, total, items[run_id])
        task_id, icp_id, task_type, kept_total, run_time, created_at = kept
        created_at = _or(moment_of(body.get("created_at")), created_at)
        ledger = sorted(started[run_id], key=lambda execution: execution.intended_at)
        yield RunFacts(
            run_id=run_id,
            task_id=ledger[-1].task_id
            if ledger
            else (_or(wire.text(body, "task_id"), task_id) or "").strip(" ") or None,
            task_key=ledger[-1].task_key if ledger else None,
            task_type=_or(wire.text(body, "task_type"), task_type),
            icp_id=_or(wire.text(body, "icp_id"), icp_id),
            status=wire.text(body, "status"),
            meant_status=wire.meant_status(wire.text(body, "status")),
            error=wire.text(body, "error"),
            error_kind=error_kind,
            created_at=created_at,
            updated_at=moment_of(body.get("updated_at")),
            fetched_at=fetched_at,
            spent_at=_spent_at(run_id, created_at, ledger[0].intended_at if ledger else None, fetched_at),
            run_time=_or(wire.run_time(body), run_time),
            items=run_items,
            credits=_cost(_or(total, kept_total), run_items),
            brought=_brought(body, names[run_id]),
            rows_given=len(wire.rows_given(body)),
            queue=queues[run_id],
        )


def _of(landed: Landed, columns: str, table: str, ids: list[str]) -> list[tuple[Any, ...]]:
    sql = f"select {columns} from linkt.{table} where run_id {CHOSEN}"  # noqa: S608
    return landed.rows(sql, [chosen(ids)])


def _or(value: T | None, kept: T | None) -> T | None:
    return kept if value is None else value


def _items(body: dict[str, Any], total: float | None, landed: dict[str, float | None]) -> dict[str, float]:
    """Credits by kind of action. A breakdown without a total may be a part, so amounts landed before it stay valid."""
    stated = wire.breakdown(body)
    whole = total is not None and bool(stated)
    kept = {} if whole else {action: credits for action, credits in landed.items() if credits is not None}
    return {**kept, **stated}


def _cost(total: float | None, items: dict[str, float]) -> float | None:
    """The total, else the sum of the breakdown, which is never below zero."""
    if total is not None:
        return total
    return max(0.0, sum(items.values())) if items else None


def _spent_at(run_id: str, created_at: int | None, intended_at: int | None, fetched_at: int) -> int:
    """When a run was made: as it says, else when it was started here, else as its id says, else when it was read.

    For a run of ours, its own time must agree with the ledger or with its id, to a day.
    """
    id_made_at = id_moment(run_id)

    def plausible(moment: int | None) -> int | None:
        return moment if moment is not None and EARLIEST <= moment <= fetched_at + DAY else None

    witnesses = [moment for moment in (intended_at, id_made_at) if moment is not None]
    stated = plausible(created_at)
    if stated is not None and intended_at is not None and all(abs(stated - moment) > DAY for moment in witnesses):
        stated = None
    known = (stated, intended_at, plausible(id_made_at))
    return next((moment for moment in known if moment is not None), fetched_at)


Name = tuple[str, str, str]  # entity or signal, created or updated, its id


def read_names(landed: Landed, ids: list[str]) -> dict[str, dict[Name, str | None]]:
    """What some runs name, by run, with what became of it."""
    found: dict[str, dict[Name, str | None]] = {}
    for piece in pieces(ids, _RUNS_AT_ONCE):
        kept: dict[str, dict[Name, str | None]] = defaultdict(dict)
        for run_id, *name, state in _of(landed, _NAMES, "run_resources", piece):
            kept[run_id][name[0], name[1], name[2]] = state
        for run_id, payload in _of(landed, "run_id, payload::varchar", "runs", piece):
            found[run_id] = {
                name: kept[run_id].get(name) for name in _named(parse_json(payload) or {}) | kept[run_id].keys()
            }
    return found


def _named(body: dict[str, Any]) -> set[Name]:
    """What a payload names."""
    return {
        (kind, action, resource_id)
        for key, kind, action in (
            ("entities_created", "entity", "created"),
            ("entities_updated", "entity", "updated"),
            ("signals_created", "signal", "created"),
        )
        for resource_id in wire.named(body, key)
    }


def _brought(body: dict[str, Any], landed: dict[Name, str | None]) -> Yield:
    """What the payload names, and what earlier bodies of the run named."""
    all_named = _named(body) | landed.keys()
    counts = Counter((kind, action) for kind, action, _ in all_named)
    return Yield(
        created=counts["entity", "created"],
        updated=counts["entity", "updated"],
        touched=len({resource_id for kind, _, resource_id in all_named if kind == "entity"}),
        signals=sum(count for (kind, _), count in counts.items() if kind == "signal"),
        states=Counter(landed.get(name) or "unknown" for name in all_named),
    )
