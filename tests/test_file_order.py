"""Files that take long begin first, with and without pytest-xdist."""

import pytest

from tests import file_order
from tests.file_order import LongFilesFirst
from tests.paths import PROJECT_ROOT

pytest_plugins = "pytester"

ONE = "def test_one(): ..."


@pytest.fixture
def files(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nmarkers = slow")
    pytester.makepyfile(
        test_a=ONE, test_b=f"import pytest\n\n@pytest.mark.slow\n{ONE}", test_c=f"{ONE}\n\ndef test_two(): ..."
    )
    return pytester


def test_files_with_slow_tests_begin_then_those_of_many(files: pytest.Pytester) -> None:
    result = files.runpytest_inprocess("-v", plugins=[LongFilesFirst()])
    result.stdout.fnmatch_lines(["test_b.py::*", "test_c.py::test_one*", "test_c.py::test_two*", "test_a.py::*"])


def test_a_long_file_without_a_mark_is_named(files: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_order, "_LONG_SECONDS", -1)
    lines = files.runpytest_inprocess(plugins=[LongFilesFirst()]).outlines
    assert sorted(line.split()[0] for line in lines if " took " in line) == ["test_a.py", "test_c.py"]


def test_workers_take_the_files_in_this_order(files: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT_ROOT))
    files.makeconftest(
        "from tests.file_order import LongFilesFirst\n"
        "def pytest_configure(config):\n"
        "    config.pluginmanager.register(LongFilesFirst())"
    )
    result = files.runpytest_subprocess("-v", "-n", "1", "--dist", "loadfile")
    begun = [line.split()[-1] for line in result.outlines if " PASSED " in line]
    assert begun == ["test_b.py::test_one", "test_c.py::test_one", "test_c.py::test_two", "test_a.py::test_one"]
