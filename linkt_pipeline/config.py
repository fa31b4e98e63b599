"""Environment and tasks.yaml, read into typed settings.

Nothing here touches the network or the warehouse. Every message names the field, the value and the next
command, because a configuration mistake is the first thing most users meet.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from linkt_pipeline.errors import ConfigError

PRODUCTION_URL = "https://api.linkt.ai"
PROJECT_ROOT = Path(__file__).resolve().parent.parent
SANDBOX_TASKS_FILE = Path(__file__).resolve().parent / "sandbox" / "tasks.yaml"

_DURATION = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


_CRON = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
_CRON_NAME = re.compile("jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat")


def _is_cron_field(text: str, lowest: int, highest: int) -> bool:
    """Whether a field of a cron expression is a list of values, ranges and steps inside its bounds."""
    for part in text.split(","):
        values, slash, step = part.partition("/")
        if slash and not (step.isdecimal() and int(step)):
            return False
        ends = [] if values == "*" else values.split("-")
        if len(ends) > 2 or not all(
            (end.isdecimal() and lowest <= int(end) <= highest) or (highest in (7, 12) and _CRON_NAME.fullmatch(end))
            for end in ends
        ):
            return False
    return True


def parse_duration(value: object) -> object:
    """Read ``10s``, ``1h30m`` or a bare number of seconds; anything else is left for pydantic to refuse."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    if isinstance(value, int | float):
        return timedelta(seconds=value)
    text = value.strip().lower()
    if _DURATION.sub("", text).strip() or not text:
        raise ValueError(f"{value!r} is not a duration; write for example 10s, 5m, 4h or 1h30m")
    return timedelta(seconds=sum(float(m["amount"]) * _SECONDS[m["unit"]] for m in _DURATION.finditer(text)))


def _require_positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than zero")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_require_positive)]


def _require_text(value: object) -> object:
    """YAML reads an id of decimal digits alone as a number, and might have cut leading zeros already."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("is a number to YAML; write the id in quotes")
    return value


def _require_object_id(value: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{24}", value):
        raise ValueError("is not a Linkt id (24 hexadecimal digits, as the dashboard and the API show them)")
    return value


ObjectId = Annotated[str, BeforeValidator(_require_text), AfterValidator(_require_object_id)]


class ErrorKind(StrEnum):
    """Why a Linkt run failed, as classified from its ``error`` text (the vendor's table, plus ``other``)."""

    RATE_LIMIT = "rate_limit"
    INVALID_CONFIGURATION = "invalid_configuration"
    SHEET_CAPACITY = "sheet_capacity"
    TIMEOUT = "timeout"
    PROVIDER_ERROR = "provider_error"
    OTHER = "other"


class OnTerminate(StrEnum):
    """What an interrupt of the waiting process does to the Linkt run.

    ``auto``: a person's Terminate cancels it, a plain SIGTERM (deploy, eviction) leaves it to be adopted.
    """

    AUTO = "auto"
    CANCEL = "cancel"
    LEAVE = "leave"


class RetrySpec(BaseModel):
    """Which kinds of failed run start a fresh, separately paid attempt, and how long to wait before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_attempts: int = Field(default=1, ge=1, le=10)
    on: frozenset[ErrorKind] = frozenset()
    backoff: Duration = timedelta(seconds=30)


class TaskSpec(BaseModel):
    """One entry of tasks.yaml: a Linkt task that this deployment runs. Its key is the partition key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    task_id: ObjectId
    icp_id: ObjectId | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    poll_interval: Duration = timedelta(seconds=10)
    max_wait: Duration = timedelta(hours=4)
    retry: RetrySpec = RetrySpec()
    on_terminate: OnTerminate = OnTerminate.AUTO
    schedule: str | None = None
    monthly_credit_limit: float | None = Field(default=None, ge=0)

    @field_validator("key")
    @classmethod
    def _key_is_a_partition_key(cls, key: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}", key):
            raise ValueError("a task's name may hold letters, digits, _ and - only (it becomes a partition key)")
        return key

    @field_validator("schedule")
    @classmethod
    def _schedule_is_cron(cls, schedule: str | None) -> str | None:
        if schedule is None:
            return None
        fields = schedule.lower().split()
        if len(fields) != len(_CRON):
            raise ValueError(f'{schedule!r} is not a cron expression of five fields, such as "0 6 * * 1"')
        for text, (name, lowest, highest) in zip(fields, _CRON, strict=True):
            if not _is_cron_field(text, lowest, highest):
                raise ValueError(f"{text!r} is no {name} of a cron expression ({lowest} to {highest}, *, lists, steps)")
        return schedule


class Settings(BaseSettings):
    """What the environment (and a ``.env`` file) says. Names and defaults: README, "Settings"."""

    model_config = SettingsConfigDict(
        env_prefix="LINKT_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    api_key: SecretStr | None = None
    base_url: str = PRODUCTION_URL
    data_dir: Path = Path("data")
    tasks_file: Path = Path("tasks.yaml")
    requests_per_minute: int | None = Field(default=None, ge=1)
    daily_request_limit: int | None = Field(default=None, ge=1)

    @field_validator("base_url")
    @classmethod
    def _base_url_is_http(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^/\s?#@]+", url.rstrip("/")):
            raise ValueError(f"{url!r} is not a base URL such as {PRODUCTION_URL} (scheme and host, no path)")
        return url.rstrip("/")

    @cached_property
    def sandbox(self) -> bool:
        """No key and no tasks.yaml: everything runs against the built-in sandbox, and says so."""
        return self.api_key is None and not self.tasks_file.exists()

    @property
    def root(self) -> Path:
        """Absolute folder this deployment writes to; the sandbox's rows never meet real ones."""
        data_dir = self.data_dir.expanduser().absolute()
        return data_dir / "sandbox" if self.sandbox else data_dir

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file the pipeline writes."""
        return self.root / "linkt.duckdb"

    @property
    def published_dir(self) -> Path:
        """Folder of the snapshot and the Parquet files that BI tools read."""
        return self.root / "published"

    @property
    def snapshot_path(self) -> Path:
        """The read-only copy of the warehouse that BI tools open."""
        return self.published_dir / "linkt.duckdb"

    @property
    def active_tasks_file(self) -> Path:
        """The tasks.yaml in force: the user's, or the sandbox's own."""
        return SANDBOX_TASKS_FILE if self.sandbox else self.tasks_file.expanduser().absolute()

    def require_api_key(self) -> SecretStr:
        """The key, or the error that says how to set it."""
        if self.api_key is None:
            raise ConfigError(
                "LINKT_API_KEY is not set, so nothing can be asked of the Linkt API. "
                "Create a key in the Linkt dashboard and export it, or write LINKT_API_KEY=... into .env."
            )
        return self.api_key


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the environment and ``.env``.

    Args:
        overrides: values that win over the environment, by field name.

    Raises:
        ConfigError: a variable can't be used; names the variable and its value (never the key).
    """
    try:
        return Settings(**dict(overrides or {}))
    except ValidationError as error:
        problems = "; ".join(
            f"LINKT_{'_'.join(str(part) for part in item['loc']).upper()}: {_plain(item['msg'])}"
            for item in error.errors(include_url=False, include_context=False)
        )
        raise ConfigError(f"the environment can't be used: {problems}") from None


def load_tasks(path: Path) -> dict[str, TaskSpec]:
    """Read tasks.yaml.

    Args:
        path: the file; one that does not exist means "no tasks yet" and gives an empty mapping.

    Returns:
        The entries by name, in the file's order.

    Raises:
        ConfigError: the file can't be used; every problem is listed with its line, field and value.
    """
    if not path.exists():
        return {}
    document, values = _parse_yaml(path)
    if not isinstance(document, CommentedMap) or list(document) != ["tasks"]:
        raise ConfigError(f"{path}:1: expected one top-level key, 'tasks', with one entry per task")
    entries = document["tasks"]
    if not isinstance(entries, CommentedMap) or not entries:
        line = _line(document, ["tasks"])
        raise ConfigError(f"{path}:{line}: 'tasks' has no entries; `linkt-pipeline tasks pull` writes some")

    tasks: dict[str, TaskSpec] = {}
    problems: list[str] = []
    for key, entry in entries.items():
        try:
            tasks[str(key)] = TaskSpec.model_validate({**_as_mapping(values["tasks"][key]), "key": str(key)})
        except ValidationError as error:
            problems += [
                f"{path}:{_line(entries, [key, *item['loc']])}: tasks.{'.'.join(map(str, [key, *item['loc']]))}: "
                f"{_unknown_field(item) or _plain(item['msg']) + _shown(item)}"
                for item in error.errors(include_url=False, include_context=False)
            ]
        except TypeError:
            line = _line(entries, [key])
            problems.append(f"{path}:{line}: tasks.{key}: expected fields such as task_id, got {entry!r}")
    problems += _duplicate_ids(path, entries, tasks)
    if problems:
        raise ConfigError("\n".join(problems))
    return tasks


def _parse_yaml(path: Path) -> tuple[Any, Any]:
    """The file twice: as a tree that knows its lines, and as plain values."""
    try:
        text = path.read_text(encoding="utf-8")
        return YAML(typ="rt").load(text), YAML(typ="safe", pure=True).load(text)
    except DuplicateKeyError as error:
        raise ConfigError(f"{path}:{_mark_line(error)}: {str(error.problem).strip()}") from None
    except MarkedYAMLError as error:
        raise ConfigError(f"{path}:{_mark_line(error)}: not valid YAML: {error.problem}") from None
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None


def _mark_line(error: MarkedYAMLError) -> int:
    return error.problem_mark.line + 1 if error.problem_mark else 1


def _as_mapping(entry: object) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise TypeError
    return {str(key): value for key, value in entry.items()}


def _line(node: object, keys: list[Any]) -> int:
    """Line of the deepest part of ``keys`` that the file has."""
    line = 1
    for key in keys:
        if isinstance(node, CommentedMap) and key in node:
            line = node.lc.key(key)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
            line = node.lc.item(key)[0] + 1
        else:
            break
        node = node[key]
    return line


def _unknown_field(item: Any) -> str | None:
    if item["type"] != "extra_forbidden":
        return None
    known = [name for name in (RetrySpec if "retry" in item["loc"] else TaskSpec).model_fields if name != "key"]
    near = get_close_matches(str(item["loc"][-1]), known, n=1)
    return f"there is no such setting{f'; did you mean {near[0]!r}?' if near else '.'} Known: {', '.join(known)}"


def _shown(item: Any) -> str:
    return "" if item["type"] == "missing" or isinstance(item["input"], dict) else f" (got {item['input']!r})"


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def _duplicate_ids(path: Path, entries: CommentedMap, tasks: Mapping[str, TaskSpec]) -> Iterator[str]:
    """Two entries with one request would be one intention paid twice."""
    seen: dict[str, str] = {}
    for key, task in tasks.items():
        request = f"{task.task_id}|{task.icp_id}|{task.parameters!r}"
        if request in seen:
            yield (
                f"{path}:{_line(entries, [key, 'task_id'])}: tasks.{key}: same task_id, icp_id and parameters as "
                f"tasks.{seen[request]} (got {task.task_id!r}); one of them would buy the other's run again"
            )
        seen.setdefault(request, key)
