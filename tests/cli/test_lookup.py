"""``lookup``: what is known of a record of a CRM, from the published snapshot or from Linkt itself."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest

from linkt_pipeline.cli.main import run_command
from linkt_pipeline.sandbox import Sandbox
from linkt_pipeline.sandbox.world.reference_data import MONITOR, SHEET_SIGNALS_TASK
from linkt_pipeline.transform import ModelGraph
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from tests.sandbox.driving import execute, finished
from tests.sql.conftest import NOW, Bench, graph  # noqa: F401 a fixture


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, graph: ModelGraph) -> Path:  # noqa: F811
    """A folder with a published snapshot in which two systems know a record of the same id."""
    folder = tmp_path_factory.mktemp("deployment")
    warehouse = FileWarehouse(folder / "data" / "sandbox" / "warehouse.duckdb")
    with warehouse.write() as con:
        bench = Bench(con, graph)
        bench.put("icps", icp_id="icp", name="Banks")
        bench.entity(
            "c",
            {"name": "[bold]Acme[/]", "website": "acme.example"},
            external_id="\t17\u00a0",
            external_source="HubSpot\n",
        )
        of_acme = {"entity_type": "person", "parent_id": "c"}
        bench.entity("p", {"name": "Ann\nLee", "email": "ann@acme.example"}, **of_acme)
        bench.entity("d", {"name": "Other"}, external_id="17", external_source="salesforce")
        bench.signal(
            "s", entity_ids=["p"], created_at=NOW, summary="raised money", metadata={"n": 12345678901234567890}
        )
        bench.signal("t", entity_ids=["d"], created_at=NOW, summary="hired a lot")
        bench.build()
    publish_snapshot(warehouse, folder / "data" / "sandbox" / "published")
    return folder


@pytest.fixture
def ask(deployment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Ask in that folder; gives the exit code, stdout and stderr."""
    for name in ("LINKT_API_KEY", "LINKT_DATA_DIR", "LINKT_TASKS_FILE", "LINKT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(deployment)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = run_command(["lookup", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_entities_people_and_signals_of_a_record(ask) -> None:
    code, out, _ = ask("\u200b17\t", "--source", " HubSpot")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[:2] == ["hubspot 17: [bold]Acme[/] (acme.example)", "priority medium"]
    assert "companies 1 (Banks)" in lines
    assert "people 1, 1 with contact data" in lines
    assert "signals 1, 1 in the last 30 days, newest 2026-04-12 09:00 UTC" in lines
    assert any(line.startswith("person Ann Lee ann@acme.example Banks") for line in lines)
    assert any("raised money" in line for line in lines)
    assert "Other" not in out


def test_without_a_system_every_one_that_knows_such_an_id_is_shown(ask) -> None:
    code, out, _ = ask("17")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if " 17: " in line] == ["hubspot", "salesforce"]
    assert "raised money" in out
    assert "hired a lot" in out


def test_json_holds_everything_and_nothing_else_is_on_stdout(ask) -> None:
    code, out, err = ask("17", "--source", "hubspot", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert [account["emails"] for account in found["accounts"]] == ["ann@acme.example"]
    assert [contact["name"] for contact in found["accounts"][0]["contacts"]] == ["Ann\nLee"]
    assert [(row["entity_id"], row["carries_id"]) for row in found["entities"]] == [("c", True), ("p", False)]
    assert [(row["signal_id"], row["metadata"]) for row in found["signals"]] == [("s", {"n": 12345678901234567890})]
    assert found["signals"][0]["detected_at"] == "2026-04-12T09:00:00Z"


def test_a_long_table_says_that_there_is_more(ask) -> None:
    _, out, _ = ask("17", "--rows", "1")
    assert "1 of 3 shown; --rows N shows more, --json all" in out
    assert "1 of 2 shown" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nothing that is published carries the external id 'nowhere'; --live asks Linkt"),
        (["17", "--source", "pipedrive"], "the external id '17' of pipedrive"),
        (["nowhere", "--json"], "'nowhere'"),
    ],
)
def test_nothing_found_is_exit_code_1_and_a_line(ask, arguments: list[str], said: str) -> None:
    code, out, err = ask(*arguments)
    assert (code, out) == (1, "")
    assert said in err.splitlines()[-1]


def test_a_snapshot_of_an_earlier_release_says_what_to_do(ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    published = tmp_path / "data" / "sandbox" / "published"
    published.mkdir(parents=True)
    with duckdb.connect(str(published / "warehouse.duckdb")) as con:
        con.execute("create schema marts; create table marts.companies (name varchar)")
    code, _, err = ask("17")
    assert code == 2
    assert "crm_accounts" in err
    assert "`linkt-pipeline sync`" in err


@pytest.fixture
def watched(api: Sandbox, ask, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A Linkt with signals, and a key for it."""
    monkeypatch.setenv("LINKT_API_KEY", api.api_key)
    monkeypatch.setenv("LINKT_BASE_URL", api.url)
    with httpx.Client(base_url=api.url, headers={"x-api-key": api.api_key}, timeout=10) as http:
        finished(http, execute(http, SHEET_SIGNALS_TASK, icp_id=MONITOR, parameters={"num_results": 40}))
        yield http


def test_live_asks_linkt(ask, api: Sandbox, watched: httpx.Client) -> None:
    named = {
        key for signal in watched.get("/v1/signal?page_size=100").json()["signals"] for key in signal["entity_ids"]
    }
    entities = watched.get("/v1/entity?page_size=100").json()["entities"]
    linked = next(each for each in entities if each["id"] in named and each["external_source"] == "salesforce")
    key = linked["external_id"]
    about = watched.get("/v1/signal", params={"external_id": key, "days": 90, "page_size": 100}).json()["signals"]

    code, out, _ = ask(key, "--live", "--json")
    found = json.loads(out)
    assert code == 0
    assert [row["payload"] for row in found["entities"]] == [each for each in entities if each["external_id"] == key]
    assert [row["payload"] for row in found["signals"]] == about
    code, out, _ = ask(key, "--live", "--source", "salesforce")
    assert code == 0
    assert linked["data"]["name"]["value"] in out
    assert about[0]["summary"][:30] in out


def test_live_finds_nothing(ask, api: Sandbox, watched: httpx.Client) -> None:
    api.world.requests.clear()
    code, out, err = ask("nowhere", "--live")
    assert (code, out) == (1, "")
    assert "Linkt knows nothing with the external id 'nowhere' of salesforce; name another system with --source" in err
    assert api.world.requests.count("list_signals") == 0


def test_a_host_that_ignores_the_filter_is_noticed_at_once(
    ask, api: Sandbox, watched: httpx.Client, monkeypatch
) -> None:
    monkeypatch.setattr("linkt_pipeline.sandbox.http.parameters.Query.external", lambda self: None)
    code, out, err = ask("001A", "--live")
    assert (code, out) == (1, "")
    assert "ignore the filter" in err
