"""Files of a folder as partitions: a sensor adds them, a person starts them, and nothing is bought twice."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from linkt_pipeline.assets.ingests import build_ingest_watcher, file_partitions
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.sandbox.world.reference_data import INGEST_TASK
from tests.assets.deployment import Deployment, failures, figures, materializations
from tests.workbooks import workbook

pytestmark = pytest.mark.slow

FILES = "ingest_files"


@pytest.fixture
def folder(deployment: Deployment) -> Path:
    folder = deployment.settings.ingest_folder / "fair"
    folder.mkdir(parents=True)
    (folder / "spring.csv").write_text("company_name\nLarkspur Dynamics\nUnknown\n")
    return folder


def look(deployment: Deployment) -> dg.SensorResult | dg.SkipReason:
    """One tick of the sensor, with what it asks for done as the daemon does it."""
    sensor = build_ingest_watcher(Placement(), Backend(deployment.settings), deployment.tasks)
    with dg.build_sensor_context(instance=deployment.instance) as context:
        found = sensor(context)
    if isinstance(found, dg.SensorResult):
        assert not found.run_requests
        for request in found.dynamic_partitions_requests or []:
            deployment.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    return found


def materialize(
    deployment: Deployment, *files: str, config: Mapping[str, Any] | None = None
) -> dg.ExecuteInProcessResult:
    return deployment.definitions.resolve_job_def("ingest_and_publish").execute_in_process(
        instance=deployment.instance,
        raise_on_error=False,
        tags={
            "dagster/asset_partition_range_start": files[0],
            "dagster/asset_partition_range_end": files[-1],
        },
        run_config={"ops": {"linkt__ingests": {"config": dict(config or {})}}},
        asset_selection=[Placement().ingests],
    )


def test_the_sensor_adds_each_new_file_once_and_starts_nothing(deployment: Deployment, folder: Path) -> None:
    (folder / "notes.txt").write_text("no file to ingest")
    (folder / ".hidden.csv").write_text("company_name\nX\n")
    (folder / "~$autumn.xlsx").write_text("written while somebody has the workbook open")
    (folder.parent / "nobody").mkdir()
    (folder.parent / "nobody" / "lost.csv").write_text("company_name\nX\n")

    look(deployment)
    assert isinstance(look(deployment), dg.SkipReason)
    (folder / "autumn.xlsx").write_bytes(workbook(["company_name"], ["Moorgate Cranes"]))
    look(deployment)

    assert file_partitions(Placement()).name == FILES
    assert deployment.instance.get_dynamic_partitions(FILES) == ["fair/spring.csv", "fair/autumn.xlsx"]
    assert deployment.sandbox.run_count() == 0
    assert deployment.instance.get_runs_count() == 0


def test_a_partition_is_ingested_once_however_often_it_is_materialized(
    deployment: Deployment, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(deployment)

    first = materialize(deployment, "fair/spring.csv", config={"again": True})
    second = materialize(deployment, "fair/spring.csv")
    with monkeypatch.context() as patch:  # Re-execute, as the UI makes such a run
        create = partial(deployment.instance.create_run_for_job, root_run_id=first.run_id, parent_run_id=first.run_id)
        patch.setattr(deployment.instance, "create_run_for_job", create)
        repeated = materialize(deployment, "fair/spring.csv", config={"again": True})

    assert first.success, failures(first)
    assert second.success, failures(second)
    assert repeated.success, failures(repeated)
    made = [figures(materializations(each)["linkt/ingests:fair/spring.csv"]) for each in (first, second, repeated)]
    assert [each["bought"] for each in made] == [True, False, False]
    assert len({each["run_id"] for each in made}) == 1
    assert deployment.sandbox.run_count() == 1
    assert made[0]["rows"] == 2
    assert deployment.sandbox.world.requests.count("upload_file") == 1


def test_several_files_go_one_after_the_other_and_a_bad_one_stops_no_other(
    deployment: Deployment, folder: Path
) -> None:
    (folder / "bad.csv").write_text("company_name;city\nLarkspur;Oslo\n")
    (folder / "cranes.csv").write_text("company_name\nMoorgate Cranes\n")
    look(deployment)

    result = materialize(deployment, "fair/bad.csv", "fair/spring.csv")

    assert not result.success
    assert "fair/bad.csv: bad.csv can't be ingested" in failures(result)["linkt__ingests"]
    assert deployment.sandbox.run_count(INGEST_TASK) == 2, failures(result)
    recorded = deployment.instance.get_materialized_partitions(Placement().ingests)
    assert recorded == {"fair/cranes.csv", "fair/spring.csv"}


def test_a_partition_that_names_no_file_of_a_task_sends_nothing(deployment: Deployment) -> None:
    deployment.instance.add_dynamic_partitions(FILES, ["fair/../../secrets.csv"])

    result = materialize(deployment, "fair/../../secrets.csv")

    assert "names no file of an entry of tasks.yaml" in failures(result)["linkt__ingests"]
    assert deployment.sandbox.world.requests.count("upload_file") == 0
