"""Who may enter the data folder: real folders, real modes, and another user where the tests may become one."""

import os
import subprocess
import sys
from pathlib import Path
from stat import S_IMODE

import pytest

from linkt_pipeline.permissions import Readers, make_private_folder, secure_folder
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot

NOBODY = 65_534


def mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_new_folder_is_its_owners_alone(tmp_path):
    make_private_folder(tmp_path / "data")
    with FileWarehouse(tmp_path / "by-the-warehouse" / "warehouse.duckdb").write():
        pass

    assert mode(tmp_path / "data") == mode(tmp_path / "by-the-warehouse") == 0o700
    assert secure_folder(tmp_path / "another", Readers.OWNER) is None
    assert mode(tmp_path / "another") == 0o700


@pytest.mark.parametrize("mark", ["dagster.yaml", "warehouse.duckdb"])
def test_a_deployments_folder_that_was_open_is_closed_and_told(tmp_path, mark):
    root = tmp_path / "data"
    root.mkdir(mode=0o755)
    (root / mark).touch()

    note = secure_folder(root, Readers.OWNER)

    assert mode(root) == 0o700
    assert "was open to other users of this machine (mode 0755)" in note
    assert secure_folder(root, Readers.OWNER) is None


def test_a_folder_that_holds_other_things_is_left_alone_and_told(tmp_path):
    (tmp_path / "of-somebody.txt").touch()
    tmp_path.chmod(0o755)

    note = secure_folder(tmp_path, Readers.OWNER)

    assert mode(tmp_path) == 0o755
    assert "chmod go-rwx closes it" in note


def test_published_files_can_be_for_the_group_while_all_else_is_closed(tmp_path):
    root = tmp_path / "data"
    root.mkdir(mode=0o755)
    (root / "dagster.yaml").touch(0o644)
    (root / "history").mkdir(mode=0o755)

    secure_folder(root, Readers.GROUP)

    assert (mode(root), mode(root / "published")) == (0o710, 0o750)
    assert (mode(root / "dagster.yaml"), mode(root / "history")) == (0o600, 0o700)
    (root / "made-later").touch()
    assert mode(root / "made-later") == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("readers", "published", "warehouse"), [(Readers.OWNER, False, False), (Readers.EVERYONE, True, False)]
)
def test_another_user_reads_what_the_setting_allows(readers, published, warehouse):
    base = Path("/tmp") / f"linkt-permissions-{os.getpid()}-{readers}"  # pytest's own folders are closed to others
    root = base / "data"
    base.mkdir(mode=0o755)
    try:
        secure_folder(root, readers)
        store = FileWarehouse(root / "warehouse.duckdb")
        with store.write() as con:
            con.execute("create schema marts; create table marts.companies as select 'Brightpath' as name")
        publish_snapshot(store, root / "published")

        readable = [
            _can_read(root / "published" / "warehouse.duckdb"),
            _can_read(root / "published" / "marts" / "companies.parquet"),
            _can_read(root / "published" / "catalog.json"),
        ]

        assert readable == [published] * 3
        assert _can_read(root / "warehouse.duckdb") is warehouse
    finally:
        subprocess.run(["rm", "-rf", str(base)], check=True)


def _can_read(path: Path) -> bool:
    script = f"import os; os.setuid({NOBODY}); open({str(path)!r}, 'rb').read(1)"
    return subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL, check=False).returncode == 0
