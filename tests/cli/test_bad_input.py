"""What a user can get wrong: a line that names it and the next step, exit code 2, and never a traceback."""

import duckdb
import pytest

from linkt_pipeline.sandbox import Sandbox
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.cli.command import SEARCH, TASKS_YAML, Command

ENTRY = f"task_id: {SEARCH['task_id']}"


def refused(command: Command, *arguments: str, **env: str) -> str:
    """The message of a command that must end with code 2."""
    ended = command(*arguments, **env)
    assert ended.code == 2, (ended.out, ended.err)
    assert not ended.has_traceback, ended.err
    assert "sk-" not in ended.out + ended.err
    return ended.err


@pytest.mark.parametrize("arguments", [("run", "search"), ("sync",), ("tasks", "pull"), ("queue", "6" * 24)])
def test_missing_key(command, arguments):
    (command.folder / "tasks.yaml").write_text(TASKS_YAML)
    message = refused(command, *arguments)
    assert "LINKT_API_KEY is not set" in message


@pytest.mark.parametrize("arguments", [("run", "search"), ("sync",), ("tasks", "pull"), ("queue", "6" * 24)])
def test_wrong_key(live, api: Sandbox, arguments):
    message = refused(live, *arguments, LINKT_API_KEY="sk-wrong-key")
    assert "401" in message
    assert "LINKT_API_KEY" in message
    assert api.run_count() == 0


@pytest.mark.parametrize("arguments", [("run", "search"), ("sync",), ("cancel", "6" * 24)])
def test_unreachable_host(live, arguments):
    message = refused(live, *arguments, LINKT_BASE_URL="http://127.0.0.1:9")
    assert "127.0.0.1:9" in message


def test_base_url_that_is_none(live):
    assert "LINKT_BASE_URL" in refused(live, "sync", LINKT_BASE_URL="api.linkt.example")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tasks:\n  search:\n    task_id: [\n", ["tasks.yaml:", "not valid YAML"]),
        ("tasks:\n", ["tasks.yaml:1:", "no entries", "tasks pull"]),
        ("", ["tasks.yaml:1:", "'tasks'"]),
        (f"tasks:\n  search:\n    {ENTRY}\n    pol_interval: 5s\n", ["tasks.yaml:4:", "tasks.search.pol_interval"]),
        ("tasks:\n  search:\n    task_id: 42\n", ["tasks.yaml:3:", "tasks.search.task_id", "42"]),
        (f"tasks:\n  a:\n    {ENTRY}\n  b:\n    {ENTRY}\n", ["tasks.yaml:5:", "tasks.b", "tasks.a"]),
        (f"tasks:\n  a:\n    {ENTRY}\n  a:\n    {ENTRY}\n", ["tasks.yaml:4:", "duplicate"]),
    ],
    ids=["no YAML", "no entries", "empty file", "unknown field", "bad id", "duplicate ids", "duplicate names"],
)
@pytest.mark.parametrize("arguments", [("run", "search"), ("ui",)], ids=["run", "ui"])
def test_tasks_yaml_that_cannot_be_used(live, text, told, arguments):
    (live.folder / "tasks.yaml").write_text(text)
    message = refused(live, *arguments)
    assert all(part in message for part in told), message


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("2999-01-31", "2999-01-31 00:00 UTC is in the future"),
        ("2999-01-31T06:30+02:00", "2999-01-31 04:30 UTC is in the future"),
        ("yesterday", "'yesterday' is no date such as 2026-01-31"),
    ],
)
def test_sync_since_no_time_or_one_to_come(live, given, told):
    message = refused(live, "sync", "--since", given)
    assert "--since" in message
    assert told in message
    assert not (live.folder / "data" / "warehouse.duckdb").exists()


def test_unknown_task_name(live):
    message = refused(live, "run", "serch")
    assert "'serch'" in message
    assert "did you mean 'search'?" in message


def test_run_without_a_task(live):
    assert "search, signals" in refused(live, "run")


def test_run_without_tasks_yaml(live):
    (live.folder / "tasks.yaml").unlink()
    assert "tasks pull" in refused(live, "run", "search")


@pytest.mark.parametrize("arguments", [("run", "search"), ("sync",), ("demo",), ("ui",)])
def test_data_dir_that_cannot_be_written(live, arguments):
    (live.folder / "a-file").write_text("no folder")
    message = refused(live, *arguments, LINKT_DATA_DIR="a-file/data")
    assert "LINKT_DATA_DIR" in message
    assert "a-file/data" in message


@pytest.mark.parametrize("arguments", [("run", "search"), ("sync",), ("status",), ("query", "select 1", "--live")])
def test_warehouse_that_is_not_duckdb(live, arguments):
    warehouse = live.folder / "data" / "warehouse.duckdb"
    warehouse.write_text("name,amount\n" * 1_000)
    message = refused(live, *arguments)
    assert str(warehouse) in message
    assert "not a DuckDB database" in message
    assert warehouse.read_text().startswith("name,amount")


@pytest.mark.parametrize("arguments", [("query", "from marts.companies"), ("report",), ("lookup", "17")])
@pytest.mark.parametrize("damage", ["no database", "cut off", "a damaged row group"])
def test_snapshot_that_is_damaged(live, arguments, damage):
    snapshot = live.folder / "data" / "published" / "warehouse.duckdb"
    snapshot.parent.mkdir(parents=True)
    with duckdb.connect(str(snapshot)) as con:
        con.execute("create schema marts; create table marts.companies as select uuid() as id from range(100000)")
    whole = snapshot.read_bytes()
    snapshot.write_bytes(
        {
            "no database": b"name,amount\n" * 1_000,
            "cut off": whole[: len(whole) // 2],
            "a damaged row group": whole[:20_000] + b"\xff" * 64 + whole[20_064:],
        }[damage]
    )
    message = refused(live, *arguments)
    assert str(snapshot) in message
    assert "`linkt-pipeline sync` builds all models and publishes a new one" in message
    assert "LINKT_DATA_DIR" not in message


@pytest.mark.parametrize("arguments", [("run", "search"), ("sync",), ("status",)])
def test_warehouse_of_a_newer_version(live, arguments):
    path = live.folder / "data" / "warehouse.duckdb"
    with FileWarehouse(path).write() as con:
        con.execute("insert into linkt.schema_migrations values (999, 'from_the_future', now())")
    message = refused(live, *arguments)
    assert "999" in message
    assert "newer" in message


def test_nothing_published_yet(live):
    message = refused(live, "query", "select 1")
    assert "data/published/warehouse.duckdb" in message
    assert "linkt-pipeline sync" in message


@pytest.mark.parametrize("arguments", [("queue", "not/an/id"), ("cancel", "6" * 24), ("adopt", "search", "6" * 24)])
def test_run_id_that_linkt_does_not_know(live, arguments):
    assert arguments[-1] in refused(live, *arguments)


def test_run_of_another_task_is_not_adopted(live, api: Sandbox):
    import httpx

    from tests.cli.command import SIGNALS

    started = httpx.post(
        f"{api.url}/v1/task/{SIGNALS['task_id']}/execute",
        headers={"x-api-key": api.api_key},
        json={"icp_id": SIGNALS["icp_id"], "parameters": {}},
    ).json()
    message = refused(live, "adopt", "search", started["run_id"])
    assert SIGNALS["task_id"] in message


def test_port_that_is_taken(live, api: Sandbox):
    port = api.url.rpartition(":")[2]
    assert f"port {port}" in refused(live, "ui", "--port", port)
