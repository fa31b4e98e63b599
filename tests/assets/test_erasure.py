"""An erasure comes to its end in every place, whatever kills it on the way, and no byte is left then."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from linkt_pipeline import settings as settings_module
from linkt_pipeline.assets import erased_history
from linkt_pipeline.assets.erased_history import HistoryBusyError, erase_from_history
from linkt_pipeline.assets.erasure import finish_erasures
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.assets.retention import ERASE_INACTIVE_PEOPLE, build_retention
from linkt_pipeline.settings import Settings, load_settings
from linkt_pipeline.transform import build_all
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.erasure import Kind, begin_erasure, unfinished_erasures
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from linkt_pipeline.warehouse.tombstones import Mentions
from tests.cli.data_folder import places_of
from tests.warehouse.deliveries import fetch, land, land_run, run
from tests.warehouse.test_erasure import ACME, ANN, BOB, EMAIL, LANDED_CHECKS, ann, bob, company

NAME = "Ann Lee"

MODEL = """\
-- description: People.
-- grain: one row per person.
-- materialized: table
-- unique: entity_id
-- column entity_id: Id.
-- column name: Name.
-- column email: Address.
select
    entity_id,
    data ->> '$.name.value' as name,
    data ->> '$.email.value' as email
from linkt.entities
where entity_type = 'person'
"""

# One argument: what is killed, as module:function, before or after it.
KILLED = """
import importlib, os, signal, sys
from pathlib import Path
from linkt_pipeline import settings as settings_module
settings_module.BUILT_IN_SQL = Path(sys.argv[2])
tasks_file = settings_module.BUILT_IN_SQL.parent / "tasks.yaml"
settings = settings_module.load_settings(
    {"data_dir": Path(sys.argv[1]), "use_sandbox": False, "tasks_file": tasks_file}
)
from linkt_pipeline.assets.erasure import finish_erasures
module, name, moment = sys.argv[3].split(":")
place = importlib.import_module("linkt_pipeline." + module)
*outer, name = name.split(".")
for part in outer:
    place = getattr(place, part)
original = getattr(place, name)
def killed(*arguments, **options):
    if moment == "after":
        original(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(place, name, killed)
finish_erasures(settings, print)
"""

MOMENTS = [
    "warehouse.erasure.removal:settle_erased:after",
    "assets.erased_history:_empty_log:before",
    "assets.erasure:forget_target:after",
    "warehouse.engines.replacement:Replacement.move_into_place:before",
    "warehouse.engines.file:compact_file:after",
    "warehouse.publish.snapshot:_finish_copy:after",
    "assets.erasure:publish_snapshot:after",
]


@dg.asset
def people(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Shows Ann in every way in which the pipeline's assets show rows."""
    context.log.info(f"wrote to {EMAIL}")
    print(f"printed {EMAIL}")
    return dg.MaterializeResult(metadata={"preview": dg.MetadataValue.md(f"| {NAME} | {EMAIL} |"), "who": EMAIL})


@dg.asset_check(asset=people)
def nobody_is_ann() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, metadata={"first_offenders": dg.MetadataValue.md(f"| {NAME} |")})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "sql"
    (folder / "marts").mkdir(parents=True)
    folder.with_name("tasks.yaml").write_text("tasks: {}\n")
    (folder / "marts" / "people.sql").write_text(MODEL)
    (folder / "checks" / "linkt").mkdir(parents=True)
    for check in LANDED_CHECKS.glob("*_key.sql"):
        shutil.copy(check, folder / "checks" / "linkt")
    return folder


@pytest.fixture(autouse=True)
def _few_models(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "BUILT_IN_SQL", models)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """A data folder with rows, a model, a published copy and a history of Dagster; an erasure of Ann is begun."""
    from linkt_pipeline.assets import erasure

    data = tmp_path_factory.mktemp("example") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings_module, "BUILT_IN_SQL", models)
        settings = of(data)
        warehouse = FileWarehouse(settings.warehouse_path)
        land_run(warehouse, run("r1"), created=[ACME, ANN, BOB])
        land(warehouse, company(), ann(), bob())
        assert build_all(warehouse, erasure._project(settings)) == {}
        publish_snapshot(warehouse, settings.published_dir)
        with dg.DagsterInstance.local_temp(str(data)) as instance:
            assert dg.materialize([people, nobody_is_ann], instance=instance).success
    begin_erasure(warehouse, Kind.EMAIL, [EMAIL])
    return data


@pytest.fixture
def data(example: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(example, tmp_path / "data", symlinks=True))


def of(data: Path) -> Settings:
    tasks_file = settings_module.BUILT_IN_SQL.parent / "tasks.yaml"  # beside the clone's are all models
    return load_settings({"data_dir": data, "use_sandbox": False, "tasks_file": tasks_file})


def finish(data: Path) -> None:
    finish_erasures(of(data), print)


def assert_is_gone(data: Path) -> None:
    assert places_of(EMAIL, data) == []
    assert places_of(NAME, data) == []
    warehouse = FileWarehouse(of(data).warehouse_path)
    assert fetch(warehouse, "select entity_id from marts.people") == [(BOB,)]
    assert fetch(FileWarehouse(of(data).published_dir / "warehouse.duckdb"), "select email from marts.people") == [
        ("bob@elsewhere.example",)
    ]
    assert fetch(warehouse, "select phase, pending, finished_at > asked_at from linkt.erasures") == [
        ("finished", None, True)
    ]
    assert [path.name for path in data.iterdir() if path.name.startswith("warehouse")] == ["warehouse.duckdb"]


def test_it_is_taken_out_of_every_place(data: Path) -> None:
    places = "\n".join(places_of(EMAIL, data) + places_of(NAME, data))
    for place in ("data/warehouse.duckdb", "published/warehouse.duckdb", "people.parquet", "index.db", "compute_logs"):
        assert place in places

    finish(data)

    assert_is_gone(data)
    with dg.DagsterInstance.local_temp(str(data)) as instance:
        (latest,) = instance.fetch_materializations(dg.AssetKey("people"), limit=1).records
    assert latest.asset_materialization is not None
    assert latest.asset_materialization.metadata["preview"] == dg.MetadataValue.md(erased_history.PREVIEW_REMOVED)
    assert latest.asset_materialization.metadata["who"] == dg.MetadataValue.text("[erased]")


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_killed_is_finished_by_the_next_one(moment: str, data: Path, models: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(data), str(models), moment], check=False, timeout=300, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(unfinished_erasures(FileWarehouse(of(data).warehouse_path))) == 1

    finish(data)

    assert_is_gone(data)


def test_what_spilled_before_a_kill_goes(data: Path) -> None:
    spilled = data / "warehouse.duckdb.tmp" / "duckdb_temp_storage-0.tmp"
    spilled.parent.mkdir()
    spilled.write_text(EMAIL)

    finish(data)

    assert_is_gone(data)


def test_a_history_in_use_is_told_and_the_erasure_goes_on_later(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erased_history, "_PATIENCE", 0.2)
    with erased_history.sqlite3.connect(data / "history" / "runs" / "index.db") as other:
        other.execute("begin immediate")
        with pytest.raises(HistoryBusyError, match=r"index\.db could not be rewritten.*goes on where it stopped"):
            finish(data)
    warehouse = FileWarehouse(of(data).warehouse_path)
    ((why,),) = fetch(warehouse, "select last_error from linkt.erasures")
    assert "index.db could not be rewritten" in why

    finish(data)

    assert_is_gone(data)
    assert fetch(warehouse, "select last_error from linkt.erasures") == [(None,)]


def test_a_report_that_can_not_be_made_anew_goes_and_keeps_no_erasure_from_its_end(data: Path) -> None:
    (data / "report.html").write_text(EMAIL)
    shutil.rmtree(data / "published")

    (done,) = finish_erasures(of(data), print).values()

    assert [note for note in done.notes if "report.html is removed" in note]
    assert places_of(EMAIL, data) == []


def test_keys_of_dagsters_that_become_one_keep_no_erasure_from_its_end(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    with closing(sqlite3.connect(tmp_path / "history" / "index.db")) as con:
        con.execute("create table dynamic_partitions (partition text unique)")
        con.executemany("insert into dynamic_partitions values (?)", [(EMAIL,), (EMAIL.upper(),), ("other",)])
        con.commit()

    assert erase_from_history(tmp_path, Mentions([EMAIL])) == 2

    with closing(sqlite3.connect(tmp_path / "history" / "index.db")) as con:
        assert con.execute("select * from dynamic_partitions order by 1").fetchall() == [
            ("[erased]",),
            ("other",),
        ]


def test_a_file_of_somebody_else_is_left_and_named(data: Path) -> None:
    files = [data / "notes.txt", data / "published" / "export.csv", data / "published" / "marts" / "mine.csv"]
    for file in files:
        file.write_text(f"ask {EMAIL}")
    named_after = data / f"list of {EMAIL}.csv"
    named_after.write_text("a list")
    in_two_bytes, copy = data / "excel.csv", data / "warehouse.duckdb.bak"
    in_two_bytes.write_bytes(EMAIL.encode("utf-16"))
    shutil.copy(data / "warehouse.duckdb", copy)
    (data / "of_others.txt").write_text("ask somebody else")

    (done,) = finish_erasures(of(data), print).values()

    named = {note.partition(" ")[0] for note in done.notes if "mentions it as well" in note}
    assert named == set(map(str, (*files, in_two_bytes)))
    assert [note for note in done.notes if "could not be searched" in note and note.startswith(f"{copy} is a DuckDB")]
    assert [note for note in done.notes if note.startswith(f"the name of {named_after} mentions it")]
    assert len(done.notes) == 6
    assert set(places_of(EMAIL, data)) == set(map(str, (*files, in_two_bytes, copy)))


def test_it_is_published_although_a_check_fails_and_says_so(data: Path) -> None:
    with FileWarehouse(of(data).warehouse_path).write() as con:
        con.execute("insert into linkt.tasks (task_id, fetched_at) values ('t', now()), ('t', now())")

    (done,) = finish_erasures(of(data), print).values()

    assert [note for note in done.notes if "published all the same" in note and "tasks_key" in note]
    assert_is_gone(data)


def test_the_daily_job_erases_who_is_inactive_and_starts_only_for_somebody(data: Path) -> None:
    definitions = build_retention(Placement(), Backend(of(data)), timedelta(days=1), "UTC", shared=False)
    job = definitions.get_job_def(ERASE_INACTIVE_PEOPLE)
    (schedule,) = definitions.schedules
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    with dg.DagsterInstance.local_temp(str(data)) as instance, dg.build_schedule_context(instance=instance) as look:
        assert schedule.evaluate_tick(look).run_requests

        assert job.execute_in_process(instance=instance).success

        assert schedule.evaluate_tick(look).skip_message == "everybody was active"
    for text in (EMAIL, NAME, "bob@elsewhere.example"):
        assert places_of(text, data) == []
    kinds = fetch(FileWarehouse(of(data).warehouse_path), "select kind, phase from linkt.erasures order by kind")
    assert kinds == [("email", "finished"), ("retention", "finished")]
