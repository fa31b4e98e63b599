"""Column lineage kept on disk: following columns costs a second of CPU, and changes only when the SQL does."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import orjson

from linkt_pipeline.transform.graph import ModelGraph
from linkt_pipeline.transform.lineage import Lineage, column_lineage
from linkt_pipeline.transform.model import Columns, ModelKey, SqlModel


class LineageCache:
    """Lineage of a graph's models, from a file where it is known and computed where it is not.

    The file is a convenience: one that can't be read or written changes nothing but the time it takes.

    Args:
        path: JSON file; made when there is something to keep.
        graph: the models.
        described: their columns.
    """

    def __init__(self, path: Path, graph: ModelGraph, described: Mapping[ModelKey, Columns]) -> None:
        self._path, self._graph, self._described = path, graph, described
        self._added = False

    def lineage(self, model: SqlModel) -> Lineage:
        """Direct parents of each column of ``model``, as :func:`column_lineage` gives them."""
        fingerprint = self._fingerprint(model)
        known = self._entries.get(str(model.key))
        if known is not None and known[0] == fingerprint:
            return known[1]
        found = column_lineage(model, self._graph, self._described)
        self._entries[str(model.key)] = (fingerprint, found)
        self._added = True
        return found

    def save(self) -> None:
        """Keep what was computed since; models that are gone are forgotten."""
        if not self._added:
            return
        current = {str(key) for key in self._graph.models}
        kept = {name: entry for name, entry in self._entries.items() if name in current}
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(orjson.dumps(kept))
            beside.replace(self._path)
            self._added = False

    @cached_property
    def _entries(self) -> dict[str, tuple[str, Lineage]]:
        try:
            stored = orjson.loads(self._path.read_bytes())
            return {
                name: (fingerprint, {column: [(s, t, c) for s, t, c in found] for column, found in lineage.items()})
                for name, (fingerprint, lineage) in stored.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _fingerprint(self, model: SqlModel) -> str:
        """Lineage depends on the SQL and on the columns of what it reads (``select *``)."""
        known = {**self._graph.sources, **self._described}
        columns = [sorted(known.get(key, {})) for key in (model.key, *model.depends_on)]
        return hashlib.sha256(orjson.dumps([model.code_version, columns])).hexdigest()
