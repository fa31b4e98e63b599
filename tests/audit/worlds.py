"""Made-up organizations that do to a pipeline what Linkt does, landed as the pipeline lands them."""

import json
import random
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import polars as pl

from linkt_pipeline.api.models import Icp, Sheet, Signal, Task
from linkt_pipeline.api.wire import parse_entity, parse_one, parse_run
from linkt_pipeline.collection import frames
from linkt_pipeline.collection.seen_run import SeenRun
from linkt_pipeline.warehouse.landing import (
    land_entities,
    land_icps,
    land_queue_counts,
    land_rejects,
    land_runs,
    land_sheets,
    land_signals,
    land_tasks,
    mark_missing,
)
from linkt_pipeline.warehouse.schemas import QUEUE_COUNTS_FRAME, REJECTS_FRAME
from tests.audit.fields import company_data, person_data
from tests.audit.ids import ObjectIds

Body = dict[str, Any]

STATUSES = ["COMPLETED"] * 6 + ["completed", "CANCELLED", "canceled", "Canceled ", "FAILED", "failed", "CRASHED"]
STATUSES += ["COMPLETED_WITH_REMARKS", "CANCELLING"]
KINDS = ["company"] * 5 + ["person"] * 5 + ["Company", "PERSON", "product", "school_district"]
EXTERNAL_KEYS = [
    ("salesforce", "001A"),
    ("Salesforce ", " 001A"),
    ("salesforce", "001B"),
    ("hubspot", "17"),
    ("\u00a0\u0130Src\n", "\u200b\t17\u00a0"),
    (None, "17"),
]
EXTERNAL_KEYS += [("salesforce", None), ("", " ")] + [(None, None)] * 4
ZONES = ["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati"]
STRENGTHS = ["LOW", "high", "Moderate", "strong", "\tweak\u00a0", "MEDIUM", "extreme", "", None]


class World:
    """Bodies as Linkt would send them, changed by chance, and a warehouse that gets them.

    Args:
        seed: of everything that happens.
    """

    con: duckdb.DuckDBPyConnection

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.files = random.Random(f"{seed} files")
        self.ids = ObjectIds()
        # The last minutes of a month, and of a year every other time.
        self.now = datetime(2026, self.rng.choice([1, 4, 12]), 28 if seed % 2 else 30, 22, 0, tzinfo=UTC)
        self.entities: dict[str, Body] = {}
        self.past: dict[str, list[Body]] = {}
        self.ghosts = [self.ids.made_at(self.now) for _ in range(3)]  # named by others, never landed
        self.runs: dict[str, Body] = {}
        self.icps = [self._reference(name=name) for name in ("SaaS 200 EMEA Q4", "SaaS 209 EMEA Q4", "Health")]
        self.tasks = [self._reference(name=name) for name in ("Search", "Search", "Fair", "News")]
        self.sheets = [self._reference(name=f"Sheet {number}", icp_id=self.icps[0]["id"]) for number in range(2)]
        self.icps[0]["entity_targets"] = [
            {"entity_type": "company", "root": True, "desired_count": None},
            {"entity_type": "Person", "root": False, "desired_count": 2},
            {"entity_type": "person", "root": False, "desired_count": 1},
        ]
        self.zone = self.rng.choice(ZONES)
        self.entries = {task["id"]: [f"entry_{number}"] for number, task in enumerate(self.tasks[:3])}

    def live(self, con: duckdb.DuckDBPyConnection) -> None:
        """One sync's worth of what happens in an organization, landed in a transaction."""
        self.con = con
        self._write_settings()
        self._pass_time()
        self._rename()
        named = [self._run() for _ in range(self.rng.randint(1, 4))]
        for created, updated, signals in named:
            self._land_entities(created, updated)
            self._land_signals(signals)
        self._forget_outputs()
        self._open_executions()
        self._ingest()

    def _write_settings(self) -> None:
        self.con.execute("delete from linkt.settings")
        self.con.execute(
            "insert into linkt.settings values ('timezone', $1), ('monthly_credit_limit', '250.5')", [self.zone]
        )
        self.con.execute("delete from linkt.task_entries")
        for number, task in enumerate(self.tasks[:3]):
            row = [f"entry_{number}", task["id"], (self.zone, "Asia/Kolkata", "UTC")[number], (20.0, None, 0.0)[number]]
            self.con.execute("insert into linkt.task_entries values ($1, $2, $3, $4, null)", row)

    # Time and names

    def _pass_time(self) -> None:
        self.now += timedelta(
            minutes=self.rng.choice([1, 30, 119, 120, 121, 1500]), microseconds=self.rng.choice([0, 1, 999_999])
        )

    def _stamp(self, moment: datetime | None = None) -> str:
        """A time in one of the renderings that the API uses."""
        moment = moment or self.now
        form = self.rng.choice(["Z", "offset", "bare", "elsewhere"])
        if form == "Z":
            return moment.isoformat().replace("+00:00", "Z")
        if form == "bare":
            return moment.replace(tzinfo=None).isoformat()
        return (moment if form == "offset" else moment.astimezone()).isoformat()

    def _reference(self, **more: Any) -> Body:
        stamp = self._stamp(self.now - timedelta(days=30))
        return {"id": self.ids.made_at(self.now), "created_at": stamp, "updated_at": stamp, **more}

    def _rename(self) -> None:
        if self.rng.random() < 0.5:
            icp = self.rng.choice(self.icps)
            icp |= {
                "name": self.rng.choice(["SaaS 209 EMEA Q9", "SaaS 200 EMEA Q9", None]),
                "updated_at": self._stamp(),
            }
        if self.rng.random() < 0.4:
            task = self.rng.choice(self.tasks)
            task |= {"name": self.rng.choice(["Search", "Fair", "entry_0", "Renamed", ""]), "updated_at": self._stamp()}
        if self.rng.random() < 0.3:
            self.rng.choice(list(self.entries.values())).append(self.rng.choice(["entry_9", "entry_0"]))
        for land, to_frame, model, bodies in (
            (land_icps, frames.icps_frame, Icp, self.icps),
            (land_tasks, frames.tasks_frame, Task, self.tasks),
            (land_sheets, frames.sheets_frame, Sheet, self.sheets),
        ):
            land(self.con, to_frame([parse_one(model, _json(body)) for body in bodies], self.now))

    # Runs

    def _run(self) -> tuple[list[str], list[str], list[str]]:
        """A run that ended now, landed; the ids it names."""
        started_at = self.now - timedelta(minutes=self.rng.choice([1, 16, 18, 25, 200]))
        run_id = self.ids.made_at(started_at)
        task = self.rng.choice([*self.tasks, None])
        known = list(self.entities)
        created = [self.ids.made_at(self.now) for _ in range(self.rng.choice([0, 0, 1, 3, 5]))]
        updated = self.rng.sample(known, min(len(known), self.rng.choice([0, 1, 3])))
        updated += created[: self.rng.choice([0, 0, 1])]
        signals = [self.ids.made_at(self.now) for _ in range(self.rng.choice([0, 0, 1, 3]))]
        body: Body = {
            "id": run_id,
            "task_id": task and task["id"],
            "icp_id": self.rng.choice([self.icps[0]["id"], None, "5a4d0beef1000000000000ff"]),
            "task_type": self.rng.choice(["search", "ingest", "signal", None]),
            "status": self.rng.choice(STATUSES),
            "error": self.rng.choice([None, None, "", "rate limit of the provider", "something else"]),
            "created_at": self.rng.choice(
                [self._stamp(started_at)] * 6 + [None, "0001-01-01T00:00:00Z", "2021-03-01T00:00:00Z", "soon"]
            ),
            "updated_at": self.rng.choice([self._stamp()] * 5 + [None]),
            "output": self._output(created, updated, signals),
        }
        if self.rng.random() < 0.1:
            body.pop("task_id")
        self.runs[run_id] = body
        if self.rng.random() < 0.6:
            self._execute(body, started_at)
        self._land_run(body)
        if self.rng.random() < 0.4:
            counts = {"completed": self.rng.randint(0, 9), "discarded": self.rng.randint(0, 9)}
            counts = dict(self.rng.sample(list(counts.items()), self.rng.randint(1, 2)))
            rows = [(run_id, state, count, self.now) for state, count in counts.items()]
            land_queue_counts(self.con, pl.DataFrame(rows, schema=QUEUE_COUNTS_FRAME, orient="row"))
        return (created, updated, signals) if body["output"] is not None else ([], [], [])

    def _output(self, created: list[str], updated: list[str], signals: list[str]) -> Body | None:
        if self.rng.random() < 0.1:
            return None
        items = {
            action: self.rng.choice([0.1, 1.004, 2, 5.5, 0, -0.5])
            for action in self.rng.sample(["search_company", "enrich_person", "common"], self.rng.randint(0, 3))
        }
        total = self.rng.choice(
            [sum(items.values())] * 4 + [round(sum(items.values()) + 1.25, 3), 0, 12.3, None, None, "7"]
        )
        if isinstance(total, int | float) and total < 0:
            total = None
        return {
            "version": "1.0",
            "credits": {"total_credits": total, "breakdown": items}
            if self.rng.random() < 0.9
            else {"breakdown": items},
            "resources": {"entities_created": created, "entities_updated": updated, "signals_created": signals},
            "run_time": self.rng.choice([None, 60.5, 900, 1200, 1201, 42, 5000]),
        }

    def _execute(self, run: Body, started_at: datetime) -> None:
        task_id = run.get("task_id") or self.tasks[0]["id"]
        entries = self.entries.setdefault(task_id, [f"entry_of_{task_id[-4:]}"])
        self._write_execution(self.rng.choice(entries), task_id, "finished", run["id"], started_at)

    def _open_executions(self) -> None:
        for state in self.rng.sample(["intended", "unknown", "started", "lost", "refused"], self.rng.randint(0, 2)):
            run_id = self.ids.made_at(self.now) if state == "started" else None
            self._write_execution("entry_0", self.tasks[0]["id"], state, run_id, self.now)

    def _write_execution(self, key: str, task_id: str, state: str, run_id: str | None, at: datetime) -> None:
        row = [f"x{self.ids.made_at(self.now)}", key, task_id, 1, state, run_id, at]
        self.con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, run_id, intended_at) "
            "values ($1, $2, $3, $4, $5, $6, $7)",
            row,
        )

    def _ingest(self) -> None:
        """A file whose rows are entities of a run, or are not; some runs have not ended, some files have none."""
        ingest_id = f"file{self.files.getrandbits(64):016x}"
        bought = self.con.execute(
            "select execution_id, run_id from linkt.executions where execution_id not in "
            "(select execution_id from linkt.ingests where execution_id is not null) order by md5(execution_id)"
        ).fetchall()
        execution_id, run_id = self.files.choice([*bought, (None, None)])
        output = (self.runs.get(run_id) or {}).get("output") or {}
        resources = output.get("resources", {})
        found = [*resources.get("entities_created", []), *resources.get("entities_updated", [])]
        told = [self.entities[entity_id]["data"] for entity_id in found if entity_id in self.entities]
        names = [value["value"] if isinstance(value := data.get("name"), dict) else value for data in told]
        names = [name for name in names if isinstance(name, str) and name] + [
            "Brightpath",
            "Nobody",
            "\u00a0acme inc. ",
        ]
        rows = [
            {
                "firm": self.files.choice(names),
                "site": self.files.choice(["", "acme.com", "https://brightpath.io/x", "no. 5"]),
            }
            for _ in range(self.files.randint(1, 4))
        ]
        self.con.execute(
            "insert into linkt.ingests (ingest_id, task_key, task_id, file_name, file_sha256, file_bytes, file_rows, "
            "primary_column, state, execution_id, intended_at) values ($1, 'fair', 't', 'fair.csv', $2, 9, $3, 'firm', "
            "'configured', $4, $5)",
            [ingest_id, ingest_id * 2, len(rows), execution_id, self.now],
        )
        for number, row in enumerate(rows, 1):
            self.con.execute(
                "insert into linkt.ingest_rows values ($1, $2, $3, $4)",
                [ingest_id, number, row["firm"], json.dumps(row)],
            )
        for position in range(self.files.randint(0, 3) if run_id else 0):
            name, state = (
                self.files.choice([*names, None]),
                self.files.choice(["completed", "discarded", "discarded", None]),
            )
            self.con.execute(
                "insert into linkt.run_candidates values ($1, $2, $3, $4, $5, $6)",
                [run_id, position, name, state, self.files.choice(["No website", None]), self.now],
            )

    def _land_run(self, body: Body) -> None:
        self.now += timedelta(seconds=1)
        run = parse_run(_json(body).decode())
        land_runs(
            self.con,
            frames.runs_frame([SeenRun(run, self.now)]),
            frames.run_credits_frame([run]),
            frames.run_resources_frame([run]),
        )

    def _forget_outputs(self) -> None:
        """Linkt shows some runs later on without what they cost and named, or with a part of the breakdown."""
        for run in self.rng.sample(list(self.runs.values()), min(2, len(self.runs))):
            later = deepcopy(run)
            if self.rng.random() < 0.5 or not isinstance(later["output"], dict):
                later["output"] = None
            else:
                later["output"]["credits"] = {"breakdown": {"common": 1.5}}
            later["updated_at"] = self._stamp()
            self._land_run(later)

    # Entities

    def _land_entities(self, created: list[str], updated: list[str]) -> None:
        for entity_id in created:
            self.entities[entity_id] = self._new_entity(entity_id)
        for entity_id in updated:
            if entity_id in self.entities:
                self._change(self.entities[entity_id])
        arriving, lost = [], []
        for entity_id in dict.fromkeys([*created, *updated]):
            (lost if self.rng.random() < 0.1 and entity_id in created else arriving).append(entity_id)
        self.now += timedelta(seconds=1)
        for entity_id in lost:
            self._lose("entity", entity_id)
            self.entities.pop(entity_id, None)
        arriving = [entity_id for entity_id in arriving if entity_id in self.entities and self.rng.random() < 0.95]
        rows = [frames.entity_row(parse_entity(_json(self.entities[entity_id]))) for entity_id in arriving]
        land_entities(self.con, frames.entities_frame(rows, self.now))
        for entity_id in arriving:
            self.past.setdefault(entity_id, []).append(deepcopy(self.entities[entity_id]))

    def _lose(self, kind: str, resource_id: str) -> None:
        if self.rng.random() < 0.5:
            mark_missing(self.con, kind, [resource_id], self.now)
        else:
            row = (kind, resource_id, "cut off", "{", self.now)
            land_rejects(self.con, pl.DataFrame([row], schema=REJECTS_FRAME, orient="row"))

    def _new_entity(self, entity_id: str) -> Body:
        kind = self.rng.choice(KINDS)
        body: Body = {
            "id": entity_id,
            "entity_type": kind,
            "sheet_id": self.rng.choice(self.sheets)["id"],
            "sheet_name": "Sheet",
            "icp_id": self.rng.choice(self.icps)["id"],
            "status": self.rng.choice([None, "new", "passed"]),
            "comments": self.rng.choice([None, "call them"]),
            "data": person_data(self.rng) if kind.lower() == "person" else company_data(self.rng),
            **self._external_key(),
            "created_at": self._stamp(),
            "updated_at": self._stamp(),
        }
        others = [*self.entities, *self.ghosts]
        if kind.lower() == "person" or self.rng.random() < 0.1:
            body["parent_id"] = self.rng.choice([*others, None])
        if self.rng.random() < 0.4:
            body["duplicate_info"] = self._copy_of(kind, [*others, entity_id])
        return body

    def _external_key(self) -> Body:
        source, record = self.rng.choice(EXTERNAL_KEYS)
        return {"external_source": source, "external_id": record} if source or record else {}

    def _copy_of(self, kind: str, others: list[str]) -> Body | None:
        """Copies of one's own type, copies of copies, of themselves, of what is not landed; and originals."""
        alike = [
            each for each in others if self.entities.get(each, {}).get("entity_type", kind).lower() == kind.lower()
        ]
        return self.rng.choice(
            [
                {"is_duplicate": True, "is_primary": False, "primary_entity_id": self.rng.choice(alike)},
                {"is_duplicate": True, "is_primary": False, "primary_entity_id": self.rng.choice(alike)},
                {
                    "is_duplicate": True,
                    "is_primary": False,
                    "primary_entity_id": alike[-1],
                    "primary_icp_name": "Other",
                },
                {"is_duplicate": True, "is_primary": False, "primary_entity_id": None},
                {"is_duplicate": False, "is_primary": True, "duplicate_entity_ids": others[:1]},
                None,
            ]
        )

    def _change(self, entity: Body) -> None:
        """Something changes, or nothing does but the time; now and then all is as it was before."""
        past = self.past.get(entity["id"], [])
        what = self.rng.choice(["data", "record", "touch", "revert", "reorder", "kind", "copy", "display"])
        match what:
            case "data":
                fresh = person_data(self.rng) if entity["entity_type"].lower() == "person" else company_data(self.rng)
                entity["data"] = {**entity["data"], **fresh} if self.rng.random() < 0.5 else fresh
            case "record":
                entity |= {"status": self.rng.choice([None, "contacted"]), "icp_id": self.rng.choice(self.icps)["id"]}
                entity |= self._external_key()
            case "revert" if past:
                entity.clear()
                entity.update(deepcopy(self.rng.choice(past)))
            case "reorder":
                entity["data"] = {name: _reordered(value) for name, value in reversed(entity["data"].items())}
            case "kind":
                entity["entity_type"] = self.rng.choice(["company", "person"])
            case "copy":
                others = [each for each in self.entities if each != entity["id"]] or [entity["id"]]
                entity["duplicate_info"] = self._copy_of(entity["entity_type"], [*others, entity["id"]])
            case "display":
                entity["data"] = {
                    name: {**value, "display": self.rng.choice(["shown", "otherwise"])}
                    if isinstance(value, dict)
                    else value
                    for name, value in entity["data"].items()
                }
        entity["updated_at"] = self._stamp()

    # Signals

    def _land_signals(self, named: list[str]) -> None:
        self.now += timedelta(seconds=1)
        bodies = []
        for signal_id in named:
            if self.rng.random() < 0.1:
                self._lose("signal", signal_id)
                continue
            about = self.rng.sample(list(self.entities), min(len(self.entities), self.rng.randint(0, 3)))
            bodies.append(
                {
                    "id": signal_id,
                    "icp_id": self.rng.choice(self.icps)["id"],
                    "signal_type": self.rng.choice(["funding", "hiring_surge", "other", None]),
                    "signal_display_name": self.rng.choice(["Funding round", None]),
                    "strength": self.rng.choice(STRENGTHS),
                    "score": self.rng.choice([None, 0, 0.5, 1]),
                    "summary": self.rng.choice(["Raised money", "", "Zoë “moves”"]),
                    "references": self.rng.choice([[], ["https://www.a.example/1", "http://A.example"], ["b.example"]]),
                    "metadata": self.rng.choice([None, {"n": 1.5, "of": ["a", {}]}, {}]),
                    "entity_ids": [*about, *about[:1], *self.rng.sample(self.ghosts, self.rng.choice([0, 0, 1]))],
                    "created_at": self._stamp(self.now - timedelta(hours=self.rng.choice([0, 1, 200, 800, 3000]))),
                }
            )
        rows = [frames.signal_row(parse_one(Signal, _json(body))) for body in bodies]
        land_signals(self.con, frames.signals_frame(rows, self.now))


def _json(body: Body) -> bytes:
    return json.dumps(body).encode()


def _reordered(value: Any) -> Any:
    """The same value written in another way."""
    if isinstance(value, dict):
        return {key: _reordered(item) for key, item in reversed(value.items())}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
