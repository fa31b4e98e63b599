"""The Dagster instance of a deployment: a folder that ``ui``, ``run``, ``sync`` and ``demo`` share."""

import os
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path

from linkt_pipeline.cli.output import echo
from linkt_pipeline.errors import ConfigError
from linkt_pipeline.package_files import INSTANCE_TEMPLATE
from linkt_pipeline.permissions import secure_folder
from linkt_pipeline.settings import Settings

# Files that earlier versions wrote. Nobody has edited such a file, so this version replaces it; any other file is kept.
_FORMER_TEMPLATES = frozenset(
    {
        "103d1069d7227a5c6da78c3b07840835ff3d70819c90680bc788e8ec40156159",
        "ded20d00da0489453ee8d8abcc4d505410c2063e40e0f8edf60b5ecc1bbcc36c",
    }
)


def prepare_instance(settings: Settings) -> None:
    """Make the deployment's folder a Dagster instance, and let this process and its children use it.

    A ``DAGSTER_HOME`` of the environment is overridden: made-up runs must not appear among real ones, and runs of
    the command must appear in the UI that the command starts.

    Raises:
        ConfigError: the folder can't be written.
    """
    root = settings.root
    try:
        if note := secure_folder(root, settings.published_for):
            echo(f"note: {note}", err=True)
        of_project = settings.tasks_file.absolute().with_name("dagster.yaml")
        _write_configuration(root / "dagster.yaml", of_project if of_project.is_file() else INSTANCE_TEMPLATE)
        with tempfile.TemporaryFile(dir=root):  # mkdir on an existing folder does not show whether it can be written to
            pass
    except OSError as error:
        raise ConfigError(
            f"LINKT_DATA_DIR: {root} can't be written ({error.strerror}). Make room or fix its permissions, or set "
            "LINKT_DATA_DIR to a folder this user may write to"
        ) from None
    os.environ["DAGSTER_HOME"] = str(root)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")


def _write_configuration(file: Path, template: Path) -> None:
    if file.exists() and sha256(file.read_bytes()).hexdigest() not in _FORMER_TEMPLATES:
        return
    beside = file.with_name(f".dagster.yaml.{os.getpid()}")
    shutil.copyfile(template, beside)
    beside.replace(file)  # at once, because a Dagster that starts may read it
