"""A real ``dagster dev`` in sandbox mode: one task executed by a person, everything after it by itself."""

import time
from pathlib import Path

import duckdb
import pytest

from tests.end_to_end.dagster_dev import DagsterDev

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

_AUTOMATION_SECONDS = 240  # the daemon looks twice a minute, and every look of it is a Dagster run of its own

FOLLOWED = """
    query ($key: AssetKeyInput!) {
      assetOrError(assetKey: $key) {
        ... on Asset { assetMaterializations(limit: 1) { runId } }
      }
    }
"""


def last_run_of(dagster: DagsterDev, *path: str) -> str | None:
    found = dagster.graphql(FOLLOWED, {"key": {"path": list(path)}})["assetOrError"]
    made = found.get("assetMaterializations") or []
    return str(made[0]["runId"]) if made else None


def test_what_one_execution_found_is_published_by_itself(dagster: DagsterDev) -> None:
    executed = dagster.materialize("enterprise_saas_search")
    assert dagster.wait_until(executed) == "SUCCESS"

    deadline = time.monotonic() + _AUTOMATION_SECONDS
    while last_run_of(dagster, "published", "snapshot") is None:
        assert time.monotonic() < deadline, "nothing was published"
        time.sleep(1)

    published: Path = dagster.home / "published" / "warehouse.duckdb"
    con = duckdb.connect()
    try:
        con.execute(f"attach '{published}' as published (read_only); use published")
        assert con.execute("select count(*) from linkt.executions").fetchall() == [(1,)]
        [(named, landed)] = con.execute(
            "select count(*), count(*) filter (where state = 'landed') from linkt.run_resources "
            "where run_id = (select run_id from linkt.executions)"
        ).fetchall()
        assert named == landed > 0
        [(companies,)] = con.execute("select count(*) from marts.companies").fetchall()
        assert companies > 0
    finally:
        con.close()
    # Sandbox mode: nothing is written beside its own folder.
    assert [path.name for path in dagster.home.parent.iterdir()] == ["sandbox"]
    follower = last_run_of(dagster, "published", "snapshot")
    assert follower != executed
    assert last_run_of(dagster, "linkt", "executions") == executed
