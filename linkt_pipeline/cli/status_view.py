"""``status`` on screen."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from linkt_pipeline.alerts.errors import AppriseMissingError
from linkt_pipeline.alerts.sending import is_installed
from linkt_pipeline.alerts.state import ChannelState
from linkt_pipeline.cli.output import ago, echo, file_size, make_console, print_table, show
from linkt_pipeline.cli.progress import RESOURCES
from linkt_pipeline.cli.status_report import MonthlyCredits, StatusReport

if TYPE_CHECKING:
    from rich.console import Console

_DETAIL_WIDTH = 100
_LEFT = {
    "intended": "everything",
    "removed": "Dagster's history, and to write every file again",
    "forgotten": "to write every file again",
}
"""What is still to be done of an erasure, by its phase."""


def print_status(report: StatusReport) -> None:
    """Everything of the report, what needs attention first."""
    console = make_console()
    echo(f"warehouse      {report.warehouse}")
    echo(f"last sync      {ago(report.last_sync, report.as_of)}")
    if report.snapshot is None:
        echo("snapshot       none yet; `linkt-pipeline sync` publishes one")
    else:
        echo(f"snapshot       {report.snapshot} as of {show(report.snapshot_as_of)} UTC")
    disk = report.disk
    sizes = {"warehouse": disk.warehouse, "published": disk.published, "Dagster": disk.instance}
    echo(f"on disk        {', '.join(f'{name} {file_size(size)}' for name, size in sizes.items())}")
    _print_erasures(console, report)
    _print_stale_models(console, report)
    _print_executions(console, report)
    _print_resources(console, report)
    _print_credits(console, report)
    _print_usage(console, report)
    if report.alerts:
        print_channels(console, report.alerts, report.as_of)


def print_channels(console: "Console", channels: Sequence[ChannelState], now: datetime) -> None:
    """The state of the alert channels, and why a channel takes no alert."""
    print_table(
        console,
        "Alerts (`linkt-pipeline alerts test` tries each channel)",
        ("channel", "pending", "last sent", "failures", "next attempt", "last error"),
        (
            (
                row.channel,
                row.pending,
                ago(row.sent_at, now),
                row.failures,
                f"{show(row.next_attempt_at)} UTC" if row.next_attempt_at else None,
                _short(row.last_error),
            )
            for row in channels
        ),
        right=("pending", "failures"),
    )
    if not is_installed():
        echo(f"note: {AppriseMissingError()}")


def _print_erasures(console: "Console", report: StatusReport) -> None:
    if not report.unfinished_erasures:
        return
    print_table(
        console,
        "Erasures that are not finished (nothing of them is landed again)",
        ("erasure", "asked for", "since", "what is left"),
        (
            (row.erasure_id, row.kind, ago(row.since, report.as_of), _LEFT.get(row.phase, row.phase))
            for row in report.unfinished_erasures
        ),
    )
    for error in dict.fromkeys(row.last_error for row in report.unfinished_erasures):
        echo(f"why: {error or 'it was interrupted, or another process is at it right now'}")
    echo("`linkt-pipeline erase` goes on with them; so do `run`, `sync`, `compact` and `report`")


def _print_stale_models(console: "Console", report: StatusReport) -> None:
    if report.stale_models:
        print_table(
            console,
            "Models that can't be built (`linkt-pipeline models --check`); their tables are as last built",
            ("model", "last built", "since", "problem"),
            (
                (row.model, ago(row.built_at, report.as_of), ago(row.since, report.as_of), _short(row.problem))
                for row in report.stale_models
            ),
        )


def _print_executions(console: "Console", report: StatusReport) -> None:
    if not report.open_executions:
        echo("open runs      none")
        return
    print_table(
        console,
        "Open runs (adopted by the next `linkt-pipeline run TASK`, nothing is bought twice)",
        ("task", "state", "Linkt run", "status", "since", "last error"),
        (
            (row.task, row.state, row.run_id, row.run_status, ago(row.since, report.as_of), _short(row.last_error))
            for row in report.open_executions
        ),
    )


def _print_resources(console: "Console", report: StatusReport) -> None:
    if not report.resources:
        return
    counts = ("named", "landed", "pending", "missing", "rejected", "erased")
    print_table(
        console,
        "What runs named",
        ("", *counts),
        (
            (RESOURCES.get(name, name), *(getattr(row, count) for count in counts))
            for name, row in report.resources.items()
        ),
        right=counts,
    )
    if any(row.pending for row in report.resources.values()):
        echo("pending: `linkt-pipeline sync` fetches it")
    if sum(row.missing + row.rejected for row in report.resources.values()) > report.malformed_ids:
        echo("missing (404) or rejected: `linkt-pipeline sync --retry-missing` asks again")
    if report.malformed_ids:
        echo("malformed ids: Linkt can't be asked for them; the run's payload in linkt.runs shows what Linkt named")
    if report.rejected:
        print_table(
            console,
            "Rejected (payloads are in linkt.rejects)",
            ("", "ids", "reason", "for example"),
            (
                (RESOURCES.get(row.resource_type, row.resource_type), row.count, _short(row.reason), row.example_id)
                for row in report.rejected
            ),
            right=("ids",),
        )


def _print_credits(console: "Console", report: StatusReport) -> None:
    if report.credits_this_month:
        print_table(
            console,
            f"Credits in {_months(report)}",
            ("task", "credits", "estimated", "runs", "monthly limit"),
            (
                (row.task, row.credits, row.estimated_credits or None, row.runs, _limit(row))
                for row in report.credits_this_month
            ),
            right=("credits", "estimated", "runs", "monthly limit"),
        )
    if any(row.estimated_runs for row in report.credits_this_month):
        echo("estimated: runs that don't say what they cost or are still open, at the median of their task's runs")


def _months(report: StatusReport) -> str:
    """The month, as each zone has it: around midnight they differ."""
    zones = dict.fromkeys(row.timezone for row in report.credits_this_month)
    return " and ".join(f"{report.as_of.astimezone(ZoneInfo(zone)):%B %Y} ({zone})" for zone in zones)


def _limit(row: MonthlyCredits) -> str:
    if row.limit is None:
        return ""
    return f"{row.limit:g}" + (" (reached)" if row.limit_reached else "")


def _print_usage(console: "Console", report: StatusReport) -> None:
    usage = report.api_today
    of = f" of {usage.daily_limit:,} (LINKT_DAILY_REQUEST_LIMIT)" if usage.daily_limit else ""
    pace = f", at most {usage.requests_per_minute} a minute" if usage.requests_per_minute else ""
    title = f"API requests today (UTC): {usage.requests:,}{of}{pace}"
    if not usage.endpoints:
        echo(f"\n{title}")
        return
    print_table(
        console,
        title,
        ("endpoint", "requests", "errors"),
        ((row.endpoint, row.requests, row.errors) for row in usage.endpoints),
        right=("requests", "errors"),
    )


def _short(text: str | None) -> str:
    flat = " ".join((text or "").split())
    return flat if len(flat) <= _DETAIL_WIDTH else flat[: _DETAIL_WIDTH - 1] + "…"
