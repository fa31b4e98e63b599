"""Everything the sandbox's organisation owns, in memory for reading and in the store for the next start."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson

from linkt_pipeline.sandbox.world.ids import ObjectIds
from linkt_pipeline.sandbox.world.records import EntityRow, RunRecord, SignalRow
from linkt_pipeline.sandbox.world.reference_data import reference_data
from linkt_pipeline.sandbox.world.store import Store

FILE_NUMBERS = 100_000  # companies known from a file only are numbered from here


class Holdings:
    """Runs, entities, signals and reference objects. Changes are kept back until :meth:`commit`.

    Attributes:
        siblings: entity ids by company number, oldest first: the first is the primary of its duplicates.
        company_ids: ids of an ICP's companies, oldest first.
        frontier: the highest company number an ICP's searches have reached.
        last_run_number: numbers are not used again, even after their run is deleted in this process.
        new: whether the store was empty, that is, the story begins.
    """

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._dirty: dict[tuple[str, str], Callable[[], bytes]] = {}
        self._removed: set[tuple[str, str]] = set()
        meta = {key: orjson.loads(doc) for key, doc in store.load("meta")}
        self.new = not meta
        self.seed: int = meta.get("seed", seed)
        self.ids = ObjectIds(self.seed, meta.get("issued", 0))
        self.runs = {key: RunRecord(**orjson.loads(doc)) for key, doc in store.load("run")}
        self.last_run_number = max((run.number for run in self.runs.values()), default=0)
        self.entities = {key: _entity(doc) for key, doc in store.load("entity")}
        self.signals = {key: SignalRow(**_split_body(doc)) for key, doc in store.load("signal")}
        self.siblings: dict[int, list[str]] = {}
        self.company_ids: dict[str, list[str]] = {}
        self.frontier: dict[str, int] = {}
        for row in self.entities.values():
            self._index_company(row)
        self.reference = self._load_reference()
        self._selections: dict[Any, list[str]] = {}

    def _load_reference(self) -> dict[str, dict[str, dict[str, Any]]]:
        reference = {kind: {_key(item): item for item in items} for kind, items in reference_data().items()}
        for kind, known in reference.items():
            for key, doc in self._store.load(f"reference:{kind}"):
                known[key] = orjson.loads(doc)
            for key, _ in self._store.load(f"removed:{kind}"):
                known.pop(key, None)
        return reference

    def put_run(self, run: RunRecord) -> None:
        """Add a run, or note that it changed."""
        self.runs[run.id] = run
        self.last_run_number = max(self.last_run_number, run.number)
        self._dirty["run", run.id] = lambda: orjson.dumps(run)

    def put_entity(self, row: EntityRow) -> None:
        """Add an entity, or replace the row of the same id."""
        if row.id not in self.entities:
            self._index_company(row)
        self.entities[row.id] = row
        self._dirty["entity", row.id] = lambda: _with_body(row)
        self._selections.clear()

    def put_signal(self, row: SignalRow) -> None:
        """Add a signal."""
        self.signals[row.id] = row
        self._dirty["signal", row.id] = lambda: _with_body(row)

    def put_reference(self, kind: str, item: dict[str, Any]) -> None:
        """Add or replace a task, ICP or other reference object."""
        self.reference[kind][_key(item)] = item
        self._dirty[f"reference:{kind}", _key(item)] = lambda: orjson.dumps(item)

    def remove(self, kind: str, key: str) -> None:
        """Forget a run, an entity or a reference object."""
        if kind in self.reference:
            self.reference[kind].pop(key, None)
            self._dirty[f"removed:{kind}", key] = lambda: b"{}"
            self._removed.add((f"reference:{kind}", key))
            return
        table: dict[str, Any] = getattr(self, {"run": "runs", "entity": "entities", "signal": "signals"}[kind])
        row = table.pop(key, None)
        if isinstance(row, EntityRow) and row.entity_type == "company":
            self.siblings[row.number].remove(key)
            self.company_ids[row.icp_id].remove(key)
        self._dirty.pop((kind, key), None)
        self._removed.add((kind, key))
        self._selections.clear()

    def commit(self) -> None:
        """Write what changed, in one transaction; what was committed survives SIGKILL."""
        if not self._dirty and not self._removed:
            return
        if self._store.keeps:
            meta = orjson.dumps(self.ids.issued), orjson.dumps(self.seed)
            documents = [(kind, key, dump()) for (kind, key), dump in self._dirty.items()]
            self._store.save([*documents, ("meta", "issued", meta[0]), ("meta", "seed", meta[1])], self._removed)
        self._dirty.clear()
        self._removed.clear()

    def select_entities(self, key: Any, wanted: Callable[[EntityRow], bool]) -> list[str]:
        """Ids of the wanted entities, newest first; remembered by ``key`` until an entity changes."""
        if key not in self._selections:
            self._selections[key] = [row.id for row in reversed(self.entities.values()) if wanted(row)]
        return self._selections[key]

    def _index_company(self, row: EntityRow) -> None:
        if row.entity_type != "company":
            return
        self.siblings.setdefault(row.number, []).append(row.id)
        self.company_ids.setdefault(row.icp_id, []).append(row.id)
        if row.number < FILE_NUMBERS:
            self.frontier[row.icp_id] = max(row.number, self.frontier.get(row.icp_id, -1))


def _key(item: dict[str, Any]) -> str:
    return str(item.get("id") or item["file_id"])


def _with_body(row: EntityRow | SignalRow) -> bytes:
    return orjson.dumps(asdict(row) | {"body": orjson.Fragment(row.body)})


def _split_body(doc: bytes) -> dict[str, Any]:
    values: dict[str, Any] = orjson.loads(doc)
    return values | {"body": orjson.dumps(values["body"])}


def _entity(doc: bytes) -> EntityRow:
    values = _split_body(doc)
    return EntityRow(**values | {"external": values.get("external") and tuple(values["external"])})
