"""What a run will do and when: planned when its task is executed, carried out as the clock passes each step."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from linkt_pipeline.sandbox.world import vocabulary as words
from linkt_pipeline.sandbox.world.files import DISCARDED

# One second of a run's life in the sandbox stands for this many seconds of real research work.
REPORTED_SECONDS_PER_SECOND = 1100.0
LIFE_SECONDS = {"search": 6.0, "ingest": 4.0, "signal": 5.0, "profile": 3.0}


class Action(StrEnum):
    """One thing that happens to a run."""

    STATUS = "status"
    CREATE_COMPANY = "create_company"
    UPDATE_COMPANY = "update_company"
    CREATE_SIGNAL = "create_signal"
    FINISH = "finish"


@dataclass(frozen=True)
class Step:
    """An action, due ``offset`` seconds after the run was executed."""

    offset: float
    action: Action
    value: Any = None


@dataclass(frozen=True)
class Candidate:
    """A row of the run's queue: what was considered, from when to when, and what came of it."""

    name: str
    started: float
    ended: float
    reason: str | None


@dataclass(frozen=True)
class Outcome:
    """How a run ends and in which odd shape it is reported; the default is an ordinary success.

    Attributes:
        status: final status.
        error: text of a failed run.
        at: share of the run's life after which it ends.
        paused: status PAUSED from the middle of the run; seconds until it goes on, or None for never.
        odd_status: a status the documentation does not know, shown for a while.
        output: ``full``, ``partial``, ``null``, ``absent`` or ``legacy``.
        missing_ids: ids named in the output that the API answers with 404.
        malformed_ids: things named in the output that are no ids at all.
        life: seconds from execution to end, instead of the task type's usual.
    """

    status: str = "COMPLETED"
    error: str | None = None
    at: float = 1.0
    paused: bool = False
    pause_seconds: float | None = None
    odd_status: str | None = None
    output: str = "full"
    missing_ids: int = 0
    malformed_ids: int = 0
    life: float | None = None


@dataclass(frozen=True)
class Plan:
    """A run's steps in time order, and its queue."""

    steps: tuple[Step, ...]
    candidates: tuple[Candidate, ...]


def plan_run(
    task_type: str, rng: Random, *, wanted: list[Any], updates: int, signals: int, life: float, outcome: Outcome
) -> Plan:
    """Lay out a run.

    Args:
        task_type: ``search``, ``ingest``, ``signal`` or ``profile``.
        rng: decides the small variations.
        wanted: one item per company to create, handed to the create step.
        updates: earlier companies to look at again.
        signals: signals to find.
        life: seconds from execution to the end of an undisturbed run.
        outcome: how it ends.
    """
    dropped = [(item["company_name"], item[DISCARDED]) for item in wanted if _is_discarded(item)]
    work = [(Action.CREATE_COMPANY, item) for item in wanted if not _is_discarded(item)]
    work += [(Action.CREATE_SIGNAL, n) for n in range(signals)]
    work += [(Action.UPDATE_COMPANY, n) for n in range(updates)]
    if task_type == "search":
        rng.shuffle(work)
    steps = [Step(0.05 * life, Action.STATUS, "PENDING"), Step(0.15 * life, Action.STATUS, "RUNNING")]
    for place, (action, item) in enumerate(work):
        steps.append(Step(life * (0.25 + 0.65 * (place + 1) / len(work)), action, item))
    if outcome.odd_status:
        steps += [Step(0.3 * life, Action.STATUS, outcome.odd_status), Step(0.8 * life, Action.STATUS, "RUNNING")]
    end = life * outcome.at
    steps = [step for step in steps if step.offset < end] + [Step(end, Action.FINISH, outcome.status)]
    if outcome.paused:
        steps = _paused(steps, life * 0.5, outcome.pause_seconds)
    steps.sort(key=lambda step: step.offset)
    discarded = [Candidate(name, 0.2 * life, 0.25 * life, reason) for name, reason in dropped]
    return Plan(tuple(steps), (*_candidates(task_type, rng, work, life), *discarded))


def _is_discarded(item: Any) -> bool:
    return isinstance(item, dict) and DISCARDED in item


def _paused(steps: list[Step], at: float, seconds: float | None) -> list[Step]:
    before = [step for step in steps if step.offset < at] + [Step(at, Action.STATUS, "PAUSED")]
    if seconds is None:
        return before
    after = [Step(s.offset + seconds, s.action, s.value) for s in steps if s.offset >= at]
    return [*before, Step(at + seconds, Action.STATUS, "RUNNING"), *after]


def _candidates(task_type: str, rng: Random, work: list[tuple[Action, Any]], life: float) -> list[Candidate]:
    """The queue: one candidate per company or signal, and in a search one discarded beside every fourth company."""
    rows: list[Candidate] = []
    companies = 0
    for place, (action, item) in enumerate(work):
        ended = life * (0.25 + 0.65 * (place + 1) / len(work))
        started = max(0.15 * life, ended - 0.12 * life)
        named = item.get("company_name") if isinstance(item, dict) else None
        rows.append(Candidate(named or _candidate_name(rng), started, ended, None))
        if action is Action.CREATE_COMPANY and task_type == "search":
            companies += 1
            if companies % 4 == 1:
                reason = rng.choice(words.DISCARD_REASONS)
                rows.append(Candidate(_candidate_name(rng), started, ended - 0.02 * life, reason))
    return rows


def _candidate_name(rng: Random) -> str:
    stem = rng.choice(words.COMPANY_STEMS) + rng.choice(words.COMPANY_ENDINGS)
    return f"{stem} {rng.choice(words.COMPANY_TRADES)}"
