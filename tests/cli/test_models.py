"""``models``: what a mistake in a file says, what it leaves out, and how the command then ends."""

import shutil
from pathlib import Path

import pytest

from linkt_pipeline.cli.dagster_run import FailedCheck, JobResult
from linkt_pipeline.cli.execution import report_failures
from linkt_pipeline.cli.main import run_command
from tests.paths import PROJECT_ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of sql/ that a test may change."""
    shutil.copytree(PROJECT_ROOT / "sql", tmp_path / "sql")
    monkeypatch.setattr("linkt_pipeline.cli.models.BUILT_IN_SQL", tmp_path / "sql")
    return tmp_path / "sql"


def test_check_of_files_without_a_mistake(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["models", "--check"]) == 0
    assert "models and" in capsys.readouterr().out


def test_check_tells_every_mistake_once_and_what_it_leaves_out(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "marts" / "My Model.sql").write_text("select 1")
    (project / "marts" / "a.sql").write_text("-- description: d\n-- grain: g\nselect x from marts.compnies")
    (project / "marts" / "b.sql").write_text("-- description: d\n-- grain: g\nselect x from marts.a")
    (project / "checks" / "c.sql").write_text("-- description: d\n-- model: marts.companies\nselect nosuch")

    code = run_command(["models", "--check"])

    told = capsys.readouterr()
    assert code == 2
    assert told.out == ""
    errors = [line for line in told.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3
    assert f"error: {project}/marts/a.sql:3: unknown table 'marts.compnies'; did you mean 'marts.companies'" in told.err
    assert "rename the file to 'my_model.sql'" in told.err
    assert "checks/c.sql" in told.err
    assert "everything else is built: marts.a, marts.b" in told.err


def test_the_list_shows_what_can_be_built(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "marts" / "people.sql").write_text("selec")
    assert run_command(["models"]) == 2
    told = capsys.readouterr()
    assert "  companies" in told.out
    assert "  people " not in told.out


def test_a_job_tells_stale_models_once(capsys: pytest.CaptureFixture[str]) -> None:
    checks = (
        FailedCheck("marts.a: file", "a.sql:3: a typo", holds_back=False),
        FailedCheck(
            "published.snapshot: models_current", "published as last built:\nmarts.a: a typo", holds_back=False
        ),
        FailedCheck("linkt.runs: runs_key", "3 offending rows", holds_back=True),
    )
    report_failures(JobResult("d1", True, (), checks, {}))
    assert capsys.readouterr().err.splitlines() == [
        "error: published as last built:",
        "marts.a: a typo",
        "error: check failed, nothing wrong was published: linkt.runs: runs_key",
    ]
