"""Fewest requests: pages where they pay, single reads where they don't, and a bound whatever the lists hold."""

from hypothesis import given
from hypothesis import strategies as st

from linkt_pipeline.collection.planner import ALLOWANCE, PAGE_SIZE, GroupPlan, PageBudget


def settle(groups: list[tuple[set[int], list[list[int]]]]) -> tuple[int, int]:
    """Play a plan against lists of pages: ``(pages read, ids left to be read one by one)``."""
    shared, pages, left = PageBudget(), 0, 0
    for wanted, listed in groups:
        plan = GroupPlan({str(number) for number in wanted}, shared)
        total = sum(map(len, listed))
        while plan.wants_page():
            page = listed[plan.next_page - 1] if plan.next_page <= len(listed) else []
            plan.record({str(number) for number in page}, total)
            pages += 1
            if not page:
                break
        left += len(plan.wanted)
    return pages, left


def paged(numbers: list[int]) -> list[list[int]]:
    return [numbers[start : start + PAGE_SIZE] for start in range(0, len(numbers), PAGE_SIZE)]


ids = st.integers(0, 400)
group = st.tuples(st.sets(ids, max_size=60), st.lists(ids, max_size=400, unique=True).map(paged))


@given(groups=st.lists(group, max_size=6))
def test_never_more_requests_than_one_per_id_and_two(groups: list[tuple[set[int], list[list[int]]]]) -> None:
    pages, left = settle(groups)

    assert pages + left <= sum(len(wanted) for wanted, _ in groups) + ALLOWANCE


@given(
    groups=st.lists(
        st.tuples(st.sets(ids, max_size=30), st.lists(st.lists(ids, max_size=PAGE_SIZE), max_size=8)), max_size=4
    )
)
def test_not_even_when_lists_are_short_torn_or_repeat_themselves(
    groups: list[tuple[set[int], list[list[int]]]],
) -> None:
    pages, left = settle(groups)

    assert pages + left <= sum(len(wanted) for wanted, _ in groups) + ALLOWANCE


def test_a_whole_list_that_is_wanted_costs_a_hundredth() -> None:
    numbers = list(range(1000))

    assert settle([(set(numbers), paged(numbers))]) == (10, 0)


def test_a_thousand_ids_of_three_groups_cost_a_twentieth_and_less() -> None:
    groups = [(set(range(start, start + 333)), paged(list(range(start, start + 333)))) for start in (0, 400, 800)]

    pages, left = settle(groups)

    assert pages + left <= 999 / 20
    assert left == 0


def test_a_few_new_ids_at_the_top_of_a_long_list_cost_one_page() -> None:
    newest_first = list(range(100_000, 0, -1))

    pages, left = settle([(set(newest_first[:40]), paged(newest_first))])

    assert (pages, left) <= (2, 0)


def test_ids_that_no_list_holds_are_read_one_by_one_after_two_pages() -> None:
    pages, left = settle([(set(range(-50, 0)), paged(list(range(100_000))))])

    assert pages <= ALLOWANCE
    assert left == 50


def test_many_groups_share_the_allowance() -> None:
    """Or a hundred ICPs with a few deleted ids each would cost two wasted pages apiece."""
    pages, left = settle([({-1, -2, -3}, paged(list(range(1000))))] * 100)

    assert left == 300
    assert pages <= ALLOWANCE


def test_one_or_two_ids_are_not_worth_a_page() -> None:
    assert settle([({1, 2}, paged([1, 2, 3]))]) == (0, 2)
