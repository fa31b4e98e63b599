"""A 404 marks, a later read unmarks; whatever the order they are landed in, the later of the two has the last word."""

import pytest

from linkt_pipeline.transform import Known, ModelKey
from linkt_pipeline.warehouse.landing import mark_deleted
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.warehouse.deliveries import at, entity, fetch, land, land_run, name_of, run, versions_of


def gone(warehouse: Warehouse, *ids: str, asked: float) -> int:
    with warehouse.write() as con:
        return mark_deleted(con, ids, at=at(asked))


def marked(warehouse: Warehouse) -> list:
    return [minute for (minute,) in fetch(warehouse, "select deleted_at from linkt.entities")]


def test_what_is_gone_is_kept_whole_and_marked_once(warehouse: Warehouse) -> None:
    land(warehouse, entity("e", "A"))
    before = fetch(warehouse, "select * exclude (deleted_at) from linkt.entities")

    assert gone(warehouse, "e", "never landed", asked=110) == 1
    assert gone(warehouse, "e", asked=120) == 0

    assert marked(warehouse) == [at(110)]
    assert fetch(warehouse, "select * exclude (deleted_at) from linkt.entities") == before
    assert versions_of(warehouse, "e") == ["A"]


@pytest.mark.parametrize("name", ["A", "B"])
@pytest.mark.parametrize("read", [105, 115])
@pytest.mark.parametrize("verdict_first", [True, False])
def test_the_later_of_404_and_read_has_the_last_word(
    warehouse: Warehouse, name: str, read: int, verdict_first: bool
) -> None:
    """A read that found the row as it was leaves no trace, so only a changed one can hold against an older 404."""
    land(warehouse, entity("e", "A", updated=1, fetched=100))
    steps = [
        lambda: gone(warehouse, "e", asked=110),
        lambda: land(warehouse, entity("e", name, updated=1 if name == "A" else 2, fetched=read)),
    ]

    for step in steps if verdict_first else reversed(steps):
        step()

    unnoticed = name == "A" and not verdict_first
    assert marked(warehouse) == [at(110) if read == 105 or unnoticed else None]
    assert name_of(warehouse, "e") == name


def test_a_404_older_than_what_landed_for_a_run_marks_nothing(warehouse: Warehouse) -> None:
    """The read for the run found the row as it was, so that only the run's books tell of it."""
    land(warehouse, entity("e", fetched=0))
    land_run(warehouse, run("r", fetched=0), updated=["e"])
    land(warehouse, entity("e", fetched=50))

    assert gone(warehouse, "e", asked=40) == 0
    assert marked(warehouse) == [None]


def test_counts_tell_what_was_restored(warehouse: Warehouse) -> None:
    land(warehouse, entity("e"), entity("f"))
    gone(warehouse, "e", "f", asked=110)

    counts = land(warehouse, entity("e", fetched=120), entity("f", "B", updated=5, fetched=120))

    assert (counts.restored, counts.updated, counts.unchanged, counts.is_news) == (2, 1, 1, True)
    assert not land(warehouse, entity("e", fetched=130)).is_news


def test_a_deletion_is_a_change_of_what_models_read(warehouse: Warehouse) -> None:
    land(warehouse, entity("e"))

    def fingerprint() -> str:
        with warehouse.write(news=False) as con:
            return Known().landed.mark(con, ModelKey("linkt", "entities"))

    before = fingerprint()
    gone(warehouse, "e", asked=110)

    assert fingerprint() != before
