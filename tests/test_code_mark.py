"""A mark of what a deployment is made of: another one after every change that could matter."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from linkt_pipeline import code_mark
from linkt_pipeline.code_mark import mark_of_code


@pytest.fixture
def made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with sql/, tasks.yaml and a package of its own."""
    for name in ("marts/companies.sql", "macros/one.sql", "seeds/hosts.csv", "seeds/hosts.sql", "checks/all.sql"):
        path = tmp_path / "sql" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "tasks.yaml").write_text("tasks: {}")
    package = tmp_path / "package"
    (package / "__pycache__").mkdir(parents=True)
    (package / "code.py").write_text("x = 1")
    monkeypatch.setattr(code_mark, "_PACKAGE", package)
    return tmp_path


def mark(folder: Path) -> str:
    return mark_of_code([folder / "sql"], folder / "tasks.yaml")


def edit_in_place(folder: Path) -> None:
    """As a tool does that keeps the time of what it copies."""
    path = folder / "sql/marts/companies.sql"
    before = path.stat()
    path.write_text("marts/companies.SQL")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a model": edit_in_place,
    "a macro": lambda folder: (folder / "sql/macros/one.sql").write_text("two"),
    "a seed": lambda folder: (folder / "sql/seeds/hosts.csv").write_text("host\nx.com"),
    "a check": lambda folder: (folder / "sql/checks/all.sql").write_text("select 1"),
    "a new file": lambda folder: (folder / "sql/marts/more.sql").write_text(""),
    "a file that is gone": lambda folder: (folder / "sql/marts/companies.sql").unlink(),
    "a file that was renamed": lambda folder: (folder / "sql/marts/companies.sql").rename(
        folder / "sql/marts/firms.sql"
    ),
    "tasks.yaml": lambda folder: (folder / "tasks.yaml").write_text("tasks: {a: {}}"),
    "no tasks.yaml": lambda folder: (folder / "tasks.yaml").unlink(),
    "another release": lambda folder: (folder / "package/code.py").write_text("x = 22"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_gives_another_mark(made_of: Path, change: Callable[[Path], object]) -> None:
    before = mark(made_of)
    change(made_of)
    assert mark(made_of) != before


def test_what_does_not_matter_gives_the_same(made_of: Path, tmp_path: Path) -> None:
    before = mark(made_of)
    assert mark(made_of) == before
    (made_of / "package/__pycache__/code.pyc").write_bytes(b"compiled")
    os.utime(made_of / "sql/marts/companies.sql", (1, 1))
    shutil.copytree(made_of / "sql", tmp_path / "elsewhere")
    assert mark_of_code([tmp_path / "elsewhere"], made_of / "tasks.yaml") == before


def test_the_real_one_can_be_taken() -> None:
    from linkt_pipeline.package_files import BUILT_IN_SQL

    assert mark_of_code([BUILT_IN_SQL], Path("there is none")) == mark_of_code([BUILT_IN_SQL], Path("there is none"))
