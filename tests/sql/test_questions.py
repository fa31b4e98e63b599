"""Every query of docs/questions.md gives the answer that follows from a small, known history.

Four companies and a copy, seven weeks of a search for two ICPs, and a Friday on which all of it was last landed.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from linkt_pipeline.transform import ModelGraph
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from tests.paths import PROJECT_ROOT

from .conftest import Bench

_DOCUMENT = (PROJECT_ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
QUESTIONS = {
    int(number): (question, sql)
    for number, question, sql in re.findall(r"### (\d+)\. (.*)\n\n```sql\n((?:[^`].*\n|\n)*)```", _DOCUMENT)
}
SEARCH, NEWS = "6964b9b45a4d0beef1000031", "6964b9b45a4d0beef1000032"


def day(month: int, of_month: int, hour: int = 12) -> datetime:
    return datetime(2026, month, of_month, hour, tzinfo=UTC)


FRIDAY = day(11, 20)


def field(value: Any, *references: str) -> dict[str, Any]:
    return {"value": value, "references": list(references)}


def company(name: str, **fields: Any) -> dict[str, Any]:
    website = f"https://www.{name.lower()}.example"
    return {
        "name": field(name, website),
        "website": field(website),
        **{key: field(value) for key, value in fields.items()},
    }


def put_companies(bench: Bench) -> None:
    facts = {"industry": "Banks", "headquarters": "Dayton", "employees": "51-200"}
    for at, status, industry in (
        (day(10, 5), "new", "Banks"),
        (day(10, 12), "reviewed", "Banks"),
        (day(11, 2), "contacted", "Banks"),
        (day(11, 17), "contacted", "Fintech"),
    ):
        bench.entity(
            "acme", company("Acme", **{**facts, "industry": industry}), icp_id="banks", status=status,
            external_id="001A", external_source="salesforce", created_at=day(10, 5), updated_at=at, fetched_at=at,
        )  # fmt: skip
    copy = json.dumps({"is_duplicate": True, "primary_entity_id": "acme"})
    for entity_id, data, icp, made, more in (
        ("bolt", company("Bolt", **facts), "banks", day(11, 18), {"status": "reviewed"}),
        ("cora", company("Cora", employees="1,000+"), "mills", day(11, 3), {"status": "new"}),
        ("dyno", company("Dyno"), "mills", day(10, 20), {}),
        ("acme_again", company("Acme, Inc."), "mills", day(11, 3), {"duplicate_info": copy}),
    ):
        bench.entity(entity_id, data, icp_id=icp, created_at=made, updated_at=made, fetched_at=made, **more)


def put_people(bench: Bench) -> None:
    for person, parent, icp, at, name, title, email, phone in (
        ("ann", "acme", "banks", day(10, 5), "Ann Lee", "CEO", "ann@acme.example", None),
        ("bob", "acme", "banks", day(10, 5), "Bob Ray", "Manager", "bob@acme.example", None),
        ("bea", "bolt", "banks", day(11, 18), "Bea Fox", "VP Sales", "bea@bolt.example", "+1 937-555-0142"),
        ("cid", "cora", "mills", day(11, 3), "Cid Orr", "Director", None, "+1 937-555-0143"),
    ):
        fields = {"name": name, "title": title, "email": email, "mobile_phone": phone}
        data = {key: field(value) for key, value in fields.items() if value}
        bench.entity(
            person,
            data,
            entity_type="person",
            parent_id=parent,
            icp_id=icp,
            created_at=at,
            updated_at=at,
            fetched_at=at,
        )


def put_signals(bench: Bench) -> None:
    for signal, entity, at, kind, strength, summary in (
        ("s1", "acme", day(11, 16), "funding", "high", "Acme raised"),
        ("s2", "bolt", day(11, 19), "hiring", "high", "Bolt hires"),
        ("s3", "cora", day(11, 10), "funding", "medium", "Cora raised"),
        ("s4", "acme", day(9, 1), "funding", "low", "Acme raised a little"),
    ):
        bench.signal(signal, entity_ids=[entity], icp_id="banks", signal_type=kind, strength=strength, summary=summary,
                     created_at=at, fetched_at=at)  # fmt: skip


def put_runs(bench: Bench) -> None:
    created, updated, signals = ("entity", "created"), ("entity", "updated"), ("signal", "created")
    for run, at, task, icp, credits, named in (
        ("r1", day(10, 5), SEARCH, "banks", 20.0, {created: ["acme", "ann", "bob"]}),
        ("r2", day(10, 20), SEARCH, "mills", 10.0, {created: ["dyno"]}),
        ("r3", day(11, 3), SEARCH, "mills", 30.0, {created: ["cora", "acme_again", "cid"]}),
        ("r4", day(11, 18), SEARCH, "banks", 24.0, {created: ["bolt", "bea"]}),
        ("r5", day(11, 19), NEWS, "banks", 4.0, {updated: ["bolt"], signals: ["s1", "s2", "s3"]}),
    ):
        bench.run(
            run, named, task_id=task, icp_id=icp, total_credits=credits, created_at=at, updated_at=at, fetched_at=FRIDAY
        )
    bench.run(
        "r6", task_id=SEARCH, icp_id="mills", total_credits=6.0, status="FAILED", error_kind="rate_limit",
        error="slow down", created_at=day(11, 17), updated_at=day(11, 17), fetched_at=FRIDAY,
    )  # fmt: skip


def put_file(bench: Bench) -> None:
    bench.put(
        "executions", execution_id="x", task_key="news", task_id=NEWS, attempt=1, state="finished", run_id="r5",
        intended_at=day(11, 19),
    )  # fmt: skip
    bench.put(
        "ingests", ingest_id="i", task_key="news", task_id=NEWS, file_name="fair.csv", file_sha256="abc", file_bytes=90,
        file_rows=4, primary_column="firm", state="finished", execution_id="x", intended_at=day(11, 19),
    )  # fmt: skip
    rows = [("bolt", ""), ("Bolt Works", "www.bolt.example"), ("Unknown", ""), ("Elm", "")]
    for number, (firm, site) in enumerate(rows, 1):
        data = {"firm": firm, "site": site}
        bench.put("ingest_rows", ingest_id="i", row_number=number, primary_value=firm, data=data)
    bench.put(
        "run_candidates", run_id="r5", position=0, name="Unknown", state="discarded", reason="No website",
        observed_at=FRIDAY,
    )  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, graph: ModelGraph) -> Iterator[Bench]:
    """The history, built; nothing here changes it."""
    with FileWarehouse(tmp_path_factory.mktemp("questions") / "warehouse.duckdb").write() as con:
        bench = Bench(con, graph)
        bench.put("settings", name="timezone", value="Europe/Berlin")
        bench.put(
            "task_entries", task_key="search", task_id=SEARCH, timezone="Europe/Berlin", monthly_credit_limit=80.0
        )
        for task_id, name in ((SEARCH, "search"), (NEWS, "news")):
            bench.put("tasks", task_id=task_id, name=name)
        wanted = [{"entity_type": "person", "desired_count": 1}, {"entity_type": "person", "desired_count": 1}]
        bench.put("icps", icp_id="banks", name="Banks", entity_targets=json.dumps(wanted))
        bench.put("icps", icp_id="mills", name="Mills")
        put_companies(bench)
        put_people(bench)
        put_signals(bench)
        put_runs(bench)
        put_file(bench)
        names = set(re.findall(r"\b((?:marts|staging)\.\w+)", _DOCUMENT))
        bench.build(*names)
        yield bench


MONDAY = date(2026, 11, 16)
ANSWERS: dict[int, list[tuple[Any, ...]]] = {
    # Acme has been contacted, so somebody is on it. Bolt: 40 + 15 + 10 + 10 + 7.5 + 10. Cora: 12.5 + 20 + 3.75.
    1: [
        (1, "Bolt", 92.5, "Hiring (high) yesterday; e-mail of Bea Fox (VP Sales); found 2 days ago", "Bea Fox",
         "bea@bolt.example", "+1 937-555-0142"),
        (2, "Cora", 36.25, "Funding (medium) 10 days ago; number of Cid Orr (Director)", "Cid Orr", None,
         "+1 937-555-0143"),
    ],
    2: [("Acme", "Ann Lee", "CEO", "ann@acme.example", 2)],
    3: [("Bolt", "Banks", True)],
    4: [("Cora", "Cora raised")],
    5: [("001A", "Acme", "Banks", 2, 1, "high")],
    6: [("Dyno", None, 31)],
    # r5 and r4 and the failed r6 in this week; nothing but a signal in the one before.
    7: [(MONDAY - timedelta(7), 0, 1, 0, 0.0), (MONDAY, 1, 2, 1, 34.0)],
    8: [("Acme", "industry", '"Banks"', '"Fintech"')],
    9: [("Funding", 2, 1), ("Hiring", 1, 1)],
    10: [("new", 1, 7.0), ("reviewed", 1, 21.0)],
    11: [(2, 1)],
    # 60 credits in 19 days and 13 hours of 30 in Berlin; 80 of them after 26 days.
    12: [("news", 4.0, None, 6.0, None), ("search", 60.0, 80.0, 92.0, date(2026, 11, 27))],
    13: [(date(2026, 10, 1), 30.0), (date(2026, 11, 1), 64.0)],
    14: [("Banks", 48.0, 2, 24.0), ("Mills", 46.0, 0, None)],
    15: [("search", "created", date(2026, 11, 18), 12.0), ("news", "updated", date(2026, 11, 19), 1.0)],
    16: [("Acme", "Banks, Mills", 1)],
    17: [("search", "rate_limit", 1, 6.0)],
    18: [(date(2026, 11, 1), "Banks", 1.0, 2)],
    19: [
        ("Mills", "employees", 0.33, 0.0),
        *[("Banks", name, 1.0, 0.0) for name in ("employees", "headquarters", "industry", "website")],
        ("Mills", "website", 1.0, 0.0),
        ("Banks", "name", 1.0, 1.0),
        ("Mills", "name", 1.0, 1.0),
    ],
    20: [("51-200", 2), ("1001-5000", 1), ("not known", 1)],
    21: [
        (1, "bolt", "entity", "Bolt", None),
        (2, "Bolt Works", "entity", "Bolt", None),
        (3, "Unknown", "discarded", None, "No website"),
        (4, "Elm", "nothing", None, None),
    ],
}  # fmt: skip


@pytest.mark.parametrize("number", range(1, 22))
def test_a_question_gets_its_answer(bench: Bench, number: int) -> None:
    question, sql = QUESTIONS[number]
    assert bench.con.execute(sql).fetchall() == ANSWERS[number], question


def test_there_are_twenty_one_questions() -> None:
    assert list(QUESTIONS) == list(range(1, 22)) == sorted(ANSWERS)
