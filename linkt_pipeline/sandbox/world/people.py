"""Made-up contacts of made-up companies."""

import unicodedata
from random import Random
from typing import Any

from linkt_pipeline.sandbox.world import vocabulary as words
from linkt_pipeline.sandbox.world.companies import Company, attribute, located


def person_name(rng: Random) -> str:
    """A first and a last name."""
    return f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}"


def person_data(seed: int, company: Company, ordinal: int, at: str) -> dict[str, Any]:
    """The ``data`` of a person entity, ``ordinal`` counting the contacts of one company."""
    rng = Random(f"{seed}:person:{company.number}:{company.name}:{ordinal}")  # noqa: S311 made-up data
    name = person_name(rng)
    slug = _ascii(name).lower().replace(" ", "-").replace("'", "")
    social = f"https://social.example/in/{slug}"
    data: dict[str, Any] = {
        "name": attribute(name, at, references=(social,)),
        "title": attribute(rng.choice(words.TITLES), at, references=(social,)),
        "company": attribute(company.name, at),
        "email": attribute(f"{slug.replace('-', '.')}@{company.domain}", at),
        "linkedin": attribute({"platform": "linkedin", "url": social}, at, display=social),
        "location": located(company.place, at, long_state=True),
        "mobile_phone": attribute(f"{company.place[4]}-555-01{rng.randrange(100):02d}", at),
    }
    if rng.random() < 0.2:
        del data["mobile_phone"]
    if rng.random() < 0.1:
        data["email"] = attribute(None, at)
    if rng.random() < 0.15:
        for field in ("title", "location"):  # some official examples leave the attribute's times out
            del data[field]["created_at"], data[field]["updated_at"]
    return data


def _ascii(text: str) -> str:
    letters = text.replace("ø", "o").replace("ı", "i")
    return unicodedata.normalize("NFKD", letters).encode("ascii", "ignore").decode()
