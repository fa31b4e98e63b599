"""The page: right figures, nothing lost on the way to an empty warehouse, nobody's data trusted."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from linkt_pipeline.report import write_report
from linkt_pipeline.report.data import read_report
from linkt_pipeline.report.errors import OutputUnwritableError
from linkt_pipeline.report.page import web_address
from linkt_pipeline.warehouse.errors import SnapshotMissingError, SnapshotUnusableError
from tests.report.conftest import Page, few_rows

pytestmark = pytest.mark.slow

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def page_of(snapshot: Path) -> tuple[str, Page]:
    html = write_report(snapshot, snapshot.parent / "report.html").read_text()
    return html, Page(html)


def test_figures_are_those_of_the_snapshot(publish):
    data = read_report(publish(few_rows))
    totals = data.totals
    assert (totals.credits, totals.runs, totals.successful_runs) == (16.5, 3, 2)
    assert totals.success_rate == pytest.approx(2 / 3)
    assert (totals.companies, totals.people, totals.signals) == (1, 1, 1), "a copy is not a company more"
    assert (totals.results_open, totals.results_lost) == (0, 1)
    assert data.actions == [("SaaS search", "enrich_person", 4.0), ("SaaS search", "search_company", 12.5)]
    assert [(call["name"], call["reason"]) for call in data.calls] == [
        ("Nordlicht GmbH", "Funding (high) today; e-mail of Zoë Ohm")
    ]
    assert [(row["task"], row["counted_credits"], row["limit_reached"]) for row in data.budget] == [
        ("SaaS search", 12.5, True)
    ]
    [week] = data.weeks
    assert (week["is_this_week"], week["signals"], week["strong_signals"], week["runs"], week["credits"]) == (
        True, 1, 1, 1, 12.5
    )  # fmt: skip
    assert [run["error"] for run in data.failures] == ["Rate limit exceeded"]
    assert [(loss["state"], loss["reason"], loss["ids"]) for loss in data.losses] == [("missing", "404: gone", 1)]
    assert timedelta() < datetime.now(UTC) - data.as_of < timedelta(hours=1)


def test_page_shows_what_a_reader_looks_for(publish):
    html, page = page_of(publish(few_rows))
    for text in (
        "Data as of", "Nordlicht GmbH", "Zoë Ohm", "Raised a Series B", "Rate limit exceeded", "404: gone",
        "SaaS search", "16.5", "67% completed", "Credits by week and task",
        "Signals by week and strength", "Signals by type", "Accounts to call", "Funding (high) today",
        "e-mail of Zoë Ohm", "What changed this week", "Strong signals", "Budget", "since ",
        "30 min, documented at most 20 min", "1 updated",
    ):  # fmt: skip
        assert text in page.text, text
    assert "https://www.news.example/a" in page.addresses
    assert "https://nordlicht.example" in page.addresses
    assert "made-up data" not in page.text
    assert html.count("<svg") == 2 * 4, "one for a phone, one for the rest"


def test_every_chart_has_its_table(publish):
    html, page = page_of(publish(few_rows))
    assert 2 * html.count("<details>") == html.count("<svg") > 0
    assert "Signals by week and strength (signals)" in page.text


def test_companies_with_the_latest_signal_come_first(publish):
    def fill(bench):
        for number in range(1, 21):
            bench.entity(f"c{number:02}", {"name": {"value": f"Company {number}"}})
        bench.signal("s1", summary="It moved", entity_ids=["c03"], created_at=datetime.now(UTC))

    first = read_report(publish(fill)).companies[0]
    assert (first["name"], first["signal"]) == ("Company 3", "It moved")


def test_every_cell_says_on_a_phone_what_it_is(publish):
    html, _ = page_of(publish(few_rows))
    for table in re.findall(r"<table(?: class=\"wide\")?>(.*?)</table>", html, re.DOTALL):
        heads = re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", table)
        labels = re.findall(r"data-label=\"(.*?)\"", table)
        assert labels
        assert labels == heads * (len(labels) // len(heads))


def test_contact_data_stay_in_the_warehouse(publish):
    html, _ = page_of(publish(few_rows))
    assert "zoe@" not in html


def test_empty_warehouse_says_how_to_fill_it(publish):
    html, page = page_of(publish(lambda bench: None))
    assert "linkt-pipeline run TASK" in page.text
    assert "<svg" not in html
    assert "None" not in page.text.replace("None.", "")
    assert "nan" not in page.text.lower().split()


def test_one_run_of_nothing(publish):
    _, page = page_of(publish(lambda bench: bench.run("r1")))
    assert "100% completed" in page.text


def test_a_run_that_goes_on_is_no_failure(publish):
    data = read_report(publish(lambda bench: bench.run("r1", status="RUNNING")))
    assert data.totals.running == 1
    assert data.totals.success_rate is None
    assert not data.failures


def test_hostile_data_stay_text(publish):
    def fill(bench):
        bench.put("tasks", task_id="t1", name=HOSTILE, flow_name="search")
        bench.run(
            "r1", {("entity", "created"): ["c1"], ("signal", "created"): ["s1"]}, task_id="t1", task_type="search",
            total_credits=1.0, run_time_seconds=60.0,
        )  # fmt: skip
        bench.put("run_credits", run_id="r1", action_type=HOSTILE, credits=1.0)
        bench.run("r2", task_id="t1", status="FAILED", error=HOSTILE, error_kind=HOSTILE)
        fields = ("name", "website", "industry", "headquarters", "employees")
        bench.entity("c1", {field: {"value": f"{HOSTILE}\x08"} for field in fields})
        bench.entity(
            "p1", {"name": {"value": HOSTILE}, "title": {"value": HOSTILE}}, entity_type="person", parent_id="c1"
        )
        bench.signal(
            "s1", signal_type=HOSTILE, strength=HOSTILE, summary=HOSTILE, entity_ids=["c1"],
            created_at=datetime.now(UTC),
            references=["javascript:alert(1)"],
        )  # fmt: skip

    html, page = page_of(publish(fill))
    assert "alert(1)" in page.text, "shown, as text"
    assert not {"script", "img", "iframe", "object"} & set(page.tags)
    assert not page.handlers
    assert "\x08" not in html
    assert all(address.startswith(("#", "https://", "http://")) or address == "data:," for address in page.addresses)


def test_page_forbids_scripts_and_requests(publish):
    html, page = page_of(publish(few_rows))
    assert "default-src 'none'" in html
    assert "script-src" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert {"link"} >= {tag for tag in page.tags if tag in ("link", "script", "img", "iframe", "image", "use")}


def test_page_stays_small_however_much_there_is(publish):
    def fill(bench):
        bench.con.execute(
            """
            insert into linkt.tasks by name
            select 't' || i as task_id, repeat('long name ', 50) || i as name, 'search' as flow_name,
                now() as fetched_at
            from range(60) r(i);
            insert into linkt.runs by name
            select 'r' || i as run_id, 't' || i % 60 as task_id, 'search' as task_type,
                case when i % 3 = 0 then 'FAILED' else 'COMPLETED' end as status, status as status_normalised,
                repeat('x', 20000) as error,
                1.0 as total_credits, 60.0 as run_time_seconds, now() - to_days((i % 400)::int) as created_at,
                now() as updated_at, now() as fetched_at
            from range(2000) r(i);
            insert into linkt.run_credits by name
            select 'r' || i as run_id, 'action ' || i % 40 as action_type, 1.0 as credits from range(2000) r(i);
            insert into linkt.signals by name
            select 's' || i as signal_id, 'type ' || i % 90 as signal_type, repeat('y', 20000) as summary,
                i::varchar as content_hash,
                now() - to_days((i % 400)::int) as created_at, now() as fetched_at
            from range(2000) r(i);
            insert into linkt.entities by name
            select 'c' || i as entity_id, 'company' as entity_type, now() as fetched_at, i::varchar as content_hash,
                ('{"name": "' || repeat('z', 20000) || '"}')::json as data
            from range(50) r(i)
            """
        )

    html, page = page_of(publish(fill))
    assert len(html.encode()) < 1_000_000
    assert "other (" in page.text
    assert "most frequent of 90 types" in page.text


def test_written_in_one_step_and_nothing_left_beside(publish, tmp_path):
    snapshot = publish(few_rows)
    output = tmp_path / "new" / "folder" / "report.html"
    assert write_report(snapshot, output) == output
    first = output.stat().st_ino
    write_report(snapshot, output, made_up=True)
    assert output.stat().st_ino != first, "replaced, not written over"
    assert "made-up data" in output.read_text()
    assert list(output.parent.iterdir()) == [output]


def test_report_leaves_the_snapshot_alone(publish):
    snapshot = publish(few_rows)
    before = snapshot.read_bytes()
    write_report(snapshot, snapshot.parent / "report.html")
    assert snapshot.read_bytes() == before


def test_no_snapshot(tmp_path):
    with pytest.raises(SnapshotMissingError, match="linkt-pipeline sync"):
        write_report(tmp_path / "none.duckdb", tmp_path / "report.html")


@pytest.mark.parametrize("content", [b"not a database" * 500, None])
def test_a_file_that_is_no_snapshot(tmp_path, content):
    path = tmp_path / "warehouse.duckdb"
    if content is None:
        duckdb.connect(str(path)).close()
    else:
        path.write_bytes(content)
    with pytest.raises(SnapshotUnusableError, match="linkt-pipeline sync"):
        write_report(path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_output_that_cannot_be_written(publish, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputUnwritableError, match="--output"):
        write_report(publish(few_rows), tmp_path / "file" / "report.html")


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("https://news.example/a?b=1", "https://news.example/a?b=1"),
        (" http://news.example ", "http://news.example"),
        ("javascript:alert(1)", None),
        ("JaVaScRiPt://news.example/%0aalert(1)", None),
        ("data:text/html,x", None),
        ("//news.example", None),
        ("https://", None),
        ("https://[broken", None),
        ("", None),
        (None, None),
    ],
)
def test_only_web_addresses_become_links(value, address):
    assert web_address(value) == address


def test_credits_older_than_half_a_year_are_in_the_totals_only(publish):
    def fill(bench):
        for days, credits in ((9, 2.0), (300, 5.0)):
            made = datetime.now(UTC) - timedelta(days=days)
            bench.run(f"r{days}", total_credits=credits, created_at=made)

    data = read_report(publish(fill))
    assert [credits for *_, credits in data.credits] == [2.0]
    assert data.totals.credits == 7.0
