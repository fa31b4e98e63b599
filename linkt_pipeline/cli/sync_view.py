"""What a sync did, in counts."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from linkt_pipeline.cli.dagster_run import JobResult
from linkt_pipeline.cli.output import echo
from linkt_pipeline.cli.progress import RESOURCES
from linkt_pipeline.cli.refresh_view import refresh_text
from linkt_pipeline.transform import BuildMode
from linkt_pipeline.warehouse.queries import Settlement

_REBUILT = frozenset({BuildMode.FULL, BuildMode.INCREMENTAL})


def print_sync(result: JobResult, resources: Mapping[str, Settlement]) -> None:
    """One line each for runs, entities, signals, models and the snapshot; none for a step that failed or was skipped.

    Args:
        result: the Dagster run.
        resources: named ids by resource type and state, as they are now.
    """
    echo()
    for name, text in _lines(result.materialized, resources):
        echo(f"{name:<15}{text}")


def _lines(
    materialized: Mapping[str, Mapping[str, Any]], resources: Mapping[str, Settlement]
) -> Iterator[tuple[str, str]]:
    if runs := materialized.get("linkt.runs"):
        counts = {"landed": runs["landed"], "still going": runs["unfinished"], "gone": runs["gone"]}
        yield "runs", _listed(counts, always={"landed"})
    for resource, name in RESOURCES.items():
        if fetched := materialized.get(f"linkt.{name}"):
            changes = _listed({"new": fetched["inserted"], "changed": fetched["updated"]})
            landed = f"{fetched['landed']:,} landed" + (f" ({changes})" if changes else "")
            pending = resources.get(resource, Settlement()).pending
            rest = {"missing": fetched["missing"], "rejected": fetched["rejected"], "still pending": pending}
            yield name, f"{landed}, {_listed(rest, always={'missing', 'rejected'})}"
    if (fetched := materialized.get("linkt.entities")) and "refreshed_icps" in fetched:
        yield "refreshed", refresh_text(fetched)
    if modes := [asset["build"] for asset in materialized.values() if "build" in asset]:
        yield "models", f"{sum(mode in _REBUILT for mode in modes)} of {len(modes)} rebuilt"
    if snapshot := materialized.get("published.snapshot"):
        yield "published", f"{snapshot['path']} ({snapshot['rows']:,} rows in {snapshot['tables']} tables)"


def _listed(counts: Mapping[str, int], *, always: Collection[str] = ()) -> str:
    """Such as ``3 landed, 1 still going``; a count of 0 is left out unless it is ``always`` said."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name in always)
