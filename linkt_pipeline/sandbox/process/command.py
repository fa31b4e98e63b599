"""``linkt-pipeline sandbox`` and ``python -m linkt_pipeline.sandbox``."""

from pathlib import Path

import click

from linkt_pipeline.errors import LinktPipelineError


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65_535), default=8787, show_default=True, help="0 picks a free one.")
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the made-up world here, so that the next start continues the story. In memory if not given.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Decides every made-up thing.")
@click.option(
    "--speed", type=click.FloatRange(0.001), default=1.0, show_default=True, help="2: runs take half as long."
)
@click.option("--fault", "faults", multiple=True, metavar="FAULT", help="Let something go wrong; see --list-faults.")
@click.option("--requests-per-minute", type=click.IntRange(1), help="Answer 429 above this rate.")
@click.option(
    "--history-weeks", type=click.IntRange(0, 520), default=0, help="Scheduled runs a new world looks back on."
)
@click.option("--idle-minutes", type=click.FloatRange(0.001), help="Stop after so long without a request.")
@click.option("--list-faults", is_flag=True, help="Show the faults there are, and stop.")
def sandbox_command(
    port: int,
    state_dir: Path | None,
    seed: int,
    speed: float,
    faults: tuple[str, ...],
    requests_per_minute: int | None,
    history_weeks: int,
    idle_minutes: float | None,
    list_faults: bool,
) -> None:
    """Serve a stand-in for the Linkt API on loopback: made-up data, no credits.

    \b
    Examples:
      linkt-pipeline sandbox --port 8787
      linkt-pipeline sandbox --fault lost_reply --fault 'http_503=2@get_run*3'
    """  # noqa: D301 \b is click's mark for a paragraph kept as it is
    if list_faults:
        click.echo(describe_faults())
        return
    from linkt_pipeline.sandbox.process.serving import serve

    try:
        serve(
            port,
            state_dir and state_dir.absolute(),
            seed=seed,
            speed=speed,
            faults=faults,
            history_weeks=history_weeks,
            requests_per_minute=requests_per_minute,
            idle_minutes=idle_minutes,
            announce=click.echo,
        )
    except LinktPipelineError as error:
        click.echo(str(error), err=True)
        raise SystemExit(error.exit_code) from None


def describe_faults() -> str:
    """The faults, one a line, and how they are written."""
    from linkt_pipeline.sandbox.faults import KINDS

    width = max(map(len, KINDS))
    lines = [f"{name:<{width}}  {kind.description}" for name, kind in KINDS.items()]
    form = "NAME[=ARG][@ENDPOINT[:ID]][*TIMES][%PROBABILITY][+SKIP]; @any for every endpoint, *0 for ever, +2 skips two"
    return "\n".join([form, "", *lines])
