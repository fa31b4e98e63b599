"""Warehouses of made-up rows. The big one, for landing and transforming, is made once and kept in .bench/."""

from pathlib import Path

from bench.generate_warehouse import fill
from bench.server import WORK


def big_warehouse(quick: bool) -> tuple[Path, int]:
    """Path and number of entities of a warehouse filled with made-up rows."""
    entities = 50_000 if quick else 1_000_000
    path = WORK / ("small" if quick else "big") / "warehouse.duckdb"
    fill_file(path, entities)
    return path, entities


def fill_file(path: Path, entities: int) -> None:
    """Fill a warehouse file, unless it has as many entities already."""
    from linkt_pipeline.warehouse.engines.file import FileWarehouse

    with FileWarehouse(path, memory_limit="4GB").write() as con:
        row = con.execute("select count(*) from linkt.entities").fetchone()
        if row is not None and row[0] < entities:
            fill(con, entities)
            con.execute("update linkt.entities set payload = data")
