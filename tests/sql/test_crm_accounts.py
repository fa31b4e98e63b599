"""What belongs to a record of a CRM, and how its key comes and goes."""

import json
from datetime import timedelta
from typing import Any

import pytest

from .conftest import NOW, Bench

SALESFORCE = {"external_id": "001A", "external_source": "salesforce"}


def _copy_of(primary: str) -> str:
    return json.dumps({"is_duplicate": True, "primary_entity_id": primary})


def _account(bench: Bench, columns: str) -> dict[str, Any]:
    return bench.row(f"select {columns} from marts.crm_accounts where external_id = '001A'")


def test_an_account_holds_the_people_and_signals_of_all_its_companies_and_their_copies(bench: Bench) -> None:
    bench.entity("c", {"name": "Acme"}, **SALESFORCE)
    bench.entity("copy", {"name": "Acme Inc"}, duplicate_info=_copy_of("c"))  # in an ICP that knows no CRM
    bench.entity("sister", {"name": "Bolt"}, **SALESFORCE)
    bench.entity("other", {"name": "Other"}, external_id="001B", external_source="salesforce")
    for person, company in (("p", "c"), ("q", "copy"), ("r", "sister"), ("s", "other"), ("t", None)):
        more = SALESFORCE if person == "t" else {}
        bench.entity(person, {"email": f"{person}@a.example"}, entity_type="person", parent_id=company, **more)
    for signal, named in (("1", ["copy"]), ("2", ["r", "c"]), ("3", ["t"]), ("4", ["other"]), ("5", [])):
        bench.signal(signal, entity_ids=named, created_at=NOW)
    bench.build()

    found = _account(bench, "entity_count, company_count, company_names, people_count, emails, signal_count")
    emails = "p@a.example, q@a.example, r@a.example, t@a.example"
    assert tuple(found.values()) == (3, 2, "Acme, Bolt", 4, emails, 3)
    signals = "select list(signal_id order by signal_id) as ids from staging.crm_signals where external_id = '001A'"
    assert bench.row(signals) == {"ids": ["1", "2", "3"]}


def test_contacts_are_a_list_of_those_who_can_be_reached(bench: Bench) -> None:
    bench.entity("c", {"name": "Acme"}, **SALESFORCE)
    of_acme = {"entity_type": "person", "parent_id": "c"}
    bench.entity("ann", {"name": "Ann", "title": "CEO", "email": "ann@a.example"}, **of_acme)
    phone = {"name": "Ann Lee", "mobile_phone": "+1 937-555-0142"}
    bench.entity("ann copy", phone, duplicate_info=_copy_of("ann"), **of_acme)
    bench.entity("bob", {"name": "Bob"}, **of_acme)
    bench.build()

    found = _account(bench, "people_count, people_with_email, people_with_phone, people_with_contact, contacts")
    contacts = json.loads(found.pop("contacts"))
    assert contacts == [
        {"entity_id": "ann", "name": "Ann", "title": "CEO", "email": "ann@a.example",
         "mobile_phone": "+1 937-555-0142", "linkedin_url": None},
    ]  # fmt: skip
    assert list(found.values()) == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("source", "external_id", "key"),
    [
        (" Salesforce", "001A ", ("salesforce", "001A")),
        ("salesforce", "001a", ("salesforce", "001a")),
        (None, "001A", ("unknown", "001A")),
        ("salesforce\t", "\t001A\n", ("salesforce", "001A")),
        ("\u00a0Salesforce", "\u200b001A\ufeff", ("salesforce", "001A")),
        ("\u0130Src", "001\u200bA", ("isrc", "001\u200bA")),
        ("salesforce", "\u200b\n", None),
        ("salesforce", " ", None),
        ("salesforce", None, None),
    ],
)
def test_a_key_is_one_in_any_spelling_of_its_system(bench: Bench, source: Any, external_id: Any, key: Any) -> None:
    bench.entity("c", {}, external_source=source, external_id=external_id)
    bench.build("marts.crm_accounts")
    found = bench.rows("select external_source, external_id from marts.crm_accounts")
    assert [tuple(row.values()) for row in found] == ([] if key is None else [key])


def test_an_entity_that_gets_another_key_leaves_its_account_at_the_next_build(bench: Bench) -> None:
    bench.entity("c", {"name": "Acme"}, **SALESFORCE)
    bench.build()
    bench.entity("c", {"name": "Acme"}, external_id="17", external_source="hubspot")
    bench.build()
    keys = "select external_source, external_id from "
    assert [tuple(row.values()) for row in bench.rows(f"{keys} marts.crm_accounts")] == [("hubspot", "17")]
    assert [tuple(row.values()) for row in bench.rows(f"{keys} marts.companies")] == [("hubspot", "17")]


def test_another_key_is_a_change_unless_a_version_was_landed_without_it(bench: Bench) -> None:
    keys = [(None, None), (True, None), (None, "001A"), (None, "001B"), (None, None), (None, "001C")]
    for day, (unknown, external_id) in enumerate(keys):
        bench.entity("c", {"n": day}, external_id=external_id, updated_at=NOW + timedelta(days=day))
        bench.con.execute(
            "update linkt.entity_versions set external_unknown = $1 where updated_at = $2",
            [unknown, NOW + timedelta(days=day)],
        )
    bench.build("marts.entity_changes")
    changes = bench.rows(
        "select version_number, field, change, old_value, new_value from marts.entity_changes "
        "where scope = 'record' order by all"
    )
    assert [tuple(row.values()) for row in changes] == [
        (4, "external_id", "changed", '"001A"', '"001B"'),
        (5, "external_id", "removed", '"001B"', None),
        (6, "external_id", "added", None, '"001C"'),
    ]


def test_metadata_of_a_signal_reaches_the_marts(bench: Bench) -> None:
    bench.entity("c", {"name": "Acme"})
    bench.signal("s", entity_ids=["c"], metadata={"amount": 5})
    bench.build()
    for mart in ("signal_feed", "company_signals"):
        assert bench.row(f"select metadata ->> 'amount' as amount from marts.{mart}") == {"amount": "5"}
