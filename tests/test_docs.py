"""The documents say what the code does."""

import re
from pathlib import Path

import click
import dagster as dg
import pytest
from click.testing import CliRunner

from linkt_pipeline import build_definitions
from linkt_pipeline.cli.main import cli
from linkt_pipeline.cli.models import models
from linkt_pipeline.tasks_yaml import load_tasks
from linkt_pipeline.warehouse.migration import empty_warehouse
from tests.paths import PROJECT_ROOT

DOCUMENTS = sorted(
    [PROJECT_ROOT / "README.md", PROJECT_ROOT / "CONTRIBUTING.md", *(PROJECT_ROOT / "docs").glob("*.md")]
)


def test_the_reference_of_tables_is_up_to_date() -> None:
    printed = CliRunner().invoke(models, ["--markdown"], standalone_mode=False).output
    assert (PROJECT_ROOT / "docs" / "tables.md").read_text(encoding="utf-8") == printed, "run `make docs`"


def test_every_landed_table_and_column_has_a_description() -> None:
    with empty_warehouse() as con:
        bare = con.execute(
            "select table_name, column_name from duckdb_columns() where schema_name = 'linkt' and comment is null"
        ).fetchall()
    assert bare == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_named_files_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
    named = re.findall(r"`(tests/[\w/]+(?:\.py|/)|linkt_pipeline/[\w/]+\.py)`", text)
    missing = [target for target in targets if target and not (document.parent / target).exists()]
    missing += [name for name in named if not (PROJECT_ROOT / name).exists()]
    assert missing == []


def test_the_tasks_file_of_the_readme_is_accepted(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (PROJECT_ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "tasks.yaml"
    path.write_text(blocks[0], encoding="utf-8")
    assert list(load_tasks(path)) == ["enterprise_saas_search"]


@pytest.mark.parametrize("name", ["README.md", "docs/library.md"])
def test_examples_of_definitions_load_as_they_stand(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster refuses a module that holds two ``Definitions``, such as those it merges."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks.yaml").write_text("tasks: {search: {task_id: 507f1f77bcf86cd799439013}}\n", encoding="utf-8")
    text = (PROJECT_ROOT / name).read_text(encoding="utf-8")
    examples = [code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "build_definitions(" in code]
    assert examples
    for code in examples:
        module: dict[str, object] = {"dg": dg, "build_definitions": build_definitions}
        code = re.sub(r'"/srv/\w+/(tasks\.yaml|data)"', rf'"{tmp_path}/\1"', code)
        exec(compile(code, name, "exec"), module)
        [found] = [name for name, value in module.items() if isinstance(value, dg.Definitions)]
        assert found == "defs"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_only_commands_that_exist(document: Path) -> None:
    known = set(cli.list_commands(click.Context(cli)))
    named = set(re.findall(r"linkt-pipeline ([a-z]+)", document.read_text(encoding="utf-8")))
    assert named - known == set()
