"""A real warehouse file, rows put in as the API sends them, and all models of sql/ built on it."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from linkt_pipeline.api import RunStatus
from linkt_pipeline.transform import (
    BuildResult,
    Known,
    ModelGraph,
    ModelKey,
    build_model,
    load_models,
    prepare_builds,
    warehouse_sources,
)
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.migration import empty_warehouse
from tests.paths import PROJECT_ROOT

SQL_DIR = PROJECT_ROOT / "sql"
SAMPLES = PROJECT_ROOT / "tests" / "samples"
NOW = datetime(2026, 4, 12, 9, 0, tzinfo=UTC)


class Bench:
    """A warehouse with the means to put rows in and to build."""

    def __init__(self, con: duckdb.DuckDBPyConnection, graph: ModelGraph) -> None:
        self.con = con
        self.graph = graph
        self._clock = NOW

    def put(self, table: str, **values: Any) -> None:
        """One row; mappings and lists of mappings become JSON, what is not given stays empty."""
        if "fetched_at" in self.graph.sources[ModelKey("linkt", table)] and "fetched_at" not in values:
            self._clock += timedelta(seconds=1)
            values["fetched_at"] = self._clock
        row = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in values.items()}
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        self.con.execute(f"insert into linkt.{table} ({names}) values ({marks})", list(row.values()))

    def entity(self, entity_id: str, data: Any, **values: Any) -> None:
        """The newest version of an entity, and its entry among the versions."""
        content = {"entity_type": "company", "icp_id": "icp", **values, "data": json.dumps(data)}
        content["content_hash"] = str(hash(json.dumps([entity_id, content], default=str)))
        self._clock += timedelta(seconds=1)
        content.setdefault("fetched_at", self._clock)
        self.con.execute("delete from linkt.entities where entity_id = $1", [entity_id])
        run_id = content.pop("run_id", None)
        self.put("entities", entity_id=entity_id, **content)
        without = {k: v for k, v in content.items() if k not in ("sheet_name", "created_at")}
        self.put("entity_versions", entity_id=entity_id, run_id=run_id, **without)

    def signal(self, signal_id: str, **values: Any) -> None:
        self.put("signals", signal_id=signal_id, content_hash=signal_id, **values)

    def run(self, run_id: str, resources: Mapping[tuple[str, str], list[str]] | None = None, **values: Any) -> None:
        row = {"run_id": run_id, "status": "COMPLETED", "created_at": NOW, "updated_at": NOW, **values}
        status = RunStatus.parse(row["status"])
        row.setdefault("status_normalised", None if status is RunStatus.UNKNOWN else status.value)
        if "fetched_at" not in row and isinstance(row["created_at"], datetime):
            row["fetched_at"] = max(NOW, row["created_at"]) + timedelta(seconds=1)
        self.put("runs", **row)
        for (resource_type, action), ids in (resources or {}).items():
            for position, resource_id in enumerate(ids):
                self.put(
                    "run_resources",
                    run_id=run_id,
                    resource_type=resource_type,
                    action=action,
                    resource_id=resource_id,
                    position=position,
                    state="landed",
                    named_at=NOW,
                )

    def build(self, *names: str, full_refresh: bool = False) -> dict[str, BuildResult]:
        """Build the named models and what they are made of; all models without a name."""
        wanted = {ModelKey.parse(name) for name in names}
        for key, model in reversed(self.graph.models.items()):
            wanted |= {*model.depends_on} if key in wanted else set()
        prepare_builds(self.con, self.graph, [])
        results, known = {}, Known()
        for key, model in self.graph.models.items():
            if not names or key in wanted:
                results[str(key)] = build_model(self.con, model, full_refresh=full_refresh, known=known)
                self.con.execute("commit; begin")  # as a deployment does, which also frees the memory of a build
        return results

    def rows(self, sql: str) -> list[dict[str, Any]]:
        cursor = self.con.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def row(self, sql: str) -> dict[str, Any]:
        (row,) = self.rows(sql)
        return row

    def load_samples(self) -> None:
        """Every sample body of an entity, a signal, an ICP and a task, as landing would keep it."""
        for body in _bodies("entity_*.json", "entities", "data"):
            fields = (
                "sheet_id",
                "sheet_name",
                "icp_id",
                "entity_type",
                "parent_id",
                "status",
                "comments",
                "created_at",
                "updated_at",
            )
            info = body.get("duplicate_info")
            self.entity(
                body["id"],
                body["data"],
                duplicate_info=json.dumps(info) if info else None,
                **{field: body.get(field) for field in fields},
            )
        for body in _bodies("signal_*.json", "signals", "summary"):
            self.con.execute("delete from linkt.signals where signal_id = $1", [body["id"]])
            fields = ("icp_id", "signal_type", "strength", "score", "summary", "references", "entity_ids", "created_at")
            self.signal(body["id"], **{field: body.get(field) for field in fields})
        icp = json.loads((SAMPLES / "icp.json").read_text())
        self.put("icps", icp_id=icp["id"], name=icp["name"], entity_targets=json.dumps(icp["entity_targets"]))


def _bodies(pattern: str, list_key: str, needed: str) -> Iterator[dict[str, Any]]:
    for path in sorted(SAMPLES.glob(pattern)):
        body = json.loads(path.read_text())
        for item in body.get(list_key, [body]) if isinstance(body, dict) else []:
            if needed in item and "id" in item:
                yield item


@pytest.fixture(scope="session")
def graph() -> ModelGraph:
    with empty_warehouse() as con:
        return load_models(SQL_DIR, warehouse_sources(con))


@pytest.fixture
def bench(tmp_path: Path, graph: ModelGraph) -> Iterator[Bench]:
    with FileWarehouse(tmp_path / "warehouse.duckdb").write() as con:
        yield Bench(con, graph)
