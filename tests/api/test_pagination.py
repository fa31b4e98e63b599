"""Lists that change while they are read: rows appear, vanish, repeat; totals drift; last pages never end."""

import asyncio
from dataclasses import replace

import pytest

from linkt_pipeline.api import IncompleteListError, MalformedBodyError
from linkt_pipeline.api.models import Page, Signal
from linkt_pipeline.api.pagination import walk_pages


def page(ids: str, total: int | None, size: int = 3, number: int = 1) -> Page[Signal]:
    return Page([Signal(id=i) for i in ids], total, number, size)


def walk(pages: list[Page[Signal]], *, endless: bool = False) -> tuple[str, int]:
    asked: list[int] = []

    async def fetch(number: int) -> Page[Signal]:
        asked.append(number)
        assert len(asked) < 50, "the walk does not end"
        return pages[min(number, len(pages)) - 1] if endless else pages[number - 1]

    async def collect() -> str:
        return "".join([row.id async for row in walk_pages(fetch)])

    return asyncio.run(collect()), len(asked)


@pytest.mark.parametrize(
    ("pages", "ids", "requests"),
    [
        pytest.param([page("", 0)], "", 1, id="nothing"),
        pytest.param([page("ab", 2)], "ab", 1, id="one short page"),
        pytest.param([page("abc", 3)], "abc", 1, id="one full page, no second request"),
        pytest.param([page("abc", 5), page("de", 5)], "abcde", 2, id="two pages"),
        pytest.param([page("abc", 4), page("cde", 5)], "abcde", 2, id="a row is inserted: the list shifts"),
        pytest.param([page("abc", 6), page("def", 7), page("g", 7)], "abcdefg", 3, id="the total grows"),
        pytest.param([page("abc", 9), page("def", 6)], "abcdef", 2, id="the total shrinks"),
        pytest.param([page("abc", 9), page("", 9), page("def", 9)], "abcdef", 3, id="an empty page within"),
        pytest.param([page("abc", 99), page("", 99), page("", 99)], "abc", 3, id="the total lies"),
        pytest.param([page("abc", None), page("de", None), page("", None)], "abcde", 3, id="no total"),
        pytest.param(
            [page("ab", 5, 100), page("cd", 5, 100), page("e", 5, 100)], "abcde", 3, id="pages are smaller than claimed"
        ),
        pytest.param([page("aab", 4), page("bcd", 4)], "abcd", 2, id="a row twice in a page"),
    ],
)
def test_every_row_comes_once(pages, ids, requests):
    assert walk(pages) == (ids, requests)


@pytest.mark.parametrize(
    ("pages", "left_out"),
    [
        ([page("ab", 2)], 0),
        ([page("abc", 4), page("cde", 5)], 0),
        ([page("abc", 9), page("def", 6)], 0),
        ([page("abc", None), page("", None)], 0),
        ([page("abc", 3), page("", 3)], 0),
        ([page("abc", 99), page("", 99), page("", 99)], 96),
        ([page("abc", 6), page("abc", 6)], 3),
        ([replace(page("ab", 3), malformed=(MalformedBodyError("?", payload="{}", reason="?"),)), page("", 3)], 1),
    ],
)
def test_a_list_that_is_to_be_whole_says_when_it_is_not(pages, left_out):
    async def collect():
        async def fetch(number):
            return pages[number - 1]

        return [row.id async for row in walk_pages(fetch, whole=True)]

    if not left_out:
        assert asyncio.run(collect())
        return
    with pytest.raises(IncompleteListError, match=f"^{left_out} of the"):
        asyncio.run(collect())


def test_a_total_that_counts_its_own_page_hides_no_row_of_a_list_that_is_to_be_whole():
    pages = [page("abc", 3), page("def", 3), page("g", 1)]

    async def collect():
        async def fetch(number):
            return pages[number - 1]

        return "".join([row.id async for row in walk_pages(fetch, whole=True)])

    assert asyncio.run(collect()) == "abcdefg"


def test_a_last_page_that_repeats_for_ever_ends_the_walk():
    assert walk([page("abc", 1000), page("def", 1000)], endless=True) == ("abcdef", 3)


def test_a_first_page_that_repeats_for_ever_ends_the_walk():
    assert walk([page("abc", 1000)], endless=True) == ("abc", 2)


def test_rows_come_before_the_next_page_is_asked_for():
    asked = []

    async def fetch(number: int) -> Page[Signal]:
        asked.append(number)
        return page("abc", 6) if number == 1 else page("def", 6)

    async def first() -> str:
        rows = walk_pages(fetch)
        return (await anext(rows)).id

    assert (asyncio.run(first()), asked) == ("a", [1])


def test_unreadable_rows_are_told_once_and_end_no_walk_and_prolong_none():
    told = []
    broken = MalformedBodyError("no id", payload='{"summary": "x"}', reason="no id", field="id")
    pages = [
        Page([Signal(id="a")], None, 1, 2, (broken,)),
        Page([], None, 2, 2, (MalformedBodyError("no id", payload="5", reason="no id"),)),
        Page([Signal(id="b")], None, 3, 2, (broken,)),
        Page([], None, 4, 2, (broken,)),
    ]

    async def fetch(number: int) -> Page[Signal]:
        return pages[min(number, len(pages)) - 1]

    async def collect() -> list[str]:
        return [row.id async for row in walk_pages(fetch, on_malformed=told.append)]

    assert asyncio.run(asyncio.wait_for(collect(), 5)) == ["a", "b"]
    assert [error.payload for error in told] == ['{"summary": "x"}', "5"]
