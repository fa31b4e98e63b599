"""A warehouse of an earlier release is brought up to date with every row, and keeps its descriptions."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.api import RunStatus
from linkt_pipeline.warehouse import migration
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.warehouse import Warehouse

FIRST_RELEASE = Path(__file__).with_name("first_release.sql")
TABLES = ("entities", "entity_versions", "signals")
NOW = datetime(2026, 11, 2, tzinfo=UTC)
BODY = '{"id": "e",  "data": {"name": {"value": "Zoë"}}}'


def opened(path: Path, version: int) -> duckdb.DuckDBPyConnection:
    """A warehouse as the release of a version left it, in the file format of the first one."""
    con = duckdb.connect()
    con.execute(f"attach '{path}' as warehouse; use warehouse; set TimeZone = 'UTC'")
    con.execute(FIRST_RELEASE.read_text(encoding="utf-8"))
    for step in migration.migrations():
        if step.version <= version:
            con.execute(step.sql)
    con.execute("insert into linkt.schema_migrations values ($1, 'as released', now())", [version])
    return con


def version_before(name: str) -> int:
    """The version that a migration starts from."""
    return next(step.version for step in migration.migrations() if step.name == name) - 1


@pytest.fixture
def second_version(tmp_path: Path) -> Warehouse:
    path = tmp_path / "warehouse.duckdb"
    con = opened(path, 2)
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
    return FileWarehouse(path)


def test_each_version_has_one_migration_and_none_is_left_out() -> None:
    """Of two with one number, a warehouse that has the first would never get the second."""
    versions = [step.version for step in migration.migrations()]

    assert versions == list(range(versions[0], versions[0] + len(versions)))


def columns(con: duckdb.DuckDBPyConnection) -> list[tuple]:
    return con.execute(
        "select table_name, column_index, column_name, data_type, is_nullable, comment from duckdb_columns() "
        "where database_name = current_database() and schema_name = 'linkt' order by all"
    ).fetchall()


def test_no_row_is_lost(second_version: Warehouse) -> None:
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


@pytest.mark.parametrize("version", [1, *(step.version - 1 for step in migration.migrations())])
def test_every_release_is_brought_to_the_tables_of_a_new_warehouse(version: int, tmp_path: Path) -> None:
    opened(tmp_path / "warehouse.duckdb", version).close()

    with FileWarehouse(tmp_path / "warehouse.duckdb").read() as con:
        migrated = columns(con)

    assert [(table, column) for table, _, column, *_, comment in migrated if comment is None] == []
    with FileWarehouse(tmp_path / "new.duckdb").read() as con:
        assert columns(con) == migrated
        assert migration.schema_version(con) == migration.latest_version()


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
    con = opened(path, version_before("model_builds"))
    con.execute(
        "create table linkt.model_builds "
        "(model varchar, code_version varchar, built_at timestamptz, cursor varchar, rows bigint)"
    )
    con.execute("insert into linkt.model_builds values ('marts.people', 'v', now(), 'c', 7)")
    con.close()

    with FileWarehouse(path).write() as migrated:
        assert migrated.execute("select model, rows, contents, problem from linkt.model_builds").fetchall() == [
            ("marts.people", 7, None, None)
        ]
        undescribed = "from duckdb_columns() where table_name = 'model_builds' and comment is null"
        assert migrated.execute(undescribed).fetchall() == []


def test_one_run_in_two_rows_is_repaired(tmp_path: Path) -> None:
    """Earlier releases could adopt the run of another task's start: the row that asked for it keeps it."""
    path = tmp_path / "warehouse.duckdb"
    con = opened(path, version_before("undelivered"))
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

    with FileWarehouse(path).read() as con:
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


def test_external_keys_and_metadata_are_filled_from_the_payloads(tmp_path: Path) -> None:
    """Of an earlier version it is unknown which key it had, unless it was the content of today."""
    path = tmp_path / "warehouse.duckdb"
    con = opened(path, version_before("external_keys"))
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

    with FileWarehouse(path).read() as con:
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
