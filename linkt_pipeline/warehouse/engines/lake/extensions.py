"""Loads the extensions of DuckDB that a lake needs.

DuckDB itself downloads extensions. A host without the internet takes them from packages instead (the extra ``lake``).
An extension loads into the very version of DuckDB that it was built for.
"""

from importlib.util import find_spec
from pathlib import Path

import duckdb

from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.errors import LakeUnavailableError

OF_A_CATALOG = ("postgres_scanner", "ducklake")  # in this order
OF_OBJECT_STORES = ("httpfs",)


def load_extensions(con: duckdb.DuckDBPyConnection, names: tuple[str, ...]) -> None:
    """Load extensions: from a package, else those that DuckDB has installed before, else installed by DuckDB now.

    Args:
        con: any connection of the DuckDB that is to have them.
        names: as DuckDB calls them.

    Raises:
        LakeUnavailableError: one of them is nowhere to be had; says what to install.
    """
    for name in names:
        try:
            _load(con, name)
        except duckdb.Error as error:
            raise LakeUnavailableError(
                f"DuckDB {duckdb.__version__} can't load its extension {name!r}, which LINKT_CATALOG needs: "
                f"{str(error).strip().splitlines()[0]}. Without the internet: pip install 'linkt-pipeline[lake]' "
                "'duckdb==1.5.5', for which it is packaged. With it: run `install "
                f"{name}` once in DuckDB {duckdb.__version__}"
            ) from None


def packaged_extension(name: str) -> Path | None:
    """The file of an extension that an installed package brings for this version of DuckDB; None if there is none."""
    package = find_spec(f"duckdb_extension_{name}")
    for folder in (package.submodule_search_locations or ()) if package else ():
        path = Path(folder, "extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
        if path.is_file():
            return path
    return None


def _load(con: duckdb.DuckDBPyConnection, name: str) -> None:
    if path := packaged_extension(name):
        con.execute(f"load {literal(str(path))}")
        return
    try:
        con.execute(f"load {name}")
    except duckdb.Error:
        con.execute(f"install {name}; load {name}")
