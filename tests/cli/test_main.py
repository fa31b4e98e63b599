"""The frame of the command: help, versions, and what a failure looks like."""

import builtins
import errno
import os
import re
import sqlite3
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import pytest

from linkt_pipeline import __version__
from linkt_pipeline.api import (
    AuthenticationError,
    ForeignNotFoundError,
    NotFoundError,
    RequestNotSentError,
    UnexpectedRedirectError,
)
from linkt_pipeline.cli import main as cli_main
from linkt_pipeline.cli.main import COMMANDS, cli, run_command
from linkt_pipeline.errors import ConfigError, LinktPipelineError

HEAVY = ("dagster", "duckdb", "polars", "pydantic", "httpx", "rich", "linkt_pipeline.settings", "linkt_pipeline.tasks")


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from linkt_pipeline.cli.main import run_command; code = run_command(['--help']); "
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True).stdout
    assert out.splitlines()[-1] == "loaded: [] 0"


def test_help_names_every_subcommand_and_the_exit_codes(capsys):
    assert run_command(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)
    assert "0 done, 1 a run or a load failed, 2 wrong usage or configuration" in " ".join(out.split())


def test_version(capsys):
    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"linkt-pipeline, version {__version__}"


def walk(name: str, command: click.Command):
    yield name, command
    if isinstance(command, click.Group):
        for child, subcommand in command.commands.items():
            yield from walk(f"{name} {child}", subcommand)


EVERY_COMMAND = [found for name in COMMANDS for found in walk(name, cli.get_command(click.Context(cli), name))]


@pytest.mark.parametrize(("name", "command"), EVERY_COMMAND, ids=[name for name, _ in EVERY_COMMAND])
def test_each_subcommand_explains_itself_with_an_example(name, command):
    assert "Example" in (command.help or "")
    assert f"linkt-pipeline {name.split()[0]}" in (command.help or "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["qurey", "select 1"], "qurey"),
        (["query"], "SQL"),
        (["query", "select 1", "--format", "xml"], "xml"),
        (["run", "a", "--everything"], "--everything"),
        (["sync", "--since", "yesterday"], "yesterday"),
        (["ui", "--port", "0"], "0"),
    ],
)
def test_wrong_usage_exits_2_and_names_the_word(arguments, named, capsys):
    assert run_command(arguments) == 2
    assert named in capsys.readouterr().err


@pytest.fixture
def failing_with(monkeypatch):
    """Give the command a subcommand ``fail`` that raises."""

    def install(error: BaseException) -> None:
        @click.command("fail")
        def fail() -> None:
            raise error

        module = ModuleType("failing")
        module.fail = fail
        monkeypatch.setitem(sys.modules, "failing", module)
        monkeypatch.setitem(COMMANDS, "fail", cli_main.Subcommand("fail", "fail", "Fails."))
        monkeypatch.setitem(cli_main._ELSEWHERE, "fail", "failing")

    return install


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LinktPipelineError("a load failed"), 1),
        (ConfigError("a setting is wrong"), 2),
        (AuthenticationError("wrong key", status=401), 2),
        (RequestNotSentError("no such host"), 2),
        (UnexpectedRedirectError("another host", status=301), 2),
        (ForeignNotFoundError("no answer of Linkt's", status=404), 2),
        (NotFoundError("gone", status=404), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_expected_error_is_its_message_and_its_exit_code(failing_with, capsys, error, code):
    failing_with(error)
    assert run_command(["fail"]) == code
    captured = capsys.readouterr()
    assert captured.err == f"error: {error}\n"
    assert captured.out == ""


def test_ctrl_c_exits_130_and_says_that_linkt_runs_go_on(failing_with, capsys):
    failing_with(KeyboardInterrupt())
    assert run_command(["fail"]) == 130
    err = capsys.readouterr().err
    assert "go on and are adopted next time" in err
    assert "linkt-pipeline run" in err


def test_a_mistake_of_the_product_is_one_line_and_how_to_see_more(failing_with, capsys):
    failing_with(ZeroDivisionError("division by zero"))
    assert run_command(["fail"]) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in err
    assert "LINKT_DEBUG=1" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/report.html"),
            "No space left on device (/data/report",
        ),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "Read-only file system"),
        (sqlite3.OperationalError("database or disk is full"), "database or disk is full (in Dagster's history)"),
    ],
    ids=["full", "read-only", "SQLite"],
)
def test_a_disk_that_is_full_is_no_mistake_of_the_product(failing_with, capsys, monkeypatch, tmp_path, error, said):
    monkeypatch.setenv("LINKT_DATA_DIR", str(tmp_path / "not yet" / "made"))
    wrapped = RuntimeError("(sqlite3.OperationalError) [SQL: insert into event_logs ...]")
    wrapped.__cause__ = error
    failing_with(wrapped)
    assert run_command(["fail"]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert re.search(r"not yet/made/sandbox has [\d,.]+ of [\d,.]+ MB free", err)
    assert "linkt-pipeline sync" in err
    assert "mistake" not in err
    assert "SQL:" not in err


def refusing(open_or_stat, refused):
    """The system's function, which refuses this path and what is below it, as it does to a user without rights."""

    def call(path, *arguments, **named):
        if isinstance(path, str | os.PathLike) and Path(path).is_relative_to(refused):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return open_or_stat(path, *arguments, **named)

    return call


def test_settings_that_may_not_be_read_are_told_as_what_failed(capsys, monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("LINKT_REQUESTS_PER_MINUTE=60\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "open", refusing(open, ".env"))
    assert run_command(["query", "select 1"]) == 1
    err = capsys.readouterr().err
    assert "a file can't be read or written: Permission denied (.env)." in err
    assert "MB free" not in err


def test_a_data_folder_that_may_not_be_looked_into_is_told_without_figures(capsys, monkeypatch, tmp_path):
    closed = tmp_path / "closed"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINKT_DATA_DIR", str(closed / "data"))
    monkeypatch.setattr(os, "stat", refusing(os.stat, closed))
    assert run_command(["query", "select 1"]) == 1
    err = capsys.readouterr().err
    assert f"a file can't be read or written: Permission denied ({closed}" in err
    assert "MB free" not in err


def test_a_failure_is_told_even_where_the_settings_are_wrong_as_well(failing_with, capsys, monkeypatch):
    monkeypatch.setenv("LINKT_BASE_URL", "no url")
    failing_with(ZeroDivisionError("division by zero"))
    assert run_command(["fail"]) == 1
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err


def test_with_linkt_debug_the_mistake_is_raised(failing_with, monkeypatch):
    failing_with(ZeroDivisionError("division by zero"))
    monkeypatch.setenv("LINKT_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run_command(["fail"])


def test_every_registered_subcommand_can_be_loaded():
    for name, found in COMMANDS.items():
        module = cli_main._ELSEWHERE.get(name, f"linkt_pipeline.cli.{found.module}")
        assert isinstance(getattr(import_module(module), found.attribute), click.Command)
