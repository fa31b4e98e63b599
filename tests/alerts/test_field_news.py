"""Data fields that are new in a sheet, or that its entities lack from now on."""

import json
from typing import Any

from linkt_pipeline.alerts.state import next_due
from linkt_pipeline.alerts.texts import text_of
from linkt_pipeline.collection.field_news import note_fields
from linkt_pipeline.tasks import AlertChannel
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.alerts.test_states import NOW
from tests.warehouse.deliveries import fetch


class Sheet:
    """A warehouse whose entities come batch by batch."""

    def __init__(self, warehouse: FileWarehouse) -> None:
        self.warehouse = warehouse
        self.batches = 0

    def bring(self, entities: int, *fields: str, sheet: str = "s1") -> list[tuple[list[str], list[str]]]:
        """Land entities with these fields, and look. Gives what was told so far: new fields, vanished ones."""
        self.batches += 1
        with self.warehouse.write() as con:
            for number in range(entities):
                con.execute(
                    "insert into linkt.entities (entity_id, sheet_id, sheet_name, entity_type, data, fetched_at, "
                    "content_hash) values ($1, $2, 'Leads', 'company', $3, now() + to_seconds($4::integer), 'h')",
                    [f"{self.batches}-{number}", sheet, json.dumps(dict.fromkeys(fields, 1)), self.batches],
                )
        note_fields(self.warehouse)
        note_fields(self.warehouse)
        rows = fetch(self.warehouse, "select facts from linkt.alerts where event = 'fields' order by happened_at")
        told: list[dict[str, Any]] = [json.loads(facts) for (facts,) in rows]
        return [(facts["new"], facts["vanished"]) for facts in told]


def test_what_was_there_at_the_first_look_is_no_news(warehouse: FileWarehouse) -> None:
    assert Sheet(warehouse).bring(30, "name", "size") == []


def test_a_field_that_no_entity_had_is_new_once(warehouse: FileWarehouse) -> None:
    sheet = Sheet(warehouse)
    sheet.bring(5, "name")

    assert sheet.bring(1, "name", "size") == [(["size"], [])]
    assert sheet.bring(1, "name", "size") == [(["size"], [])]


def test_a_field_has_vanished_when_none_of_twenty_has_it(warehouse: FileWarehouse) -> None:
    sheet = Sheet(warehouse)
    sheet.bring(30, "name", "size")

    assert sheet.bring(19, "name") == []
    assert sheet.bring(20, "name") == [([], ["size"])]
    assert sheet.bring(20, "name") == [([], ["size"])]
    assert sheet.bring(1, "name", "size") == [([], ["size"]), (["size"], [])]


def test_each_sheet_has_its_own_fields(warehouse: FileWarehouse) -> None:
    sheet = Sheet(warehouse)
    sheet.bring(5, "name")

    assert sheet.bring(5, "title", sheet="s2") == []


def test_it_is_told_to_those_alone_who_asked(warehouse: FileWarehouse) -> None:
    sheet = Sheet(warehouse)
    sheet.bring(5, "name")
    sheet.bring(1, "name", "jane.doe@example.com")
    usual = AlertChannel.model_validate({"to": "json://x", "name": "x"})
    asking = AlertChannel.model_validate({"to": "json://x", "name": "y", "on": ["fields"]})

    with warehouse.read() as con:
        assert next_due(con, usual, NOW, []) is None
        due = next_due(con, asking, NOW, [])

    assert due is not None
    title, text = text_of(due)
    assert title == "The fields of company in sheet Leads have changed"
    assert "New fields of company in sheet Leads: [e-mail]." in text
