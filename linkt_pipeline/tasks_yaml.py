"""Reads tasks.yaml. Every mistake is reported with its line, its field and its value, all of them at once."""

import os
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from itertools import count
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError

from linkt_pipeline.errors import ConfigError
from linkt_pipeline.redaction import register_secret
from linkt_pipeline.settings import ENV_FILE, names_tasks
from linkt_pipeline.tasks import AlertChannel, CommonSettings, RetrySpec, TaskSpec
from linkt_pipeline.yaml_document import YamlDocument

_OF_ONE_TASK = {"key", "task_id", "icp_id", "parameters"}  # a default for these would start the wrong run
_LONGEST_OPEN_PART = 50
_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\})")


class _FileSpec(CommonSettings):
    """The top-level keys; those with entries are read one entry at a time."""

    tasks: Any = None
    defaults: Any = None


def load_tasks(path: Path) -> dict[str, TaskSpec]:
    """Read tasks.yaml.

    Args:
        path: the file; one that does not exist, or holds comments alone, means "no tasks yet" and gives an empty
            mapping.

    Returns:
        The entries by name, in the file's order. ``defaults`` and ``timezone`` of the file are applied to each.

    Raises:
        ConfigError: the file can't be used; every problem is listed with its line, field and value.
    """
    return _Reader(YamlDocument.read(path)).tasks() if names_tasks(path) else {}


def load_common(path: Path) -> CommonSettings:
    """What the file says of all tasks together; the defaults where there is no file.

    Raises:
        ConfigError: the file can't be used.
    """
    return _Reader(YamlDocument.read(path)).common() if names_tasks(path) else CommonSettings()


def read_tasks(given: Mapping[str, Any]) -> tuple[dict[str, TaskSpec], CommonSettings]:
    """Tasks as Python values, by the rules of tasks.yaml.

    Args:
        given: the entries by name, each a mapping as in the file or a :class:`TaskSpec`; or all of a file's keys.

    Returns:
        The entries by name, and what is said of all of them together.

    Raises:
        ConfigError: they can't be used; every problem is listed with its field and value.
    """
    reader = _Reader(YamlDocument(_as_document(given)))
    return (reader.tasks() if reader.values["tasks"] else {}), reader.common()


def _as_document(given: Mapping[str, Any]) -> dict[str, Any]:
    within = given.get("tasks")
    is_document = isinstance(within, Mapping) and "task_id" not in within
    document = dict(given) if is_document else {"tasks": given}
    return {**document, "tasks": {name: _as_entry(entry) for name, entry in document["tasks"].items()}}


def _as_entry(entry: Any) -> Any:
    if isinstance(entry, TaskSpec):
        return entry.model_dump(exclude={"key"})
    return dict(entry) if isinstance(entry, Mapping) else entry


class _Reader:
    """Reads one file, or the values that a program gives in its place, and collects all mistakes."""

    def __init__(self, document: YamlDocument) -> None:
        self.document, self.values = document, document.values
        self.problems: list[str] = []

    def tasks(self) -> dict[str, TaskSpec]:
        if not isinstance(self.values, dict) or "tasks" not in self.values:
            raise ConfigError(f"{self.document.prefix([])}expected a top-level key, 'tasks', with one entry per task")
        self._resolve()
        entries = self.values["tasks"]
        if not isinstance(entries, dict) or not entries:
            raise ConfigError(
                f"{self.document.prefix(['tasks'])}'tasks' has no entries; `linkt-pipeline tasks pull` writes some"
            )
        defaults = self._defaults()
        tasks = {key: task for key, entry in entries.items() if (task := self._task(key, entry, defaults))}
        self._report_duplicates(tasks)
        if self.problems:
            raise ConfigError("\n".join(self.problems))
        return tasks

    def common(self) -> CommonSettings:
        self._resolve()
        try:
            found: CommonSettings = _FileSpec.model_validate(self.values)
        except ValidationError as error:
            self._report(error, [], _FileSpec)
        if self.problems:
            raise ConfigError("\n".join(self.problems))
        for channel in found.alerts:
            register_secret(channel.to)
        return CommonSettings(**{name: getattr(found, name) for name in CommonSettings.model_fields})

    def _resolve(self) -> None:
        """The values with variables replaced, and with a name for each alert channel."""
        self.values = self._with_variables(self.values, [])
        if isinstance(self.values, dict) and isinstance(self.values.get("alerts"), list):
            self.values["alerts"] = self._named_channels(self.values["alerts"])

    def _named_channels(self, channels: list[Any]) -> list[Any]:
        """Give each channel a name that shows only those parts of its address that tasks.yaml shows openly."""
        given = [channel.get("name") if isinstance(channel, dict) else None for channel in channels]
        taken = {name for name in given if isinstance(name, str)}
        for number, name in enumerate(given):
            if isinstance(name, str) and given.index(name) < number:
                place = ["alerts", number, "name"]
                self._problem(place, f"alerts.{given.index(name)} has the same name (got {name!r})")
        named = []
        for number, channel in enumerate(channels):
            if isinstance(channel, dict) and "name" not in channel:
                name = _free_name(_open_part(str(self.document.written(["alerts", number, "to"]))), taken)
                taken.add(name)
                channel = {**channel, "name": name}
            named.append(channel)
        return named

    def _defaults(self) -> dict[str, Any]:
        """The settings that every entry starts with. Their names are checked here, their values with each entry."""
        try:
            spec = _FileSpec.model_validate(self.values)
        except ValidationError as error:
            self._report(error, [], _FileSpec)
            return {}
        given = {} if spec.defaults is None else spec.defaults
        known = [name for name in TaskSpec.model_fields if name not in _OF_ONE_TASK]
        if not isinstance(given, dict):
            self._problem(["defaults"], f"expected settings such as poll_interval, got {given!r}")
            return {}
        for name in set(given) - set(known):
            self._problem(["defaults", name], _unknown(name, known))
        defaults = {"timezone": spec.timezone, **{name: value for name, value in given.items() if name in known}}
        try:
            TaskSpec.model_validate({"key": "defaults", "task_id": "0" * 24, **defaults})
        except ValidationError as error:
            self._report(error, ["defaults"], TaskSpec)
            return {}
        return defaults

    def _task(self, key: object, entry: object, defaults: Mapping[str, Any]) -> TaskSpec | None:
        place = ["tasks", key]
        if not isinstance(key, str):
            self._problem(place, f"the name is {key!r} to YAML; write a text, in quotes if need be")
            return None
        if not isinstance(entry, dict):
            self._problem(place, f"expected fields such as task_id, got {entry!r}")
            return None
        try:
            return TaskSpec.model_validate(
                {**defaults, **{str(name): value for name, value in entry.items()}, "key": key}
            )
        except ValidationError as error:
            self._report(error, place, TaskSpec)
            return None

    def _with_variables(self, value: Any, place: list[Any]) -> Any:
        """Replace ``${NAME}`` in every text by the variable's value; ``$${NAME}`` stands for the text itself."""
        if isinstance(value, dict):
            return {key: self._with_variables(item, [*place, key]) for key, item in value.items()}
        if isinstance(value, list):
            return [self._with_variables(item, [*place, number]) for number, item in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        variables = _variables()

        def replacement(found: re.Match[str]) -> str:
            name = found["name"]
            if name is None:
                return "$"
            if variables.get(name) is None:
                self._problem(place, f"${{{name}}} is set neither in the environment nor in {ENV_FILE}")
            return variables.get(name) or ""

        return _VARIABLE.sub(replacement, value)

    def _report_duplicates(self, tasks: Mapping[str, TaskSpec]) -> None:
        """Report entries with the same request: they would pay twice for one intention."""
        seen: dict[str, str] = {}
        for key, task in tasks.items():
            request = f"{task.task_id}|{task.icp_id}|{task.parameters!r}"
            if request in seen:
                self._problem(
                    ["tasks", key],
                    f"same task_id, icp_id and parameters as tasks.{seen[request]} (got {task.task_id!r}); one of them "
                    "would buy the other's run again",
                    at=["task_id"],
                )
            seen.setdefault(request, key)

    def _report(self, error: ValidationError, place: list[Any], spec: type[BaseModel]) -> None:
        for item in error.errors(include_url=False, include_context=False):
            at = [*place, *item["loc"]]
            self._problem(at, _unknown_field(item, spec) or _plain(item["msg"]) + self._shown(item, at))

    def _shown(self, item: Any, place: list[Any]) -> str:
        """The value as it stands in the file: a variable may hold a secret."""
        if item["type"] == "missing" or isinstance(item["input"], dict):
            return ""
        if place[0] == "alerts" and not {"on", "name"} & set(place):
            return ""  # it may be an address
        written = self.document.written(place)
        shown = written if isinstance(written, str) and "$" in written else item["input"]
        return f" (got {shown!r})"

    def _problem(self, place: list[Any], text: str, *, at: list[Any] | None = None) -> None:
        name = ".".join(map(str, place))
        self.problems.append(f"{self.document.prefix([*place, *(at or [])])}{name}: {text}")


def _variables() -> Mapping[str, str | None]:
    """As everywhere else, the environment wins over the file."""
    return {**dotenv_values(ENV_FILE), **os.environ}


def _unknown_field(item: Any, spec: type[BaseModel]) -> str | None:
    if item["type"] != "extra_forbidden":
        return None
    place = item["loc"]
    of_channel = place[0] == "alerts" and len(place) > 1
    fields = (RetrySpec if "retry" in place else AlertChannel if of_channel else spec).model_fields
    return _unknown(item["loc"][-1], [name for name in fields if name != "key"])


def _open_part(written: str) -> str:
    """A name for an address as it is written: its variables' names, or its scheme; never a part that may be secret."""
    names = [found["name"] for found in _VARIABLE.finditer(written) if found["name"]]
    scheme = re.match(r"([A-Za-z][A-Za-z0-9.-]*)://", written)
    return (" ".join(names) or (scheme[1] if scheme else "channel"))[:_LONGEST_OPEN_PART]


def _free_name(wanted: str, taken: Collection[str]) -> str:
    numbered = (f"{wanted} {number}" for number in count(2))
    return wanted if wanted not in taken else next(name for name in numbered if name not in taken)


def _unknown(name: object, known: list[str]) -> str:
    near = get_close_matches(str(name), known, n=1)
    return f"there is no such setting{f'; did you mean {near[0]!r}?' if near else '.'} Known: {', '.join(known)}"


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")
