"""Files that come with the package, whether it is installed from a wheel or runs from a clone.

In a clone ``packaged/`` links to the files of the repository, so that each exists once.
"""

from functools import cache
from pathlib import Path

from linkt_pipeline.errors import ConfigError

_PACKAGED = Path(__file__).parent / "packaged"
BUILT_IN_SQL = (_PACKAGED / "sql").resolve()
INSTANCE_TEMPLATE = _PACKAGED / "dagster.yaml"
WORKSPACE = _PACKAGED / "workspace.yaml"
PROJECT_TEMPLATE = _PACKAGED / "project"


@cache
def built_in_check(name: str) -> str:
    """The SQL of a check of landed tables as it comes with the package, even if a file of the user replaces it."""
    return (BUILT_IN_SQL / "checks" / "linkt" / f"{name}.sql").read_text(encoding="utf-8")


def require_sql(folder: Path) -> Path:
    """The folder, if there is a SQL model in it.

    Raises:
        ConfigError: it is missing or empty. Without models, every table of staging and marts would vanish silently.
    """
    if not any(folder.glob("*/*.sql")):
        raise ConfigError(
            f"there are no SQL models in {folder}; folders such as marts/ hold files such as companies.sql. "
            "If these are the built-in models, the installation is damaged: install linkt-pipeline again. If they are "
            "your own, correct LINKT_SQL_DIR"
        )
    return folder
