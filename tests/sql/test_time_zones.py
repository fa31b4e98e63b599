"""Days, weeks and months are those of the task's zone, else of the deployment's; columns stay UTC."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from linkt_pipeline.transform import BuildMode

from .conftest import Bench

BUCKETS = ("marts.credits_daily", "marts.credits_monthly", "marts.weekly_changes", "marts.signal_feed")
# Both ends of a year, both nights on which European clocks are set, and leap day: a run every half hour.
NIGHTS = [datetime(2027, 12, 31, tzinfo=UTC), datetime(2028, 2, 28, tzinfo=UTC), datetime(2028, 3, 25, 12, tzinfo=UTC)]
NIGHTS += [datetime(2028, 10, 28, 12, tzinfo=UTC), datetime(2028, 12, 31, tzinfo=UTC)]
MOMENTS = [night + timedelta(minutes=30 * half) for night in NIGHTS for half in range(96)]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago"]


def use_zone(bench: Bench, zone: str) -> None:
    bench.con.execute("delete from linkt.settings")
    bench.con.execute("insert into linkt.settings values ('timezone', $1)", [zone])


def spend(bench: Bench) -> None:
    """A run at each moment, of one credit more than the last one cost; and a signal."""
    rows = [(f"r{number:04}", moment, number + 1.0) for number, moment in enumerate(MOMENTS)]
    bench.con.executemany(
        "insert into linkt.runs (run_id, task_id, status, status_normalised, created_at, total_credits, fetched_at) "
        "values ($1, 't', 'COMPLETED', 'COMPLETED', $2, $3, '2029-01-02 12:00:00+00')",
        rows,
    )
    bench.con.executemany(
        "insert into linkt.signals (signal_id, created_at, fetched_at, content_hash) values ($1, $2, $2, $1)",
        [row[:2] for row in rows],
    )


def by_day(zone: str) -> Counter[date]:
    spent: Counter[date] = Counter()
    for number, moment in enumerate(MOMENTS):
        spent[moment.astimezone(ZoneInfo(zone)).date()] += number + 1
    return spent


def test_days_weeks_and_months_follow_the_zone_and_sum_to_the_same(bench: Bench) -> None:
    spend(bench)
    for zone in ZONES:
        bench.con.execute("commit")  # what a transaction replaces stays in memory until then
        bench.con.execute("begin")
        use_zone(bench, zone)
        bench.con.execute(f"set TimeZone = '{ZONES[ZONES.index(zone) - 1]}'")  # of the process, which says nothing
        bench.build(*BUCKETS)
        expected = by_day(zone)
        daily = dict(bench.con.execute("select day, credits from marts.credits_daily").fetchall())
        assert daily == expected, zone
        assert sum(daily.values()) == len(MOMENTS) * (len(MOMENTS) + 1) / 2

        months: Counter[date] = Counter()
        weeks: Counter[date] = Counter()
        for day, credits in expected.items():
            months[day.replace(day=1)] += credits
            weeks[day - timedelta(days=day.weekday())] += credits
        assert dict(bench.con.execute("select month, credits from marts.credits_monthly").fetchall()) == months, zone
        assert dict(bench.con.execute("select week, credits from marts.weekly_changes").fetchall()) == weeks, zone
        noticed = bench.con.execute("select detected_week, count(*) from marts.signal_feed group by all").fetchall()
        assert dict(noticed) == dict(bench.con.execute("select week, signals from marts.weekly_changes").fetchall()), (
            zone
        )
        moments = bench.con.execute("select spent_at from staging.runs order by run_id").fetchall()
        assert [moment for (moment,) in moments] == [moment.replace(tzinfo=None) for moment in MOMENTS]


@pytest.mark.parametrize(("zones", "first_day"), [(["Asia/Kolkata"], 1), (["Asia/Kolkata", "UTC"], 31)])
def test_a_tasks_own_zone_goes_before_that_of_the_deployment(bench: Bench, zones: list[str], first_day: int) -> None:
    """Entries of one Linkt task that disagree leave it to the deployment, which is in New York here."""
    use_zone(bench, "America/New_York")
    for number, zone in enumerate(zones):
        bench.con.execute(
            "insert into linkt.task_entries (task_key, task_id, timezone) values ($1, 'T', $2)", [f"e{number}", zone]
        )
    bench.run("r", task_id="t", created_at=datetime(2027, 12, 31, 20, tzinfo=UTC), total_credits=1)
    bench.build("marts.credits_daily")
    assert bench.row(
        "select day_of_month, credits from (select day(day) as day_of_month, credits from marts.credits_daily)"
    ) == {"day_of_month": first_day, "credits": 1}


def test_another_zone_builds_what_depends_on_it_and_nothing_else(bench: Bench) -> None:
    bench.run("r", task_id="t", total_credits=1)
    bench.build("marts.credits_daily", "marts.companies")
    use_zone(bench, "Asia/Kolkata")
    modes = {name: result.mode for name, result in bench.build("marts.credits_daily", "marts.companies").items()}
    assert modes["marts.credits_daily"] is BuildMode.FULL
    assert modes["marts.companies"] is BuildMode.UNCHANGED
    unchanged = bench.build("marts.credits_daily")["marts.credits_daily"].mode
    assert unchanged is BuildMode.UNCHANGED
