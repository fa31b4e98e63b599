"""What an erasure removes from the warehouse, what it leaves, and that nothing of it lands again."""

from typing import Any

import orjson
import polars as pl
import pytest

from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.ledger.owed_outcomes import finish_unattended, unattended
from linkt_pipeline.package_files import BUILT_IN_SQL
from linkt_pipeline.warehouse.erasure import (
    ErasureError,
    Kind,
    Target,
    begin_erasure,
    find_target,
    finish_erasure,
    forget_target,
    note_failure,
    preview_removal,
    remove_target,
    removed_by,
    unfinished_erasures,
)
from linkt_pipeline.warehouse.landing import land_rejects, note_pending
from linkt_pipeline.warehouse.queries import settlements
from linkt_pipeline.warehouse.schemas import REJECTS_FRAME
from linkt_pipeline.warehouse.tombstones.tombstones import SaltLostError
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests.warehouse.deliveries import at, fetch, land, land_run, land_signal_rows, run, states

LANDED_CHECKS = BUILT_IN_SQL / "checks" / "linkt"
ACME, ANN, BOB, OTHER, NEWS, TALK, LATE = (f"{number:024x}" for number in range(0xA0, 0xA7))
EMAIL = "ann@acme.com"
ZOES = "joann@acme.com.au"


def entity(entity_id: str, kind: str | None, *, parent: str | None = None, minute: float = 0, **fields: Any) -> dict:
    data = {name: {"value": value, "display": str(value)} for name, value in fields.items()}
    body = {"id": entity_id, "entity_type": kind, "parent_id": parent, "data": data, "updated_at": at(minute)}
    return {
        "entity_id": entity_id,
        "entity_type": kind,
        "parent_id": parent,
        "updated_at": at(minute),
        "fetched_at": at(100 + minute),
        "payload": orjson.dumps(body).decode(),
    }


def signal(signal_id: str, summary: str, *about: str) -> dict:
    body = {"id": signal_id, "summary": summary, "entity_ids": list(about)}
    return {
        "signal_id": signal_id,
        "summary": summary,
        "references": [],
        "entity_ids": list(about),
        "fetched_at": at(100),
        "payload": orjson.dumps(body).decode(),
    }


def company(minute: float = 0, **fields: Any) -> dict:
    return entity(ACME, "company", minute=minute, name="Acme", website="https://www.acme.com", **fields)


def ann(entity_id: str = ANN, **more: Any) -> dict:
    return entity(entity_id, "person", **{"parent": ACME, "name": "Ann Lee", "email": EMAIL, **more})


def bob() -> dict:
    return entity(BOB, "person", parent=ACME, name="Bob", email="bob@elsewhere.example", note=f"works with {EMAIL}")


@pytest.fixture
def filled(warehouse: Warehouse) -> Warehouse:
    """A company that mentions Ann in its second version, Ann, Bob, a stranger, and signals about each."""
    land_run(
        warehouse,
        run("r1", input=orjson.dumps({"prompt": f"find {EMAIL}"}).decode()),
        created=[ACME, ANN, BOB, OTHER],
        signals=[NEWS, TALK],
    )
    land(warehouse, company(), company(5, contact=f"mailto:{EMAIL.upper()}"), company(9, contact="nobody"))
    land(warehouse, ann(), bob(), entity(OTHER, "person", name="Zoe", email=ZOES))
    land_signal_rows(
        warehouse,
        signal(NEWS, "Acme raised money", ACME),
        signal(TALK, "Ann Lee spoke", ANN, OTHER),
    )
    return warehouse


def erase(warehouse: Warehouse, kind: Kind, value: str) -> dict[str, int]:
    begin_erasure(warehouse, kind, [value])
    (erasure,) = unfinished_erasures(warehouse)
    removed = remove_target(warehouse, erasure)
    forget_target(warehouse, erasure.erasure_id)
    finish_erasure(warehouse, erasure.erasure_id)
    return dict(removed)


def everything(warehouse: Warehouse) -> str:
    """All rows of all landed tables as one text, in lower case; in it ``ZOE`` stands for an address of hers."""
    named = "select table_name from duckdb_tables() where schema_name = 'linkt'"
    tables = [name for (name,) in fetch(warehouse, named)]
    text = "\n".join(str(fetch(warehouse, f"from linkt.{table}")) for table in tables).lower()
    return text.replace(ZOES, "ZOE")


def broken_checks(warehouse: Warehouse) -> list[str]:
    """Error-level checks of the landed tables that find something."""
    checks = {path.stem: path.read_text(encoding="utf-8") for path in LANDED_CHECKS.glob("*.sql")}
    assert "every_named_id_is_booked" in checks
    return [name for name, sql in checks.items() if "-- severity: error" in sql and fetch(warehouse, sql)]


def ids(warehouse: Warehouse, table: str, key: str) -> set[str]:
    return {found for (found,) in fetch(warehouse, f"select {key} from linkt.{table}")}


def test_an_address_goes_with_the_person_and_from_every_text(filled: Warehouse) -> None:
    removed = erase(filled, Kind.EMAIL, "Ann@Acme.com")

    assert EMAIL not in everything(filled)
    assert "ann lee" not in everything(filled)
    assert ids(filled, "entities", "entity_id") == {ACME, BOB, OTHER}
    assert ids(filled, "entity_versions", "entity_id") == {ACME, BOB, OTHER}
    assert ids(filled, "signals", "signal_id") == {NEWS}
    assert "ZOE" in everything(filled)
    assert "works with [erased]" in everything(filled)
    assert removed["linkt.entities"] == 1
    assert removed["linkt.runs (without the words)"] == 1
    assert removed["linkt.entity_versions (without the words)"] == 2


def test_what_runs_named_still_adds_up(filled: Warehouse) -> None:
    erase(filled, Kind.EMAIL, EMAIL)

    found = states(filled)
    assert (found["r1", ANN], found["r1", TALK], found["r1", BOB]) == ("erased", "erased", "landed")
    with filled.read() as con:
        counts = settlements(con)
    assert (counts["entity"].named, counts["entity"].landed, counts["entity"].erased) == (4, 3, 1)
    assert (counts["signal"].named, counts["signal"].erased) == (2, 1)
    assert broken_checks(filled) == []


def test_the_preview_counts_the_same_and_changes_nothing(filled: Warehouse) -> None:
    before = everything(filled)
    with filled.read() as con:
        target = find_target(con, Kind.EMAIL, [EMAIL])

    counts = preview_removal(filled, target)

    assert everything(filled) == before
    assert erase(filled, Kind.EMAIL, EMAIL) == counts


def test_a_history_without_the_words_is_still_a_history(filled: Warehouse) -> None:
    erase(filled, Kind.EMAIL, EMAIL)

    contacts = fetch(
        filled,
        f"select data ->> '$.contact.value', content_hash from linkt.entity_versions where entity_id = '{ACME}' "
        "order by updated_at",
    )
    assert [contact for contact, _ in contacts] == [None, "mailto:[erased]", "nobody"]
    assert len({fingerprint for _, fingerprint in contacts}) == 3

    again = land(filled, company(9, contact="nobody"))
    assert (again.unchanged, again.versions) == (1, 0)


def test_the_newest_version_stays_the_newest_without_the_words(filled: Warehouse) -> None:
    land(filled, company(20, contact=EMAIL))

    erase(filled, Kind.EMAIL, EMAIL)

    assert broken_checks(filled) == []
    again = land(filled, company(20, contact=EMAIL))
    assert (again.updated, again.versions) == (0, 0)


def test_nothing_of_it_lands_again(filled: Warehouse) -> None:
    erase(filled, Kind.EMAIL, EMAIL)

    land_run(
        filled, run("r2", input=f'{{"prompt": "find {EMAIL}"}}'), updated=[ANN, ACME], created=[LATE], signals=[TALK]
    )
    assert states(filled)["r2", ANN] == "erased"  # and nobody asks Linkt for it
    counts = land(filled, ann(minute=30), ann(LATE), company(30, contact=EMAIL))
    of_signals = land_signal_rows(filled, signal(TALK, "She spoke", ANN), signal(NEWS, f"write to {EMAIL}", ACME))

    assert EMAIL not in everything(filled)
    assert ids(filled, "entities", "entity_id") == {ACME, BOB, OTHER}
    assert (counts.erased, counts.updated) == (2, 1)
    assert of_signals.erased == 2
    found = states(filled)
    assert {found["r2", resource] for resource in (ANN, LATE, TALK)} == {"erased"}
    assert found["r2", ACME] == "landed"
    assert broken_checks(filled) == []


def test_no_error_that_quotes_it_is_kept(filled: Warehouse) -> None:
    land_run(filled, run("r2"), created=[LATE])
    erase(filled, Kind.EMAIL, EMAIL)
    quoting = f"500: no room for {EMAIL.upper()}"
    with filled.write() as con:
        con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, run_id, intended_at) "
            "values ('x', 'search', 't', 1, 'started', 'r2', now())"
        )
        note_pending(con, "entity", {LATE: quoting})
    with ledger_of(filled).write() as rows:
        [row] = unattended(rows, ["r2"])["r2"]
        finish_unattended(rows, row, run_status="FAILED", error_kind="other", error=quoting, delivered=True)
    assert fetch(filled, "select last_error from linkt.executions") == [("500: no room for [erased]",)]
    assert fetch(filled, "select last_error from linkt.run_resources where state = 'pending'") == [
        ("500: no room for [erased]",)
    ]
    with filled.write() as con:
        rejects = [("run", "r9", quoting, "{}", at(200))]
        land_rejects(con, pl.DataFrame(rejects, schema=REJECTS_FRAME, orient="row"))

    assert EMAIL not in everything(filled)


def test_a_body_that_mentions_it_and_can_not_be_used_is_not_kept(filled: Warehouse) -> None:
    land_run(filled, run("r3"), created=[LATE], signals=["5" * 24])
    rejects = pl.DataFrame(
        [
            ("entity", LATE, "cut off", f'{{"contact": "{EMAIL}', at(200)),
            ("entity", ANN, "cut off", '{"name": "Ann', at(200)),
            ("signal", "5" * 24, "cut off", f'{{"summary": "{EMAIL}', at(200)),
        ],
        schema=REJECTS_FRAME,
        orient="row",
    )
    with filled.write() as con:
        land_rejects(con, rejects)
    assert states(filled)["r3", LATE] == "rejected"

    removed = erase(filled, Kind.EMAIL, EMAIL)

    assert (removed["linkt.rejects"], removed["linkt.rejects (emptied)"]) == (2, 1)
    left = [("entity", LATE, "cut off", None)]  # nobody can tell whose it is; it may be a company's
    assert fetch(filled, "select resource_type, resource_id, reason, payload from linkt.rejects") == left
    with filled.write() as con:
        land_rejects(con, rejects.with_columns(received_at=pl.lit(at(300))))
    assert fetch(filled, "select resource_type, resource_id, reason, payload from linkt.rejects") == left
    assert (states(filled)["r3", LATE], states(filled)["r3", "5" * 24]) == ("rejected", "erased")
    assert broken_checks(filled) == []
    land(filled, entity(LATE, "company", name="Late", contact=EMAIL))
    assert states(filled)["r3", LATE] == "landed"
    assert EMAIL not in everything(filled)


def test_an_entity_goes_with_the_addresses_that_nobody_else_has(filled: Warehouse) -> None:
    land(filled, ann(email=f"{EMAIL}; sales@acme.com"), entity(LATE, "person", name="Cy", email="sales@acme.com"))

    erase(filled, Kind.ENTITY, ANN.upper())

    assert EMAIL not in everything(filled)
    assert "sales@acme.com" in everything(filled)
    assert ids(filled, "entities", "entity_id") == {ACME, BOB, OTHER, LATE}
    assert broken_checks(filled) == []


@pytest.mark.parametrize(("kind", "value", "emptied"), [(Kind.EMAIL, EMAIL, {1, 2}), (Kind.ENTITY, ACME, {3})])
def test_a_row_of_a_file_that_names_it_is_emptied(filled: Warehouse, kind: Kind, value: str, emptied: set[int]) -> None:
    rows = [
        ("Ann Lee", EMAIL.upper()),
        ("ann lee", ANN.upper()),
        ("Acme", f" {ACME} "),
        ("Bob", "bob@elsewhere.example"),
    ]
    with filled.write() as con:
        con.execute(
            "insert into linkt.ingests (ingest_id, task_key, task_id, file_name, file_sha256, file_bytes, file_rows, "
            "primary_column, state, execution_id, intended_at) "
            "values ('i', 'fair', 't', 'a.csv', 'abc', 1, 3, 'name', 'finished', 'x', now())"
        )
        con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, attempt, state, run_id, intended_at) "
            "values ('x', 'fair', 't', 1, 'finished', 'r1', now())"
        )
        for number, (name, contact) in enumerate(rows, 1):
            con.execute(
                "insert into linkt.ingest_rows values ('i', $1, $2, json_object('name', $2, 'contact', $3))",
                [number, name, contact],
            )
            for run_id in ("r1", "of another file"):
                con.execute(
                    "insert into linkt.run_candidates (run_id, position, name, observed_at) values ($1, $2, $3, now())",
                    [run_id, number, f"{name.lower()} "],
                )

    removed = erase(filled, kind, value)

    assert removed["linkt.ingest_rows (emptied)"] == len(emptied)
    assert fetch(filled, "select row_number from linkt.ingest_rows where data::varchar = '{}' order by 1") == [
        (number,) for number in sorted(emptied)
    ]
    assert fetch(filled, "select run_id, position from linkt.run_candidates where name = '[erased]' order by 2") == [
        ("r1", number) for number in sorted(emptied)
    ]


def test_a_domain_goes_with_its_company_its_people_and_their_addresses(filled: Warehouse) -> None:
    erase(filled, Kind.DOMAIN, "https://www.acme.com/")

    assert ids(filled, "entities", "entity_id") == {OTHER}
    assert ids(filled, "signals", "signal_id") == set()
    assert "acme.com" not in everything(filled)
    counts = land(filled, company(40), bob(), ann(LATE, parent=None))
    assert counts.erased == 3
    assert ids(filled, "entities", "entity_id") == {OTHER}


def test_a_table_of_the_users_own_loses_it_whatever_its_types_are(filled: Warehouse, engine: str) -> None:
    either = "union_value(t := $1)" if engine == "file" else "$1"  # a lake has no unions
    with filled.write() as con:
        con.execute(
            "create table main.own as select {'a': $1, 'b': [{'c': $1}]} as s, map {'k': $1} as m, [[$1]] as l, "
            f"encode($1) as b, {either} as u, 7 as number",
            [f"to {EMAIL}"],
        )

    removed = erase(filled, Kind.EMAIL, EMAIL)

    words = "to [erased]"
    assert removed["main.own (without the words)"] == 1
    assert fetch(filled, "from main.own") == [
        ({"a": words, "b": [{"c": words}]}, {"k": words}, [[words]], None, words, 7)
    ]


def test_two_processes_that_finish_one_erasure_agree_on_it(filled: Warehouse) -> None:
    erasure_id = begin_erasure(filled, Kind.EMAIL, [EMAIL])
    (seen_by_one,), (seen_by_other,) = unfinished_erasures(filled), unfinished_erasures(filled)

    removed = remove_target(filled, seen_by_one)
    forget_target(filled, erasure_id)
    finish_erasure(filled, erasure_id)

    assert remove_target(filled, seen_by_other) == removed == removed_by(filled, erasure_id) != {}
    forget_target(filled, erasure_id)
    assert unfinished_erasures(filled) == []


def test_people_go_with_their_company_however_their_ids_are_written(filled: Warehouse) -> None:
    land(filled, entity(LATE, "person", parent=ACME.upper(), name="Cy"))

    erase(filled, Kind.DOMAIN, "acme.com")

    assert LATE not in ids(filled, "entities", "entity_id")


def test_the_value_is_known_only_while_it_is_pending(filled: Warehouse) -> None:
    begin_erasure(filled, Kind.EMAIL, [EMAIL])
    (erasure,) = unfinished_erasures(filled)
    with filled.read() as con:
        assert (erasure.target, erasure.phase) == (find_target(con, Kind.EMAIL, [EMAIL]), "intended")

    remove_target(filled, erasure)
    assert unfinished_erasures(filled)[0].target == Target((ANN,), emails=(EMAIL,))
    forget_target(filled, erasure.erasure_id)
    note_failure(filled, RuntimeError(f"no space for the row of {EMAIL}"))

    assert fetch(filled, "select last_error from linkt.erasures") == [
        ("RuntimeError: no space for the row of [erased]",)
    ]
    assert unfinished_erasures(filled)[0].target is None
    assert EMAIL not in everything(filled)
    assert ANN not in str(fetch(filled, "from linkt.tombstones"))
    finish_erasure(filled, erasure.erasure_id)
    assert unfinished_erasures(filled) == []


def test_a_start_that_is_not_settled_keeps_its_parameters(filled: Warehouse) -> None:
    with filled.write() as con:
        con.execute(
            "insert into linkt.executions (execution_id, task_key, task_id, parameters, attempt, state, intended_at) "
            "values ('x', 'search', 't', $1, 1, 'unknown', now())",
            [f'{{"prompt": "{EMAIL}"}}'],
        )
    with filled.read() as con:
        target = find_target(con, Kind.EMAIL, [EMAIL])

    with pytest.raises(ErasureError, match=r"execution x of task search .* bought twice"):
        preview_removal(filled, target)

    with filled.write() as con:
        con.execute("update linkt.executions set state = 'lost'")
    erase(filled, Kind.EMAIL, EMAIL)
    assert fetch(filled, "select parameters ->> '$.prompt' from linkt.executions") == [("[erased]",)]


@pytest.mark.parametrize(
    ("kind", "value"), [(Kind.EMAIL, "ann"), (Kind.EMAIL, "a@b"), (Kind.ENTITY, "ann@acme.com"), (Kind.DOMAIN, "acme")]
)
def test_what_names_nobody_is_refused(warehouse: Warehouse, kind: Kind, value: str) -> None:
    with warehouse.read() as con, pytest.raises(ErasureError, match=value):
        find_target(con, kind, [value])


@pytest.mark.parametrize("value", ["https://www.linkedin.com/in/ann", "de.linkedin.com", "gmail.com", "co.uk"])
@pytest.mark.parametrize("is_built", [True, False])
def test_a_host_that_many_share_is_no_company(warehouse: Warehouse, value: str, is_built: bool) -> None:
    if is_built:
        with warehouse.write() as con:
            file = BUILT_IN_SQL / "seeds" / "shared_hosts.csv"
            con.execute(f"create schema seeds; create table seeds.shared_hosts as from read_csv('{file}')")
    with warehouse.read() as con:
        with pytest.raises(ErasureError, match="many"):
            find_target(con, Kind.DOMAIN, [value])
        assert find_target(con, Kind.DOMAIN, ["acme.wordpress.com"]).domains == ("acme.wordpress.com",)


def test_without_its_salt_nothing_lands_and_nobody_comes_back(filled: Warehouse) -> None:
    erase(filled, Kind.EMAIL, EMAIL)
    with filled.write() as con:
        con.execute("delete from linkt.sync_state")

    with pytest.raises(SaltLostError, match="Put the row back"):
        land(filled, ann(LATE))

    assert EMAIL not in everything(filled)
