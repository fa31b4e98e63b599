"""Queries that return offending rows, as Dagster asset checks with those rows shown."""

import dagster as dg

from linkt_pipeline.assets.metadata import asset_key, bounded
from linkt_pipeline.assets.previews import rows_markdown
from linkt_pipeline.models import Check, CheckResult, Severity

_SEVERITY = {Severity.ERROR: dg.AssetCheckSeverity.ERROR, Severity.WARN: dg.AssetCheckSeverity.WARN}


def check_spec(check: Check) -> dg.AssetCheckSpec:
    """The check as Dagster knows it; an error-level one keeps its asset's children from building on wrong data."""
    return dg.AssetCheckSpec(
        check.name,
        asset=asset_key(check.model),
        description=check.description,
        blocking=check.severity is Severity.ERROR,
    )


def check_result(result: CheckResult) -> dg.AssetCheckResult:
    """What a check found, with the first offenders as a table."""
    offenders = {}
    if not result.passed:
        offenders["first_offenders"] = dg.MetadataValue.md(rows_markdown(result.columns, result.sample))
    return dg.AssetCheckResult(
        asset_key=asset_key(result.check.model),
        check_name=result.check.name,
        passed=result.passed,
        severity=_SEVERITY[result.check.severity],
        description=None if result.passed else f"{result.offending} offending rows",
        metadata=bounded({"offending_rows": result.offending, **offenders}),
    )


def unusable_check_result(check: Check, reason: str) -> dg.AssetCheckResult:
    """A check that could not be run counts as failed, and says why."""
    return dg.AssetCheckResult(
        asset_key=asset_key(check.model),
        check_name=check.name,
        passed=False,
        severity=_SEVERITY[check.severity],
        description=reason,
    )
