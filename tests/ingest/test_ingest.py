"""From a file to a landed run: one upload, one change of the task, one purchase, whatever goes wrong between."""

from pathlib import Path

import pytest

from linkt_pipeline.api import RateLimitedError
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.errors import RunFailedError
from linkt_pipeline.ingest.errors import (
    AlreadyIngestedError,
    FileRefusedError,
    IngestError,
    RunUnclearError,
    StillProcessingError,
    TaskBusyError,
    TaskChangedError,
    TaskUnfitError,
    UploadFailedError,
)
from linkt_pipeline.ingest.source import FileKind
from linkt_pipeline.ledger.values import CreditLimitReachedError
from linkt_pipeline.sandbox.http import file_api
from linkt_pipeline.sandbox.world.reference_data import SEARCH_TASK
from linkt_pipeline.tasks import CommonSettings
from linkt_pipeline.warehouse.tombstones import write_tombstones
from linkt_pipeline.warehouse.tombstones.tombstones import DOMAIN, EMAIL, ENTITY
from tests.workbooks import styled, workbook

from .scene import LIST, IngestScene, fair

pytestmark = pytest.mark.slow

ONCE = {"upload_file": 1, "update_task": 1, "execute": 1}


def test_a_file_becomes_a_landed_run_and_its_rows_are_kept(scene: IngestScene) -> None:
    webhook = scene.task_config["webhook_url"]
    ingested = scene.ingest()

    assert ingested.bought
    assert ingested.error is None
    assert scene.seen == ONCE
    assert scene.task_config == {
        "type": "ingest",
        "file_id": ingested.ingest.file_id,
        "primary_column": "company_name",
        "csv_entity_type": "company",
        "webhook_url": webhook,
    }
    assert scene.query("select row_number, primary_value, data ->> 'website' from linkt.ingest_rows order by 1") == [
        (1, "Larkspur Dynamics", "larkspurdynamics.example"),
        (2, "Unknown", ""),
        (3, "Moorgate Cranes", ""),
    ]
    assert scene.query("select name, state, reason from linkt.run_candidates order by position") == [
        ("Larkspur Dynamics", "completed", None),
        ("Moorgate Cranes", "completed", None),
        ("Unknown", "discarded", "No such company could be found"),
    ]
    assert scene.query("select state, execution_id from linkt.ingests") == [
        ("finished", ingested.execution.execution_id)
    ]
    assert scene.states() == ["finished"]
    (parameters,) = {str(row.parameters) for row in scene.rows()}
    assert parameters == "{'input_entities': []}"


def test_the_same_bytes_are_neither_uploaded_nor_bought_twice(scene: IngestScene, tmp_path: Path) -> None:
    first = scene.ingest()
    copy = tmp_path / "copy.csv"
    copy.write_text(LIST)

    second = scene.ingest(copy)

    assert not second.bought
    assert second.run.id == first.run.id
    assert scene.seen == ONCE


def test_again_buys_another_run_of_the_file_that_linkt_has(scene: IngestScene) -> None:
    first = scene.ingest()

    second = scene.ingest(again=True)

    assert second.run.id != first.run.id
    assert (scene.uploads, scene.bought) == (1, 2)
    assert len(scene.query("from linkt.ingests")) == 2


def test_another_file_is_another_run(scene: IngestScene, tmp_path: Path) -> None:
    scene.ingest()
    other = tmp_path / "other.csv"
    other.write_text("company_name\nBell & Sons\n")

    ingested = scene.ingest(other)

    assert (scene.uploads, scene.bought) == (2, 2)
    assert scene.task_config["file_id"] == ingested.ingest.file_id
    assert scene.query("select count(*) from linkt.run_candidates group by run_id order by 1") == [(1,), (3,)]


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("lost_reply@upload_file", ONCE),
        ("cut_body@upload_file", ONCE),
        ("error_after_work=502@upload_file", ONCE),
        ("malformed_body=missing_id@upload_file", ONCE),
        ("reset@upload_file", {**ONCE, "upload_file": 2}),
        ("http_503=0@upload_file", {**ONCE, "upload_file": 2}),
        ("lost_reply@update_task", {**ONCE, "update_task": 2}),  # aiohttp repeats a PUT whose connection was dropped
        ("error_after_work=500@update_task", ONCE),
        ("reset@update_task", {**ONCE, "update_task": 2}),
        ("lost_reply@execute", ONCE),
    ],
)
def test_an_unclear_reply_is_looked_up_and_nothing_is_done_twice(
    scene: IngestScene, fault: str, seen: dict[str, int]
) -> None:
    injected = scene.sandbox.inject(fault)

    ingested = scene.ingest()

    assert injected.fired == 1
    assert ingested.error is None
    assert (scene.uploads, scene.bought) == (1, 1)
    assert scene.seen == seen


def test_a_list_of_files_that_lags_is_waited_for(scene: IngestScene) -> None:
    scene.sandbox.inject("lost_reply@upload_file")
    scene.sandbox.inject("lagging_files=0.2")

    assert scene.ingest().error is None
    assert scene.uploads == 1


@pytest.mark.parametrize(
    ("fault", "error", "state"),
    [
        ("http_422=bad@upload_file*0", UploadFailedError, "intended"),
        ("http_413=too large@upload_file*0", UploadFailedError, "uploading"),
        ("http_403=no@update_task*0", IngestError, "ready"),
        ("http_404=gone@get_file*0", UploadFailedError, "failed"),
        ("failed_file", UploadFailedError, "failed"),
        ("slow_file=600", StillProcessingError, "uploaded"),
    ],
)
def test_a_refusal_ends_before_the_purchase(
    scene: IngestScene, fault: str, error: type[LinktPipelineError], state: str
) -> None:
    scene.sandbox.inject(fault)

    with pytest.raises(error, match="Nothing was bought"):
        scene.ingest(processing=0.3)

    assert (scene.bought, scene.state()) == (0, state)
    assert scene.query("select count(*) from linkt.executions where state in ('intended', 'unknown', 'started')") == [
        (0,)
    ]


def test_a_pause_of_an_hour_is_told_and_not_sat_out(scene: IngestScene) -> None:
    scene.sandbox.inject("http_429=3600@upload_file")

    with pytest.raises(RateLimitedError, match="pause of another 3600 s"):
        scene.ingest()

    assert (scene.bought, scene.state()) == (0, "uploading")


def test_a_file_that_is_still_processing_is_waited_for_by_the_next_call(scene: IngestScene) -> None:
    scene.sandbox.inject("slow_file=1.2")
    with pytest.raises(StillProcessingError):
        scene.ingest(processing=0.1)

    assert scene.ingest().error is None
    assert scene.seen == ONCE


def test_a_file_that_linkt_could_not_process_is_uploaded_anew_only_on_demand(scene: IngestScene) -> None:
    scene.sandbox.inject("failed_file")
    for _ in range(2):
        with pytest.raises(UploadFailedError, match="could not process"):
            scene.ingest()
    assert scene.uploads == 1

    assert scene.ingest(again=True).error is None
    assert scene.uploads == 2


def test_a_reading_that_differs_from_the_file_is_not_paid_for(scene: IngestScene) -> None:
    scene.sandbox.inject("slow_file=0.5")
    original = scene.sandbox.world.own.put_reference

    def cut(kind: str, item: dict) -> None:
        original(kind, {**item, "rows": item["rows"][:-1]} if kind == "file" else item)

    scene.sandbox.world.own.put_reference = cut  # Linkt has lost a row

    with pytest.raises(UploadFailedError, match="it counts 2 rows, and the file has 3"):
        scene.ingest()
    assert scene.bought == 0


def test_a_file_that_is_another_one_is_not_paid_for(scene: IngestScene) -> None:
    files = scene.sandbox.world.own
    original = files.put_reference

    def mix_up(kind: str, item: dict) -> None:
        original(kind, {**item, "name": "somebody-elses.csv"} if kind == "file" else item)

    files.put_reference = mix_up  # the reply named the id of another upload

    with pytest.raises(UploadFailedError, match=r"as 'somebody-elses\.csv', so it is another one"):
        scene.ingest()
    assert (scene.bought, scene.state()) == (0, "failed")


def test_a_file_of_which_linkt_does_not_say_what_it_has_read_is_not_paid_for(
    scene: IngestScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = file_api.shown
    monkeypatch.setattr(file_api, "shown", lambda document, now: {**shown(document, now), "csv_metadata": None})

    with pytest.raises(StillProcessingError, match="does not say how many rows it has"):
        scene.ingest(processing=0.2)
    assert (scene.bought, scene.state()) == (0, "uploaded")
    monkeypatch.undo()
    assert scene.ingest().bought


def test_a_primary_value_that_linkt_reads_otherwise_is_not_paid_for(scene: IngestScene) -> None:
    scene.file.write_text("company_name\n007\nZoë\n", encoding="utf-8")
    original = scene.sandbox.world.own.put_reference

    def misread(kind: str, item: dict) -> None:
        wrong = {"rows": [["company_name"], [7], ["ZoÃ«"]]} if kind == "file" else {}
        original(kind, {**item, **wrong})

    scene.sandbox.world.own.put_reference = misread

    with pytest.raises(UploadFailedError, match="it sees 'ZoÃ«' in 'company_name' on line 3, and the file has 'Zoë'"):
        scene.ingest()
    assert scene.bought == 0


def test_a_workbook_is_uploaded_as_it_is_and_bought_once(scene: IngestScene, tmp_path: Path) -> None:
    file = tmp_path / "fair.xlsx"
    since = styled(45322, "date")
    saved = workbook(["company_name", "since"], ["Larkspur Dynamics", since], ["Unknown", None], [1200, None])
    file.write_bytes(saved)
    scene.sandbox.inject("lost_reply@upload_file")  # Linkt lists it under the name of the CSV that it makes of it

    first = scene.ingest(file)
    rows = [["company_name", "since"], ["Larkspur Dynamics", since], ["Unknown"], [1200]]
    file.write_bytes(workbook(*rows, first='name="Saved again" '))
    second = scene.ingest(file)

    assert (first.bought, second.bought) == (True, False)
    assert scene.seen == ONCE
    (uploaded,) = [item for item in scene.sandbox.world.own.reference["file"].values() if "uploaded" in item]
    assert uploaded["size_bytes"] == len(saved)
    assert uploaded["content_type"] == FileKind.XLSX.content_type
    assert scene.query("select row_number, primary_value, data ->> 'since' from linkt.ingest_rows order by 1") == [
        (1, "Larkspur Dynamics", "2024-01-31"),
        (2, "Unknown", ""),
        (3, "1200", ""),
    ]
    assert scene.query("select name, state from linkt.run_candidates order by position") == [
        ("Larkspur Dynamics", "completed"),
        ("1200", "completed"),
        ("Unknown", "discarded"),
    ]


def test_what_was_erased_is_kept_out_of_the_rows_of_a_later_file(scene: IngestScene, tmp_path: Path) -> None:
    erased = {EMAIL: ["ann@acme.com"], DOMAIN: ["gone.example"], ENTITY: ["69d4d89c5c41d0beef002a2c"]}
    with scene.warehouse.write() as con:
        write_tombstones(con, "e1", erased)
    file = tmp_path / "ann@acme.com.csv"
    file.write_text(
        "company_name,contact\n"
        "Larkspur Dynamics,<Ann@ACME.com>\n"
        "Moorgate Cranes,69D4D89C5C41D0BEEF002A2C\n"
        "Hill Works,https://www.gone.example/team\n"
        "Bell & Sons,bob@acme.com\n"
        "Tarn Foods,\n"
    )

    checked = scene.check(file)
    scene.ingest(file)

    assert checked.warnings == (
        "line 2, 3, 4: what was erased here; Linkt would research and charge it, and nothing of it is kept, so take it "
        "out of the file",
    )
    assert scene.query("select row_number, primary_value, data::varchar from linkt.ingest_rows order by 1") == [
        (1, "[erased]", "{}"),
        (2, "[erased]", "{}"),
        (3, "[erased]", "{}"),
        (4, "Bell & Sons", '{"company_name":"Bell & Sons","contact":"bob@acme.com"}'),
        (5, "Tarn Foods", '{"company_name":"Tarn Foods","contact":""}'),
    ]
    assert scene.query("select name from linkt.run_candidates order by name") == [
        ("Bell & Sons",),
        ("Tarn Foods",),
        *[("[erased]",)] * 3,
    ]
    assert scene.query("select file_name, file_rows from linkt.ingests") == [("[erased].csv", 5)]
    tables = [name for (name,) in scene.query("select table_name from duckdb_tables() where schema_name = 'linkt'")]
    kept = str([scene.query(f"from linkt.{table}") for table in tables if "ingest" in table or "candidate" in table])
    assert [word for word in ("Larkspur", "Moorgate", "Hill Works", "gone.example") if word in kept] == []
    assert "ann@acme.com" not in kept.lower()


def test_an_error_that_quotes_the_file_is_kept_without_what_was_erased(scene: IngestScene) -> None:
    scene.file.write_text("company_name\nann@acme.com\n")
    with scene.warehouse.write() as con:
        write_tombstones(con, "e1", {EMAIL: ["ann@acme.com"]})
    original = scene.sandbox.world.own.put_reference

    def misread(kind: str, item: dict) -> None:
        original(kind, {**item, "rows": [["company_name"], ["x"]]} if kind == "file" else item)

    scene.sandbox.world.own.put_reference = misread

    with pytest.raises(UploadFailedError, match=r"on line 2, and the file has '\[erased\]'"):
        scene.ingest()
    ((kept,),) = scene.query("select last_error from linkt.ingests")
    assert "[erased]" in kept


def test_a_failed_run_is_told_and_not_bought_again(scene: IngestScene) -> None:
    scene.sandbox.inject("failed_run=timeout")
    first = scene.ingest()
    assert isinstance(first.error, RunFailedError)

    with pytest.raises(AlreadyIngestedError, match="ended FAILED"):
        scene.ingest()
    assert scene.bought == 1

    assert scene.ingest(again=True).error is None
    assert (scene.uploads, scene.bought) == (1, 2)


def test_a_file_whose_run_the_ledger_has_lost_is_not_bought_again(scene: IngestScene) -> None:
    scene.ingest()
    with scene.warehouse.write() as con:
        con.execute("delete from linkt.executions")

    with pytest.raises(AlreadyIngestedError, match="no longer says by which run"):
        scene.ingest()
    assert scene.seen == ONCE


def test_a_retry_of_the_task_buys_another_run_of_the_same_file(scene: IngestScene) -> None:
    scene.sandbox.inject("failed_run=provider_error")
    retry = {"max_attempts": 2, "on": ["provider_error"], "backoff": "30ms"}

    ingested = scene.ingest(task=fair(retry=retry))

    assert ingested.error is None
    assert scene.seen == {**ONCE, "execute": 2}
    assert scene.query("select execution_id from linkt.ingests") == [(ingested.execution.execution_id,)]


def test_a_task_that_somebody_else_changed_is_left_alone_and_the_difference_shown(scene: IngestScene) -> None:
    scene.sandbox.inject("slow_file=600")
    with pytest.raises(StillProcessingError):
        scene.ingest(processing=0.1)
    scene.change_task(csv_entity_type="person")

    with pytest.raises(TaskChangedError) as refused:
        scene.ingest(processing=0.1)

    assert 'task_config.csv_entity_type: was "company", is "person"' in str(refused.value)
    assert scene.task_config["csv_entity_type"] == "person"
    assert scene.bought == 0
    for document in scene.sandbox.world.own.reference["file"].values():
        document["processing_seconds"] = 0
    assert scene.ingest().error is None  # a person has seen the difference
    assert scene.task_config["csv_entity_type"] == "person"


def test_a_task_that_is_changed_between_the_check_and_the_start_is_not_started(scene: IngestScene) -> None:
    """The very moment before the change: the file is at Linkt, and the execution is claimed."""
    changes = scene.sandbox.world.own.put_reference

    def meddle(kind: str, item: dict) -> None:
        changes(kind, item)
        if kind == "file":
            task = scene.sandbox.world.own.reference["task"][fair().task_id]
            changes("task", {**task, "task_config": {**task["task_config"], "file_id": "6964b7985a4d0beef10000aa"}})

    scene.sandbox.world.own.put_reference = meddle

    with pytest.raises(TaskChangedError, match='is "6964b7985a4d0beef10000aa"'):
        scene.ingest()

    assert scene.bought == 0
    assert scene.states() == ["refused"]
    assert scene.task_config["file_id"] == "6964b7985a4d0beef10000aa"
    scene.sandbox.world.own.put_reference = changes
    assert scene.ingest().error is None
    assert (scene.uploads, scene.bought) == (1, 1)


def test_an_open_run_of_the_task_keeps_its_file(scene: IngestScene) -> None:
    scene.sandbox.inject("run_life=600")
    (outcome,) = scene.execute(fair(max_wait="50ms", parameters={"input_entities": []}))
    assert outcome.error is not None
    before = scene.task_config

    with pytest.raises(TaskBusyError, match="still open"):
        scene.ingest()

    assert scene.task_config == before
    assert scene.uploads == 0


def test_a_run_that_somebody_started_for_the_file_after_a_crash_is_the_files_run(scene: IngestScene) -> None:
    scene.sandbox.inject("http_403=no@execute")
    with pytest.raises(LinktPipelineError):
        scene.ingest()
    assert scene.state() == "configured"
    (outcome,) = scene.execute(fair(parameters={"input_entities": []}))  # linkt-pipeline run

    ingested = scene.ingest()

    assert not ingested.bought
    assert ingested.run.id == outcome.run.id
    assert scene.bought == 1


def test_a_run_of_a_file_that_somebody_else_has_set_is_not_taken_for_the_files_run(scene: IngestScene) -> None:
    scene.sandbox.inject("http_403=no@execute")
    with pytest.raises(LinktPipelineError):
        scene.ingest()
    scene.change_task(file_id=next(iter(scene.sandbox.world.own.reference["file"])))
    (outcome,) = scene.execute(fair(parameters={"input_entities": []}))

    with pytest.raises(RunUnclearError, match="It is unclear which of the two files"):
        scene.ingest()
    assert scene.bought == 1
    ingested = scene.ingest(again=True)

    assert ingested.run.id != outcome.run.id
    assert (scene.bought, scene.task_config["file_id"]) == (2, ingested.ingest.file_id)


@pytest.mark.parametrize("whose", ["task", "all"])
def test_a_limit_that_leaves_too_little_stops_before_the_upload(scene: IngestScene, whose: str) -> None:
    cost = scene.ingest().run.credits
    other = scene.file.with_name("other.csv")
    other.write_text("company_name\n" + "".join(f"Company {n}\n" for n in range(300)))
    limit = cost * 50

    task = fair(monthly_credit_limit=limit) if whose == "task" else fair()
    worker = {"common": CommonSettings(monthly_credit_limit=limit)} if whose == "all" else {}
    with pytest.raises(CreditLimitReachedError, match="so nothing was sent"):
        scene.ingest(other, task=task, worker=worker)

    assert (scene.uploads, scene.bought) == (1, 1)


def test_over_budget_is_written_into_the_ledger(scene: IngestScene) -> None:
    task = fair(monthly_credit_limit=0)
    with pytest.raises(CreditLimitReachedError):
        scene.ingest(task=task)

    assert scene.ingest(task=task, worker={"over_budget_by": "user ada"}).error is None
    assert [row.over_budget_by for row in scene.rows()] == ["user ada"]


def test_what_does_not_fit_is_refused_before_anything_is_written(scene: IngestScene) -> None:
    with pytest.raises(FileRefusedError, match="with --primary-column among: company_name, website"):
        scene.ingest(primary_column="firm")
    with pytest.raises(TaskUnfitError, match="flow is 'search'"):
        scene.ingest(task=fair(task_id=SEARCH_TASK), primary_column="company_name")

    assert scene.query("from linkt.ingests") == []
    assert scene.seen == {"upload_file": 0, "update_task": 0, "execute": 0}
