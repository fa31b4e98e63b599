"""Settings and tasks.yaml: what is accepted, and what a mistake is told."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from linkt_pipeline.errors import ConfigError
from linkt_pipeline.redaction import redact
from linkt_pipeline.settings import SANDBOX_TASKS_FILE, Settings, load_settings
from linkt_pipeline.tasks import AlertEvent, CommonSettings, ErrorKind
from linkt_pipeline.tasks_yaml import load_common, load_tasks

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


def test_ids_are_written_as_linkt_writes_them(tmp_path: Path) -> None:
    """Otherwise the run of a lost reply looks like one of another ICP, and is bought again."""
    task = load_tasks(write(tmp_path, f"tasks:\n  a: {{task_id: {TASK_ID.upper()}, icp_id: {TASK_ID.upper()}}}\n"))["a"]
    assert (task.task_id, task.icp_id) == (TASK_ID, TASK_ID)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ":1: expected a top-level key, 'tasks'"),
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
        *[
            (ENTRY + f"    schedule: '{cron}'\n", f":4: tasks.search.schedule: '{cron}' is not a cron expression")
            for cron in (
                *("61 * * * *", "0 6 * * 1-", "0 0 30 2 *", "0 0 31 4 *", "0 6 * * jan", "0 6 * mon *"),
                *("* * * * * *", "@reboot", "0 6 * *", ""),
            )
        ],
        (ENTRY + "    poll_interval: 1e300\n", ":4: tasks.search.poll_interval: 1e+300 is longer than"),
        (ENTRY + "    max_wait: .inf\n", ":4: tasks.search.max_wait: inf is longer than"),
        (ENTRY + "    max_wait: .nan\n", ":4: tasks.search.max_wait: nan is longer than"),
        (ENTRY + "    max_wait: 99999999999999d\n", ":4: tasks.search.max_wait: '99999999999999d' is"),
        (ENTRY + "    monthly_credit_limit: .nan\n", ":4: tasks.search.monthly_credit_limit: Input should be a finite"),
        (ENTRY + "    timezone: Mars/Base\n", ":4: tasks.search.timezone: 'Mars/Base' is not a time zone"),
        ("tasks:\n  ~:\n    task_id: " + TASK_ID + "\n", ":2: tasks.None: the name is None to YAML"),
        ("tasks:\n  2024:\n    task_id: " + TASK_ID + "\n", ":2: tasks.2024: the name is 2024 to YAML"),
        ("monthly_credit_limit: -1\n" + ENTRY, ":1: monthly_credit_limit: Input should be greater than or equal to 0"),
        ("timezone: localtime\n" + ENTRY, ":1: timezone: 'localtime' is not a time zone"),
        ("timezone: Europe\n" + ENTRY, ":1: timezone: 'Europe' is not a time zone"),
        ("zone: UTC\n" + ENTRY, ":1: zone: there is no such setting; did you mean 'timezone'? Known: timezone"),
        ("defaults: 10s\n" + ENTRY, ":1: defaults: expected settings such as poll_interval, got '10s'"),
        ("defaults: {task_id: x}\n" + ENTRY, ":1: defaults.task_id: there is no such setting"),
        ("defaults: {max_wait: soon}\n" + ENTRY, ":1: defaults.max_wait: 'soon' is not a duration"),
        (
            ENTRY + "    parameters: {a: [x, '${LINKT_NOT_SET}']}\n",
            ":4: tasks.search.parameters.a.1: ${LINKT_NOT_SET} is",
        ),
        (ENTRY + "  search:\n    task_id: x\n", ':4: found duplicate key "search"'),
        (ENTRY + "  again:\n    task_id: " + TASK_ID + "\n", ":5: tasks.again: same task_id, icp_id and parameters"),
        (ENTRY + "  again:\n    task_id: " + TASK_ID.upper() + "\n", ":5: tasks.again: same task_id, icp_id and param"),
        ("tasks:\n  a: [\n", ": not valid YAML"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_tasks(path)
    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "cron", ["@daily", "0 6 * * mon", "0 6 L * *", "0 0 29 2 *", "*/15 8-18 * * 1-5", "0 6 * * 7", "0 6 * jan,jul *"]
)
def test_a_schedule_that_is_accepted_is_one_to_dagster(tmp_path: Path, cron: str) -> None:
    task = load_tasks(write(tmp_path, ENTRY + f"    schedule: '{cron}'\n    timezone: Europe/Berlin\n"))["search"]
    schedule = dg.ScheduleDefinition(
        name="s", job_name="j", cron_schedule=str(task.schedule), execution_timezone=task.timezone
    )
    assert schedule.cron_schedule == cron


def test_an_entry_starts_from_the_defaults_of_the_file(tmp_path: Path) -> None:
    text = "defaults: {poll_interval: 30s, max_wait: 8h, retry: {max_attempts: 2}}\ntimezone: Asia/Tokyo\n"
    own = f"  own:\n    task_id: {TASK_ID}\n    parameters: {{n: 1}}\n    poll_interval: 5s\n    timezone: UTC\n"
    tasks = load_tasks(write(tmp_path, text + ENTRY + own))
    assert tasks["search"].poll_interval == timedelta(seconds=30)
    assert tasks["search"].retry.max_attempts == 2
    assert tasks["search"].timezone == "Asia/Tokyo"
    assert tasks["own"].poll_interval == timedelta(seconds=5)
    assert tasks["own"].max_wait == timedelta(hours=8)
    assert tasks["own"].timezone == "UTC"


def test_a_file_says_what_holds_for_all_tasks_together(tmp_path: Path) -> None:
    file = write(tmp_path, "monthly_credit_limit: 2000\ntimezone: Asia/Tokyo\n" + ENTRY)
    assert load_common(file) == CommonSettings(timezone="Asia/Tokyo", monthly_credit_limit=2000)
    assert load_tasks(file)["search"].monthly_credit_limit is None
    assert load_common(tmp_path / "none.yaml") == CommonSettings(timezone="UTC", monthly_credit_limit=None)


def test_variables_stand_for_their_values_in_every_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("FROM_FILE=file\nBOTH=file\n", encoding="utf-8")
    monkeypatch.setenv("BOTH", "environment")
    monkeypatch.setenv("LIMIT", "12.5")
    text = (
        ENTRY + "    monthly_credit_limit: ${LIMIT}\n    parameters: {a: ['${FROM_FILE}-${BOTH}'], b: '$${BOTH} $5'}\n"
    )
    task = load_tasks(write(tmp_path, text))["search"]
    assert task.monthly_credit_limit == 12.5
    assert task.parameters == {"a": ["file-environment"], "b": "${BOTH} $5"}


def test_the_value_of_a_variable_is_in_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    with pytest.raises(ConfigError) as caught:
        load_tasks(write(tmp_path, "tasks:\n  a:\n    task_id: ${SECRET}\n"))
    assert "${SECRET}" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_tasks(write(tmp_path, "tasks:\n  a: {task_id: x}\n  b: {task_id: y}\n"))
    assert len(str(caught.value).splitlines()) == 2


def test_no_tasks_file_means_no_tasks(tmp_path: Path) -> None:
    assert load_tasks(tmp_path / "absent.yaml") == {}


def test_no_key_and_no_tasks_file_is_the_sandbox_with_a_folder_of_its_own(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.sandbox
    assert settings.warehouse_path == tmp_path / "data" / "sandbox" / "warehouse.duckdb"
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


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LINKT_TASKS_FILE", "~/mine.yaml")
    monkeypatch.setenv("LINKT_DATA_DIR", "~/rows")
    (tmp_path / "mine.yaml").write_text(ENTRY, encoding="utf-8")
    settings = load_settings()
    assert not settings.sandbox
    assert settings.active_tasks_file == tmp_path / "mine.yaml"
    assert settings.root == tmp_path / "rows"


def test_a_named_tasks_file_that_is_not_there_is_no_wish_for_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKT_TASKS_FILE", "mine.yml")
    with pytest.raises(ConfigError, match=r"used: LINKT_TASKS_FILE: there is no file '.*mine\.yml'"):
        load_settings()
    monkeypatch.setenv("LINKT_API_KEY", "sk-real")  # `tasks pull` writes it
    assert not load_settings().sandbox


@pytest.mark.parametrize("folder", ["rows?mode=memory", "rows%20of%20mine"])
def test_a_folder_that_dagster_would_read_as_an_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("LINKT_DATA_DIR", folder)
    with pytest.raises(ConfigError, match=r"LINKT_DATA_DIR: .* which Dagster's SQLite storage reads as part"):
        load_settings()


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "ftp://host",
        "https://user:pw@host",
        "https://host/v1",
        "https://host?x",
        "http://a b",
        "http://h:x",
        "http://h:99999",
        "https://",
        "//host",
    ],
)
def test_a_base_url_is_checked_by_what_will_use_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LINKT_BASE_URL", url)
    with pytest.raises(ConfigError, match=r"LINKT_BASE_URL: .* is not a base URL"):
        load_settings()


@pytest.mark.parametrize("url", ["https://api.linkt.ai/", "http://127.0.0.1:8080", "http://[::1]:8080"])
def test_a_base_url_keeps_no_slash_at_its_end(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LINKT_BASE_URL", url)
    assert load_settings().base_url == url.rstrip("/")


def test_hosts_of_the_ui_are_names_set_apart_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKT_UI_HOSTS", "Dagster.example.com, tunnel.example.com:8443,")
    assert load_settings().ui_hosts == ("dagster.example.com", "tunnel.example.com:8443")


@pytest.mark.parametrize("host", ["*", "https://dagster.example.com", "dagster.example.com/ui", "a b", "*.example.com"])
def test_what_is_no_host_of_the_ui_is_refused(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("LINKT_UI_HOSTS", host)
    with pytest.raises(ConfigError, match=r"LINKT_UI_HOSTS: .* is not a host such as"):
        load_settings()


ALERTS = "alerts:\n  - to: json://127.0.0.1:9/hook\n"


def test_a_channel_is_told_of_all_but_fields_unless_it_says_otherwise(tmp_path: Path) -> None:
    path = write(tmp_path, ENTRY + ALERTS + "  - to: slack://a/b/c\n    on: [stale, fields]\n    name: sales team\n")

    first, second = load_common(path).alerts

    assert load_tasks(path).keys() == {"search"}
    assert first.to.get_secret_value() == "json://127.0.0.1:9/hook"
    assert first.on == set(AlertEvent) - {AlertEvent.FIELDS}
    assert (second.on, second.name) == ({AlertEvent.STALE, AlertEvent.FIELDS}, "sales team")


def test_a_channel_is_called_after_what_tasks_yaml_says_openly_of_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_WEBHOOK", "slack://xoxb-secret-of-ops")
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2-hunter2")
    path = write(
        tmp_path,
        ENTRY + "alerts:\n"
        "  - to: ${OPS_WEBHOOK}\n"
        "  - to: mailtos://me:${MAIL_PASSWORD}@example.com\n"
        "  - to: slack://xoxb-another-secret\n"
        "  - to: slack://xoxb-yet-another\n",
    )

    common = load_common(path)

    assert [channel.name for channel in common.alerts] == ["OPS_WEBHOOK", "MAIL_PASSWORD", "slack", "slack 2"]
    assert common.alerts[1].to.get_secret_value() == "mailtos://me:hunter2-hunter2@example.com"
    assert "xoxb" not in repr(common)
    assert "hunter2" not in repr(common) + str(common.model_dump())
    assert redact("sent to slack://xoxb-secret-of-ops") == "sent to [redacted]"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("alerts: json://secret/hook\n", ":4: alerts: Input should be a valid list"),
        ("alerts:\n  - json://secret/hook\n", ":5: alerts.0: Input should be a valid dictionary"),
        ("alerts:\n  - on: [stale]\n", ":5: alerts.0.to: Field required"),
        ("alerts:\n  - to: secret-token\n", ":5: alerts.0.to: is not an Apprise address such as json://host/path"),
        ("alerts:\n  - to: 12345678\n", ":5: alerts.0.to: Input should be a valid string"),
        ("alerts:\n  - to: ${NOT_SET}\n", ":5: alerts.0.to: ${NOT_SET} is set neither in the environment nor in .env"),
        (ALERTS + "    on: [run_faild]\n", ":6: alerts.0.on.0: Input should be 'run_failed', 'credit_limit'"),
        (ALERTS + "    on: stale\n", ":6: alerts.0.on: Input should be a valid"),
        (ALERTS + "    events: [stale]\n", ":6: alerts.0.events: there is no such setting. Known: to, on, name"),
        (ALERTS + "    name: a/b\n", ":6: alerts.0.name: String should match pattern"),
        (
            ALERTS + "    name: ops\n  - to: json://secret\n    name: ops\n",
            ":8: alerts.1.name: alerts.0 has the same name (got 'ops')",
        ),
    ],
)
@pytest.mark.parametrize("read", [load_tasks, load_common])
def test_a_mistake_in_a_channel_is_told_with_line_and_field_and_without_its_address(
    tmp_path: Path, text: str, told: str, read: Callable[[Path], object]
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(write(tmp_path, ENTRY + text))
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


CATALOG = "postgresql://linkt:p%40ss-of-the-catalog@db.example.com/linkt"


def test_a_lake_is_a_catalog_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKT_CATALOG", CATALOG)
    monkeypatch.setenv("LINKT_LAKE_PATH", "s3://bucket/prefix/")
    monkeypatch.setenv("LINKT_API_KEY", "a key of nobody")
    (tmp_path / ".env").write_text("AWS_REGION=eu-central-1\nAWS_SECRET_ACCESS_KEY=of-the-bucket\n")

    lake = load_settings().lake

    assert lake is not None
    assert (lake.schema, lake.files, lake.store["AWS_REGION"]) == (
        "linkt_lake",
        "s3://bucket/prefix/linkt_lake",
        "eu-central-1",
    )
    for text in (
        repr(lake),
        repr(load_settings()),
        redact("p%40ss-of-the-catalog, p@ss-of-the-catalog, of-the-bucket"),
    ):
        assert "ss-of-the-catalog" not in text
        assert "of-the-bucket" not in text


def test_made_up_rows_have_a_lake_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKT_CATALOG", CATALOG)
    monkeypatch.setenv("LINKT_LAKE_PATH", str(tmp_path / "lake"))
    monkeypatch.setenv("LINKT_API_KEY", "a key of nobody")

    real, lake = load_settings().lake, load_settings({"use_sandbox": True}).lake

    assert lake is not None
    assert real is not None
    assert not lake.files.startswith(f"{real.files}/"), (
        "maintenance removes Parquet files of which a lake does not know"
    )
    assert (lake.schema, lake.files) == ("linkt_lake_sandbox", f"{tmp_path}/lake/linkt_lake_sandbox")


@pytest.mark.parametrize(
    ("catalog", "files", "said"),
    [
        ("mysql://u:secret-word@h/db", "/lake", "LINKT_CATALOG: it is no address such as postgresql://"),
        ("postgresql://u:secret-word@h", "/lake", "LINKT_CATALOG: it is no address"),
        ("postgresql://u:secret-word@:5432/db", "/lake", "LINKT_CATALOG: it is no address"),
        ("postgresql://u:secret-word@h:port/db", "/lake", "LINKT_CATALOG: it is no address"),
        (
            "postgresql://u:secret-word@h/db",
            "gs://bucket",
            "LINKT_LAKE_PATH: 'gs://bucket' is neither a folder nor",
        ),
        ("postgresql://u:secret-word@h/db", "", "LINKT_LAKE_PATH does not say where the files of the lake lie"),
        ("", "/lake", "LINKT_CATALOG does not name the PostgreSQL of its catalog"),
    ],
)
def test_a_mistake_about_the_lake_is_told_without_the_password(
    catalog: str, files: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINKT_CATALOG", catalog)
    monkeypatch.setenv("LINKT_LAKE_PATH", files)

    with pytest.raises(ConfigError) as caught:
        load_settings()

    assert said in str(caught.value)
    assert "secret-word" not in str(caught.value)
