"""Models whose file can't be used, as assets that are red: a check that fails with the reason, and nothing built."""

from collections.abc import Iterator

import dagster as dg

from linkt_pipeline.assets.metadata import KINDS
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.transform import ModelFileError, ModelGraph

_CHECK = "file"


def quarantined_specs(placement: Placement, graph: ModelGraph) -> list[dg.AssetSpec]:
    """One asset for each model in quarantine, so that it stays in the graph with its history."""
    return [
        dg.AssetSpec(
            placement.asset_key(key),
            group_name=placement.group(key.schema),
            description=f"**Can't be built now.** Its last good build stays as it is.\n\n```\n{error}\n```",
            kinds={"sql", *KINDS},
            owners=[*placement.owners],
        )
        for key, error in graph.quarantined.items()
    ]


def quarantine_check_specs(placement: Placement, graph: ModelGraph) -> list[dg.AssetCheckSpec]:
    """A check for each of them; it holds nothing back."""
    return [
        dg.AssetCheckSpec(
            _CHECK,
            asset=placement.asset_key(key),
            description="Its file can be used, and so can the files of all it reads.",
        )
        for key in graph.quarantined
    ]


def quarantine_check_results(
    placement: Placement, context: dg.AssetExecutionContext, graph: ModelGraph
) -> Iterator[dg.AssetCheckResult]:
    """The failed checks of those that are selected."""
    for key, error in graph.quarantined.items():
        check = dg.AssetCheckKey(placement.asset_key(key), _CHECK)
        if check in context.selected_asset_check_keys:
            context.log.error(f"{key} is left out: {error}")
            yield _failed(check, error)


def _failed(check: dg.AssetCheckKey, error: ModelFileError) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=str(error),
    )
