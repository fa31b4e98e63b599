"""Projects of SQL models that a test process knows: hundreds of tests load the same, and each load binds every model.

A project is a value, so tests can share it. It is known by the content of its files: a test that changes one loads it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from linkt_pipeline.assets import location
from linkt_pipeline.transform import Columns, Project, load_project

_known: dict[object, Project] = {}


def share_loaded_projects() -> None:
    """Have code locations of this process take a project that is known."""
    location.load_kept_project = _loaded  # type: ignore[attr-defined]


def _loaded(sql_dirs: Sequence[Path], sources: Mapping[str, Columns], _folder: Path) -> Project:
    try:
        content = tuple(
            (path, path.stat().st_mode, path.read_bytes())
            for folder in sql_dirs
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )
    except OSError:  # a test of files that can't be read
        return load_project(sql_dirs, sources)
    mark = (content, repr(sorted(sources.items())))
    if mark not in _known:
        _known[mark] = load_project(sql_dirs, sources)
    return _known[mark]
