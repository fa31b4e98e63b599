"""What a person sees while a run works."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from linkt_pipeline.cli.progress import STEPS, LiveProgress, PlainProgress, TaskLine
from linkt_pipeline.collection.lander import Fetched
from linkt_pipeline.executions.events import Note, RunAdopted, RunEnded, RunProgress, RunStarted

ENDED = RunEnded("search", "r1", "COMPLETED", timedelta(minutes=3), 12.5, 4, 1, 0, succeeded=True)


def shown(events, fetched=None) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None)
    progress = LiveProgress(console, {"search": TaskLine()})
    for event in events:
        progress.on_event(event)
    if fetched:
        progress.on_fetch("entity", fetched)
    console.print(progress)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("events", "parts"),
    [
        ([], ["search", "waiting"]),
        ([RunStarted("search", "r1", 1)], ["r1", "STARTED", "0s"]),
        ([RunAdopted("search", "r1", "found")], ["r1", "adopted, nothing bought"]),
        (
            [RunProgress("search", "r1", "RUNNING", timedelta(minutes=2, seconds=5), {"queued": 3, "completed": 1})],
            ["RUNNING", "2m 05s", "3 queued, 1 completed"],
        ),
        (
            [RunStarted("search", "r1", 1), ENDED],
            ["COMPLETED", "3m 00s", "12.5 credits; 4 created, 1 updated, 0 signals"],
        ),
        ([Note("search", "the reply was lost", True)], ["search: the reply was lost"]),
    ],
    ids=["nothing yet", "started", "adopted", "progress", "ended", "note"],
)
def test_a_task_is_one_line(events, parts):
    assert all(part in shown(events) for part in parts)


def test_data_is_never_read_as_markup():
    assert "[red]x[/red]" in shown([Note("search", "[red]x[/red]")])


def test_fetching_has_a_bar_and_names_what_was_not_landed():
    out = shown([], Fetched(pending=10, landed=5, missing=1))
    assert "6/10" in out
    assert "5 landed, 1 missing" in out


def test_plain_lines_have_no_control_characters(capsys):
    progress = PlainProgress()
    progress.on_event(RunStarted("search", "r1", 1))
    progress.on_event(Note("search", "look twice", True))
    progress.on_fetch("signal", Fetched(pending=2, landed=2))
    progress.on_step("linkt__sql_models", True)
    progress.on_step("linkt__sql_models", False)
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "search: started run r1",
        "warning: search: look twice",
        "signals: 2 of 2 settled (2 landed)",
        "building the SQL models ...",
    ]


def test_every_step_of_the_jobs_has_words(tmp_path, monkeypatch):
    from linkt_pipeline.assets.location import build_location
    from linkt_pipeline.settings import Settings
    from linkt_pipeline.tasks_yaml import load_tasks

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LINKT_API_KEY", raising=False)
    settings = Settings(data_dir=tmp_path / "data")
    definitions = build_location(settings, load_tasks(settings.active_tasks_file))
    for job in ("execute_and_publish", "sync_and_publish"):
        steps = {node.name for node in definitions.resolve_job_def(job).nodes}
        assert steps <= STEPS.keys()
