"""API requests per endpoint and UTC day: what the plan's daily budget is held against."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb


@dataclass(frozen=True)
class UsageCount:
    """Requests to one endpoint on one UTC day; ``errors`` of them got no answer or one of 400 and above."""

    day: date
    endpoint: str
    requests: int
    errors: int


def added_up(counts: Iterable[UsageCount]) -> list[UsageCount]:
    """One count for each endpoint and day."""
    total: dict[tuple[date, str], UsageCount] = {}
    for each in counts:
        known = total.get((each.day, each.endpoint), UsageCount(each.day, each.endpoint, 0, 0))
        total[each.day, each.endpoint] = UsageCount(
            each.day, each.endpoint, known.requests + each.requests, known.errors + each.errors
        )
    return list(total.values())


def record_usage(con: duckdb.DuckDBPyConnection, counts: Sequence[UsageCount]) -> None:
    """Add requests to what the day has already. Unlike landing, doing it twice counts twice."""
    if not counts:
        return
    con.execute(
        """
        merge into linkt.api_usage as stored
        using (
            select day, endpoint, sum(requests)::bigint as requests, sum(errors)::bigint as errors
            from (
                select unnest($1::date[]) as day, unnest($2::varchar[]) as endpoint,
                    unnest($3::bigint[]) as requests, unnest($4::bigint[]) as errors
            )
            group by all
        ) as added
        on stored.day = added.day and stored.endpoint = added.endpoint
        when matched then update set
            requests = stored.requests + added.requests, errors = stored.errors + added.errors
        when not matched then insert (day, endpoint, requests, errors)
            values (added.day, added.endpoint, added.requests, added.errors)
        """,
        [
            [each.day for each in counts],
            [each.endpoint for each in counts],
            [each.requests for each in counts],
            [each.errors for each in counts],
        ],
    )


def requests_on(con: duckdb.DuckDBPyConnection, day: date) -> int:
    """Requests of one UTC day, over all endpoints and processes that have recorded theirs."""
    row = con.execute("select sum(requests) from linkt.api_usage where day = $1", [day]).fetchone()
    return int(row[0] or 0) if row else 0


def usage_on(con: duckdb.DuckDBPyConnection, day: date) -> list[UsageCount]:
    """Requests of one UTC day by endpoint, busiest first."""
    rows = con.execute(
        "select day, endpoint, requests, errors from linkt.api_usage where day = $1 order by requests desc, endpoint",
        [day],
    ).fetchall()
    return [UsageCount(*row) for row in rows]
