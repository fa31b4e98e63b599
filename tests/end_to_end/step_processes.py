"""A job of a deployment whose steps are processes of their own, as a host's executor may have it."""

import dagster as dg

from linkt_pipeline import build_definitions

_NAMES = ("executions", "runs")


def executing() -> dg.JobDefinition:
    """Execute tasks, and land their runs."""
    named = dg.AssetSelection.assets(*(dg.AssetKey(["linkt", name]) for name in _NAMES))
    apart = dg.multiprocess_executor.configured({"max_concurrent": 2})
    job = dg.define_asset_job("executing", named.required_multi_asset_neighbors(), executor_def=apart)
    return dg.Definitions.merge(build_definitions(), dg.Definitions(jobs=[job])).resolve_job_def("executing")
