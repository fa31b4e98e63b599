"""What a refresh did, in counts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from linkt_pipeline.cli.output import echo

if TYPE_CHECKING:
    from linkt_pipeline.collection.refresh import Refreshed


def print_refresh(refreshed: "Refreshed") -> None:
    """What a person should know, and one line of counts."""
    for warning in refreshed.warnings:
        echo(f"warning: {warning}", err=True)
    echo(f"{'refreshed':<15}{refresh_text(refreshed.counts)}")


def refresh_text(counts: Mapping[str, Any]) -> str:
    """Such as ``3 ICPs with 12 requests: 1 new, 3 changed, 2 deleted, 0 restored``."""
    return (
        f"{counts['refreshed_icps']:,} ICPs with {counts['refresh_requests']:,} requests: "
        f"{counts['refreshed_new']:,} new, {counts['refreshed_changed']:,} changed, {counts['deleted']:,} deleted, "
        f"{counts['restored']:,} restored"
    )
