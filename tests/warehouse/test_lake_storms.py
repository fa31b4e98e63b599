"""Hosts land the same ids at one moment, one keeps the lake small, turns are lost: afterwards the books agree."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from linkt_pipeline.transform import run_check
from tests.landed_checks import landed_checks
from tests.warehouse.deliveries import land_run, run

pytest.importorskip("psycopg")

from tests.lake import Lakes, lake_at

pytestmark = pytest.mark.slow

ENTITIES, BATCHES, HOSTS = 12, 4, 2
TURNS_LOST = 4
# Every version of every id is landed by one of the hosts, each batch until it was kept.
LANDER = f"""
import sys
from tests.lake import lake_at
from tests.warehouse.deliveries import entity, land
from linkt_pipeline.warehouse.errors import WarehouseBusyError
lake, host = lake_at(sys.argv[1], sys.argv[2], folder=sys.argv[3]), int(sys.argv[4])
for number in range({BATCHES}):
    version = number * {HOSTS} + host
    batch = [entity(f"{{i:024x}}", f"version {{version}}", updated=version) for i in range({ENTITIES})]
    while True:
        try:
            land(lake, *batch)
            break
        except WarehouseBusyError:
            pass
"""
KEEPER = """
import sys, time
from tests.lake import lake_at
from linkt_pipeline.warehouse.errors import WarehouseBusyError
lake = lake_at(sys.argv[1], sys.argv[2], folder=sys.argv[3])
while True:
    try:
        lake.compact()
        print("compacted", flush=True)
    except WarehouseBusyError:
        print("lost", flush=True)
    time.sleep(1)
"""


def test_two_hosts_and_maintenance_leave_every_row_once(lakes: Lakes, tmp_path: Path) -> None:
    files = tmp_path / "lake"
    url = lakes.new(files)
    lake = lake_at(url, files)
    ids = [f"{i:024x}" for i in range(ENTITIES)]
    land_run(lake, run("a" * 24), created=ids)
    common = [url, str(files)]
    landers = [
        subprocess.Popen([sys.executable, "-c", LANDER, *common, str(tmp_path / f"host {host}"), str(host)])
        for host in range(HOSTS)
    ]
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER, *common, str(tmp_path / "keeper")], stdout=subprocess.PIPE, text=True
    )
    try:
        _disturb(url, [*landers, keeper])
        assert [lander.wait(200) for lander in landers] == [0] * HOSTS
    finally:
        for process in (*landers, keeper):
            process.kill()
        said, _ = keeper.communicate(timeout=20)
    assert said.split()  # it was at work, with whatever luck
    lake.compact()

    with lake.read() as con:
        assert con.execute("select count(*), count(distinct entity_id) from linkt.entities").fetchall() == [
            (ENTITIES, ENTITIES)
        ]
        newest = f"version {BATCHES * HOSTS - 1}"
        assert con.execute("select distinct data ->> '$.name.value' from linkt.entities").fetchall() == [(newest,)]
        # One that came late may be a version between two others, and none is there twice.
        versions = "select count(*), count(distinct (entity_id, content_hash)) from linkt.entity_versions"
        assert con.execute(versions).fetchall() == [(ENTITIES * BATCHES * HOSTS,) * 2]
        assert con.execute("select state, count(*) from linkt.run_resources group by all").fetchall() == [
            ("landed", ENTITIES)
        ]
        assert [check.name for check in landed_checks() if run_check(con, check).offending] == []
    lake.close()


def _disturb(url: str, processes: list[subprocess.Popen]) -> None:
    """Suspend processes at random, and meanwhile end the connection of who has the turn."""
    rng, lost, deadline = random.Random(7), 0, time.monotonic() + 120
    with psycopg.connect(url, autocommit=True) as con:
        while lost < TURNS_LOST:
            assert time.monotonic() < deadline
            time.sleep(rng.uniform(0.2, 1))
            victim = rng.choice(processes)
            assert victim.poll() is None, "it came to its end before enough turns were lost"
            os.kill(victim.pid, signal.SIGSTOP)
            lost += len(
                con.execute(
                    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted "
                    "and database = (select oid from pg_database where datname = current_database())"
                ).fetchall()
            )
            time.sleep(rng.uniform(0.2, 0.8))  # the others go on
            os.kill(victim.pid, signal.SIGCONT)
