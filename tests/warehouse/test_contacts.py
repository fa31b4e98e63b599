"""With LINKT_CONTACT_KEY no contact data of people are landed, and equal ones still are equal."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from linkt_pipeline.collection.resources import ENTITIES, SIGNALS
from linkt_pipeline.collection.verdicts import Batch
from linkt_pipeline.errors import ConfigError
from linkt_pipeline.package_files import BUILT_IN_SQL
from linkt_pipeline.settings import load_settings
from linkt_pipeline.transform import build_all, load_project, warehouse_sources
from linkt_pipeline.warehouse.engines.choice import warehouse_of
from linkt_pipeline.warehouse.erasure import Kind, begin_erasure, find_target, remove_target, unfinished_erasures
from linkt_pipeline.warehouse.landing import hashed_email
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.warehouse.deliveries import fetch, land_run, run

SAMPLES = Path(__file__).parents[1] / "samples"
PERSON = "69d4d89c5c41d0beef002a2c"
CONTACTS = ("imogen.calloway@tarnbrook", "937-555-0142", "in/imogen-calloway")
KEY = b"k" * 32


def body(**changes: Any) -> bytes:
    """The sample of a person, with other values of some fields."""
    document = json.loads((SAMPLES / "entity_person_child.json").read_text())
    for name, value in changes.items():
        document["data"][name] = {"value": value, "display": str(value)}
    return json.dumps(document).encode()


def land(warehouse: Warehouse, *bodies: bytes) -> None:
    batch = Batch()
    for number, each in enumerate(bodies):
        asked = PERSON if number == 0 else PERSON[:-1] + str(number)
        given = each.replace(PERSON.encode(), asked.encode())
        batch.add(ENTITIES.parse(asked, given, datetime.now(UTC)))
    ENTITIES.land(warehouse, batch)


@pytest.fixture
def hashing(warehouse: Warehouse) -> Warehouse:
    warehouse.contact_key = KEY
    return warehouse


def everything(warehouse: Warehouse) -> str:
    tables = ("entities", "entity_versions", "rejects")
    return "\n".join(str(fetch(warehouse, f"from linkt.{table}")) for table in tables).lower()


def values(warehouse: Warehouse, field: str) -> list[str]:
    found = fetch(warehouse, f"select data -> '$.{field}.value' from linkt.entities order by entity_id")
    return [value for (value,) in found]


def test_a_person_is_landed_without_contact_data(hashing: Warehouse) -> None:
    land(hashing, body(note="write to Imogen.Calloway@tarnbrook.example, or +1 937-555-0142"))

    found = everything(hashing)
    for contact in CONTACTS:
        assert contact not in found
    assert "imogen calloway" in found
    assert "vp operations" in found
    assert hashed_email(KEY, "imogen.calloway@tarnbrook.example") in found
    assert found.count("https://hashed.invalid/") > 3  # sources that are the profile itself


HIDDEN = {
    "nested": {"contact": {"phone": "+1 937-555-0199", "url": "https://www.linkedin.com/in/imo"}},
    "a number": {"mobile_phones": [{"number": 19375550199}]},
    "a name of a field": {"emails": {"imo@other.example": {"verified": True}}},
    "another field": {"profile_url": "https://de.linkedin.com/in/imo"},
    "another spelling": {"phone": "+1 937-555-0199", "note": "0019375550199, (1) 937/555 01 99"},
    "beside another address": {"email": '"imo c"@other.example, bob@other.example'},
}


@pytest.mark.parametrize("fields", HIDDEN.values(), ids=HIDDEN.keys())
def test_a_contact_is_found_wherever_it_stands(hashing: Warehouse, fields: dict[str, Any]) -> None:
    land(hashing, body(**fields))

    found = everything(hashing)
    for contact in ("0199", "01 99", "imo@", "imo c", "in/imo"):
        assert contact not in found


def test_columns_beside_the_payload_hold_no_contact_either(hashing: Warehouse) -> None:
    document = json.loads(body())
    document |= {
        "external_id": "imo@other.example",
        "comments": "call +1 937-555-0142",
        "sheet_name": "imo@other.example",
    }
    land(hashing, json.dumps(document).encode())

    assert "imo@" not in everything(hashing)
    assert "0142" not in everything(hashing)


def test_a_signal_holds_no_contact_of_anybody(hashing: Warehouse) -> None:
    signal = json.loads((SAMPLES / "signal_full.json").read_text())
    signal |= {
        "summary": "Write to imo@other.example",
        "references": ["https://www.linkedin.com/in/imo", "https://other.example/news"],
        "metadata": {"contact": {"phone": "+1 937-555-0199"}},
    }
    batch = Batch()
    batch.add(SIGNALS.parse(signal["id"], json.dumps(signal).encode(), datetime.now(UTC)))
    batch.add(SIGNALS.parse("e" * 24, b'{"summary": "imo@other.example', datetime.now(UTC)))
    SIGNALS.land(hashing, batch)

    found = str(fetch(hashing, "from linkt.signals") + fetch(hashing, "from linkt.rejects")).lower()
    for contact in ("imo@", "in/imo", "0199"):
        assert contact not in found
    assert hashed_email(KEY, "imo@other.example") in found
    assert fetch(hashing, "select \"references\"[2], signal_id = (payload ->> '$.id') from linkt.signals") == [
        ("https://other.example/news", True)
    ]


def test_words_of_a_field_for_contacts_stay_in_other_texts(hashing: Warehouse) -> None:
    land(hashing, body(email_status="valid", phone_type="mobile", phone="00000", note="invalid mobile, see 100000"))

    assert values(hashing, "note") == ['"invalid mobile, see 100000"']
    assert fetch(hashing, "select payload ->> '$.id' from linkt.entities") == [(PERSON,)]


def test_without_a_key_everything_is_landed_as_sent(warehouse: Warehouse) -> None:
    land(warehouse, body())

    for contact in CONTACTS:
        assert contact in everything(warehouse)


def test_equal_contacts_are_equal_however_they_are_written(hashing: Warehouse) -> None:
    land(
        hashing,
        body(linkedin="https://www.linkedin.com/in/imogen/"),
        body(
            email="mailto:Imogen.Calloway@TARNBROOK.example",
            mobile_phone="+1 (937) 555 0142",
            linkedin={"platform": "linkedin", "url": "http://de.linkedin.com/in/Imogen?trk=x"},
        ),
        body(email="bob@tarnbrook.example", mobile_phone="+1 937-555-0143", linkedin="https://linkedin.com/in/bob"),
    )

    again, bob, first = (value.strip('"').removeprefix("mailto:") for value in values(hashing, "email"))
    assert first == again != bob
    again, bob, first = values(hashing, "mobile_phone")
    assert first == again != bob
    again, bob, first = (value.rpartition("/")[2].strip('"}') for value in values(hashing, "linkedin"))
    assert first == again != bob
    assert '"platform":"linkedin"' in values(hashing, "linkedin")[0].replace(" ", "")


def test_the_same_body_again_changes_nothing(hashing: Warehouse) -> None:
    land(hashing, body())
    land(hashing, body())

    assert fetch(hashing, "select count(*), count(distinct content_hash) from linkt.entity_versions") == [(1, 1)]


def test_a_company_stays_as_it_is(hashing: Warehouse) -> None:
    company = (SAMPLES / "entity_company.json").read_bytes()
    batch = Batch()
    batch.add(ENTITIES.parse(json.loads(company)["id"], company, datetime.now(UTC)))
    ENTITIES.land(hashing, batch)

    assert fetch(hashing, "select payload::varchar from linkt.entities") == [(company.decode(),)]


def test_a_body_that_can_not_be_read_is_not_kept(hashing: Warehouse) -> None:
    land_run(hashing, run("r1"), created=[PERSON])
    land(hashing, body()[:-40])

    assert fetch(hashing, "select state from linkt.run_resources") == [("rejected",)]
    assert "hashed" in fetch(hashing, "select payload from linkt.rejects")[0][0]
    assert "calloway" not in everything(hashing)


@pytest.mark.parametrize(("key", "said"), [(None, "is not set"), (b"another", "is another one")])
def test_plain_data_never_land_beside_hashes(hashing: Warehouse, key: bytes | None, said: str) -> None:
    land(hashing, body())
    hashing.contact_key = key

    with pytest.raises(ConfigError, match=f"LINKT_CONTACT_KEY {said}"):
        land(hashing, body(title="CEO"))

    assert "ceo" not in everything(hashing)


def test_the_key_comes_from_the_environment_and_can_not_be_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LINKT_CONTACT_KEY", "0123456789abcdef")
    key = warehouse_of(load_settings()).contact_key
    assert key is not None
    assert len(key) == 32
    assert "0123456789abcdef" not in repr(load_settings())

    monkeypatch.setenv("LINKT_CONTACT_KEY", "short")
    with pytest.raises(ConfigError, match="CONTACT_KEY: it has fewer than 16 characters"):
        load_settings()


def test_a_person_is_found_by_the_plain_address_and_kept_out(hashing: Warehouse) -> None:
    land(hashing, body())
    plain = "imogen.calloway@tarnbrook.example"
    with hashing.read() as con:
        target = find_target(con, Kind.EMAIL, [plain, hashed_email(KEY, plain)])
    assert target.entities == (PERSON,)

    begin_erasure(hashing, Kind.EMAIL, [plain, hashed_email(KEY, plain)])
    remove_target(hashing, unfinished_erasures(hashing)[0])
    land(hashing, body(), body())  # under its id, and under another one

    assert fetch(hashing, "from linkt.entities") == []


def test_models_read_hashes_as_what_they_stand_for(hashing: Warehouse) -> None:
    land(hashing, body())
    with empty_warehouse() as con:
        project = load_project([BUILT_IN_SQL], warehouse_sources(con))
    assert build_all(hashing, project) == {}

    ((email, phone, phones, profile),) = fetch(
        hashing, "select email, mobile_phone, mobile_phones, linkedin_url from marts.people"
    )
    assert email == hashed_email(KEY, "imogen.calloway@tarnbrook.example")
    assert phone is None
    assert re.fullmatch("hashed-[a-p]{32}", phones)
    assert profile.startswith("https://hashed.invalid/")
