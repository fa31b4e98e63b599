"""Times that a person gives on the command line."""

from datetime import UTC, datetime

import click


def moment_of(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """The date or time that was given, as an aware time in UTC; a callback of click."""
    del context, parameter
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date such as 2026-01-31 or 2026-01-31T06:30 (UTC)") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def past_moment_of(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """As :func:`moment_of`, for a time that must not be in the future."""
    moment, now = moment_of(context, parameter, value), datetime.now(UTC)
    if moment is not None and moment > now:
        raise click.BadParameter(f"{moment:%Y-%m-%d %H:%M} UTC is in the future; it is {now:%Y-%m-%d %H:%M} UTC now")
    return moment
