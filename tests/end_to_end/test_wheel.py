"""Installed from its wheel, without a clone anywhere: an empty folder is enough."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkt_pipeline.sandbox import stop_sandbox
from tests.paths import PROJECT_ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SOURCES = ("linkt_pipeline", "sql", "data/dagster.yaml", "workspace.yaml", "pyproject.toml", "README.md", ".gitignore")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that has the wheel; what the wheel depends on comes from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    clone = folder / "clone"
    for name in SOURCES:
        source, copy = PROJECT_ROOT / name, clone / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, copy)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=clone, check=True, capture_output=True)
    shutil.rmtree(clone)
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (wheel,) = folder.glob("*.whl")
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # A line of a .pth file is a folder; editable installs named by other .pth files in there are not followed.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin"


@pytest.fixture(scope="module")
def folder(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("empty")
    done = command(installed, folder, "demo")
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        yield folder
    finally:
        stop_sandbox(folder / "data" / "sandbox" / "api")


def environment() -> dict[str, str]:
    unwanted = ("LINKT_", "DAGSTER_", "PYTHON", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def command(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(installed / "linkt-pipeline")
    return subprocess.run(
        [program, *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=300
    )


def test_no_source_of_the_clone_is_used(installed: Path, tmp_path: Path) -> None:
    script = "import linkt_pipeline; print(linkt_pipeline.__file__)"
    done = subprocess.run(
        [str(installed / "python"), "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert Path(done.stdout.strip()).is_relative_to(installed.parent), done


def test_the_demo_leaves_marts_to_query(installed: Path, folder: Path) -> None:
    done = command(installed, folder, "query", "select count(*) > 0 as found from marts.companies", "--format=csv")
    assert (done.returncode, done.stdout.split()) == (0, ["found", "true"]), done.stderr


def test_the_built_in_models_are_there(installed: Path, folder: Path) -> None:
    done = command(installed, folder, "models", "--check")
    assert done.returncode == 0, done.stderr
    assert "are fine" in done.stdout


def test_the_report_is_written(installed: Path, folder: Path) -> None:
    assert command(installed, folder, "report", "--output", "report.html").returncode == 0
    assert "<html" in (folder / "report.html").read_text()


def test_the_user_interface_starts(installed: Path, folder: Path) -> None:
    process = subprocess.Popen(
        [str(installed / "linkt-pipeline"), "ui"],
        cwd=folder,
        env={**environment(), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        seen = []
        for line in process.stdout:
            seen.append(line)
            if "Dagster UI:" in line:
                break
        assert any("Dagster UI:" in line for line in seen), seen
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
        process.communicate(timeout=100)


def test_a_damaged_installation_is_told(installed: Path, tmp_path: Path) -> None:
    (packaged,) = installed.parent.glob("lib/python*/site-packages/linkt_pipeline/packaged/sql")
    aside = packaged.rename(packaged.with_name("aside"))
    try:
        done = command(installed, tmp_path, "models")
        assert done.returncode == 2
        assert "there are no SQL models in" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        aside.rename(packaged)
