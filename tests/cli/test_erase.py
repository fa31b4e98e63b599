"""``erase``: afterwards no byte of the data folder holds it, and nothing brings it back."""

import duckdb
import pytest

from tests.cli.command import Command
from tests.cli.data_folder import places_of


def rows(command: Command, sql: str) -> list[tuple]:
    with duckdb.connect(str(command.folder / "data" / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


PERSON = """
    select email, entity_id, name from marts.people
    where email is not null order by email limit 1
"""


@pytest.fixture
def filled(live: Command) -> Command:
    """A deployment with people, models, a published copy, a report and a history of Dagster."""
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
