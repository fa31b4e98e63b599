"""One date that can't be floods nothing: not the page, not Dagster's history, not a model. What was sent is kept."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.assets.charts import chart_of
from linkt_pipeline.report import write_report
from linkt_pipeline.transform import ModelKey
from tests.sql.conftest import Bench

from .conftest import Publish, few_rows

END_OF_TIME = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
TIMES = [END_OF_TIME, datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)]


@pytest.mark.parametrize("odd", TIMES, ids=str)
def test_one_date_that_can_not_be_floods_neither_the_page_nor_the_charts(
    publish: Publish, tmp_path: Path, odd: datetime
) -> None:
    def fill(bench: Bench) -> None:
        few_rows(bench)
        times = {"created_at": odd, "updated_at": odd}
        bench.run("odd", {("signal", "created"): ["s-odd"]}, task_id="t1", total_credits=7.0, fetched_at=NOW, **times)
        bench.entity("c-odd", {"name": "Odd", "founded": {"value": 1, "created_at": odd.isoformat()}}, **times)
        bench.signal("s-odd", signal_type="funding", entity_ids=["c-odd"], created_at=odd)

    snapshot = publish(fill)
    page = write_report(snapshot, tmp_path / "report.html")

    assert page.stat().st_size < 1_000_000
    with duckdb.connect(str(snapshot), read_only=True) as con:
        for mart in ("credits_daily", "signal_feed", "run_history"):
            columns = {name for name, *_ in con.execute(f"describe marts.{mart}").fetchall()}
            chart = chart_of(con, ModelKey("marts", mart), columns)
            assert chart is not None
            assert len(chart) < 250_000
            # A mart that somebody has replaced by another of its name.
            assert chart_of(con, ModelKey("marts", mart), columns - {"credits", "detected_at"}) is None
        for kept in (
            "select epoch_us(created_at) from staging.runs where run_id = 'odd'",
            "select epoch_us(created_at) from staging.entities where entity_id = 'c-odd'",
            "select epoch_us(detected_at) from staging.signals where signal_id = 's-odd'",
        ):
            [(moment,)] = con.execute(kept).fetchall()
            assert moment == (odd - datetime(1970, 1, 1, tzinfo=UTC)) // (END_OF_TIME.resolution)
        assert con.execute("select sum(credits) from marts.credits_daily").fetchall()[0][0] >= 7.0


NOW = datetime.now(UTC)
