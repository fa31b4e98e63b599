"""Odd values become columns where they can, and stay reachable where they can't."""

import json
from typing import Any

import pytest

from .conftest import Bench


@pytest.mark.parametrize(
    ("employees", "low", "high"),
    [
        ("51-200", 51, 200),
        ("51 – 200 employees", 51, 200),
        ("1,000+", 1000, None),
        ("1.000-5.000", 1000, 5000),
        ("10 000", 10000, 10000),
        ("1.000", 1000, 1000),
        ("1,250,000", 1250000, 1250000),
        ("50", 50, 50),
        (50, 50, 50),
        (50.0, 50, 50),
        ("2.5k", 2500, 2500),
        ("1-5k", 1000, 5000),
        ("over 300", 300, None),
        ("<10", None, 10),
        ("up to 25", None, 25),
        ("about 120 (2024)", 120, 120),
        ("unknown", None, None),
        ("", None, None),
        (None, None, None),
        (True, None, None),
        (["a"], None, None),
        ({"min": 5, "max": 9}, 5, 9),
        ("99999999999999999999999", None, None),
    ],
)
def test_head_counts(bench: Bench, employees: Any, low: int | None, high: int | None) -> None:
    bench.entity("c", {"employees": {"value": employees}})
    bench.build("marts.companies")
    row = bench.row("select employees, employees_low, employees_high from marts.companies")
    assert (row["employees_low"], row["employees_high"]) == (low, high)
    if isinstance(employees, str) and employees:
        assert row["employees"] == employees


@pytest.mark.parametrize(
    ("revenue", "low", "high", "currency"),
    [
        ("$50M", 50e6, 50e6, "USD"),
        ("$10M-$20M", 10e6, 20e6, "USD"),
        ("$10-20M", 10e6, 20e6, "USD"),
        ("500K - 1M", 500e3, 1e6, None),
        ("€1.5 billion", 1.5e9, 1.5e9, "EUR"),
        ("£2bn+", 2e9, None, "GBP"),
        ("$1,250,000", 1.25e6, 1.25e6, "USD"),
        ("$1,250,000,000", 1.25e9, 1.25e9, "USD"),
        ("under $5 million", None, 5e6, "USD"),
        (41000000, 41e6, 41e6, None),
        ({"amount": "$41M", "currency": "usd", "year": 2025}, 41e6, 41e6, "USD"),
        ({"amount": 41000000, "currency": "EUR"}, 41e6, 41e6, "EUR"),
        ({"unheard": "of"}, None, None, None),
        ("not disclosed", None, None, None),
        (False, None, None, None),
    ],
)
def test_revenues(bench: Bench, revenue: Any, low: float | None, high: float | None, currency: str | None) -> None:
    bench.entity("c", {"revenue": {"value": revenue}})
    bench.build("marts.companies")
    row = bench.row("select revenue_low, revenue_high, revenue_currency from marts.companies")
    assert tuple(row.values()) == (low, high, currency)


@pytest.mark.parametrize(
    ("data", "column", "expected"),
    [
        ({"name": {"value": "A"}, "full_name": {"value": "B"}}, "name", "A"),
        ({"name": {"value": None}, "full_name": {"value": "B"}}, "name", "B"),
        ({"name": {"value": "  "}, "full_name": "B"}, "name", "B"),
        ({"name": "bare"}, "name", "bare"),
        ({"name": 42}, "name", "42"),
        ({"name": None}, "name", None),
        ({"Name": {"value": "other case"}}, "name", None),
        ({"name": {"references": ["x"], "display": "shown"}}, "name", None),
        ({"name": {"references": ["x"]}, "full_name": "B"}, "name", "B"),
        ({"name": {"references": ["x"], "created_at": "2026-04-07T09:41:10Z"}}, "name", None),
        ({"note": {"references": ["x"]}}, "attributes", '{"note":null}'),
        (
            {"note": {"references": ["x"], "text": "its own"}},
            "attributes",
            '{"note":{"references":["x"],"text":"its own"}}',
        ),
        ({"linkedin": {"value": {"platform": "linkedin", "url": "u"}}}, "linkedin_url", "u"),
        ({"linkedin": {"value": "plain"}}, "linkedin_url", "plain"),
        ({"linkedin": None, "linkedin_url": {"value": "v"}}, "linkedin_url", "v"),
        ({"employee_count": {"value": "7"}}, "employees", "7"),
        ({"website": {"value": "https://WWW.Acme.example:8080/path?q=1"}}, "domain", "acme.example"),
        ({"website": {"value": "acme.example"}}, "domain", "acme.example"),
        ({"website": {"value": "none"}}, "domain", None),
        ({"headquarters": {"value": "Dayton, OH"}}, "headquarters", "Dayton, OH"),
        ({"headquarters": {"value": {"city": "Dayton", "state": None, "country": "US"}}}, "headquarters", "Dayton, US"),
        ({"headquarters": {"value": {"city": "Dayton"}}}, "city", "Dayton"),
        ({"headquarters": {"value": "Dayton"}}, "city", None),
        ({"location": {"value": {"country": "Peru"}}}, "country", "Peru"),
        ([], "name", None),
        ("no object", "name", None),
        (None, "name", None),
    ],
)
def test_company_fields(bench: Bench, data: Any, column: str, expected: str | None) -> None:
    bench.entity("c", data)
    bench.build("marts.companies")
    assert bench.row(f"select {column} as found from marts.companies")["found"] == expected


def test_custom_fields_stay_reachable(bench: Bench) -> None:
    bench.entity("c", {"name": "A", "Weird Name/%": {"value": [1, None]}, "flag": {"value": False}, "gone": None})
    bench.build("marts.companies", "staging.entity_attributes")
    attributes = bench.row("select attributes from marts.companies")["attributes"]
    assert json.loads(attributes) == {"Weird Name/%": [1, None], "flag": False, "gone": None}
    fields = bench.rows("select field, value, value_type from staging.entity_attributes order by field")
    assert [(f["field"], f["value"], f["value_type"]) for f in fields] == [
        ("Weird Name/%", "[1,null]", "ARRAY"),
        ("flag", "false", "BOOLEAN"),
        ("gone", None, "NULL"),
        ("name", '"A"', "VARCHAR"),
    ]


def test_a_company_knows_its_people_and_signals(bench: Bench) -> None:
    bench.put("icps", icp_id="icp", name="The ICP")
    bench.entity("c", {"name": "Acme"})
    bench.entity("p1", {}, entity_type="person", parent_id="c")
    bench.entity("p2", {}, entity_type="person", parent_id="c")
    bench.signal("s", entity_ids=["c", "c"], created_at="2026-04-01 00:00:00+00")
    bench.build("marts.companies")
    row = bench.row("select icp_name, people_count, signal_count, latest_signal_at from marts.companies")
    assert (row["icp_name"], row["people_count"], row["signal_count"]) == ("The ICP", 2, 1)
    assert row["latest_signal_at"].isoformat().startswith("2026-04-01")


def test_an_icp_by_another_name_reaches_its_companies_and_people(bench: Bench) -> None:
    """The two names have one ``hash()``."""
    bench.put("icps", icp_id="icp", name="SaaS 200 EMEA Q4")
    bench.entity("c", {"name": "Acme"})
    bench.entity("p", {"name": "Ann"}, entity_type="person")
    bench.build("marts.companies", "marts.people")
    bench.con.execute("update linkt.icps set name = 'SaaS 209 EMEA Q9'")
    bench.build("marts.companies", "marts.people")
    for table in ("companies", "people"):
        assert bench.row(f"select icp_name from marts.{table}")["icp_name"] == "SaaS 209 EMEA Q9"


def test_a_person_has_the_company_where_it_is_landed(bench: Bench) -> None:
    bench.entity("c", {"name": "Acme", "website": "acme.example", "employees": "51-200"})
    bench.entity("in", {"full_name": "Ann", "job_title": {"value": "CEO"}}, entity_type="person", parent_id="c")
    bench.entity("out", {"name": "Bob", "company": {"value": "Elsewhere"}}, entity_type="person", parent_id="gone")
    bench.build("marts.people")
    found = bench.rows(
        "select entity_id, name, title, has_company, company_name, company_domain, company_employees_high "
        "from marts.people order by entity_id"
    )
    assert [tuple(row.values()) for row in found] == [
        ("in", "Ann", "CEO", True, "Acme", "acme.example", 200),
        ("out", "Bob", None, False, "Elsewhere", None, None),
    ]


def test_the_sample_with_odd_fields(bench: Bench) -> None:
    bench.load_samples()
    bench.build("marts.companies", "staging.entity_attributes")
    row = bench.row("select * from marts.companies where entity_id = '69d4d6fc5c41d0beef002a31'")
    assert row["name"] == "Müller & Söhne Präzision GmbH — «Werk 7»"
    assert (row["employees"], row["employees_low"], row["employees_high"]) == ("1,000+", 1000, None)
    assert (row["revenue"], row["revenue_low"], row["revenue_currency"]) == ("$41M", 41e6, "USD")
    assert (row["headquarters"], row["country"], row["website"]) == ("Germany", "Germany", None)
    assert json.loads(row["attributes"])["Weird Field-Name %"] == "custom field names are caller-chosen"
    texts = {
        r["field"]: r["value_text"]
        for r in bench.rows(
            "select field, value_text from staging.entity_attributes where entity_id = '69d4d6fc5c41d0beef002a31'"
        )
    }
    assert len(texts) == 17
    assert texts["tech_stack"] == "SAP, Postgres, Kafka"
    assert texts["revenue"] == "$41M"
    assert texts["growth_rate"] == "0.0"
    assert texts["null_field"] is None
    assert texts["references_missing"] == "kept without references"


def test_references_and_their_domains(bench: Bench) -> None:
    refs = ["https://www.A.example/x", "http://a.example", "b.example/y", "not a url", None, 5]
    bench.entity("c", {"f": {"value": 1, "references": refs}, "g": {"value": 2, "references": "https://c.example"}})
    bench.build("staging.entity_attributes")
    found = bench.rows("select reference_domains as d from staging.entity_attributes order by field")
    assert [sorted(row["d"]) for row in found] == [["a.example", "b.example"], ["c.example"]]


def test_a_repeated_field_name_breaks_nothing(bench: Bench) -> None:
    bench.entity("c", {})
    bench.con.execute("""update linkt.entities set data = '{"a": 1, "a/b": 2, "a": 3}'""")
    bench.build("staging.entity_attributes", "marts.companies")
    found = bench.rows("select field, value_number from staging.entity_attributes order by field")
    assert [tuple(row.values()) for row in found] == [("a", 1.0), ("a/b", 2.0)]
    assert bench.row("select attributes from marts.companies")["attributes"] == '{"a":1,"a/b":2}'


@pytest.mark.parametrize(
    ("sent", "low", "high", "currency", "reading"),
    [
        ("€1,2 Mrd.", 1.2e9, 1.2e9, "EUR", "exact"),
        ("FY2024 $50M", 50e6, 50e6, "USD", "exact"),
        ({"min": 1000, "max": None}, 1000, None, None, "at_least"),
        ("20% growth to $10M", None, None, None, "unsure"),
        ("NaN", None, None, None, "unsure"),
        ({"odd": 1}, None, None, None, None),
        (None, None, None, None, None),
    ],
)
def test_revenues_say_how_they_were_read(
    bench: Bench, sent: Any, low: float | None, high: float | None, currency: str | None, reading: str | None
) -> None:
    bench.entity("c", {"revenue": {"value": sent}})
    bench.build("marts.companies")
    row = bench.row("select revenue_low, revenue_high, revenue_currency, revenue_reading from marts.companies")
    assert tuple(row.values()) == (low, high, currency, reading)


@pytest.mark.parametrize(
    ("sent", "low", "high", "reading"),
    [
        ("c_10001_max", 10001, None, "at_least"),
        ("Nov-50", None, None, "unsure"),
        ("-1", None, None, "unsure"),
        ({"low": 5, "high": 9}, 5, 9, "range"),
        (12.345, None, None, "unsure"),
    ],
)
def test_head_counts_say_how_they_were_read(
    bench: Bench, sent: Any, low: int | None, high: int | None, reading: str
) -> None:
    bench.entity("c", {"employees": {"value": sent}})
    bench.build("marts.companies")
    row = bench.row("select employees_low, employees_high, employees_reading from marts.companies")
    assert tuple(row.values()) == (low, high, reading)


def test_an_object_of_an_unknown_form_is_read_from_what_is_displayed(bench: Bench) -> None:
    odd = {"band": "C"}
    fields = {"employees": {"value": odd, "display": "51-200"}, "revenue": {"value": odd, "display": "$5M"}}
    bench.entity("c", fields)
    bench.build("marts.companies")
    row = bench.row("select employees, employees_low, revenue, revenue_low from marts.companies")
    assert tuple(row.values()) == ("51-200", 51, "$5M", 5e6)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"headquarters": {"value": ", , "}}, (None, None)),
        ({"headquarters": {"value": ", , "}, "location": {"value": {"city": "Rome"}}}, ("Rome", "Rome")),
        ({"headquarters": {"value": {"city": None}}, "location": {"value": "Rome, Italy"}}, ("Rome, Italy", None)),
        ({"headquarters": {"value": {"city": ""}, "display": ", , "}, "location": "Rome"}, ("Rome", None)),
        ({"headquarters": {"value": {"city": "Bonn"}}, "location": {"value": {"city": "Rome"}}}, ("Bonn", "Bonn")),
        ({"headquarters": {"value": {"odd": 1}, "display": "Bonn, DE"}, "location": "Rome"}, ("Bonn, DE", None)),
    ],
)
def test_an_empty_headquarters_does_not_hide_the_location(
    bench: Bench, data: Any, place: tuple[str | None, str | None]
) -> None:
    bench.entity("c", data)
    bench.build("marts.companies")
    assert tuple(bench.row("select headquarters, city from marts.companies").values()) == place


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.linkedin.com/company/acme", None),
        ("https://de.linkedin.com/company/acme", None),
        ("https://sites.google.com/view/acme", None),
        ("https://wordpress.com/acme", None),
        ("https://acme.wordpress.com", "acme.wordpress.com"),
        ("https://mylinkedin.com", "mylinkedin.com"),
        ("mailto:ann@acme.example", None),
        ("n.a.", None),
        ("acme.example,", "acme.example"),
        ("//Acme.example./x", "acme.example"),
        ("https://xn--mnchen-3ya.example", "münchen.example"),
        (["https://acme.example", "https://other.example"], "acme.example"),
        (None, None),
    ],
)
def test_domains(bench: Bench, website: Any, domain: str | None) -> None:
    bench.entity("c", {"website": {"value": website}})
    bench.build("marts.companies")
    assert bench.row("select domain from marts.companies")["domain"] == domain


def test_pages_on_one_shared_host_make_no_duplicates(bench: Bench) -> None:
    for name, website in (("a", "linkedin.com/company/a"), ("b", "https://www.linkedin.com/company/b")):
        bench.entity(name, {"website": website})
    for name, website in (("c", "https://xn--mnchen-3ya.example"), ("d", "MÜNCHEN.example.")):
        bench.entity(name, {"website": website})
    bench.build("marts.duplicates")
    found = bench.rows("select entity_id, primary_entity_id, basis from marts.duplicates")
    assert [tuple(row.values()) for row in found] == [("d", "c", "same_domain")]


def test_several_values_in_a_cell_are_readable_and_the_first_stands_alone(bench: Bench) -> None:
    bench.entity("c", {"industry": {"value": ["Software", "Fintech"]}})
    bench.entity("d", {"industry": {"value": '["Software","Fintech"]'}})
    person = {
        "email": ["Ann@A.example", "ann@b.example"],
        "mobile_phone": "+1 555 010 0001, +1 555 010 0002",
        "title": ["CEO", "Founder"],
    }
    bench.entity("p", person, entity_type="person")
    bench.entity("q", {"email": "none", "phone": "12"}, entity_type="person")
    bench.build("marts.people", "staging.entity_attributes")
    companies = bench.rows("select industry, primary_industry from marts.companies")
    assert [tuple(row.values()) for row in companies] == [("Software, Fintech", "Software")] * 2
    people = bench.rows("select email, emails, mobile_phone, mobile_phones, title from marts.people order by entity_id")
    assert [tuple(row.values()) for row in people] == [
        (
            "ann@a.example",
            "Ann@A.example, ann@b.example",
            "+1 555 010 0001",
            "+1 555 010 0001, +1 555 010 0002",
            "CEO, Founder",
        ),
        (None, "none", None, "12", None),
    ]
    texts = bench.rows("select value_text from staging.entity_attributes where field = 'industry'")
    assert {row["value_text"] for row in texts} == {"Software, Fintech"}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1,000", 1000),
        ("1000", 1000),
        (1.5, 1.5),
        (1.234, 1.234),
        ("1,5", 1.5),
        ("1.234,56", 1234.56),
        ("−7", -7),
        ("1.234", None),
        ("NaN", None),
        ("Infinity", None),
        ("2024-01-31", None),
        ("12 apples", None),
        (True, None),
        ([1], None),
        (None, None),
    ],
)
def test_attributes_that_are_numbers(bench: Bench, value: Any, number: float | None) -> None:
    bench.entity("c", {"f": {"value": value}})
    bench.build("staging.entity_attributes")
    assert bench.row("select value_number from staging.entity_attributes")["value_number"] == number
