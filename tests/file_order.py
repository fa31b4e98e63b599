"""A pytest plugin: the files that take long begin first, so that no worker is idle while another ends them.

``--dist loadfile`` would begin with the files of many tests and end with those of few long ones. No durations are kept,
which would go stale: the mark ``slow`` says which files are long, and a run tells of a long file without one.
"""

from collections import Counter

import pytest

_LONG_SECONDS = 60


class LongFilesFirst:
    """See the module."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()
        self._marked: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Have pytest-xdist take the files as they come."""
        if hasattr(config.option, "loadscopereorder"):
            config.option.loadscopereorder = False

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Files with slow tests first, then those of many tests: short ones fill the gaps at the end."""
        slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
        every = Counter(item.path for item in items)
        items.sort(key=lambda item: (-slow[item.path], -every[item.path], item.path))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.split("::")[0]
        self._seconds[file] += report.duration
        if "slow" in report.keywords:
            self._marked.add(file)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for file, seconds in self._seconds.most_common():
            if seconds > _LONG_SECONDS and file not in self._marked:
                terminalreporter.write_line(
                    f"{file} took {seconds:.0f} s: mark its long tests slow, so that it begins early"
                )
