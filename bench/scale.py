"""The big warehouse that landing and transforming are measured on; made once, kept in .bench/."""

from pathlib import Path

from bench.generate_warehouse import fill
from bench.server import WORK


def big_warehouse(quick: bool) -> tuple[Path, int]:
    """Path and number of entities of a warehouse filled with made-up rows."""
    from linkt_pipeline.warehouse.engines.file import FileWarehouse

    entities = 50_000 if quick else 1_000_000
    path = WORK / ("small" if quick else "big") / "warehouse.duckdb"
    with FileWarehouse(path, memory_limit="4GB").write() as con:
        row = con.execute("select count(*) from linkt.entities").fetchone()
        if row is not None and row[0] < entities:
            fill(con, entities)
            con.execute("update linkt.entities set payload = data")
    return path, entities
