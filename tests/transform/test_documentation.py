"""The examples of docs/models.md do what the page says."""

import re
from pathlib import Path

import duckdb

from linkt_pipeline.transform import ModelKey, build_model, describe_models, load_checks, load_models
from linkt_pipeline.transform.header import MACRO_KEYS, MODEL_KEYS
from linkt_pipeline.warehouse.migration import migrate
from tests.paths import PROJECT_ROOT

PAGE = (PROJECT_ROOT / "docs" / "models.md").read_text()


def test_the_worked_example(tmp_path: Path) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    model = next(block for block in blocks if "How many companies" in block)
    check = next(block for block in blocks if "spelt in two ways" in block)
    for folder, name, text in (("marts", "industries", model), ("checks", "spelling", check)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.sql").write_text(text)
    columns = dict.fromkeys(("entity_id", "root_entity_id", "industry"), "varchar") | {"signal_count": "bigint"}
    graph = load_models(tmp_path, {"marts.companies": columns})
    assert list(describe_models(graph)[ModelKey("marts", "industries")]) == ["industry", "companies", "signals"]
    assert {c.name for c in load_checks(tmp_path, graph)} == {"key", "spelling"}

    con = duckdb.connect()
    migrate(con)
    con.execute("create schema marts")
    con.execute(
        "create table marts.companies as "
        "select 'a' as entity_id, 'a' as root_entity_id, null::varchar as industry, 3::bigint as signal_count"
    )
    assert list(build_model(con, graph["marts.industries"]).columns.values()) == ["VARCHAR", "BIGINT", "BIGINT"]
    assert con.execute("select * from marts.industries").fetchall() == [("unknown", 1, 3)]


def test_every_header_line_is_in_the_table() -> None:
    assert set(re.findall(r"^\| `-- (\w+)", PAGE, re.MULTILINE)) == {*MODEL_KEYS, *MACRO_KEYS}
