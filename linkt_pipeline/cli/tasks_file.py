"""tasks.yaml as something to add to: what a person wrote there stays as it is, comments included."""

import io
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from linkt_pipeline.api import Task
from linkt_pipeline.errors import ConfigError
from linkt_pipeline.settings import names_tasks
from linkt_pipeline.tasks_yaml import load_tasks

_LONGEST_KEY = 90  # room for a number behind it within the 100 characters of a partition key
# The workflow engine refuses an ingest without this key, although it ignores the value.
_REQUIRED_PARAMETERS = {"ingest": {"input_entities": []}, "search": {"num_results": 25}}
_HEADER = """\
Tasks that this deployment runs; the name of an entry is its partition in Dagster.
All settings of an entry: README, "tasks.yaml". Nothing runs by itself until a schedule is switched on in the UI.
"""


class TasksFile:
    """The YAML document of a tasks.yaml.

    Args:
        document: as ruamel reads it, with comments.
        before: what stays above it.
    """

    def __init__(self, document: CommentedMap, before: str = "") -> None:
        self._document, self._before = document, before

    @classmethod
    def open(cls, path: Path | None) -> "TasksFile":
        """The document of an existing file, or a new one.

        Raises:
            ConfigError: the file is there and can't be used.
        """
        if path is not None and path.exists():
            load_tasks(path)  # says what is wrong, with lines
            text = path.read_text(encoding="utf-8")
            if not names_tasks(path):
                return cls(CommentedMap({"tasks": CommentedMap()}), f"{text.rstrip()}\n\n")
            return cls(_yaml().load(text))
        document = CommentedMap({"tasks": CommentedMap()})
        document.yaml_set_start_comment(_HEADER)
        return cls(document)

    def add(self, tasks: Iterable[Task]) -> dict[str, Task]:
        """Add an entry for every task that has none yet.

        Returns:
            The new entries by name.
        """
        entries = self._document["tasks"]
        known = {entry["task_id"] for entry in entries.values()}
        added: dict[str, Task] = {}
        for task in tasks:
            if task.id in known:
                continue
            known.add(task.id)
            key = _distinct(slugify(task.name or "") or f"task_{task.id}", entries)
            entries[key] = _entry(task)
            if task.name:
                entries.yaml_add_eol_comment(" ".join(task.name.split()), key, column=len(f"  {key}:  "))
            added[key] = task
        return added

    def gone(self, tasks: Iterable[Task]) -> list[str]:
        """Entries whose Linkt task is not among ``tasks``."""
        known = {task.id for task in tasks}
        return [key for key, entry in self._document["tasks"].items() if entry["task_id"] not in known]

    def text(self) -> str:
        """The document as YAML."""
        buffer = io.StringIO(self._before)
        buffer.seek(0, io.SEEK_END)
        _yaml().dump(self._document, buffer)
        return buffer.getvalue()

    def write(self, path: Path) -> None:
        """Replace the file in one step, so that no process ever reads half of it.

        Raises:
            ConfigError: it can't be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as beside:
                beside.write(self.text())
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
            os.chmod(beside.name, mode)  # noqa: PTH101 a NamedTemporaryFile has a name, no Path
            Path(beside.name).replace(path)
        except OSError as error:
            raise ConfigError(
                f"{path} can't be written: {error.strerror}. Choose another file with --output, or see what would be "
                "written with --output -"
            ) from None


def slugify(name: str) -> str:
    """A Linkt task's name as a partition key: ``SaaS Signals (EU)`` becomes ``saas_signals_eu``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST_KEY].rstrip("_")


def _entry(task: Task) -> CommentedMap:
    entry: dict[str, Any] = {"task_id": task.id}
    if task.icp_id:
        entry["icp_id"] = task.icp_id
    parameters = _REQUIRED_PARAMETERS.get(task.flow_name or "")
    if parameters:
        flow_style = CommentedMap(parameters)
        flow_style.fa.set_flow_style()
        entry["parameters"] = flow_style
    return CommentedMap(entry)


def _distinct(key: str, taken: Iterable[str]) -> str:
    names, number, candidate = set(taken), 2, key
    while candidate in names:
        candidate, number = f"{key}_{number}", number + 1
    return candidate


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.preserve_quotes = True
    yaml.width = 120
    return yaml
