"""The component: scaffolded, loaded from YAML, and clear about mistakes."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster.components.testing import DefsFolderSandbox, create_defs_folder_sandbox

from linkt_pipeline import LinktPipelineComponent
from linkt_pipeline.errors import ConfigError
from linkt_pipeline.settings import Settings


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[DefsFolderSandbox]:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LINKT_{name.upper()}", raising=False)
    with create_defs_folder_sandbox() as sandbox:
        yield sandbox


def load(folder: DefsFolderSandbox, path: Path) -> dg.Definitions:
    with folder.load_component_and_build_defs(defs_path=path) as (component, definitions):
        assert isinstance(component, LinktPipelineComponent)
        return definitions


def test_it_is_registered_where_dg_looks() -> None:
    [found] = [each for each in entry_points(group="dagster_dg_cli.registry_modules") if each.name == "linkt_pipeline"]
    module = found.load()
    assert module.LinktPipelineComponent is LinktPipelineComponent
    assert "LinktPipelineComponent" in dir(module)


def test_every_attribute_is_described() -> None:
    properties = LinktPipelineComponent.get_model_cls().model_json_schema()["properties"]
    parameters = {"tasks", "data_dir", "sql_dir", "api_key", "key_prefix", "group_prefix", "owners", "automation"}
    assert set(properties) == {*parameters, "settings"}
    assert [name for name, value in properties.items() if not value.get("description")] == []


def test_what_is_scaffolded_is_the_sandbox_and_keeps_a_tasks_file(folder: DefsFolderSandbox) -> None:
    path = folder.scaffold_component(LinktPipelineComponent, defs_path="linkt")
    definitions = load(folder, path)
    paid = definitions.resolve_asset_graph().get(dg.AssetKey(["linkt", "executions"]))
    assert str(folder.project_root / "data" / "linkt" / "sandbox") in str(paid.description)

    (path / "tasks.yaml").write_text("tasks:\n  mine: {task_id: 6964b9b45a4d0beef1000031}\n")
    folder.scaffold_component(LinktPipelineComponent, defs_path="linkt")
    paid = load(folder, path).resolve_asset_graph().get(dg.AssetKey(["linkt", "executions"]))
    assert paid.partitions_def.get_partition_keys() == ["mine"]


def test_attributes_reach_the_definitions_and_the_key_is_not_shown(
    folder: DefsFolderSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_KEY", "sk-of-acme-5f2d")
    attributes = {
        "tasks": {"saas": {"task_id": "6964b9b45a4d0beef1000031"}},
        "data_dir": "here",
        "api_key": "{{ env.ACME_KEY }}",
        "key_prefix": "acme",
        "owners": ["team:growth"],
        "automation": "conditions",
        "settings": {"requests_per_minute": 5},
    }
    path = folder.scaffold_component(
        LinktPipelineComponent,
        defs_path="linkt",
        defs_yaml_contents={"type": "linkt_pipeline.LinktPipelineComponent", "attributes": attributes},
    )
    with folder.load_component_and_build_defs(defs_path=path) as (component, definitions):
        assert isinstance(component, LinktPipelineComponent)
        assert component.api_key == "sk-of-acme-5f2d"
        assert "sk-of-acme-5f2d" not in repr(component)
    snapshot = next(spec for spec in definitions.resolve_all_asset_specs() if spec.key.path[-1] == "snapshot")
    assert snapshot.key.path[0] == "acme"
    assert list(snapshot.owners) == ["team:growth"]
    assert snapshot.metadata["dagster/uri"] == (path / "here" / "published" / "warehouse.duckdb").as_uri()
    assert not [sensor for sensor in definitions.sensors or () if sensor.name.endswith("follow_new_data")]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "a value": ({"data_dir": "here", "key_prefix": "a b"}, "defs.yaml:3: attributes.key_prefix: 'a b' may hold"),
    "a value within": ({"tasks": {"saas": {"task_id": "x"}}}, "defs.yaml:4: attributes.tasks.saas.task_id: "),
    "a file": ({"tasks": "gone.yaml"}, "defs.yaml:2: attributes.tasks: there is no file "),
}


@pytest.mark.parametrize(("attributes", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_file_line_and_attribute(
    folder: DefsFolderSandbox, attributes: dict[str, Any], told: str
) -> None:
    path = folder.scaffold_component(
        LinktPipelineComponent,
        defs_path="linkt",
        defs_yaml_contents={"type": "linkt_pipeline.LinktPipelineComponent", "attributes": attributes},
    )
    with pytest.raises(Exception) as raised:  # noqa: PT011 Dagster wraps it
        load(folder, path)
    error: BaseException | None = raised.value
    while error is not None and not isinstance(error, ConfigError):
        error = error.__cause__ or error.__context__
    assert told in str(error)


@pytest.mark.slow
def test_dg_itself_lists_scaffolds_and_checks(tmp_path: Path) -> None:
    """In a project made by ``create-dagster``; both commands are no part of the installation."""
    if not (shutil.which("dg") and shutil.which("create-dagster")):
        pytest.skip("dagster-dg-cli and create-dagster are not installed: pip install dagster-dg-cli create-dagster")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LINKT_")}
    environment["PYTHONPATH"] = str(tmp_path / "team" / "src")

    def call(*command: str, cwd: Path = tmp_path / "team", code: int = 0) -> str:
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    call("create-dagster", "project", "team", "--no-uv-sync", cwd=tmp_path)
    assert "linkt_pipeline.LinktPipelineComponent" in call("dg", "list", "components", "--json")
    call("dg", "scaffold", "defs", "linkt_pipeline.LinktPipelineComponent", "linkt")
    assert "validated successfully" in call("dg", "check", "yaml")
    assert "loaded successfully" in call("dg", "check", "defs")
    assert "marts/companies" in call("dg", "list", "defs", "--json")
    file = tmp_path / "team" / "src" / "team" / "defs" / "linkt" / "defs.yaml"
    file.write_text(file.read_text() + "  automatio: false\n")
    told = call("dg", "check", "yaml", code=1)
    assert "defs.yaml:6" in told
    assert "automatio" in told
