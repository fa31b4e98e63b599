"""A warehouse of an earlier release is brought up to date with every row, and keeps its descriptions."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.api import RunStatus
from linkt_pipeline.warehouse import migration
from linkt_pipeline.warehouse.file import Warehouse

TABLES = ("entities", "entity_versions", "signals")
NOW = datetime(2026, 11, 2, tzinfo=UTC)
BODY = '{"id": "e",  "data": {"name": {"value": "Zoë"}}}'


@pytest.fixture
def second_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse as the release with two migrations left it, in the file format of that time."""
    path = tmp_path / "warehouse.duckdb"
    con = duckdb.connect()
    con.execute(f"attach '{path}' as warehouse; use warehouse; set TimeZone = 'UTC'")
    with monkeypatch.context() as patch:
        known = migration.migrations()
        patch.setattr(migration, "migrations", lambda: known[:2])
        migration.migrate(con)
    for i in range(3):
        con.execute(
            "insert into linkt.entities (entity_id, data, fetched_at, content_hash, payload) "
            "values ($1, $2, $3, 'h', $2)",
            [f"e{i}", BODY, NOW],
        )
        con.execute(
            "insert into linkt.entity_versions (entity_id, data, fetched_at, content_hash) values ($1, $2, $3, 'h')",
            [f"e{i}", BODY, NOW],
        )
        con.execute(
            "insert into linkt.signals (signal_id, fetched_at, payload, entity_ids) values ($1, $2, $3, ['e0', null])",
            [f"s{i}", NOW, BODY],
        )
    con.close()
    return Warehouse(path)


def columns(con: duckdb.DuckDBPyConnection) -> list[tuple]:
    return con.execute(
        "select table_name, column_name, data_type, is_nullable, comment is null from duckdb_columns() "
        "where database_name = current_database() and schema_name = 'linkt' and table_name in $1 order by all",
        [list(TABLES)],
    ).fetchall()


def test_no_row_and_no_description_is_lost(second_version: Warehouse, tmp_path: Path) -> None:
    with second_version.read() as con:
        assert con.execute(
            "select entity_id, data::varchar, payload::varchar, fetched_at from linkt.entities order by 1"
        ).fetchall() == [(f"e{i}", BODY, BODY, NOW) for i in range(3)]
        assert con.execute("select count(*), count(distinct data::varchar) from linkt.entity_versions").fetchall() == [
            (3, 1)
        ]
        assert con.execute("select any_value(entity_ids), count(*) from linkt.signals").fetchall() == [
            (["e0", None], 3)
        ]
        migrated = columns(con)
    assert [(table, column) for table, column, *_, is_undescribed in migrated if is_undescribed] == []
    with Warehouse(tmp_path / "new.duckdb").read() as con:
        assert columns(con) == migrated


def test_json_is_kept_with_zstd(second_version: Warehouse) -> None:
    with second_version.read() as con:
        found = {
            (table, column): compression
            for table in TABLES
            for column, compression in con.execute(
                f"select column_name, compression from pragma_storage_info('linkt.{table}') "
                "where column_name in ('data', 'payload') and segment_type not in ('VALIDITY')"
            ).fetchall()
        }

    assert found == dict.fromkeys(
        [("entities", "data"), ("entities", "payload"), ("entity_versions", "data"), ("signals", "payload")], "ZSTD"
    )


@pytest.mark.parametrize(
    ("sent", "state"),
    [("COMPLETED", "COMPLETED"), ("CANCELLED", "CANCELED"), ("canceled", "CANCELED"), (" cancelling", "RUNNING"),
     ("EXPLODED", None), ("UNKNOWN", None), (None, None)],
)  # fmt: skip
def test_runs_landed_before_get_the_state_their_word_means(second_version: Warehouse, sent: str, state: str) -> None:
    path = second_version.path
    con = duckdb.connect()
    con.execute(f"attach '{path}' as warehouse; use warehouse")
    con.execute("insert into linkt.runs (run_id, status, fetched_at) values ('r', $1, $2)", [sent, NOW])
    con.close()

    with second_version.read() as migrated:
        assert migrated.execute("select status, status_normalised from linkt.runs").fetchall() == [(sent, state)]
    assert (None if (parsed := RunStatus.parse(sent)) is RunStatus.UNKNOWN else parsed) == state, "as landing does"


def test_builds_recorded_by_earlier_releases_are_kept_and_described(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    con = duckdb.connect()
    con.execute(f"attach '{path}' as warehouse; use warehouse; create schema linkt")
    con.execute(
        "create table linkt.model_builds "
        "(model varchar, code_version varchar, built_at timestamptz, cursor varchar, rows bigint)"
    )
    con.execute("insert into linkt.model_builds values ('marts.people', 'v', now(), 'c', 7)")
    con.close()

    with Warehouse(path).write() as migrated:
        assert migrated.execute("select model, rows, contents, problem from linkt.model_builds").fetchall() == [
            ("marts.people", 7, None, None)
        ]
        undescribed = "from duckdb_columns() where table_name = 'model_builds' and comment is null"
        assert migrated.execute(undescribed).fetchall() == []


def test_one_run_in_two_rows_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier releases could adopt the run of another task's start: the row that asked for it keeps it."""
    path = tmp_path / "warehouse.duckdb"
    con = duckdb.connect()
    con.execute(f"attach '{path}' as warehouse; use warehouse; set TimeZone = 'UTC'")
    with monkeypatch.context() as patch:
        known = migration.migrations()
        (repair,) = [step for step in known if step.name == "undelivered"]
        patch.setattr(migration, "migrations", lambda: known[: known.index(repair)])
        migration.migrate(con)
    con.execute(
        """
        insert into linkt.executions
            (execution_id, task_key, task_id, parameters, attempt, state, run_id, intended_at, finished_at, lease_owner)
        values
            ('a', 'all', 't', '{}', 1, 'finished', 'r1', '2026-11-02', '2026-11-02', 'somebody'),
            ('b', 'some', 't', '{"n":25}', 1, 'finished', 'r1', '2026-11-03', '2026-11-03', null),
            ('c', 'own', 't', '{}', 1, 'finished', 'r2', '2026-11-03', '2026-11-03', 'somebody');
        insert into linkt.runs (run_id, input, fetched_at) values
            ('r1', '{"icp_id":"i","parameters":{"n":25}}', '2026-11-03'), ('r2', null, '2026-11-03')
        """
    )
    con.close()

    with Warehouse(path).read() as con:
        rows = con.execute(
            "select execution_id, state, run_id, lease_owner, last_error from linkt.executions order by 1"
        ).fetchall()
        owed = con.execute("select execution_id, asked_by from linkt.undelivered").fetchall()

    said = "run r1 belongs to execution b; no run was found for this one"
    assert rows == [
        ("a", "lost", None, None, said),
        ("b", "finished", "r1", None, None),
        ("c", "finished", "r2", None, None),
    ]
    assert owed == [("c", "somebody")]


def test_external_keys_and_metadata_are_filled_from_the_payloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an earlier version it is unknown which key it had, unless it was the content of today."""
    path = tmp_path / "warehouse.duckdb"
    con = duckdb.connect()
    con.execute(f"attach '{path}' as warehouse; use warehouse; set TimeZone = 'UTC'")
    with monkeypatch.context() as patch:
        known = migration.migrations()
        (keys,) = [step for step in known if step.name == "external_keys"]
        patch.setattr(migration, "migrations", lambda: known[: known.index(keys)])
        migration.migrate(con)
    payloads = {
        "linked": '{"external_id": "0015g00000AbCdE", "external_source": "salesforce"}',
        "number": '{"external_id": 987654321012345678}',
        "null": '{"external_id": null, "external_source": null}',
        "odd": '{"external_id": {"id": 1}, "external_source": ["x"]}',
        "none": "{}",
    }
    for entity_id, payload in payloads.items():
        values = [entity_id, payload, NOW]
        con.execute(
            "insert into linkt.entities (entity_id, payload, fetched_at, content_hash) values ($1, $2, $3, 'new')",
            values,
        )
        for content_hash in ("new", "old", "new"):
            con.execute(
                "insert into linkt.entity_versions (entity_id, fetched_at, content_hash) values ($1, $2, $3)",
                [entity_id, NOW, content_hash],
            )
    for signal_id, payload in {"a": '{"metadata": {"n":1}}', "b": '{"metadata": null}', "c": "{}"}.items():
        con.execute(
            "insert into linkt.signals (signal_id, fetched_at, payload) values ($1, $2, $3)", [signal_id, NOW, payload]
        )
    con.close()

    with Warehouse(path).read() as con:
        entities = con.execute("select entity_id, external_id, external_source from linkt.entities").fetchall()
        versions = con.execute(
            "select distinct entity_id, content_hash, external_id, external_source, external_unknown "
            "from linkt.entity_versions where coalesce(external_id, external_source) is not null or external_unknown"
        ).fetchall()
        signals = con.execute("select signal_id, metadata::varchar from linkt.signals order by 1").fetchall()
    key, number = ("0015g00000AbCdE", "salesforce"), ("987654321012345678", None)
    nothing = (None, None)
    assert {entity_id: found for entity_id, *found in entities} == {
        "linked": [*key], "number": [*number], "null": [*nothing], "odd": [*nothing], "none": [*nothing],
    }  # fmt: skip
    assert set(versions) == {
        ("linked", "new", *key, None),
        ("linked", "old", *nothing, True),
        ("number", "new", *number, None),
        ("number", "old", *nothing, True),
    }
    assert signals == [("a", '{"n":1}'), ("b", None), ("c", None)]
