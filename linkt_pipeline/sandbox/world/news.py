"""Made-up business events."""

from random import Random
from typing import Any

from linkt_pipeline.sandbox.world import vocabulary as words
from linkt_pipeline.sandbox.world.people import person_name


def make_event(rng: Random, number: int, subject: str | None, other: str) -> dict[str, Any]:
    """What a signal says, without its ids and time.

    Args:
        rng: source of every choice.
        number: counts signals, so that all 17 types come up in turn.
        subject: the company it is about; None for an event of a topic.
        other: another company, where the event needs two.
    """
    signal_type = list(words.SIGNALS)[(number * 5) % len(words.SIGNALS)]
    template = rng.choice(words.SIGNALS[signal_type][1])
    if subject is None:
        signal_type, template = rng.choice(words.TOPICS)
    shown = words.SIGNALS[signal_type][0]
    score: float | None = round(rng.uniform(0.2, 0.99), 2)
    strength = rng.choice(words.STRENGTHS)
    if number % 8 == 6:  # the API gives null for all three now and then
        score = strength = None
    event: dict[str, Any] = {
        "summary": template.format(
            company=subject,
            other=other,
            person=person_name(rng),
            title=rng.choice(words.TITLES),
            product=rng.choice(words.PRODUCTS).lower(),
            round=rng.choice(list(words.ROUNDS)),
            investor=rng.choice(words.INVESTORS),
            city=rng.choice(words.PLACES)[0],
            amount=rng.randrange(2, 90),
            percent=rng.randrange(3, 25),
            count=rng.randrange(4, 60),
        ),
        "signal_type": None if number % 8 == 6 else signal_type,
        "signal_display_name": None if number % 8 == 6 else shown,
        "strength": strength,
        "score": score,
        "references": [
            f"https://{domain}/{signal_type.replace('_', '-')}-{number}?id={rng.randrange(1000)}&lang=en"
            for domain in rng.sample(words.NEWS_DOMAINS, rng.randrange(1, 4))
        ],
    }
    return event | {"metadata": _metadata(number, shown, event["references"])}


def _metadata(number: int, shown: str, references: list[str]) -> dict[str, Any] | None:
    """What else a workflow knows of every other event; the API documents none of it."""
    if number % 2:
        return None
    sources = {"count": len(references), "first": references[0].split("/")[2]}
    return {"category": shown, "sources": sources, "is_rumour": number % 6 == 0}
