"""Files that come with the package, whether it is installed from a wheel or runs from a clone.

In a clone ``packaged/`` links to the files of the repository, so that each exists once.
"""

from pathlib import Path

from linkt_pipeline.errors import ConfigError

_PACKAGED = Path(__file__).parent / "packaged"
BUILT_IN_SQL = (_PACKAGED / "sql").resolve()
INSTANCE_TEMPLATE = _PACKAGED / "dagster.yaml"
WORKSPACE = _PACKAGED / "workspace.yaml"
PROJECT_TEMPLATE = _PACKAGED / "project"


def require_sql(folder: Path) -> Path:
    """The folder, if there is a SQL model in it.

    Raises:
        ConfigError: it is missing or empty. Without models every table of staging and marts would silently be gone.
    """
    if not any(folder.glob("*/*.sql")):
        raise ConfigError(
            f"there are no SQL models in {folder}; folders such as marts/ hold files such as companies.sql. "
            "If these are the built-in models, the installation is damaged: install linkt-pipeline again. If they are "
            "your own, correct LINKT_SQL_DIR"
        )
    return folder
