"""The pipeline inside a Dagster that is there already, next to other assets, once or several times."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import SecretStr

from linkt_pipeline.assets.automation import Automation
from linkt_pipeline.assets.location import build_deployment
from linkt_pipeline.assets.placement import FOLLOWS, OWNERS, Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.code_mark import mark_of_code
from linkt_pipeline.errors import ConfigError
from linkt_pipeline.package_files import BUILT_IN_SQL
from linkt_pipeline.redaction import register_secret
from linkt_pipeline.settings import Settings, load_settings
from linkt_pipeline.tasks import CommonSettings, TaskSpec
from linkt_pipeline.tasks_yaml import load_common, load_tasks, read_tasks

_WITH_A_PARAMETER = frozenset({"api_key", "data_dir", "sql_dir", "tasks_file"})
_PART = re.compile(r"[A-Za-z0-9_-]+")
_GROUP_PREFIX = re.compile(r"[A-Za-z0-9_]*")


def build_definitions(
    tasks: str | Path | Mapping[str, Any] | None = None,
    *,
    data_dir: str | Path | None = None,
    sql_dir: str | Path | None = None,
    api_key: str | SecretStr | dg.EnvVar | None = None,
    key_prefix: str | Sequence[str] | None = None,
    group_prefix: str | None = None,
    owners: Sequence[str] | None = None,
    automation: bool | Literal["conditions"] = True,
    settings: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors of one Linkt organization, to be merged with yours.

    They bring neither executor nor resources, and select their own assets alone. A setting without a parameter comes
    from its ``LINKT_*`` variable, and without that it has the command's default. Loading the definitions writes no file
    and sends no request.

    Two organizations in one Dagster are two calls with a ``key_prefix``, a ``data_dir`` and an ``api_key`` each.

    Args:
        tasks: path of tasks.yaml; or its entries by name, such as ``{"search": {"task_id": "507f...", "schedule":
            "@daily"}}``, or the whole file as a mapping.
        data_dir: folder that the warehouse and the published files are written to; one deployment each.
        sql_dir: SQL models of your own, which lie over the built-in ones. Default: ``sql/`` beside tasks.yaml, if
            there is one.
        api_key: the key. A ``dagster.EnvVar`` is read when the API is asked, so that definitions load without it.
            Default: ``LINKT_API_KEY``.
        key_prefix: put before every asset key and, joined with ``_``, before every name of a job, schedule, sensor, op
            and pool.
        group_prefix: put before every group, joined with ``_``. Default: the key prefix.
        owners: of every asset: e-mail addresses, or ``team:NAME``.
        automation: True: schedules (created stopped), and sensors that rebuild what is downstream of new data.
            ``"conditions"``: the same without the automation sensor ``follow_new_data``, for a host whose own
            automation sensor selects these assets too. False: jobs alone, and nothing happens by itself.
        settings: further settings by the names of their variables in lower case and without ``LINKT_``, such as
            ``{"requests_per_minute": 60, "keep_runs_days": 90}``.

    Raises:
        ConfigError: a value can't be used; the message names it.
    """
    loaded = _settings_of(tasks, data_dir, sql_dir, api_key, settings)
    entries, common, mark_now = _tasks_of(tasks, loaded)
    what = _automation_of(automation)
    prefix = _key_prefix_of(key_prefix)
    placement = Placement(
        prefix,
        _group_prefix_of(group_prefix, prefix),
        OWNERS if owners is None else tuple(owners),
        None if what is Automation.NONE else FOLLOWS,
    )
    backend = Backend(loaded, None if api_key is None else _key_of(api_key))
    return build_deployment(backend, entries, mark_now, placement, common=common, automation=what, shared=True)


def _settings_of(
    tasks: str | Path | Mapping[str, Any] | None,
    data_dir: str | Path | None,
    sql_dir: str | Path | None,
    api_key: object,
    further: Mapping[str, Any] | None,
) -> Settings:
    known = sorted(set(Settings.model_fields) - _WITH_A_PARAMETER)
    for name in further or {}:
        if name not in known:
            raise ConfigError(f"settings: there is no {name!r}. Known: {', '.join(known)}")
    file = Path(tasks).expanduser() if isinstance(tasks, str | Path) else None
    if file and not file.is_file():
        raise ConfigError(f"tasks: there is no file {file.absolute()}")
    given = {"data_dir": data_dir, "sql_dir": sql_dir, "tasks_file": file, **(further or {})}
    loaded = load_settings({name: value for name, value in given.items() if value is not None})
    changes: dict[str, Any] = {}
    if loaded.use_sandbox is None and (api_key is not None or isinstance(tasks, Mapping)):
        changes["use_sandbox"] = False
    if isinstance(tasks, Mapping) and loaded.sql_dir is None:
        changes["sql_dir"] = BUILT_IN_SQL  # there is no file beside which a folder of one's own could lie
    return loaded.model_copy(update=changes)


def _tasks_of(
    tasks: str | Path | Mapping[str, Any] | None, settings: Settings
) -> tuple[dict[str, TaskSpec], CommonSettings, Callable[[], str]]:
    """The entries, what is said of all of them, and what gives the mark of the code."""
    if isinstance(tasks, Mapping) and not settings.sandbox:
        entries, common = read_tasks(tasks)
        return entries, common, partial(_mark, settings, _as_bytes(entries))
    file = settings.active_tasks_file
    return load_tasks(file), load_common(file), partial(_mark, settings, file)


def _mark(settings: Settings, tasks: Path | bytes) -> str:
    return mark_of_code(settings.sql_dirs, tasks)


def _as_bytes(entries: Mapping[str, TaskSpec]) -> bytes:
    """The same in every process: sets are sorted."""

    def plain(value: object) -> object:
        return sorted(value) if isinstance(value, frozenset) else str(value)

    dumped = {name: task.model_dump() for name, task in entries.items()}
    return json.dumps(dumped, default=plain, sort_keys=True).encode()


def _key_of(api_key: str | SecretStr | dg.EnvVar) -> Callable[[], SecretStr]:
    """A function that gives the key when it is needed. Every text leaves the key out from the moment it is known."""
    if isinstance(api_key, dg.EnvVar):
        return partial(_key_from, api_key)
    secret = api_key if isinstance(api_key, SecretStr) else SecretStr(api_key)
    if not secret.get_secret_value():
        raise ConfigError('api_key: it is empty; give the key, or dagster.EnvVar("NAME") of the variable that holds it')
    register_secret(secret)
    return lambda: secret


def _key_from(variable: dg.EnvVar) -> SecretStr:
    value = variable.get_value()
    if not value:
        raise ConfigError(f"{variable.env_var_name} is not set, so nothing can be asked of the Linkt API")
    secret = SecretStr(value)
    register_secret(secret)
    return secret


def _automation_of(given: bool | str) -> Automation:
    match given:
        case True:
            return Automation.OWN
        case False:
            return Automation.NONE
        case "conditions":
            return Automation.CONDITIONS
    raise ConfigError(f"automation: {given!r} is neither True nor False nor 'conditions'")


def _key_prefix_of(given: str | Sequence[str] | None) -> tuple[str, ...]:
    prefix = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    for part in prefix:
        if not _PART.fullmatch(part):
            raise ConfigError(
                f"key_prefix: {part!r} may hold letters, digits, _ and - only, for it becomes a part of names as well"
            )
    return prefix


def _group_prefix_of(given: str | None, key_prefix: tuple[str, ...]) -> str:
    prefix = "_".join(key_prefix).replace("-", "_") if given is None else given
    if not _GROUP_PREFIX.fullmatch(prefix):
        raise ConfigError(f"group_prefix: {prefix!r} may hold letters, digits and _ only")
    return f"{prefix}_" if prefix else ""
