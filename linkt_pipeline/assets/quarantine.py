"""Models whose file can't be used, as assets that are red: a check that fails with the reason, and nothing built."""

from collections.abc import Iterator

import dagster as dg

from linkt_pipeline.assets.metadata import KINDS, OWNERS, asset_key
from linkt_pipeline.transform import ModelFileError, ModelGraph, ModelKey

_CHECK = "file"


def quarantined_specs(graph: ModelGraph) -> list[dg.AssetSpec]:
    """One asset for each model in quarantine, so that it stays in the graph with its history."""
    return [
        dg.AssetSpec(
            asset_key(key),
            group_name=key.schema,
            description=f"**Can't be built now.** What its last good build left stays as it is.\n\n```\n{error}\n```",
            kinds={"sql", *KINDS},
            owners=OWNERS,
        )
        for key, error in graph.quarantined.items()
    ]


def quarantine_check_specs(graph: ModelGraph) -> list[dg.AssetCheckSpec]:
    """A check for each of them; it holds nothing back."""
    return [
        dg.AssetCheckSpec(
            _CHECK, asset=asset_key(key), description="Its file can be used, and so can the files of all it reads."
        )
        for key in graph.quarantined
    ]


def quarantine_check_results(context: dg.AssetExecutionContext, graph: ModelGraph) -> Iterator[dg.AssetCheckResult]:
    """The failed checks of those that are selected."""
    for key, error in graph.quarantined.items():
        if dg.AssetCheckKey(asset_key(key), _CHECK) in context.selected_asset_check_keys:
            yield _failed(context, key, error)


def _failed(context: dg.AssetExecutionContext, key: ModelKey, error: ModelFileError) -> dg.AssetCheckResult:
    context.log.error(f"{key} is left out: {error}")
    return dg.AssetCheckResult(
        asset_key=asset_key(key),
        check_name=_CHECK,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=str(error),
    )
