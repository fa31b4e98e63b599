"""``linkt-pipeline init``: a folder that works at once, and that nothing is overwritten in."""

import re
import shutil
import tomllib

import pytest
from click.testing import CliRunner

from linkt_pipeline.cli import project_template
from linkt_pipeline.cli.init import init
from linkt_pipeline.cli.models import models
from linkt_pipeline.cli.tasks_file import TasksFile
from linkt_pipeline.settings import Settings, load_settings
from linkt_pipeline.tasks import CommonSettings, TaskSpec
from linkt_pipeline.tasks_yaml import _FileSpec, load_common, load_tasks

FILES = {
    *("tasks.yaml", "workspace.yaml", "pyproject.toml", "dagster.yaml", ".env.example", ".gitignore", "README.md"),
    *("sql/README.md", "sql/marts/industries.sql", "linkt_project/__init__.py", "linkt_project/definitions.py"),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LINKT_{name.upper()}", raising=False)
    done = CliRunner().invoke(init, ["research"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "cd research" in done.output
    monkeypatch.chdir(tmp_path / "research")
    return tmp_path / "research"


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_new_project_is_the_sandbox_and_lists_its_own_model(project):
    assert files(project) == FILES
    assert load_settings().sandbox
    listed = CliRunner().invoke(models, [], standalone_mode=False)
    assert re.search(r"^  industries .*\bown\b", listed.output, re.MULTILINE)
    assert re.search(r"^  companies ", listed.output, re.MULTILINE)


def test_what_pip_compiled_is_not_part_of_it(tmp_path, monkeypatch):
    template = tmp_path / "template"
    shutil.copytree(project_template.PROJECT_TEMPLATE, template)
    (template / "linkt_project" / "__pycache__").mkdir(exist_ok=True)
    (template / "linkt_project" / "__pycache__" / "definitions.cpython-311.pyc").write_bytes(b"")
    monkeypatch.setattr(project_template, "PROJECT_TEMPLATE", template)
    project_template.write_project(tmp_path / "research")
    assert files(tmp_path / "research") == FILES


def test_with_a_key_it_is_live_and_has_no_task_yet(project, monkeypatch):
    monkeypatch.setenv("LINKT_API_KEY", "sk-of-this-test")
    settings = load_settings()
    assert not settings.sandbox
    assert load_tasks(settings.active_tasks_file) == {}
    assert load_common(settings.active_tasks_file) == CommonSettings()


def test_definitions_load_by_its_workspace_and_pyproject(project):
    import dagster as dg
    from ruamel.yaml import YAML

    [found] = YAML(typ="safe").load((project / "workspace.yaml").read_text())["load_from"]
    toml = tomllib.loads((project / "pyproject.toml").read_text())
    modules = {found["python_module"]["module_name"], toml["tool"]["dagster"]["module_name"]}
    assert modules == {"linkt_pipeline.definitions"}
    assert toml["tool"]["dg"]["project"]["code_location_target_module"] == "linkt_project.definitions"

    from linkt_pipeline.assets.location import build_location

    settings = load_settings()
    graph = build_location(settings, load_tasks(settings.active_tasks_file)).resolve_asset_graph()
    assert graph.has(dg.AssetKey(["marts", "industries"]))
    assert not (project / "data").exists()


def test_nothing_is_overwritten(project):
    (project / "tasks.yaml").write_text("mine")
    (project / "README.md").unlink()
    done = CliRunner().invoke(init, ["."], catch_exceptions=False)
    assert "wrote README.md" in done.output
    assert "tasks.yaml" not in done.output
    assert (project / "tasks.yaml").read_text() == "mine"
    assert "nothing was written" in CliRunner().invoke(init, ["."], catch_exceptions=False).output


def test_every_setting_is_in_the_files_and_can_be_uncommented(project):
    text = re.sub(r"^#(?! \S)", "", (project / "tasks.yaml").read_text(), flags=re.MULTILINE)
    assert {name for name in _FileSpec.model_fields if not re.search(rf"^{name}:", text, re.MULTILINE)} == set()
    settings = set(TaskSpec.model_fields) - {"key"}
    assert {name for name in settings if not re.search(rf"^    {name}:", text, re.MULTILINE)} == set()
    (project / "tasks.yaml").write_text(text)
    assert load_tasks(project / "tasks.yaml")["enterprise_saas_search"].monthly_credit_limit == 500

    variables = set(re.findall(r"^#?LINKT_(\w+)=", (project / ".env.example").read_text(), re.MULTILINE))
    assert variables == {name.upper() for name in Settings.model_fields}


def test_tasks_are_added_below_the_comments(project):
    from linkt_pipeline.api import Task

    before = (project / "tasks.yaml").read_text()
    file = TasksFile.open(project / "tasks.yaml")
    file.add([Task.model_validate({"id": "6964b9b45a4d0beef1000031", "name": "SaaS", "flow_name": "search"})])
    file.write(project / "tasks.yaml")
    assert (project / "tasks.yaml").read_text().startswith(before)
    assert list(load_tasks(project / "tasks.yaml")) == ["saas"]
