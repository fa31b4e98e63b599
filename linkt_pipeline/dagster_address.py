"""Where the Dagster web server of a deployment is: named by LINKT_DAGSTER_URL, or the one that ``ui`` has started."""

from contextlib import suppress
from pathlib import Path

from linkt_pipeline.settings import Settings

_NOTE = "ui.url"


def find_address(settings: Settings) -> str | None:
    """The address; None if no variable names one and no ``ui`` runs."""
    if settings.dagster_url:
        return settings.dagster_url
    with suppress(OSError):
        return (settings.root / _NOTE).read_text(encoding="utf-8").strip() or None
    return None


def note_address(root: Path, url: str) -> None:
    """Write down that ``ui`` is ready. If that fails, `run --launch` needs LINKT_DAGSTER_URL."""
    with suppress(OSError):
        (root / _NOTE).write_text(f"{url}\n", encoding="utf-8")


def forget_address(root: Path, url: str) -> None:
    """Forget the address of a ``ui`` that has stopped, unless a later ``ui`` has written its own already."""
    with suppress(OSError):
        if (root / _NOTE).read_text(encoding="utf-8").strip() == url:
            (root / _NOTE).unlink()
