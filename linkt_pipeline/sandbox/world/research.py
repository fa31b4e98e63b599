"""What runs do to the world: create and revise companies with their people, and find signals."""

import zlib
from collections.abc import Sequence
from random import Random
from typing import Any

import orjson

from linkt_pipeline.sandbox.world.companies import Company, company_data, make_company, revise_company
from linkt_pipeline.sandbox.world.crm import Record, account_of, contact_of, is_linked_late
from linkt_pipeline.sandbox.world.holdings import FILE_NUMBERS, Holdings
from linkt_pipeline.sandbox.world.ids import minted_before, timestamp
from linkt_pipeline.sandbox.world.news import make_event
from linkt_pipeline.sandbox.world.people import person_data
from linkt_pipeline.sandbox.world.records import EntityRow, RunRecord, SignalRow
from linkt_pipeline.sandbox.world.reference_data import FAIR, SAAS, SHEETS

# The fair's list: some of its companies are, or will be, found by the search as well, and become duplicates.
FAIR_NUMBERS = (1, 4, FILE_NUMBERS, 9, FILE_NUMBERS + 1, FILE_NUMBERS + 2, 16, FILE_NUMBERS + 3)
_ATTEMPTS = 20


class Researcher:
    """Carries out the steps of runs on the holdings."""

    def __init__(self, holdings: Holdings) -> None:
        self._own = holdings

    def settle_in(self, now: float) -> None:
        """What the organisation already had before the sandbox's first run: six companies and their contacts."""
        for number in range(6):
            self._add_company(make_company(self._own.seed, number), SAAS, now - (30 - number) * 86_400, 0.0)

    def create_company(self, run: RunRecord, item: Any, at: float) -> None:
        """Find one company and its people; one the ICP already has is updated instead, as an ingest does."""
        icp_id = run.icp_id or SAAS
        company = self._company_for(icp_id, item)
        run.charge("ingest_row" if run.task_type == "ingest" else "search_company", 0.35)
        for known in self._own.siblings.get(company.number, []):
            if self._own.entities[known].icp_id == icp_id:
                self._revise(run, self._own.entities[known], at)
                return
        ids = self._add_company(company, icp_id, at, run.skew)
        run.entities_created += ids
        run.charge("enrich_company", 0.45)
        for _ in ids[1:]:
            run.charge("search_person", 0.12)
            run.charge("enrich_person", 0.18)

    def update_company(self, run: RunRecord, at: float) -> None:
        """Look again at a company an earlier run had found."""
        companies = self._own.company_ids.get(run.icp_id or "", [])
        rng = Random(f"{self._own.seed}:{run.number}:{len(run.entities_updated)}")  # noqa: S311
        for _ in range(_ATTEMPTS if companies else 0):
            chosen = rng.choice(companies)
            if minted_before(chosen, run.id) and chosen not in run.entities_updated:
                self._revise(run, self._own.entities[chosen], at)
                return

    def create_signal(self, run: RunRecord, index: int, at: float, source_icp: str | None) -> None:
        """Find one event: of a company of the source ICP, or of the topic when there is none."""
        number = len(self._own.signals)
        rng = Random(f"{self._own.seed}:signal:{run.number}:{index}")  # noqa: S311
        subjects = self._own.company_ids.get(source_icp or "", [])
        subject = self._own.entities[rng.choice(subjects)] if subjects else None
        other = make_company(self._own.seed, rng.randrange(500)).name
        event = make_event(rng, number, subject.name if subject else None, other)
        run.charge("monitor_company" if subject else "monitor_topic", round(rng.uniform(0.6, 2.4), 2))
        signal_id = self._own.ids.mint(at + run.skew)
        body = {
            "id": signal_id,
            "icp_id": run.icp_id,
            "entity_ids": [subject.id] if subject else [],
            **event,
            "created_at": timestamp(at + run.skew).replace("Z", "000+00:00"),  # real deliveries have this form
        }
        self._own.put_signal(
            SignalRow(
                id=signal_id,
                icp_id=run.icp_id or "",
                entity_ids=body["entity_ids"],
                signal_type=event["signal_type"],
                strength=event["strength"],
                summary=event["summary"],
                created=at,
                body=orjson.dumps(body),
            )
        )
        run.signals_created.append(signal_id)

    def _company_for(self, icp_id: str, item: Any) -> Company:
        """The company a step is about: a row of a file, a place in the fair's list, or the next one to find."""
        seed = self._own.seed
        if isinstance(item, dict | str):
            name = str(item.get("company_name") or item.get("name") or "Unnamed") if isinstance(item, dict) else item
            return make_company(seed, FILE_NUMBERS * 2 + _stable_number(name), name)
        if isinstance(item, int):
            return make_company(seed, FAIR_NUMBERS[item % len(FAIR_NUMBERS)])
        return make_company(seed, self._own.frontier.get(icp_id, -1) + 1)

    def _add_company(self, company: Company, icp_id: str, at: float, skew: float) -> list[str]:
        """Store a company and its people; returns their ids, the company's first."""
        own, stamp = self._own, timestamp(at + skew)
        earlier = own.siblings.get(company.number, [])
        data = company_data(
            company,
            stamp,
            custom={SAAS: "saas", FAIR: "fair"}.get(icp_id),
            alternative_name=bool(earlier),
        )
        account = None if is_linked_late(company.number) else account_of(own.seed, company.number)
        company_id = self._add(company, icp_id, "company", data, None, at + skew, account)
        ids = [company_id]
        rng = Random(f"{own.seed}:contacts:{company.number}")  # noqa: S311
        for ordinal in range(rng.choice((0, 1, 1, 1, 2))):
            person = person_data(own.seed, company, ordinal, stamp)
            contact = contact_of(own.seed, company.number, ordinal)
            ids.append(self._add(company, icp_id, "person", person, company_id, at + skew, contact))
        if len(own.siblings[company.number]) > 1:
            self._mark_duplicates(own.siblings[company.number])
        return ids

    def _add(
        self,
        company: Company,
        icp_id: str,
        entity_type: str,
        data: dict[str, Any],
        parent_id: str | None,
        at: float,
        external: Record | None,
    ) -> str:
        sheet_id = self._sheet_of(icp_id, entity_type)
        entity_id = self._own.ids.mint(at)
        body = {
            "id": entity_id,
            "sheet_id": sheet_id,
            "sheet_name": self._own.reference["sheet"][sheet_id]["name"],
            "entity_type": entity_type,
            "icp_id": icp_id,
            "parent_id": parent_id,
            "data": data,
            "status": "new",
            "comments": None,
            "duplicate_info": None,
            **_external_fields(external),
            "created_at": timestamp(at),
            "updated_at": timestamp(at),
        }
        self._own.put_entity(
            EntityRow(
                id=entity_id,
                number=company.number,
                icp_id=icp_id,
                sheet_id=sheet_id,
                entity_type=entity_type,
                status="new",
                name=str(data["name"]["value"]),
                parent_id=parent_id,
                hidden_duplicate=False,
                body=orjson.dumps(body),
                external=external,
            )
        )
        return entity_id

    def _sheet_of(self, icp_id: str, entity_type: str) -> str:
        known = SHEETS.get((icp_id, entity_type))
        return known or next(
            (
                key
                for key, sheet in self._own.reference["sheet"].items()
                if sheet["icp_id"] == icp_id and sheet["entity_type"] == entity_type
            ),
            SHEETS[SAAS, entity_type],
        )

    def _revise(self, run: RunRecord, row: EntityRow, at: float) -> None:
        body = orjson.loads(row.body)
        rng = Random(f"{self._own.seed}:revision:{row.id}:{run.number}")  # noqa: S311
        stamp = timestamp(at + run.skew)
        body["data"] = revise_company(body["data"], rng, stamp)
        body["updated_at"] = stamp
        if body["status"] == "new" and rng.random() < 0.4:
            body["status"] = row.status = rng.choice(("reviewed", "contacted", "passed"))
        row.external = row.external or account_of(self._own.seed, row.number)
        body |= _external_fields(row.external)
        self._replace(row, body)
        if row.id not in run.entities_updated:
            run.entities_updated.append(row.id)
        run.charge("enrich_company", 0.25)

    def _mark_duplicates(self, ids: Sequence[str]) -> None:
        """Write ``duplicate_info`` on both sides; that alone moves no ``updated_at``."""
        primary, *copies = [self._own.entities[key] for key in ids]
        icps = self._own.reference["icp"]
        body = orjson.loads(primary.body)
        body["duplicate_info"] = {
            "is_duplicate": False,
            "is_primary": True,
            "duplicate_count": len(copies),
            "duplicate_entity_ids": [row.id for row in copies],
            "duplicate_icps": [{"icp_id": row.icp_id, "icp_name": icps[row.icp_id]["name"]} for row in copies],
            "primary_entity_id": None,
            "primary_icp_name": None,
        }
        self._replace(primary, body)
        for row in copies:
            body = orjson.loads(row.body)
            body["duplicate_info"] = {
                "is_duplicate": True,
                "is_primary": False,
                "primary_entity_id": primary.id,
                "primary_icp_name": icps[primary.icp_id]["name"],
            }
            row.hidden_duplicate = True
            self._replace(row, body)

    def _replace(self, row: EntityRow, body: dict[str, Any]) -> None:
        row.body = orjson.dumps(body)
        self._own.put_entity(row)


def _external_fields(external: Record | None) -> dict[str, str | None]:
    source, record = external or (None, None)
    return {"external_id": record, "external_source": source}


def _stable_number(name: str) -> int:
    return zlib.crc32(name.strip().lower().encode())
