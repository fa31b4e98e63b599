"""Queries that return offending rows, as Dagster asset checks with those rows shown."""

from collections.abc import Iterable
from contextlib import suppress

import dagster as dg
import duckdb

from linkt_pipeline.assets.metadata import bounded
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.previews import rows_markdown
from linkt_pipeline.transform import Check, CheckResult, ModelError, Severity, Verdict, run_check
from linkt_pipeline.warehouse.errors import WarehouseError
from linkt_pipeline.warehouse.outbox_state import Checked, are_checks_news, tell_checks
from linkt_pipeline.warehouse.warehouse import Warehouse

_SEVERITY = {Severity.ERROR: dg.AssetCheckSeverity.ERROR, Severity.WARN: dg.AssetCheckSeverity.WARN}


def check_spec(placement: Placement, check: Check) -> dg.AssetCheckSpec:
    """The check as Dagster knows it; an error-level one keeps its asset's children from building on wrong data."""
    return dg.AssetCheckSpec(
        check.name,
        asset=placement.asset_key(check.model),
        description=check.description,
        blocking=holds_back(check),
    )


def holds_back(check: Check) -> bool:
    """Whether nothing is published while the check fails."""
    # A typo in a check of a landed table must not stop landing. A model whose check can't run may be wrong.
    return check.severity is Severity.ERROR and not (check.problem and check.model.schema == "linkt")


def note_red_checks(
    warehouse: Warehouse, checks: Iterable[Check], found: Iterable[dg.AssetCheckResult], dagster_run_id: str
) -> None:
    """Record which error-level checks have turned red, so that an alert reports them; writes nothing if none has.

    If the warehouse can't be written, the next look records them; nothing else fails.
    """
    outcome = error_checks(checks, found)
    with suppress(WarehouseError):
        with warehouse.read() as con:
            news = are_checks_news(con, outcome)
        if news:
            with warehouse.write(news=False) as con:
                tell_checks(con, outcome, dagster_run_id)


def error_checks(checks: Iterable[Check], found: Iterable[dg.AssetCheckResult]) -> Checked:
    """What came out of those of error level, as the outbox takes it."""
    return {
        _told_as(check): None if result.passed else _offending(result)
        for check, result in zip(checks, found, strict=True)
        if check.severity is Severity.ERROR
    }


def error_check_names(checks: Iterable[Check]) -> set[str]:
    """Those of error level, as the outbox calls them."""
    return {_told_as(check) for check in checks if check.severity is Severity.ERROR}


def _told_as(check: Check) -> str:
    return f"{check.model}: {check.name}"


def _offending(result: dg.AssetCheckResult) -> int:
    counted = result.metadata.get("offending_rows") if result.metadata else None
    value = getattr(counted, "value", counted)
    return value if isinstance(value, int) else 0


def checked(placement: Placement, con: duckdb.DuckDBPyConnection, check: Check) -> dg.AssetCheckResult:
    """Run a check; one that can't be run, such as on a table that was never built, counts as failed."""
    try:
        return check_result(placement, run_check(con, check))
    except ModelError as error:
        return unusable_check_result(placement, check, str(error))


def check_result(placement: Placement, result: CheckResult) -> dg.AssetCheckResult:
    """What a check found, with the first offenders as a table."""
    offenders = {}
    if not result.passed:
        offenders["first_offenders"] = dg.MetadataValue.md(rows_markdown(result.columns, result.sample))
    return dg.AssetCheckResult(
        asset_key=placement.asset_key(result.check.model),
        check_name=result.check.name,
        passed=result.passed,
        severity=_SEVERITY[result.check.severity],
        description=None if result.passed else f"{result.offending} offending rows",
        metadata=bounded({"offending_rows": result.offending, **offenders}),
    )


def kept_check_result(placement: Placement, check: Check, verdict: Verdict) -> dg.AssetCheckResult:
    """The result of a check that need not run again. Without a result Dagster would show the check as skipped."""
    return dg.AssetCheckResult(
        asset_key=placement.asset_key(check.model),
        check_name=check.name,
        passed=True,
        severity=_SEVERITY[check.severity],
        metadata={"offending_rows": 0, "all_rows_read": dg.MetadataValue.timestamp(verdict.looked_at)},
    )


def unusable_check_result(placement: Placement, check: Check, reason: str) -> dg.AssetCheckResult:
    """A check that could not be run counts as failed, and says why."""
    return dg.AssetCheckResult(
        asset_key=placement.asset_key(check.model),
        check_name=check.name,
        passed=False,
        severity=_SEVERITY[check.severity],
        description=reason,
    )
