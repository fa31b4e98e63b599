"""Requests are added up per endpoint and UTC day."""

from datetime import date

from linkt_pipeline.access.request_usage import UsageCount, record_usage, requests_on, usage_on
from linkt_pipeline.warehouse.warehouse import Warehouse

DAY = date(2026, 4, 7)


def test_requests_are_added_to_the_day(warehouse: Warehouse) -> None:
    read, listed = UsageCount(DAY, "GET /v1/run", 3, 1), UsageCount(DAY, "GET /v1/entity", 5, 0)
    with warehouse.write() as con:
        record_usage(con, [read, read, listed])
    with warehouse.write() as con:
        record_usage(con, [read])
        record_usage(con, [])
        record_usage(con, [UsageCount(date(2026, 4, 8), "GET /v1/run", 100, 0)])

    with warehouse.read() as con:
        assert requests_on(con, DAY) == 14
        assert usage_on(con, DAY) == [UsageCount(DAY, "GET /v1/run", 9, 3), listed]
        assert requests_on(con, date(2020, 1, 1)) == 0
