"""A run that fails with the key, another's key, escape sequences and megabytes in its error: who gets to see what."""

import sqlite3
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.sandbox import running_sandbox
from linkt_pipeline.sandbox.world import vocabulary
from tests.cli.command import TASKS_YAML, Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KEY = "sk-live-0123456789abcdef"
FOREIGN = "sk-somebody-elses-9876543210"
CLIPBOARD = "\x1b]52;c;cm0gLXJm\x07"
ERROR = f"provider said no to {KEY} and {FOREIGN} {CLIPBOARD} \u202e " + "long " * 200_000


@pytest.fixture(scope="module")
def failed(tmp_path_factory) -> tuple[Command, str]:
    """A deployment after such a run, and all that the command has said."""
    command = Command(tmp_path_factory.mktemp("foreign-texts"))
    (command.folder / "tasks.yaml").write_text(TASKS_YAML)
    with pytest.MonkeyPatch.context() as patch, running_sandbox(api_key=KEY, speed=20) as api:
        patch.setitem(vocabulary.ERROR_TEXTS, "provider_error", ERROR)
        api.inject("failed_run=provider_error@execute*1")
        command.env |= {"LINKT_API_KEY": KEY, "LINKT_BASE_URL": api.url}
        said = [command(*arguments) for arguments in (("run", "search"), ("sync",), ("status",), ("report",))]
        assert api.world.runs, "no run was started"
    assert said[0].code == 1
    said += [
        command("query", "select run_id, error from linkt.runs", "--format", form) for form in ("table", "csv", "json")
    ]
    assert all(ended.code == 0 for ended in said[1:]), [ended.err for ended in said]
    return command, "\n".join(ended.out + ended.err for ended in said)


def test_nothing_that_is_printed_holds_a_key_or_an_escape(failed):
    _, said = failed
    assert "provider said no to [redacted] and [redacted]" in said
    assert "sk-" not in said
    assert not any(control in said for control in "\x1b\x07\u202e")


def test_what_a_person_reads_is_cut_and_says_what_to_do(failed):
    command, _ = failed
    told = command("query", "select error from linkt.runs").out
    assert len(told) < 5_000
    assert "(cut: " in told


def test_no_file_of_the_deployment_holds_the_key(failed):
    command, _ = failed
    files = [path for path in command.folder.rglob("*") if path.is_file() and path.name != "tasks.yaml"]
    assert any(path.suffix == ".parquet" for path in files)
    assert any(path.suffix == ".html" for path in files)
    held = [str(path) for path in files for secret in (KEY, FOREIGN) if secret.encode() in path.read_bytes()]
    assert held == []


def test_no_table_holds_it_either(failed):
    """Compressed pages hide a text from a search through the file."""
    command, _ = failed
    for file in ("warehouse.duckdb", "published/warehouse.duckdb"):
        con = duckdb.connect()
        con.execute(f"attach '{command.folder / 'data' / file}' as store (read_only); use store")
        columns = con.execute(
            "select schema_name, table_name, column_name from duckdb_columns() where database_name = 'store' "
            "and data_type in ('VARCHAR', 'JSON')"
        ).fetchall()
        found = [
            f"{schema}.{table}.{column}"
            for schema, table, column in columns
            if con.sql(f'from "{schema}"."{table}" where "{column}"::varchar like \'%sk-%\' limit 1').fetchall()
        ]
        [(kept,)] = con.execute("select length(error) from linkt.runs").fetchall()
        con.close()
        assert found == []
        assert kept > 900_000  # but for secrets, a row holds what Linkt sent


def test_dagsters_history_is_small_and_clean(failed):
    command, _ = failed
    for path in (command.folder / "data").rglob("*.db"):
        with sqlite3.connect(path) as con:
            tables = [name for (name,) in con.execute("select name from sqlite_master where type = 'table'")]
            for table in tables:
                for row in con.execute(f'select * from "{table}"'):
                    text = "".join(map(str, row))
                    assert "sk-" not in text
                    assert "\x1b" not in text
                    assert r"\u001b" not in text
                    assert len(text) < 200_000


def test_the_report_shows_it_clean(failed):
    command, _ = failed
    (page,) = [path.read_text() for path in Path(command.folder).rglob("*.html")]
    assert "provider said no to [redacted]" in page
    assert "\x1b" not in page
