"""Entry point of ``linkt-pipeline``: finds the subcommand, and turns every failure into a line and an exit code."""

import _thread
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from threading import Timer
from typing import NamedTuple, NoReturn

import click

from linkt_pipeline import __version__
from linkt_pipeline.cli.output import echo
from linkt_pipeline.errors import LinktPipelineError

DEBUG_VARIABLE = "LINKT_DEBUG"
INTERRUPTED = 130  # 128 + SIGINT, as shells have it

_INTERRUPTED_TEXT = (
    "interrupted. Linkt runs that were started go on and are adopted next time: "
    "`linkt-pipeline run` waits for them again and buys nothing twice. To stop one: linkt-pipeline cancel RUN_ID"
)


class Subcommand(NamedTuple):
    """Where a subcommand lives, and its line in the help (so that the help imports none of them)."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "demo": Subcommand("demo", "demo", "Show everything on made-up data: no key, no credits."),
    "init": Subcommand("init", "init", "Make a project of your own: tasks.yaml, SQL models, files for Dagster."),
    "run": Subcommand("run", "run", "Execute tasks of tasks.yaml, land and publish what they find. Costs credits."),
    "ingest": Subcommand("ingest", "ingest", "Bring a CSV file to Linkt and have its rows researched. Costs credits."),
    "sync": Subcommand("sync", "sync", "Collect runs started elsewhere and everything pending. Free."),
    "status": Subcommand("status", "status", "Show what is open, pending, rejected, spent and published."),
    "query": Subcommand("query", "query", "Ask the published snapshot in SQL."),
    "lookup": Subcommand("lookup", "lookup", "Show what is known of a record of your CRM by its id there."),
    "report": Subcommand("report", "report", "Write one HTML page with charts of the published snapshot."),
    "ui": Subcommand("ui", "ui", "Start Dagster's web UI and daemon with this deployment's instance."),
    "runs": Subcommand("runs", "runs", "List runs of the warehouse, or those that Linkt lists now."),
    "schedules": Subcommand("schedules", "schedules", "List Linkt's own schedules and what they will cost."),
    "queue": Subcommand("queue", "queue", "Show how far a Linkt run has come."),
    "cancel": Subcommand("cancel", "cancel", "Cancel a Linkt run."),
    "adopt": Subcommand("adopt", "adopt", "Say by hand which Linkt run a task is waiting for."),
    "tasks": Subcommand("tasks", "tasks", "Show tasks.yaml, or write it from the API."),
    "models": Subcommand("models", "models", "Show the SQL models in build order, or check them."),
    "alerts": Subcommand("alerts", "alerts", "Show the channels that receive alerts, or send each a test alert."),
    "audit": Subcommand("audit", "audit", "Compute every mart a second time and show each figure that differs."),
    "erase": Subcommand("erase", "erase", "Remove a person, a company or a domain from everything here."),
    "compact": Subcommand("compact", "compact", "Shrink the warehouse by the space of its deleted rows."),
    "move": Subcommand("move", "move", "Move the warehouse from its file to a lake that hosts share, or back."),
    "sandbox": Subcommand("sandbox", "sandbox_command", "Serve only the stand-in for the Linkt API."),
}
_ELSEWHERE = {"sandbox": "linkt_pipeline.sandbox.process.command"}


class LazyGroup(click.Group):
    """A group whose subcommands are imported when they are called, not when the help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of :data:`COMMANDS`, which is the order of a first day with the product."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand, imported now."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found = COMMANDS[cmd_name]
        module = import_module(_ELSEWHERE.get(cmd_name, f"linkt_pipeline.cli.{found.module}"))
        command: click.Command = getattr(module, found.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, found.help) for name, found in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Settings come from the environment or a .env file: LINKT_API_KEY, LINKT_DATA_DIR, LINKT_TASKS_FILE, "
    "LINKT_BASE_URL. Exit codes: 0 done, 1 a run or a load failed, 2 wrong usage or configuration, 3 paid runs "
    "whose rows are not all landed and published (the same command finishes that and buys nothing).",
)
@click.version_option(__version__, prog_name="linkt-pipeline")
def cli() -> None:
    """Run Linkt research tasks and land every company, person and signal in DuckDB.

    \b
    Examples:
      linkt-pipeline demo                     everything on made-up data
      linkt-pipeline tasks pull               write tasks.yaml from your account
      linkt-pipeline run saas_search          execute a task, land and publish
      linkt-pipeline query "from marts.companies limit 10"
      linkt-pipeline ui                       the same in Dagster
    """  # noqa: D301


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its code; the only place that prints errors.

    Args:
        arguments: instead of ``sys.argv``.
    """
    sys.exit(run_command(arguments))


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit code: 0 done, 1 a run or load failed, 2 wrong usage or configuration, 3 paid runs whose rows are not
        all landed and published, 130 interrupted.
    """
    sys.unraisablehook = _interrupt_again
    try:
        result = cli.main(
            args=None if arguments is None else list(arguments), prog_name="linkt-pipeline", standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        return _end_interrupted(error)
    except Exception as error:
        if _was_interrupted(error):
            return _end_interrupted()
        if os.environ.get(DEBUG_VARIABLE):
            raise
        return _tell(error)
    return result if isinstance(result, int) else 0


def _end_interrupted(error: BaseException | None = None) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is heard; a further one would only break the way out
    from linkt_pipeline.cli.errors import StoppedFollowing

    text = next((str(found) for found in (error, error and error.__cause__) if isinstance(found, StoppedFollowing)), "")
    echo(text or _INTERRUPTED_TEXT, err=True)
    return INTERRUPTED


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether an interrupt caused an error: DuckDB turns an interrupt into an error."""
    from linkt_pipeline.cli.errors import DUCKDB_INTERRUPTED

    while error is not None:
        if isinstance(error, KeyboardInterrupt) or DUCKDB_INTERRUPTED in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _interrupt_again(lost: "sys.UnraisableHookArgs") -> None:
    """Send an interrupt once more if it hit a destructor: there Python drops it and prints a traceback."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        Timer(0.05, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(lost)


def _tell(error: Exception) -> int:
    from linkt_pipeline.cli.errors import DiskError, disk_error, exit_code_of

    if not isinstance(error, LinktPipelineError):
        error = disk_error(error, _root()) or error
    if isinstance(error, LinktPipelineError):
        if isinstance(error, DiskError):
            echo(err=True)  # apart from what Dagster's logger said about its lost events
        echo(f"error: {error}", err=True)
        return exit_code_of(error)
    echo(
        f"error: this is a mistake in linkt-pipeline itself: {type(error).__name__}: {error}\n"
        f"Nothing that was landed is lost. {DEBUG_VARIABLE}=1 before the same command shows where it happened.",
        err=True,
    )
    return 1


def _root() -> Path | None:
    """The deployment's folder; ``None`` if the settings, which may be what failed, can't be read."""
    from linkt_pipeline.settings import load_settings

    try:
        return load_settings().root
    except Exception:
        return None


if __name__ == "__main__":
    main()
