"""Settings and tasks.yaml: what is accepted, and what a mistake is told."""

from datetime import timedelta
from pathlib import Path

import pytest

from linkt_pipeline.config import SANDBOX_TASKS_FILE, ErrorKind, Settings, load_settings, load_tasks
from linkt_pipeline.errors import ConfigError

TASK_ID = "507f1f77bcf86cd799439013"
ENTRY = f"tasks:\n  search:\n    task_id: {TASK_ID}\n"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("API_KEY", "BASE_URL", "DATA_DIR", "TASKS_FILE", "REQUESTS_PER_MINUTE", "DAILY_REQUEST_LIMIT"):
        monkeypatch.delenv(f"LINKT_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tasks.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_full_entry_is_read_into_typed_fields(tmp_path: Path) -> None:
    task = load_tasks(
        write(
            tmp_path,
            ENTRY
            + """    icp_id: 507f1f77bcf86cd799439011
    parameters: {num_results: 25, nested: {deep: [1, 2.5]}}
    poll_interval: 250ms
    max_wait: 1h30m
    retry: {max_attempts: 3, on: [rate_limit, provider_error], backoff: 30}
    on_terminate: leave
    schedule: "0 6 * * 1"
    monthly_credit_limit: 500
""",
        )
    )["search"]
    assert task.poll_interval == timedelta(milliseconds=250)
    assert task.max_wait == timedelta(minutes=90)
    assert task.retry.on == {ErrorKind.RATE_LIMIT, ErrorKind.PROVIDER_ERROR}
    assert task.retry.backoff == timedelta(seconds=30)
    assert type(task.parameters["nested"]["deep"][1]) is float


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ":1: expected one top-level key, 'tasks'"),
        ("tasks:\n", ":1: 'tasks' has no entries"),
        ("tasks: [1]\n", ":1: 'tasks' has no entries"),
        ("tasks:\n  a: 3\n", ":2: tasks.a: expected fields such as task_id, got 3"),
        ("tasks:\n  a:\n    icp_id: 507f1f77bcf86cd799439011\n", ":2: tasks.a.task_id: Field required"),
        ("tasks:\n  a:\n    task_id: nope\n", ":3: tasks.a.task_id: is not a Linkt id"),
        ("tasks:\n  a:\n    task_id: 507112345678901234567890\n", ":3: tasks.a.task_id: is a number to YAML"),
        ("tasks:\n  a b:\n    task_id: 507f1f77bcf86cd799439011\n", ":2: tasks.a b.key: a task's name may hold"),
        (ENTRY + "    poll_interval: soon\n", ":4: tasks.search.poll_interval: 'soon' is not a duration"),
        (ENTRY + "    max_wait: 0s\n", ":4: tasks.search.max_wait: must be longer than zero"),
        (ENTRY + "    retry:\n      on: [typo]\n", ":5: tasks.search.retry.on.0: Input should be 'rate_limit'"),
        (ENTRY + "    colour: red\n", ":4: tasks.search.colour: there is no such setting. Known: task_id, icp_id"),
        (ENTRY + "    max_wat: 4h\n", ":4: tasks.search.max_wat: there is no such setting; did you mean 'max_wait'?"),
        (ENTRY + "    schedule: daily\n", ":4: tasks.search.schedule: 'daily' is not a cron expression"),
        (
            ENTRY + '    schedule: "61 * * * *"\n',
            ":4: tasks.search.schedule: '61' is no minute of a cron expression (0 to 59",
        ),
        (
            ENTRY + '    schedule: "0 6 * * 1-"\n',
            ":4: tasks.search.schedule: '1-' is no day of the week of a cron expression",
        ),
        (ENTRY + "  search:\n    task_id: x\n", ':4: found duplicate key "search"'),
        (ENTRY + "  again:\n    task_id: " + TASK_ID + "\n", ":5: tasks.again: same task_id, icp_id and parameters"),
        ("tasks:\n  a: [\n", ": not valid YAML"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_tasks(path)
    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_tasks(write(tmp_path, "tasks:\n  a: {task_id: x}\n  b: {task_id: y}\n"))
    assert len(str(caught.value).splitlines()) == 2


def test_no_tasks_file_means_no_tasks(tmp_path: Path) -> None:
    assert load_tasks(tmp_path / "absent.yaml") == {}


def test_no_key_and_no_tasks_file_is_the_sandbox_with_a_folder_of_its_own(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.sandbox
    assert settings.warehouse_path == tmp_path / "data" / "sandbox" / "linkt.duckdb"
    assert settings.active_tasks_file == SANDBOX_TASKS_FILE


def test_a_tasks_file_without_a_key_is_not_the_sandbox_but_a_missing_key(tmp_path: Path) -> None:
    write(tmp_path, ENTRY)
    settings = load_settings()
    assert not settings.sandbox
    with pytest.raises(ConfigError, match="LINKT_API_KEY is not set"):
        settings.require_api_key()


def test_a_dotenv_file_is_honoured_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("LINKT_API_KEY=sk-from-file\nLINKT_DATA_DIR=elsewhere\nOTHER=1\n", encoding="utf-8")
    monkeypatch.setenv("LINKT_DATA_DIR", "here")
    settings = load_settings()
    assert settings.require_api_key().get_secret_value() == "sk-from-file"
    assert settings.root == tmp_path / "here"


def test_a_bad_variable_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKT_BASE_URL", "api.linkt.ai")
    monkeypatch.setenv("LINKT_DAILY_REQUEST_LIMIT", "many")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "LINKT_BASE_URL: 'api.linkt.ai' is not a base URL" in str(caught.value)
    assert "LINKT_DAILY_REQUEST_LIMIT" in str(caught.value)


def test_the_key_is_in_no_text_of_the_settings() -> None:
    settings = Settings.model_validate({"api_key": "sk-very-secret"})
    assert "very-secret" not in f"{settings!r}{settings}{settings.model_dump()}"
