"""An address or a domain is found however a text spells it, and nothing beside it is touched."""

import json
from time import process_time

import duckdb
import pytest

from linkt_pipeline.warehouse.tombstones import Mentions, normal_domain, normal_email, own_emails, own_hosts
from linkt_pipeline.warehouse.tombstones.mentions import domains_in, emails_in

ANN = "ann.lee@acme.com"
CROWD = [f"p{number}@crowd.example" for number in range(1_000)]

MENTIONED = {
    '{"email": "ann.lee@acme.com"}': '{"email": "[erased]"}',
    '{"email": "Ann.LEE@Acme.com"}': '{"email": "[erased]"}',
    r'{"email": "ann.lee\u0040acme.com"}': '{"email": "[erased]"}',
    r'{"text": "write to\nann.lee@acme.com\tor call"}': r'{"text": "write to\n[erased]\tor call"}',
    r'{"text": "\u201eann.lee@acme.com\u201c"}': r'{"text": "\u201e[erased]\u201c"}',
    '{"url": "https://x.example/?to=ann.lee%40acme.com&a=1"}': '{"url": "https://x.example/?to=[erased]&a=1"}',
    '{"url": "https://x.example/?to=%3Cann.lee%40acme.com%3E"}': '{"url": "https://x.example/?to=%3C[erased]%3E"}',
    '{"text": "<ann.lee@acme.com>, bob@acme.com."}': '{"text": "<[erased]>, bob@acme.com."}',
    '{"text": "mailto:ann.lee@acme.com."}': '{"text": "mailto:[erased]."}',
    '{"text": "\'ann.lee@acme.com\'"}': '{"text": "\'[erased]\'"}',
    '{"text": "_ann.lee@acme.com_ **ann.lee@acme.com**"}': '{"text": "_[erased]_ **[erased]**"}',
    '{"url": "https://x.example/?a=1&ann.lee@acme.com"}': '{"url": "https://x.example/?a=1&[erased]"}',
    r'{"text": "\u0041nn.lee@acme.c\u006fm"}': '{"text": "[erased]"}',
    r'{"inner": "{\"email\": \"ann.lee\\u0040acme.com\"}"}': r'{"inner": "{\"email\": \"[erased]\"}"}',
    '{"url": "https://x.example/?next=%2F%3Fto%3D%61nn.lee%2540acme.com"}': '{"url": "https://x.example/?next=%2F%3Fto%3D'
    '[erased]"}',
    '{"url": "https://x.example/%0Aann.lee@acme.com"}': '{"url": "https://x.example/%0A[erased]"}',
    '{"name": "list_ann.csv, ann.lee@acme.com_2"}': '{"name": "list_ann.csv, [erased]_2"}',
    '{"text": "ann.lee@acme.com.Er schreibt"}': '{"text": "[erased].Er schreibt"}',
    '{"text": "ann.lee@acme.com.Tomorrow"}': '{"text": "[erased].Tomorrow"}',
    '{"number": 12345678901234567890.10, "email": "ann.lee@acme.com"}': '{"number": 12345678901234567890.10, '
    '"email": "[erased]"}',
}

OF_OTHERS = [
    '{"email": "joann.lee@acme.com"}',
    '{"email": "mary.ann.lee@acme.com"}',
    '{"email": "mary-ann.lee@acme.com"}',
    '{"email": "x+ann.lee@acme.com"}',
    '{"email": "ann.lee@acme.com.au"}',
    '{"email": "ANN.LEE@ACME.COM.AU"}',
    '{"email": "ann.lee@acme.company"}',
    '{"email": "ann.lee@acme.com-pany.example"}',
    '{"email": "annXlee@acme.com"}',
    '{"url": "https://x.example/?to=joe%2Bann.lee@acme.com"}',
    r'{"text": "jo\u00ebann.lee@acme.com joe\u002bann.lee@acme.com"}',
    '{"email": "o\'ann.lee@acme.com"}',
    r'{"text": "\nn.lee@acme.com"}',
]


@pytest.mark.parametrize("others", [[], CROWD], ids=["alone", "among_many"])
@pytest.mark.parametrize(("text", "erased"), MENTIONED.items())
def test_an_address_is_replaced_where_it_stands(text, erased, others):
    found = Mentions([ANN, *others])

    assert found.are_in(text)
    assert found.erased_from_json(text) == erased
    assert ANN in emails_in(text)
    assert duckdb.sql("select regexp_matches($1, $2)", params=[text, found.loose_pattern]).fetchall() == [(True,)]


@pytest.mark.parametrize("others", [[], CROWD], ids=["alone", "among_many"])
@pytest.mark.parametrize("text", OF_OTHERS)
def test_an_address_of_somebody_else_stays(text, others):
    found = Mentions([ANN, *others])

    assert not found.are_in(text)
    assert found.erased_from_json(text) == text
    assert ANN not in emails_in(text)


DOMAINS = {
    '{"website": "https://www.acme.com/about"}': '{"website": "https://[erased]/about"}',
    '{"website": "ACME.com"}': '{"website": "[erased]"}',
    r'{"text": "see\nacme.com"}': r'{"text": "see\n[erased]"}',
    r'{"text": "see\nwww.acme.com"}': r'{"text": "see\n[erased]"}',
    r'{"url": "https:\/\/shop.acme.com\/x"}': r'{"url": "https:\/\/[erased]\/x"}',
    '{"email": "ann.lee@mail.acme.com"}': '{"email": "[erased]"}',
    r'{"email": "ann\u0040acme.com"}': '{"email": "[erased]"}',
}


@pytest.mark.parametrize("others", [[], CROWD], ids=["alone", "among_many"])
@pytest.mark.parametrize(("text", "erased"), DOMAINS.items())
def test_a_domain_goes_with_its_subdomains_and_addresses(text, erased, others):
    found = Mentions(others, ["acme.com"])

    assert found.erased_from_json(text) == erased
    assert "acme.com" in domains_in(text)
    json.loads(found.erased_from_json(text))


@pytest.mark.parametrize("text", ['"notacme.com"', '"acme.com.br"', '"acme.community"', '"my-acme.com"', '"acme,com"'])
def test_another_domain_stays(text):
    assert Mentions([], ["acme.com"]).erased_from_json(text) == text
    assert "acme.com" not in domains_in(text)


def test_a_domain_in_unicode_is_found_in_both_spellings():
    found = Mentions([], [normal_domain("https://www.Müller.example/x")])

    assert found.erased_from('"müller.example" "xn--mller-kva.example"') == '"[erased]" "[erased]"'
    assert normal_domain("XN--MLLER-KVA.example") == "müller.example"
    assert "müller.example" in domains_in('"xn--mller-kva.example"')
    of_ann = Mentions([normal_email("Ann@MÜLLER.example")])
    text = "ann@müller.example, ann@xn--mller-kva.example, bob@xn--mller-kva.example"
    assert of_ann.erased_from(text) == "[erased], [erased], bob@xn--mller-kva.example"
    assert duckdb.sql("select regexp_matches($1, $2)", params=[text[20:45], of_ann.loose_pattern]).fetchall() == [
        (True,)
    ]
    assert normal_email("ann@xn--mller-kva.example") == "ann@müller.example"


def test_one_spelling_of_what_a_person_writes():
    assert normal_email(" mailto:Ann.Lee@ACME.com ") == ANN
    assert normal_domain("https://ann@www.Acme.com:8080/x?y#z") == "acme.com"


def test_letters_beyond_ascii_are_found_in_any_case_and_form():
    found = Mentions([normal_email("jos\u00e9@acme.com")])

    for text in ("JOS\u00c9@acme.com", r"jos\u00C9@acme.com", "jos%C3%89@acme.com", "jose\u0301@acme.com"):
        assert found.erased_from(f"to {text}, now") == "to [erased], now"
        assert duckdb.sql("select regexp_matches($1, $2)", params=[text, found.loose_pattern]).fetchall() == [(True,)]


@pytest.mark.parametrize("piece", ["a", "-", "_", "a.", "%41", "a@", "\\u0041"])
def test_the_time_grows_with_the_text_alone(piece):
    text = piece * (300_000 // len(piece))  # a picture in base64, say
    begun = process_time()

    assert not Mentions([ANN], ["acme.com"]).are_in(text)
    assert ANN not in emails_in(text)
    assert process_time() - begun < 10


def test_an_address_belongs_to_nobody_whose_own_one_ends_like_it():
    assert own_emails({"email": "o'ann@acme.com"}) == {"o'ann@acme.com"}
    assert own_emails({"email": {"value": "info@acme.de.com"}}) == {"info@acme.de.com"}
    assert own_emails({"mails": 'Ann <mailto:Ann@acme.com>; "Bob" <bob@acme.com>'}) == {"ann@acme.com", "bob@acme.com"}
    assert own_emails({"note": "write to ann@acme.com"}) == set()


def test_a_website_is_one_however_its_field_is_written():
    fields = {"Company Website": "https://www.acme.com/x", "web-site-url": "b.example", "website note": "c.example"}

    assert own_hosts(fields) == {"acme.com", "b.example"}


def test_json_stays_json_where_a_word_ends_in_an_escape():
    text = json.dumps({"a": "ann.lee@acme.com\\", "b": ["x\\ann.lee@acme.com"]})

    assert json.loads(Mentions([ANN]).erased_from_json(text))["a"] == "[erased]\\"
