"""Never pay twice, whatever happens: lost replies, crashes at any point, retries, several workers at once."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from unittest import mock

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from linkt_pipeline.executions.errors import RetryNotStartedError
from linkt_pipeline.executions.execute import Outcome, execute_tasks
from linkt_pipeline.executions.worker import Timing
from linkt_pipeline.ledger import leases
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.lease_owner import Owner

from .model import ANSWERS, LAG, Crash, Fuse, MemoryWarehouse, ModelApi, ModelClient, MortalWorker
from .scene import search

TIMING = Timing(
    settle=LAG * 3,
    follow=timedelta(milliseconds=1),
    unreachable=timedelta(seconds=5),
    resend=timedelta(milliseconds=1),
)
ATTEMPTS = 2
TASK = search(
    poll_interval="1ms",
    max_wait="10s",
    retry={"max_attempts": ATTEMPTS, "on": ["provider_error"], "backoff": "1ms"},
)

# A session is a materialization; it may crash at the n-th point. Sessions of one group run side by side.
crash_points = st.none() | st.integers(0, 40)
groups = st.lists(st.lists(crash_points, min_size=1, max_size=2), max_size=4)


@dataclass
class World:
    """One warehouse, one API, and the processes that have lived and died around them."""

    warehouse: MemoryWarehouse
    api: ModelApi
    dead: set[str]
    numbers: Iterator[int]

    async def session(self, crash_at: int | None) -> Outcome | None:
        """One materialization; None when it crashed."""
        owner = Owner(f"worker-{next(self.numbers)}")
        fuse = Fuse(crash_at)
        worker = MortalWorker(
            ModelClient(self.api, fuse),  # type: ignore[arg-type]
            self.warehouse,
            ledger_of(self.warehouse, lease=timedelta(minutes=5)),
            timing=TIMING,
            owner=owner,
            fuse=fuse,
        )
        try:
            (outcome,) = await execute_tasks(worker, [TASK])
        except Crash:
            self.dead.add(owner.name)
            return None
        return outcome


@contextmanager
def new_world(api: ModelApi) -> Iterator[World]:
    warehouse = MemoryWarehouse()
    world = World(warehouse, api, set(), count(1))
    with mock.patch.object(leases, "owner_is_gone", world.dead.__contains__):
        try:
            yield world
        finally:
            warehouse.close()


async def play(world: World, sessions: Sequence[Sequence[int | None]]) -> list[Outcome]:
    """Every group after the other, then materializations without a crash until one comes to a run's end."""
    ended: list[Outcome | None] = []
    for group in sessions:
        ended += await asyncio.gather(*(world.session(crash_at) for crash_at in group))
    for _ in range(20):
        ended.append(last := await world.session(None))
        # A retry that could not start, or not tell whether it did, is for the next materialization to bring to an end.
        if last is not None and last.run is not None and not isinstance(last.error, RetryNotStartedError):
            return [outcome for outcome in ended if outcome is not None]
    raise AssertionError("20 materializations without a crash came to no end")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sessions=groups,
    answers=st.lists(st.sampled_from(sorted(ANSWERS)), max_size=6),
    fails=st.lists(st.booleans(), max_size=4),
    bad_lists=st.lists(st.booleans(), max_size=3),
)
@example(sessions=[[7], [None]], answers=["lost reply", "ok"], fails=[], bad_lists=[])
@example(sessions=[[None, None]], answers=["500 before the work", "lost reply"], fails=[True], bad_lists=[])
@example(sessions=[[None, None], [8], [8]], answers=["500 after the work"], fails=[True, True], bad_lists=[True, True])
@example(sessions=[], answers=["ok", "500 after the work"], fails=[True], bad_lists=[True])
@example(sessions=[[None]], answers=["503 after the work"], fails=[], bad_lists=[True, True])
def test_whatever_happens_no_run_is_bought_twice_and_none_is_forgotten(
    sessions: list[list[int | None]], answers: list[str], fails: list[bool], bad_lists: list[bool]
) -> None:
    api = ModelApi(iter(answers), iter(fails), iter(bad_lists))
    with new_world(api) as world:
        outcomes = asyncio.run(asyncio.wait_for(play(world, sessions), 60))
        with world.warehouse.read() as con:
            rows = con.execute("select run_id, state, attempt, run_status from linkt.executions").fetchall()
            landed = {run_id for (run_id,) in con.execute("select run_id from linkt.runs").fetchall()}

    owned = [run_id for run_id, *_ in rows if run_id is not None]
    assert sorted(owned) == sorted(api.runs), "every run that exists is owned by exactly one row of the ledger"
    assert landed == set(api.runs), "every run that was paid for is landed"
    assert {state for _, state, *_ in rows} <= {"finished", "lost", "refused"}, "nothing is left open"
    assert all(state == "finished" for run_id, state, *_ in rows if run_id is not None)
    # A materialization that ended may have been answered with a run; one that crashed is continued by the next.
    answered = [outcome for outcome in outcomes if outcome.run is not None]
    assert len([1 for *_, status in rows if status == "COMPLETED"]) <= len(answered)
    assert len(api.runs) <= len(answered) * ATTEMPTS
    assert len(api.runs) <= len(answered) + sum(run["failing"] for run in api.runs.values())
    assert max((attempt for _, _, attempt, _ in rows), default=1) <= ATTEMPTS


def test_the_model_does_crash_where_it_is_told() -> None:
    """A property over crashes proves nothing when nothing crashes."""
    seen = set()
    for point in range(24):
        with new_world(ModelApi()) as world:
            crashed = asyncio.run(world.session(point)) is None
            with world.warehouse.read() as con:
                states = [state for (state,) in con.execute("select state from linkt.executions").fetchall()]
            seen.add((crashed, *states, len(world.api.runs)))

    assert {
        (True, 0),
        (True, "intended", 0),
        (True, "intended", 1),
        (True, "started", 1),
        (True, "finished", 1),
    } <= seen
