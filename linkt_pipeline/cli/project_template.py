"""A project of one's own: a folder with settings, SQL models and what Dagster needs to find the definitions."""

import shutil
from pathlib import Path

from linkt_pipeline.errors import ConfigError
from linkt_pipeline.package_files import INSTANCE_TEMPLATE, PROJECT_TEMPLATE, WORKSPACE

# Hidden files are written without their dot into the package, where tools would pass over them.
_HIDDEN = {"gitignore": ".gitignore", "env.example": ".env.example"}


def write_project(folder: Path) -> list[Path]:
    """Write the files of a project. A file that exists stays as it is.

    Args:
        folder: is made if it does not exist.

    Returns:
        The new files, relative to the folder.

    Raises:
        ConfigError: the folder can't be written.
    """
    written = []
    for name, source in _sources().items():
        try:
            if _write(source, folder / name):
                written.append(name)
        except OSError as error:
            raise ConfigError(f"{folder / name} can't be written: {error.strerror}") from None
    return written


def _sources() -> dict[Path, Path]:
    found = {
        path.relative_to(PROJECT_TEMPLATE): path
        for path in sorted(PROJECT_TEMPLATE.rglob("*"))
        if path.is_file() and path.parent.name != "__pycache__"  # pip compiles what it installs
    }
    named = {name.with_name(_HIDDEN.get(name.name, name.name)): path for name, path in found.items()}
    return {**named, Path("workspace.yaml"): WORKSPACE, Path("dagster.yaml"): INSTANCE_TEMPLATE}


def _write(source: Path, target: Path) -> bool:
    """Copy a file unless the target exists; a broken link counts as existing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with source.open("rb") as content, target.open("xb") as file:
            shutil.copyfileobj(content, file)
    except FileExistsError:
        return False
    return True
