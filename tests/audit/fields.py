"""Fields of companies and people: plain ones, odd ones, wrapped and bare ones."""

import random
from typing import Any

Data = dict[str, Any]

COMPANY_FIELDS: dict[str, list[Any]] = {
    "name": ["Acme Inc.", "Brightpath", "Zoë AG", "北京 Labs", None, "", "N/A"],
    "website": ["https://www.acme.com", "http://acme.com/about", "acme.com", "https://brightpath.io", None,
                "https://www.linkedin.com/company/acme", "acme.com,", "n.a.", ["https://a.com", "https://b.com"]],
    "linkedin": [{"platform": "linkedin", "url": "https://www.linkedin.com/company/acme"}, None,
                 "https://linkedin.com/company/acme"],
    "industry": ["Software", ["Software", "Fintech"], "Software, Fintech", [], None],
    "headquarters": [{"city": "Dayton", "state": "OH", "country": "USA"}, {"city": "Berlin", "country": "Germany"},
                     ", , ", None, {"city": "", "state": None}, "Berlin"],
    "location": ["Paris", {"country": "France"}, None],
    "employees": ["200", "51-200", "1,000+", 50, "about 50", "Nov-50", None, {"min": 10, "max": 50}],
    "revenue": ["$50M", "$10M-$20M", "€1,2 Mrd.", None, 41000000, {"amount": 5, "currency": "EUR"}],
    "primary_product": ["Robots", 1, 1.5, True, None, ["a", None], {"k": [1, {"b": None}]}, ""],
    "Custom / odd": ["x", {"value": "nested"}, "NaN"],
}  # fmt: skip

PERSON_FIELDS: dict[str, list[Any]] = {
    "name": ["Ann Lee", "Zoë", None, ""],
    "title": ["CEO", None, "VP, Sales"],
    "email": ["Ann@Acme.com", None, "a@x.com; b@x.com", "none"],
    "mobile_phone": ["+1 937-555-0142", None, "call me", ["+1 937-555-0142", "+1 937-555-0143"]],
    "linkedin": [{"platform": "linkedin", "url": "https://www.linkedin.com/in/ann"}, None],
    "location": [{"city": "Dayton", "state": "Ohio", "country": "USA"}, "Berlin", None],
    "company": ["Acme Inc.", None],
    "hobby": ["chess", 1, None],
}

REFERENCES: list[Any] = [
    [], None, ["https://www.a.example/1", "http://A.example/2"], ["b.example"], ["https://news.c.example/x?y=1"],
    ["not an address"], ["https://acme.com", "https://acme.com/about"],
]  # fmt: skip


def company_data(rng: random.Random) -> Data:
    """Some fields of a company."""
    return _data(rng, COMPANY_FIELDS)


def person_data(rng: random.Random) -> Data:
    """Some fields of a person."""
    return _data(rng, PERSON_FIELDS)


def _data(rng: random.Random, fields: dict[str, list[Any]]) -> Data:
    chosen = rng.sample(list(fields), rng.randint(0, len(fields)))
    return {name: _attribute(rng, rng.choice(fields[name])) for name in chosen}


def _attribute(rng: random.Random, value: Any) -> Any:
    if rng.random() < 0.2:
        return value
    attribute = {"value": value, "references": rng.choice(REFERENCES), "updated_at": "2026-01-01T00:00:00Z"}
    return {**attribute, "display": str(value)} if rng.random() < 0.3 else attribute
