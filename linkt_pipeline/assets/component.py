"""The pipeline as a Dagster component: the same as ``build_definitions``, written in YAML."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import dagster as dg
from pydantic import Field
from ruamel.yaml import YAML

from linkt_pipeline.assets.library import build_definitions
from linkt_pipeline.errors import ConfigError
from linkt_pipeline.package_files import PROJECT_TEMPLATE
from linkt_pipeline.yaml_document import find

_FILE = "defs.yaml"
_ATTRIBUTE = re.compile(r"(?P<place>[a-z_]+(?:\.[\w-]+)*): ")


class LinktPipelineScaffolder(dg.Scaffolder[Any]):
    """Writes defs.yaml and, beside it, a tasks.yaml in which every setting is commented out."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write both; a tasks.yaml that is there stays as it is."""
        folder = request.target_path.parent if request.append else request.target_path
        folder.mkdir(parents=True, exist_ok=True)
        tasks = folder / "tasks.yaml"
        if not tasks.exists():
            tasks.write_bytes((PROJECT_TEMPLATE / "tasks.yaml").read_bytes())
        dg.scaffold_component(request, {"tasks": "tasks.yaml", "data_dir": "{{ context.project_root }}/data/linkt"})


@dg.scaffold_with(LinktPipelineScaffolder)
class LinktPipelineComponent(dg.Component, dg.Model, dg.Resolvable):
    """Runs Linkt research tasks and lands every company, person and signal in DuckDB.

    Paths start at the folder of defs.yaml; write ``{{ context.project_root }}/...`` for others. Without tasks and
    without a key everything runs on the built-in sandbox.
    """

    tasks: Annotated[
        str | dict[str, Any] | None,
        dg.Resolver.default(
            description="Path of tasks.yaml; or its entries by name, each with task_id and what else the file takes.",
            examples=["tasks.yaml"],
        ),
    ] = None
    data_dir: Annotated[
        str | None,
        dg.Resolver.default(
            description="Folder of the warehouse and the published files; one for each Linkt organization.",
            examples=["{{ context.project_root }}/data/linkt"],
        ),
    ] = None
    sql_dir: Annotated[
        str | None,
        dg.Resolver.default(
            description="Folder of SQL models of your own, over the built-in ones. Default: sql/ beside tasks.yaml."
        ),
    ] = None
    api_key: Annotated[
        str | None,
        dg.Resolver.default(
            description="The key of the organization, from a variable. Default: LINKT_API_KEY.",
            examples=["{{ env.ACME_LINKT_KEY }}"],
        ),
    ] = Field(default=None, repr=False)
    key_prefix: Annotated[
        str | list[str] | None,
        dg.Resolver.default(
            description="Put before every asset key and every name of a job, schedule, sensor, op and pool."
        ),
    ] = None
    group_prefix: Annotated[
        str | None, dg.Resolver.default(description="Put before every asset group. Default: the key prefix.")
    ] = None
    owners: Annotated[
        list[str] | None,
        dg.Resolver.default(
            description="Owners of every asset: e-mail addresses or team:NAME. Default: team:data.",
            examples=[["team:growth"]],
        ),
    ] = None
    automation: Annotated[
        bool | Literal["conditions"],
        dg.Resolver.default(
            description="true: schedules (created stopped) and sensors; conditions: without the automation sensor, if "
            "one of yours selects these assets too; false: jobs alone."
        ),
    ] = True
    settings: Annotated[
        dict[str, Any] | None,
        dg.Resolver.default(description="Further settings by name, such as requests_per_minute or keep_runs_days."),
    ] = None

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions.

        Raises:
            ConfigError: an attribute can't be used; names the file, its line and the attribute.
        """
        try:
            return build_definitions(
                _from(context.path, self.tasks) if isinstance(self.tasks, str) else self.tasks,
                data_dir=_from(context.path, self.data_dir),
                sql_dir=_from(context.path, self.sql_dir),
                api_key=self.api_key,
                key_prefix=self.key_prefix,
                group_prefix=self.group_prefix,
                owners=self.owners,
                automation=self.automation,
                settings=self.settings,
            )
        except ConfigError as error:
            raise ConfigError(_placed(context.path / _FILE, str(error))) from None


def _from(folder: Path, path: str | None) -> Path | None:
    return None if path is None else folder / Path(path).expanduser()


def _placed(file: Path, message: str) -> str:
    """The message with the line of the attribute that its first words name, if the file has that."""
    found = _ATTRIBUTE.match(message)
    if not found or not file.is_file():
        return message
    place = found["place"].split(".")
    for document in YAML(typ="rt").load_all(file.read_text(encoding="utf-8")):
        attributes = document.get("attributes") if isinstance(document, Mapping) else None
        if isinstance(attributes, Mapping) and place[0] in attributes:
            return f"{file}:{find(attributes, place)[1]}: attributes.{message}"
    return message
