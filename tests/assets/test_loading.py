"""Loading the code location as Dagster does: quiet with tasks, in sandbox mode without, and clear when it can't."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from linkt_pipeline.assets.location import build_location
from linkt_pipeline.settings import Settings
from linkt_pipeline.tasks_yaml import load_tasks
from tests.assets.deployment import TASKS
from tests.paths import PROJECT_ROOT


def validate(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """``dagster definitions validate`` in ``folder``, without the variables of this machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LINKT_", "DAGSTER_"))}
    return subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(PROJECT_ROOT / "workspace.yaml")],
        cwd=folder,
        env={**inherited, "LINKT_DATA_DIR": str(folder / "data"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_definitions_validate_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "tasks.yaml").write_text(TASKS, encoding="utf-8")
    done = validate(tmp_path, LINKT_API_KEY="sk-test")
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "Validation successful" in told
    # Dagster speaks of its own command's successor; nothing of it concerns this code location.
    ours = [line for line in told.splitlines() if "warning" in line.lower() and "superseded" not in line.lower()]
    assert ours == []
    assert not (tmp_path / "data").exists(), "loading definitions writes nothing"


@pytest.mark.slow
def test_a_mistake_in_tasks_yaml_names_file_line_and_field(tmp_path: Path) -> None:
    (tmp_path / "tasks.yaml").write_text("tasks:\n  search: {task_id: nonsense}\n", encoding="utf-8")
    done = validate(tmp_path, LINKT_API_KEY="sk-test")
    assert done.returncode != 0
    assert "tasks.yaml:2: tasks.search.task_id" in done.stdout + done.stderr


def sandbox_definitions(folder: Path) -> dg.Definitions:
    settings = Settings(data_dir=folder / "data", api_key=None, use_sandbox=True)
    return build_location(settings, load_tasks(settings.active_tasks_file))


def test_without_key_and_tasks_it_is_the_sandbox_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LINKT_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    definitions = sandbox_definitions(tmp_path)
    paid = definitions.resolve_asset_graph().get(dg.AssetKey(["linkt", "executions"]))
    assert str(paid.description).startswith("**Sandbox mode:**")
    assert str(tmp_path / "data" / "sandbox") in str(paid.description)
    assert paid.tags["linkt/mode"] == "sandbox"
    assert "enterprise_saas_search" in paid.partitions_def.get_partition_keys()
    assert definitions.metadata["mode"].value == "sandbox (made-up data)"
    assert definitions.metadata["data_folder"].value == str(tmp_path / "data" / "sandbox")
