"""Where the assets of a deployment stand in Dagster: their keys, groups and owners, and names that go with those.

Two deployments in one code location differ in this alone, and so does a deployment beside assets of a host.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from linkt_pipeline.transform import ModelKey

OWNERS = ("team:data",)
_POOL = "linkt_warehouse"

# Every free step does what is pending, and every table exists from the start. So no step waits for a parent that was
# never materialized, such as the partitions of tasks that nobody has executed yet.
FOLLOWS = (
    dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing()).with_label("follows new data")
)


@dataclass(frozen=True)
class Placement:
    """Keys and names of one deployment.

    Args:
        key_prefix: put before every asset key and, joined with ``_``, before every name: of jobs, schedules, sensors,
            ops and the pool. The assets distinguish asset checks.
        group_prefix: put before every group.
        owners: of every asset, as Dagster writes them: an e-mail address or ``team:NAME``.
        condition: when free assets are materialized by themselves; None for never.
    """

    key_prefix: tuple[str, ...] = ()
    group_prefix: str = ""
    owners: Sequence[str] = OWNERS
    condition: dg.AutomationCondition[dg.AssetKey] | None = FOLLOWS

    def asset_key(self, table: ModelKey) -> dg.AssetKey:
        """The asset of a table: schema and name, behind the prefix."""
        return dg.AssetKey([*self.key_prefix, table.schema, table.name])

    @property
    def executions(self) -> dg.AssetKey:
        """The paid asset."""
        return self.asset_key(ModelKey("linkt", "executions"))

    @property
    def ingests(self) -> dg.AssetKey:
        """The asset of ingested files, which is paid too."""
        return self.asset_key(ModelKey("linkt", "ingests"))

    @property
    def paid(self) -> tuple[dg.AssetKey, ...]:
        """Every asset that costs credits."""
        return (self.executions, self.ingests)

    @property
    def paid_step(self) -> str:
        """The name of the paid asset's step."""
        return self.op("executions")

    @property
    def snapshot(self) -> dg.AssetKey:
        """The published copy."""
        return self.asset_key(ModelKey("published", "snapshot"))

    def name(self, text: str) -> str:
        """A name of Dagster's, which may hold letters, digits and ``_`` only."""
        return re.sub(r"\W", "_", "_".join([*self.key_prefix, text]), flags=re.ASCII)

    def op(self, text: str) -> str:
        """The name of a step, as Dagster makes one of a key; a host's asset may well be called ``runs``."""
        return re.sub(r"\W", "_", "__".join([*self.key_prefix, "linkt", text]), flags=re.ASCII)

    def group(self, schema: str) -> str:
        """The group of a schema's assets."""
        return f"{self.group_prefix}{schema}"

    @property
    def pool(self) -> str:
        """The pool of all steps that write the warehouse."""
        return self.name(_POOL)
