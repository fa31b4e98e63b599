"""``tasks pull``: what a person wrote into tasks.yaml stays, what Linkt has is added."""

import pytest

from linkt_pipeline.api import Task
from linkt_pipeline.cli.tasks_file import TasksFile, slugify
from linkt_pipeline.tasks_yaml import load_tasks
from tests.cli.command import SEARCH, TASKS_YAML


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("SaaS Signals (EU)", "saas_signals_eu"),
        ("  Größe / 2026 ", "gr_e_2026"),
        ("a" * 200, "a" * 90),
        ("北京", ""),
        ("--- x ---", "x"),
    ],
)
def test_slugs(name, key):
    assert slugify(name) == key


def test_a_fresh_file_holds_every_task_and_can_be_loaded(live):
    (live.folder / "tasks.yaml").unlink()
    ended = live("tasks", "pull")
    assert ended.code == 0, ended.err
    tasks = load_tasks(live.folder / "tasks.yaml")
    assert tasks["enterprise_saas_search"].task_id == SEARCH["task_id"]
    assert tasks["enterprise_saas_search"].icp_id == SEARCH["icp_id"]
    assert tasks["trade_fair_ingest"].parameters == {"input_entities": []}
    assert all(f"added {key}" in ended.out for key in tasks)


def test_an_existing_file_keeps_its_entries_and_comments(live):
    ended = live("tasks", "pull")
    assert ended.code == 0, ended.err
    text = (live.folder / "tasks.yaml").read_text()
    assert text.startswith(TASKS_YAML.rstrip("\n"))
    tasks = load_tasks(live.folder / "tasks.yaml")
    assert {"search", "signals"} < set(tasks)
    assert len({task.task_id for task in tasks.values()}) == len(tasks)
    assert "2 were there already" in ended.out


def test_pulling_twice_adds_nothing(live):
    live("tasks", "pull")
    before = (live.folder / "tasks.yaml").read_bytes()
    assert "0 added" in live("tasks", "pull").out
    assert (live.folder / "tasks.yaml").read_bytes() == before


def test_an_entry_that_linkt_does_not_know_is_left_and_named(live):
    (live.folder / "tasks.yaml").write_text(f"tasks:\n  old:\n    task_id: '{'9' * 24}'\n")
    ended = live("tasks", "pull")
    assert "old" in ended.err
    assert "old" in load_tasks(live.folder / "tasks.yaml")


def test_force_writes_the_file_anew(live):
    ended = live("tasks", "pull", "--force")
    assert ended.code == 0, ended.err
    assert "my own words" not in (live.folder / "tasks.yaml").read_text()
    assert "search" not in load_tasks(live.folder / "tasks.yaml")


def test_a_dash_shows_the_entries_and_writes_nothing(command):
    ended = command("tasks", "pull", "--output", "-")
    assert ended.code == 0, ended.err
    assert "enterprise_saas_search:" in ended.out
    assert not (command.folder / "tasks.yaml").exists()


def task(task_id: str, name: str | None) -> Task:
    return Task.model_validate({"id": task_id, "name": name, "flow_name": "search"})


def test_tasks_of_one_name_or_none_get_keys_of_their_own():
    file = TasksFile.open(None)
    added = file.add([task("a" * 24, "News"), task("b" * 24, "news!"), task("c" * 24, None), task("d" * 24, "北京")])
    assert list(added) == ["news", "news_2", f"task_{'c' * 24}", f"task_{'d' * 24}"]


@pytest.mark.parametrize("task_id", ["9" * 24, "1" * 10 + "e" + "1" * 13, "0" * 24])
def test_an_id_that_yaml_would_take_for_a_number_stays_text(tmp_path, task_id):
    file = TasksFile.open(None)
    file.add([task(task_id, "News")])
    file.write(tmp_path / "tasks.yaml")
    assert load_tasks(tmp_path / "tasks.yaml")["news"].task_id == task_id


def test_the_list_shows_what_tasks_yaml_holds(live):
    ended = live("tasks")
    assert ended.code == 0
    assert SEARCH["task_id"] in ended.out


def test_names_in_linkt_stand_beside_their_entries():
    file = TasksFile.open(None)
    file.add([Task(id="6" * 24, name="Enterprise search"), Task(id="7" * 24, name="News")])
    assert [line for line in file.text().splitlines() if line.startswith("  ") and "#" in line] == [
        "  enterprise_search:  # Enterprise search",
        "  news:  # News",
    ]
