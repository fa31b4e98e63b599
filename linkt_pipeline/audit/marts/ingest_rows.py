"""marts.ingest_rows: what became of each row of the files that were ingested."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize

from linkt_pipeline.audit.fields import company_columns, person_columns
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.plain import host_of
from linkt_pipeline.audit.roots import COMPANY, PERSON
from linkt_pipeline.audit.runs import read_names
from linkt_pipeline.audit.values import UNSURE, parse_json
from linkt_pipeline.audit.wire import data_of
from linkt_pipeline.audit.world import World
from linkt_pipeline.plain_text import word


def _word(text: str | None) -> str | None:
    """A name as it is compared: an accent beside its letter is the letter with it."""
    return word(text and normalize("NFC", text))


@dataclass
class _Found:
    """What a run has found.

    Attributes:
        by_name: ids with their action, by name; the first one counts.
        by_domain: the same by the domain of a company.
        names: of the entities, as they are shown.
        is_unsure: some entity's name or domain is not plain to read, so it may be that of any row.
    """

    by_name: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    by_domain: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, str | None] = field(default_factory=dict)
    is_unsure: bool = False

    def add(self, entity_id: str, action: str, name: Any, domain: Any) -> None:
        self.is_unsure = self.is_unsure or UNSURE in (name, domain)
        if name is not UNSURE and name is not None:
            self.names[entity_id] = name
            self.by_name[_word(name) or ""].append((action, entity_id))
        if domain is not UNSURE and domain is not None:
            self.by_domain[domain].append((action, entity_id))


def _found_by(world: World, run_id: str) -> _Found:
    found = _Found()
    actions: dict[str, str] = {}
    for kind, action, entity_id in read_names(world.landed, [run_id]).get(run_id, {}):
        if kind == "entity":
            actions[entity_id] = min(action, actions.get(entity_id, action))
    for entity_id, body in world.entities(list(actions)).items():
        tie, data = world.ties.of[entity_id], data_of(body.body)
        if tie.kind == COMPANY:
            columns = company_columns(data, world.shared_hosts)
            found.add(entity_id, actions[entity_id], columns["name"], columns["domain"])
        elif tie.kind == PERSON:
            found.add(entity_id, actions[entity_id], person_columns(data)["name"], None)
    return found


def _outcome(found: _Found | None, said: Mapping[str, Any] | None, row: Mapping[str, Any]) -> dict[str, Any]:
    nothing = {"entity_id": None, "entity_name": None, "action": None, "matched_by": None, "reason": None}
    if found is None:
        return {"outcome": "open", **nothing}
    values = parse_json(row["data"])
    hosts = [host_of(value) for value in values.values() if isinstance(value, str) and "." in value]
    is_unsure = found.is_unsure or UNSURE in hosts
    matches = found.by_name.get(_word(row["primary_value"]) or "\0", [])
    matched_by = "name"
    if not matches:
        matches = [match for host in hosts if host is not UNSURE for match in found.by_domain.get(host, [])]
        matched_by = "domain"
    if is_unsure:  # another entity may be the first one, or the one
        return {"outcome": "entity" if matches else UNSURE, **dict.fromkeys(nothing, UNSURE)}
    if matches:
        action, entity_id = min(matches, key=lambda match: match[0] + match[1])
        shown = {"entity_name": found.names.get(entity_id), "action": action, "matched_by": matched_by}
        return {"outcome": "entity", **nothing, "entity_id": entity_id, **shown}
    if said and said["completed"]:
        return {"outcome": "unmatched", **nothing}
    if said and said["discarded"]:
        return {"outcome": "discarded", **nothing, "reason": said["reason"]}
    return {"outcome": "nothing", **nothing}


def _said(world: World) -> Mapping[tuple[str, str | None], Mapping[str, Any]]:
    """What the queue of each run said of each name."""
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for item in sorted(world.table("linkt", "run_candidates"), key=lambda each: each["position"]):
        said = found.setdefault(
            (item["run_id"], _word(item["name"])), {"completed": False, "discarded": False, "reason": None}
        )
        said["completed"] = said["completed"] or item["state"] == "completed"
        if item["state"] == "discarded":
            said["discarded"] = True
            said["reason"] = item["reason"] if said["reason"] is None else said["reason"]
    return found


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    landed = world.landed
    runs_of = dict(landed.rows("select execution_id, run_id from linkt.executions"))
    said = _said(world)
    ingests = landed.rows(
        "select ingest_id, file_name, file_sha256, task_key, primary_column, execution_id, epoch_us(intended_at) "
        "from linkt.ingests order by 1"
    )
    for ingest_id, file_name, sha256, task_key, primary_column, execution_id, ingested_at in ingests:
        run_id = runs_of.get(execution_id)
        run = world.run_of.get(run_id) if run_id else None
        found = None if run is None else _found_by(world, run.run_id)
        for number, primary_value, data in landed.rows(
            "select row_number, primary_value, data::varchar from linkt.ingest_rows where ingest_id = $1", [ingest_id]
        ):
            row = {"primary_value": primary_value, "data": data}
            yield {
                "ingest_id": ingest_id,
                "row_number": number,
                "file_name": file_name,
                "file_sha256": sha256,
                "task_key": task_key,
                "primary_column": primary_column,
                "primary_value": primary_value,
                **_outcome(found, said.get((run_id or "", _word(primary_value))), row),
                "run_id": run_id,
                "run_status": run.status if run else None,
                "ingested_at": ingested_at,
                "data": parse_json(data),
            }


INGEST_ROWS = Mart(name="ingest_rows", key=("ingest_id", "row_number"), rows=_rows)
