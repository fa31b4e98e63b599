"""The published copy that BI tools read."""

from pathlib import Path

import dagster as dg

from linkt_pipeline.assets.checks import asset_key
from linkt_pipeline.assets.metadata import KINDS, OWNERS
from linkt_pipeline.assets.models import POOL
from linkt_pipeline.assets.resources import WarehouseResource
from linkt_pipeline.models import ModelGraph
from linkt_pipeline.warehouse.snapshot import publish_snapshot

SNAPSHOT = dg.AssetKey(["published", "snapshot"])

_DESCRIPTION = """\
What BI tools and notebooks read: `published/linkt.duckdb`, a consistent read-only copy of the warehouse moved into
place atomically, one Parquet file per table of `staging` and `marts`, and `catalog.json`. A reader that holds the old
file keeps it; nobody ever sees half a copy. Published only if no error-level check of the models fails.
"""


def build_snapshot(graph: ModelGraph, published_dir: Path) -> dg.AssetsDefinition:
    """The asset ``published/snapshot``, downstream of every model."""

    @dg.asset(
        key=SNAPSHOT,
        deps=[asset_key(key) for key in graph.models],
        group_name="published",
        description=_DESCRIPTION,
        kinds={"parquet", *KINDS},
        owners=OWNERS,
        pool=POOL,
        metadata={"dagster/uri": (published_dir / "linkt.duckdb").as_uri()},
        automation_condition=dg.AutomationCondition.eager(),
    )
    def snapshot(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
        published = publish_snapshot(warehouse.warehouse, published_dir)
        context.log.info(f"published {published.path} ({published.bytes / 1e6:.1f} MB) in {published.seconds:.2f} s")
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(published.path)),
                "size_mb": round(published.bytes / 1e6, 2),
                "seconds": round(published.seconds, 2),
                "tables": published.tables,
            }
        )

    return snapshot
