"""``erase``: afterwards no byte of the data folder holds it, and nothing brings it back."""

from types import SimpleNamespace

import duckdb
import pytest

from linkt_pipeline.assets.erasure import Erased
from linkt_pipeline.cli import erase
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.erasure import remove_target, unfinished_erasures
from tests.cli.command import Command
from tests.cli.data_folder import places_of
from tests.warehouse.deliveries import fetch, land
from tests.warehouse.test_erasure import EMAIL, LATE, ann


def rows(command: Command, sql: str) -> list[tuple]:
    with duckdb.connect(str(command.folder / "data" / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


PERSON = """
    select email, entity_id, name from marts.people
    where email is not null order by email limit 1
"""


@pytest.fixture
def filled(live: Command) -> Command:
    """A deployment with people, all models, a published copy, a report and a history of Dagster."""
    del live.env["LINKT_SQL_DIR"]
    done = live("run", "search", timeout=280)
    assert done.code == 0, done.err
    assert live("report").code == 0
    return live


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_data_folder_holds_no_byte_of_an_erased_address(filled):
    email, entity, name = rows(filled, PERSON)[0]
    data = filled.folder / "data"
    before = places_of(email, data)
    assert any("warehouse.duckdb" in place for place in before)
    assert any("published" in place for place in before)

    refused = filled("erase", "--email", email)  # nobody answers
    assert (refused.code, refused.out.splitlines()[-1]) == (1, "nothing was erased")
    assert places_of(email, data) == before

    done = filled("erase", "--email", email.upper(), "--yes", timeout=280)

    assert done.code == 0, done.out + done.err
    assert "linkt.entities " in done.out
    assert places_of(email, data) == []
    assert places_of(name, data) == []
    assert rows(filled, f"select count(*) from linkt.entities where entity_id = '{entity}'") == [(0,)]
    assert rows(filled, "select phase, pending from linkt.erasures") == [("finished", None)]
    assert filled("erase").out == "nothing is left to finish; give --email, --entity, --domain or --inactive to erase\n"


def test_whoever_lands_while_the_question_is_open_goes_too(tmp_path, monkeypatch):
    warehouse = FileWarehouse(tmp_path / "warehouse.duckdb")
    land(warehouse, ann())

    def agreed() -> bool:
        land(warehouse, ann(LATE))  # a sync, meanwhile
        return True

    def finish() -> dict[str, Erased]:
        (erasure,) = unfinished_erasures(warehouse)
        return {erasure.erasure_id: Erased(remove_target(warehouse, erasure), 0, False, ())}

    monkeypatch.setattr(erase, "_agreed", agreed)
    settings = SimpleNamespace(active_tasks_file=tmp_path / "tasks.yaml")
    erase._erase(
        SimpleNamespace(warehouse=warehouse, settings=settings, finish_erasures=finish), "email", EMAIL, yes=False
    )

    assert fetch(warehouse, "from linkt.entities") == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--email", "a@b.example", "--domain", "b.example"], "give one of --email, --entity, --domain and --inactive"),
        (["--email", "a@b.example"], "there is no warehouse in"),
    ],
)
def test_what_can_not_be_erased_is_refused(arguments, told, command):
    done = command("erase", *arguments)

    assert done.code == 2
    assert told in done.err
