"""Dagster code location that runs Linkt research tasks and lands every row in DuckDB.

For a Dagster of your own: :func:`build_definitions`, or ``LinktPipelineComponent`` in YAML. Both are imported when
they are asked for, because Dagster takes a second to load and most commands do without it. ``__init__.pyi`` tells type
checkers what there is.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "LinktPipelineComponent": "linkt_pipeline.assets.component",
    "build_definitions": "linkt_pipeline.assets.library",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
