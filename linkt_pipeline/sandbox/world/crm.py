"""The records that entities stand for in the CRMs of the sandbox's organisation."""

import string
from random import Random

SALESFORCE, HUBSPOT = "salesforce", "hubspot"
Record = tuple[str, str]
"""The CRM and the record's id in it."""

_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECK_LETTERS = string.ascii_uppercase + "012345"


def account_of(seed: int, number: int) -> Record | None:
    """The CRM account of a company, whatever ICP it shows up in; None for a company that no CRM knows.

    Two of five are Salesforce accounts, one of ten is a HubSpot company.
    """
    rng = Random(f"{seed}:account:{number}")  # noqa: S311 made-up data, not a secret
    if number % 5 in (1, 3):
        return SALESFORCE, salesforce_id(rng, "001")
    return (HUBSPOT, str(rng.randrange(10**9, 10**11))) if number % 10 == 4 else None


def contact_of(seed: int, number: int, ordinal: int) -> Record | None:
    """The CRM contact of a company's first person, where the company is a Salesforce account."""
    account = account_of(seed, number)
    if ordinal > 0 or account is None or account[0] != SALESFORCE:
        return None
    return SALESFORCE, salesforce_id(Random(f"{seed}:contact:{number}"), "003")  # noqa: S311


def is_linked_late(number: int) -> bool:
    """Whether a company is found first and matched with its account only when a run looks at it again."""
    return number % 3 == 2


def salesforce_id(rng: Random, prefix: str) -> str:
    """An id of 18 characters, the last three of which say where the others are capitals."""
    short = prefix + "5g00000" + "".join(rng.choices(_LETTERS, k=5))
    parts = (short[start : start + 5] for start in range(0, 15, 5))
    masks = (sum(letter.isupper() << place for place, letter in enumerate(part)) for part in parts)
    return short + "".join(_CHECK_LETTERS[mask] for mask in masks)
