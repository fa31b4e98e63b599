"""The limiter against servers that do not say what they allow. Each case runs for minutes of virtual time."""

import random

import pytest

from tests.api.servers_that_limit import Dense, FixedWindow, SlidingWindow, Unlimited, drive

SERVERS = pytest.mark.parametrize("make", [FixedWindow, SlidingWindow])


@pytest.mark.parametrize(("stray", "least"), [(0.05, 10), (0.01, 60), (0.001, 400)])
def test_a_stray_429_teaches_no_limit(stray: float, least: float) -> None:
    seen = drive(Unlimited(stray), minutes=2)
    assert seen.per_second >= least
    assert seen.refused.total() <= 1.5 * stray * seen.passed.total()


@pytest.mark.parametrize("seed", range(20))
def test_reads_by_id_pass_stray_429s_within_seconds(seed: int) -> None:
    seen = drive(Unlimited(0.05, random.Random(seed)), requests=640, retry_after=1)
    assert seen.seconds < 45


@SERVERS
@pytest.mark.parametrize("limit", [60, 300])
@pytest.mark.parametrize("retry_after", [None, 1, "reset"])
def test_a_hidden_limit_is_found_kept_and_tried_ever_more_rarely(make, limit: int, retry_after) -> None:
    seen = drive(make(limit), minutes=16, retry_after=retry_after)
    later = range(2, 16)
    # A fixed window of the server's begins within a minute of ours, so one minute may hold what two of them allow.
    pairs = [(seen.passed[minute] + seen.passed[minute + 1]) / (2 * limit) for minute in later[:-1]]
    assert min(pairs) >= 0.9
    assert max(seen.refused[minute] for minute in later) <= 3
    assert sum(seen.refused[minute] for minute in range(9, 16)) <= sum(seen.refused[minute] for minute in range(2, 9))


@SERVERS
@pytest.mark.parametrize("how", [{"declared": 300}, {"announces": True}])
def test_a_limit_that_is_known_is_used_up_without_a_429(make, how) -> None:
    seen = drive(make(300), minutes=8, **how)
    assert seen.refused.total() == (0 if "declared" in how else seen.refused[0])
    assert min(seen.rates(300, range(1, 8))) >= 0.95


@SERVERS
def test_a_neighbour_who_takes_half_is_made_room_for_and_leaves_nothing_behind(make) -> None:
    seen = drive(make(300), minutes=12, neighbour=(2, 5, 150))
    assert min(seen.rates(300, range(7, 12))) >= 0.8
    assert sum(seen.rates(300, range(7, 12))) / 5 >= 0.9
    assert max(seen.refused[minute] for minute in range(2, 12)) <= 5


@SERVERS
def test_a_limit_that_falls_is_followed_and_one_that_rises_is_found(make) -> None:
    seen = drive(make(300), minutes=24, changes=[(3, 60), (10, 300)])
    assert sum(seen.rates(60, range(5, 10))) / 5 >= 0.9
    assert max(seen.refused[minute] for minute in range(4, 24)) <= 4
    assert sum(seen.rates(300, range(13, 24))) / 11 >= 0.9


def test_a_limit_per_second_beside_that_of_the_minute_ends_the_bursts() -> None:
    seen = drive(Dense(10, SlidingWindow(300)), minutes=8)
    assert max(seen.refused[minute] for minute in range(1, 8)) <= 3
    assert min(seen.rates(300, range(1, 8))) >= 0.9


def test_a_server_that_refuses_everything_is_asked_once_a_minute_in_the_end() -> None:
    seen = drive(Unlimited(1.0), minutes=30)
    assert seen.passed.total() == 0
    assert max(seen.refused[minute] for minute in range(3, 30)) <= 2
