"""The checks of landed tables, as they come with the package."""

from functools import cache

from linkt_pipeline.package_files import BUILT_IN_SQL
from linkt_pipeline.transform import Check, ModelGraph, ModelKey, warehouse_sources
from linkt_pipeline.transform.checks import read_checks
from linkt_pipeline.warehouse.migration import empty_warehouse


@cache
def landed_checks() -> list[Check]:
    """Every file of sql/checks/linkt."""
    with empty_warehouse() as con:
        sources = {ModelKey.parse(name): columns for name, columns in warehouse_sources(con).items()}
    checks, problems = read_checks(sorted((BUILT_IN_SQL / "checks" / "linkt").glob("*.sql")), ModelGraph({}, sources))
    assert checks
    assert not problems
    return checks
