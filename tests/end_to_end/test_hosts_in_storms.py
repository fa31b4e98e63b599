"""Two hosts of one lake are killed, suspended and cut off, PostgreSQL goes away: all books agree afterwards.

``LINKT_KILL_ROUNDS`` sets how often a worker of a host is disturbed (default 2), ``LINKT_KILL_SEED`` when. The hosts
are processes of this machine, with data folders and host names of their own; they don't import Dagster.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

pytest.importorskip("psycopg")

from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.transform import Severity, run_check
from tests.end_to_end.light_host import LEASE, LightHost, signalled, wait_or
from tests.end_to_end.test_kill import TROUBLES, check_the_books
from tests.executions.scene import Scene
from tests.lake import lake_at
from tests.landed_checks import landed_checks
from tests.postgres import PostgresServer

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("LINKT_KILL_ROUNDS", "2"))
SEED = int(os.environ.get("LINKT_KILL_SEED", "7"))
LONGEST_LIFE = 8.0  # seconds until a disturbance; a worker that is let alone takes about as long
PATIENCE = 240
AWAY = 30.0  # seconds without PostgreSQL


@pytest.fixture
def catalog(lakes, tmp_path: Path) -> str:
    """The URL of the database of a new lake, whose files are in ``tmp_path / "lake"``."""
    return lakes.new(tmp_path / "lake")


@pytest.fixture
def hosts(catalog: str, tmp_path: Path) -> Iterator[tuple[LightHost, LightHost]]:
    one, two = (LightHost(name, catalog, tmp_path / "lake", tmp_path) for name in ("one", "two"))
    yield one, two
    one.way.close()
    two.way.close()


@pytest.fixture
def scene(catalog: str, tmp_path: Path) -> Iterator[Scene]:
    """What the test itself sees, as a third host."""
    with running_sandbox(tmp_path / "linkt", speed=6) as sandbox:
        lake = lake_at(catalog, tmp_path / "lake", folder=tmp_path / "three")
        yield Scene(sandbox, lake)
        lake.close()


class Storm:
    """Disturbs the workers of a host, one after the other.

    Args:
        host: whose workers.
        scene: what they work at.
        moments: when and how.
    """

    def __init__(self, host: LightHost, scene: Scene, moments: Random) -> None:
        self.host, self.scene, self.moments = host, scene, moments
        self.said = ""
        self.done: list[str] = []

    def rage(self, rounds: int) -> None:
        for number in range(rounds):
            worker = self.host.start(self.scene.sandbox.url, self.scene.sandbox.api_key)
            # The first is a kill: what a killed process leaves is the point of it all.
            what = (
                self._kill if number == 0 else self.moments.choice([self._kill, self._kill, self._suspend, self._cut])
            )
            if wait_or(lambda: what(worker), worker, self.moments.uniform(0.0, LONGEST_LIFE)):  # noqa: B023 at once
                self.done.append(what.__name__)
            self.said += worker.communicate(timeout=PATIENCE)[0]

    def _kill(self, worker: subprocess.Popen[str]) -> None:
        worker.kill()

    def _suspend(self, worker: subprocess.Popen[str]) -> None:
        """For longer than its lease; then it goes on, for a while."""
        signalled(worker, signal.SIGSTOP)
        time.sleep(LEASE + self.moments.uniform(0, 2))
        signalled(worker, signal.SIGCONT)
        wait_or(worker.kill, worker, self.moments.uniform(0.5, LONGEST_LIFE))

    def _cut(self, worker: subprocess.Popen[str]) -> None:
        """From PostgreSQL, and not from Linkt."""
        self.host.way.cut()
        wait_or(worker.kill, worker, LEASE + self.moments.uniform(0, 3))
        self.host.way.mend()


@pytest.mark.timeout(300 + 30 * ROUNDS)
def test_hosts_that_are_killed_suspended_and_cut_off_at_any_moment_buy_nothing_twice_and_lose_nothing(
    hosts: tuple[LightHost, LightHost], scene: Scene, catalog: str, postgres_server: PostgresServer
) -> None:
    for trouble in TROUBLES:
        scene.sandbox.inject(trouble)
    storms = [Storm(host, scene, Random(SEED + place)) for place, host in enumerate(hosts)]
    ended, moments = threading.Event(), Random(SEED)

    def restart_postgres() -> None:
        """In the middle of whatever goes on."""
        while not ended.wait(moments.uniform(4, 30)):
            postgres_server.stop()
            ended.wait(moments.uniform(0, 4))
            postgres_server.start()

    with ThreadPoolExecutor(3) as threads:
        restarts = threads.submit(restart_postgres)
        raging = [threads.submit(storm.rage, -(-ROUNDS // 2)) for storm in storms]
        try:
            for each in raging:
                each.result()
        finally:
            ended.set()
            restarts.result()

    scene.sandbox.world.faults.clear()
    last = [host.start(scene.sandbox.url, scene.sandbox.api_key) for host in hosts]
    said = [worker.communicate(timeout=PATIENCE)[0] for worker in last]
    assert [worker.returncode for worker in last] == [0, 0], said

    assert any(storm.done for storm in storms)
    outcomes = [line for text in said for line in text.splitlines() if line.startswith("outcome ")]
    assert [line for line in outcomes if not line.endswith(" succeeded")] == []
    scene.ledger.mirror()
    check_the_books(scene)
    _check_the_ledger(scene, catalog)
    # What was bought was delivered to somebody, or once more after a kill: a process that dies right after it has
    # delivered prints nothing.
    everything = "".join([*said, *(storm.said for storm in storms)])
    completed = "select task_key, count(*) from linkt.executions where run_status = 'COMPLETED' group by all"
    told = {key: everything.count(f"outcome {key} succeeded") for key, _ in scene.query(completed)}
    killed = sum(len(storm.done) for storm in storms)
    assert all(bought <= told[key] + killed for key, bought in scene.query(completed))


def _check_the_ledger(scene: Scene, catalog: str) -> None:
    """The ledger and its copy in the lake say the same, and no check of a landed table fails."""
    columns = "execution_id, task_key, state, run_id, run_status, attempt"
    with psycopg.connect(catalog) as con:
        ledger = con.execute(f"select {columns} from linkt_ledger.executions order by 1").fetchall()
    assert ledger == scene.query(f"select {columns} from linkt.executions order by 1")
    with scene.warehouse.read() as con:
        errors = [check for check in landed_checks() if check.severity is Severity.ERROR]
        assert [check.name for check in errors if run_check(con, check).offending] == []


# --- one task


def start(host: LightHost, scene: Scene, **options: Any) -> subprocess.Popen[str]:
    return host.start(scene.sandbox.url, scene.sandbox.api_key, rest=False, **options)


def read_until(process: subprocess.Popen[str], text: str, times: int = 1) -> None:
    """Read what a worker prints until it has printed a text so often."""
    assert process.stdout is not None
    for line in process.stdout:
        times -= bool(re.search(text, line))
        if times == 0:
            return
    raise AssertionError(f"the worker has ended and {text!r} did not come")


def end_runs(scene: Scene) -> None:
    for record in scene.sandbox.world.own.runs.values():
        record.status = "COMPLETED"


@pytest.mark.timeout(300)
def test_fifty_starts_of_one_task_at_one_moment_are_one_run(hosts: tuple[LightHost, LightHost], scene: Scene) -> None:
    scene.sandbox.inject("run_life=3600")
    workers = [start(host, scene, lease=60, starters=25) for host in hosts]
    for worker in workers:
        read_until(worker, r"started run|following it", times=25)
    end_runs(scene)

    said = [worker.communicate(timeout=PATIENCE)[0] for worker in workers]

    assert "".join(said).count("outcome saas succeeded") == 50, said
    assert (scene.posts(), scene.sandbox.run_count(), scene.states()) == (1, 1, ["finished"])


@pytest.mark.timeout(300)
def test_a_host_that_is_cut_off_from_postgresql_lands_nothing_once_the_other_has_adopted_its_run(
    hosts: tuple[LightHost, LightHost], scene: Scene
) -> None:
    scene.sandbox.inject("run_life=3600")
    cut_off = start(hosts[0], scene)
    read_until(cut_off, r"started run")
    hosts[0].way.cut()
    other = start(hosts[1], scene)
    read_until(other, r"adopted run .*its earlier wait was interrupted")
    end_runs(scene)  # both hosts see it, because neither is cut off from Linkt
    said = other.communicate(timeout=PATIENCE)[0]
    landed = scene.query("select fetched_at from linkt.runs")

    hosts[0].way.mend()

    assert "outcome saas succeeded" in said
    assert "was taken over by another process" in cut_off.communicate(timeout=PATIENCE)[0]
    assert scene.query("select fetched_at from linkt.runs") == landed
    assert (scene.posts(), scene.sandbox.run_count(), scene.states()) == (1, 1, ["finished"])


@pytest.mark.timeout(300)
def test_a_host_that_is_cut_off_from_postgresql_sends_nothing(hosts: tuple[LightHost, LightHost], scene: Scene) -> None:
    scene.sandbox.inject(f"http_429={LEASE}@execute")  # so long after the first request, the second one is due
    cut_off = start(hosts[0], scene)
    read_until(cut_off, r"429")
    hosts[0].way.cut()

    said = cut_off.communicate(timeout=PATIENCE)[0]
    hosts[0].way.mend()

    assert "can't be reached" in said
    assert (scene.posts(), scene.sandbox.run_count()) == (1, 0)
    assert "outcome saas succeeded" in start(hosts[1], scene).communicate(timeout=PATIENCE)[0]
    assert scene.sandbox.run_count() == 1


@pytest.mark.timeout(300)
def test_hosts_wait_on_while_postgresql_is_away_for_half_a_minute_and_nothing_is_begun(
    hosts: tuple[LightHost, LightHost], scene: Scene, postgres_server: PostgresServer
) -> None:
    scene.sandbox.inject("run_life=3600")
    waiting = start(hosts[0], scene, lease=60)
    read_until(waiting, r"started run")
    following = start(hosts[1], scene, lease=60)
    read_until(following, r"following it")
    postgres_server.stop()
    back = time.monotonic() + AWAY
    try:
        refused = start(hosts[1], scene, lease=60)
        assert "can't be reached" in refused.communicate(timeout=PATIENCE)[0]
        end_runs(scene)  # nobody can write it down
        time.sleep(max(0, back - time.monotonic()))
    finally:
        postgres_server.start()

    said = [worker.communicate(timeout=PATIENCE)[0] for worker in (waiting, following)]

    assert ["outcome saas succeeded" in each for each in said] == [True, True], said
    assert (scene.posts(), scene.sandbox.run_count(), scene.states()) == (1, 1, ["finished"])
