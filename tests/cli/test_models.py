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
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("linkt_pipeline.settings.BUILT_IN_SQL", tmp_path / "sql")
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
        FailedCheck(("marts", "a"), "file", "a.sql:3: a typo", holds_back=False),
        FailedCheck(
            ("published", "snapshot"),
            "models_current",
            "published as last built:\nmarts.a: a typo",
            holds_back=False,
        ),
        FailedCheck(("linkt", "runs"), "runs_key", "3 offending rows", holds_back=True),
    )
    report_failures(JobResult("d1", True, (), checks, {}))
    assert capsys.readouterr().err.splitlines() == [
        "error: published as last built:",
        "marts.a: a typo",
        "error: check failed, nothing wrong was published: linkt.runs: runs_key",
    ]


def test_ones_own_lie_over_the_built_in_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["models", "--copy", "marts.signal_feed"]) == 0
    (tmp_path / "sql" / "marts" / "duplicates.sql").write_text("-- disabled: true\n")
    (tmp_path / "sql" / "marts" / "mine.sql").write_text(
        "-- description: d\n-- grain: one row.\nselect count(*) as n from marts.signal_feed"
    )
    capsys.readouterr()

    assert run_command(["models"]) == 0

    told = capsys.readouterr()
    lines = {line.split()[0]: line for line in told.out.splitlines() if line.startswith("  ")}
    assert lines["mine"].endswith("(own)")
    assert lines["signal_feed"].endswith("(own, in place of the built-in one)")
    assert "duplicates" not in lines
    assert "own" not in lines["people"].rpartition("(")[2]
    assert told.err == ""
    assert run_command(["models", "--test"]) == 0
    assert run_command(["models", "--copy", "marts.signal_feed"]) == 2
    assert run_command(["models", "--copy", "marts.nothing"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_named_folder_without_models_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LINKT_SQL_DIR", str(tmp_path / "sqll"))
    assert run_command(["models"]) == 2
    assert f"there are no SQL models in {tmp_path}/sqll" in capsys.readouterr().err
