"""The values of tasks.yaml: the tasks that this deployment runs, and how each is run."""

import math
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pytimeparse2
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

_LONGEST = timedelta(days=366)


def parse_duration(value: object) -> object:
    """Read ``10s``, ``1h30m`` or a bare number of seconds; anything else is left for pydantic to refuse."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    seconds = pytimeparse2.parse(value) if isinstance(value, str) else value
    if seconds is None:
        raise ValueError(f"{value!r} is not a duration; write for example 10s, 5m, 4h or 1h30m")
    if not math.isfinite(seconds) or seconds > _LONGEST.total_seconds():
        raise ValueError(f"{value!r} is longer than the longest duration, {_LONGEST.days} days")
    if seconds <= 0:
        raise ValueError("must be longer than zero")
    return timedelta(seconds=float(seconds))


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


def _require_cron(schedule: str) -> str:
    """A cron expression that Dagster accepts (it carries croniter along) and that has a next time at all."""
    text = schedule.strip()
    expected = f'{schedule!r} is not a cron expression of five fields, such as "0 6 * * 1", or @daily and the like'
    if len(text.split()) != 5 and not text.startswith("@"):
        raise ValueError(expected)
    from croniter import CroniterError, croniter  # most files name no schedule

    try:
        croniter(text, datetime.now(UTC)).get_next()
    except CroniterError as error:
        raise ValueError(f"{expected}: {error}") from None
    return text


def _require_zone(name: str) -> str:
    try:
        if name == "localtime":  # another one on every machine
            raise ValueError
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; a path out of the database; a folder of it, such as "Europe"
        raise ValueError(f"{name!r} is not a time zone such as UTC or Europe/Berlin") from None
    return name


Cron = Annotated[str, AfterValidator(_require_cron)]
TimeZone = Annotated[str, AfterValidator(_require_zone)]
Credits = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _require_text(value: object) -> object:
    """Refuse an id that YAML read as a number: it may have lost leading zeros already."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("is a number to YAML; write the id in quotes")
    return value


def _require_object_id(value: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{24}", value):
        raise ValueError("is not a Linkt id (24 hexadecimal digits, as the dashboard and the API show them)")
    return value.lower()  # as Linkt spells it, because the ledger compares requests with the runs that Linkt shows


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


class AlertEvent(StrEnum):
    """The events that an alert can be about."""

    RUN_FAILED = "run_failed"  # a Linkt run has failed or crashed
    CREDIT_LIMIT = "credit_limit"  # 50, 80 or 100 % of a monthly_credit_limit are reached
    REJECTED = "rejected"  # rows arrived that can't be used
    CHECK_FAILED = "check_failed"  # an error-level check has turned red
    STALE = "stale"  # a model can't be built, so its table is as last built
    UNCLEAR_START = "unclear_start"  # a person has to say which run a start has made
    FIELDS = "fields"  # entities have a data field that is new, or lack one


_WITHOUT_ASKING = frozenset(AlertEvent) - {AlertEvent.FIELDS}
_LONGEST_NAME = 60


def _require_address(given: SecretStr) -> SecretStr:
    """Check only the form of an address. Whether its service exists, Apprise knows, which may not be installed."""
    address = given.get_secret_value().strip()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", address):
        raise ValueError("is not an Apprise address such as json://host/path or mailtos://user:password@example.com")
    return SecretStr(address)


class AlertChannel(BaseModel):
    """An address that alerts go to. It often holds a secret, so texts and logs show the channel's name instead.

    Attributes:
        to: an Apprise address.
        on: the events that the channel receives.
        name: the channel's name, under which the warehouse keeps what was sent there. If tasks.yaml gives no name, it
            is made of the variables in the address, or of the address's scheme.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Annotated[SecretStr, AfterValidator(_require_address)]
    on: frozenset[AlertEvent] = _WITHOUT_ASKING
    name: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME, pattern=r"^[\w .-]+$")]


_DAYS = re.compile(r"\s*(\d{1,5})\s*(?:d|days?)\s*")


def parse_days(value: object) -> object:
    """Read ``365d``; anything else is left for pydantic to refuse."""
    if isinstance(value, timedelta):
        return value
    found = _DAYS.fullmatch(value) if isinstance(value, str) else None
    if found is None or not int(found[1]):
        raise ValueError(f"{value!r} is not a number of days; write for example 365d")
    return timedelta(days=int(found[1]))


class RetentionSpec(BaseModel):
    """How long rows are kept.

    Attributes:
        people: people without activity for so long are erased.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    people: Annotated[timedelta, BeforeValidator(parse_days)]


class CommonSettings(BaseModel):
    """What tasks.yaml says of all tasks together.

    Attributes:
        timezone: the time zone of everything that belongs to no task.
        monthly_credit_limit: credits a month of all runs, our own and others; in months of ``timezone``.
        alerts: the channels that alerts go to.
        retention: how long rows are kept; for ever where the file does not say.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: TimeZone = "UTC"
    monthly_credit_limit: Credits | None = None
    alerts: list[AlertChannel] = []
    retention: RetentionSpec | None = None


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
    schedule: Cron | None = None
    timezone: TimeZone = "UTC"
    monthly_credit_limit: Credits | None = None

    @field_validator("key")
    @classmethod
    def _key_is_a_partition_key(cls, key: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}", key):
            raise ValueError("a task's name may hold letters, digits, _ and - only (it becomes a partition key)")
        return key
