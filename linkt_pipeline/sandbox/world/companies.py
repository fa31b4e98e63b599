"""Made-up companies: the same seed and number always give the same one."""

import copy
from dataclasses import dataclass
from random import Random
from typing import Any

from linkt_pipeline.sandbox.world import vocabulary as words

Attribute = dict[str, Any]
Place = tuple[str, str, str, str, str]

_BRANDS = len(words.COMPANY_STEMS) * len(words.COMPANY_ENDINGS)
_STEP = 367  # coprime to the number of brands, so that it meets each of them once


@dataclass(frozen=True)
class Company:
    """What stays the same about a company, in whichever sheet it shows up."""

    number: int
    name: str
    domain: str
    industry: str
    place: Place
    size: int
    product: str


def make_company(seed: int, number: int, name: str | None = None) -> Company:
    """Company ``number`` of this seed; ``name`` when a user's file says how it is called.

    The first 25,600 numbers of a seed have names and domains of their own.
    """
    rng = Random(f"{seed}:company:{number}")  # noqa: S311 made-up data, not a secret
    place = rng.choice(words.PLACES)
    if name is None:
        brand, trade = _brand_and_trade(seed, number)
        is_first_of_brand = number < _BRANDS
        slug = brand if is_first_of_brand else brand + trade
        legal_form = words.LEGAL_FORMS.get(place[3]) if rng.random() < 0.5 else None
        # "Tarnbrook GmbH" leaves no doubt while there is one Tarnbrook.
        name = " ".join(filter(None, [brand, None if legal_form and is_first_of_brand else trade, legal_form]))
    else:
        slug = name
    slug = "".join(letter for letter in slug.lower() if letter.isascii() and letter.isalnum()) or f"company{number}"
    return Company(
        number=number,
        name=name,
        domain=f"{slug}.example",
        industry=rng.choice(words.INDUSTRIES),
        place=place,
        size=rng.randrange(len(words.EMPLOYEES)),
        product=rng.choice(words.PRODUCTS),
    )


def _brand_and_trade(seed: int, number: int) -> tuple[str, str]:
    """Walks through every brand before one comes again, with another trade."""
    cycle = number // _BRANDS
    brand = (number * _STEP + seed * 31) % _BRANDS
    ending, stem = divmod(brand, len(words.COMPANY_STEMS))
    trade = (brand * 7 + cycle) % len(words.COMPANY_TRADES)
    return words.COMPANY_STEMS[stem] + words.COMPANY_ENDINGS[ending], words.COMPANY_TRADES[trade]


def attribute(value: Any, at: str, *, references: tuple[str, ...] = (), display: str | None = None) -> Attribute:
    """One value of an entity's ``data`` in the form Linkt wraps it."""
    return {
        "value": value,
        "display": display if display is not None else (None if value is None else str(value)),
        "references": list(references),
        "created_at": at,
        "updated_at": at,
    }


def located(place: Place, at: str, *, long_state: bool = False, references: tuple[str, ...] = ()) -> Attribute:
    """A Location; sources disagree on how to write a state."""
    city, short, full, country, _ = place
    state = full if long_state else short
    value = {"city": city, "state": state, "country": country}
    return attribute(value, at, display=f"{city}, {state}, {country}", references=references)


def company_data(company: Company, at: str, *, custom: str | None, alternative_name: bool = False) -> dict[str, Any]:
    """The ``data`` of a company entity.

    Args:
        company: who it is about.
        at: timestamp of every attribute.
        custom: which custom fields the sheet has: ``saas``, ``fair`` or none.
        alternative_name: write the name as another source would, as duplicates across ICPs often are.
    """
    rng = Random(f"{company.number}:{company.name}:data")  # noqa: S311
    site = f"https://{company.domain}"
    social = f"https://social.example/company/{company.domain.removesuffix('.example')}"
    employees, revenue = words.EMPLOYEES[company.size], words.REVENUES[company.size]
    data: dict[str, Any] = {
        "name": attribute(company.name + ", Inc." * alternative_name, at, references=(f"{site}/about",)),
        "website": attribute(site, at),
        "linkedin": attribute({"platform": "linkedin", "url": social}, at, display=social),
        "headquarters": located(company.place, at, references=(f"{site}/contact",)),
        "industry": attribute(company.industry, at),
        "employees": attribute(employees, at, references=(social,)),
        "revenue": attribute(revenue, at, references=(f"https://registry.example/filings/{company.number}",)),
    }
    if custom == "saas":
        data |= {
            "primary_product": attribute(company.product, at, references=(f"{site}/product",)),
            "tech_stack": attribute(stack := rng.sample(words.TECHNOLOGIES, 3), at, display=", ".join(stack)),
            "last_funding": funding(rng, at),
            "is_public": attribute(rng.random() < 0.2, at),
            "pricing_model": attribute(rng.choice(words.PRICING_MODELS), at),
            "Net Revenue Retention %": attribute(round(rng.uniform(88, 131), 1), at),
        }
    elif custom == "fair":
        data |= {
            "booth": attribute(f"{rng.choice(words.FAIR_HALLS)}, {rng.choice('ABCDEF')}{rng.randrange(1, 90)}", at),
            "visitors_met": attribute(rng.randrange(0, 40), at),
        }
    return _with_oddities(data, company.number)


def funding(rng: Random, at: str) -> Attribute:
    """A latest funding round, with what is not public left null."""
    stage = rng.choice(list(words.ROUNDS))
    amount = rng.choice(words.ROUNDS[stage])
    date = f"2025-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
    value = {"stage": stage, "amount_usd": amount, "date": date}
    shown = stage if amount is None else f"{stage}, ${amount / 1e6:g}M"
    return attribute(value, at, display=shown, references=("https://news-wire.example/funding",))


def _with_oddities(data: dict[str, Any], number: int) -> dict[str, Any]:
    """The forms a real sheet holds too: numbers for texts, nulls, bare scalars, missing references."""
    if number % 7 == 3:
        data["employees"] |= {"value": 140 + number % 60, "display": None}
    if number % 9 == 4:
        data["revenue"] |= {"value": {"amount": "$41M", "currency": "USD", "year": 2025}, "display": "$41M"}
    if number % 11 == 5:
        data["website"] |= {"value": None, "display": None}
    if number % 13 == 7:
        data["industry"] = data["industry"]["value"]
    if number % 10 == 8:
        del data["headquarters"]["references"], data["headquarters"]["display"]
    if number % 12 == 10:
        data["linkedin"] = None
    return data


def revise_company(data: dict[str, Any], rng: Random, at: str) -> dict[str, Any]:
    """What a later run finds changed: the company grew, and now and then raised money."""
    revised = copy.deepcopy(data)
    for field, ladder in (("employees", words.EMPLOYEES), ("revenue", words.REVENUES)):
        known = revised.get(field)
        value = known["value"] if isinstance(known, dict) else known
        step = ladder.index(value) + 1 if value in ladder else rng.randrange(len(ladder))
        created = known["created_at"] if isinstance(known, dict) else at
        revised[field] = attribute(ladder[step % len(ladder)], at) | {"created_at": created}
    if "last_funding" in revised and rng.random() < 0.5:
        created = revised["last_funding"]["created_at"]
        revised["last_funding"] = funding(rng, at) | {"created_at": created}
    return revised
