"""``linkt-pipeline alerts``."""

from datetime import UTC, datetime

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import echo

_TEST_TITLE = "Test alert of linkt-pipeline"


@click.group("alerts", invoke_without_command=True)
@click.pass_context
def alerts(ctx: click.Context) -> None:
    """Show the channels that receive alerts, or send each of them a test alert.

    \b
    Examples:
      linkt-pipeline alerts
      linkt-pipeline alerts test
    """  # noqa: D301
    if ctx.invoked_subcommand is not None:
        return
    deployment = Deployment.from_environment()
    channels = deployment.common.alerts
    if not channels:
        echo(f"no alerts: {deployment.settings.active_tasks_file} names no channel (docs/alerts.md)")
        return

    from linkt_pipeline.alerts.delivery import states_of_channels
    from linkt_pipeline.cli.output import make_console
    from linkt_pipeline.cli.status_view import print_channels

    now = datetime.now(UTC)
    states = states_of_channels(deployment.warehouse, channels, now)
    print_channels(make_console(), states, now)
    for channel in channels:
        echo(f"{channel.name} receives: {', '.join(sorted(channel.on))}")


@alerts.command("test")
def test() -> int:
    """Send a test alert to every channel of tasks.yaml now, and show which channels took it.

    Exit codes: 0 all took it; 1 at least one did not; 2 there is no channel, or Apprise is not installed.

    \b
    Example:
      linkt-pipeline alerts test
    """  # noqa: D301
    deployment = Deployment.from_environment()
    channels = deployment.common.alerts

    from linkt_pipeline.alerts.errors import AppriseMissingError, NoChannelsError, NotSentError
    from linkt_pipeline.alerts.sending import is_installed, open_channel

    if not channels:
        raise NoChannelsError(deployment.settings.active_tasks_file)
    if not is_installed():
        raise AppriseMissingError
    failed = 0
    for channel in channels:
        text = f"Channel {channel.name} receives: {', '.join(sorted(channel.on))}."
        try:
            open_channel(channel)(_TEST_TITLE, text)
        except NotSentError as error:
            failed += 1
            echo(f"{channel.name}: not sent: {error}", err=True)
        else:
            echo(f"{channel.name}: sent")
    return 1 if failed else 0
