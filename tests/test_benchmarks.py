"""Each benchmark keeps the figures of the others, in any clone: the pages are the store."""

from pathlib import Path

import pytest

pytest.importorskip("psutil")

from bench.__main__ import SECTIONS, main
from bench.outcome import NotMeasuredError, Section
from bench.report import write_section
from tests.paths import PROJECT_ROOT

COMMITTED = PROJECT_ROOT / "docs" / "benchmarks.md"


def section(title: str, *, met: bool) -> Section:
    made = Section(title, ["How it is measured."])
    made.table(["what", "s"], [["this", 1.5]])
    made.goal(f"{title} under 2 s", "1.5 (1.4-1.6) s", met)
    return made


def test_a_section_measured_again_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    report = tmp_path / "docs" / "benchmarks.md"
    write_section("first", section("First", met=True), ["first", "second"], report)
    write_section("second", section("Second", met=False), ["first", "second"], report)
    kept = (tmp_path / "docs" / "benchmarks" / "first.md").read_bytes()

    write_section("second", section("Second", met=True), ["first", "second"], report)

    assert (tmp_path / "docs" / "benchmarks" / "first.md").read_bytes() == kept
    text = report.read_text()
    assert "**Goals: 2 of 2 met.**" in text
    assert text.index("| First under 2 s | 1.5 (1.4-1.6) s | met |") < text.index("| Second under 2 s |")
    assert "[First](benchmarks/first.md)" in text


def test_a_missed_goal_is_counted_as_missed(tmp_path: Path) -> None:
    report = tmp_path / "benchmarks.md"
    write_section("first", section("First", met=False), ["first"], report)
    assert "**Goals: 0 of 1 met.**" in report.read_text()
    assert "| **missed** |" in report.read_text()


@pytest.mark.parametrize(("asked", "code"), [([], 0), (["lake"], 2)])
def test_a_section_that_can_not_be_measured_here_keeps_its_page(
    asked: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(name: str, quick: bool) -> Section:
        if name == "lake":
            raise NotMeasuredError("`make lake` has it")
        return section(name, met=True)

    monkeypatch.chdir(tmp_path)
    write_section("lake", section("Lake", met=True), list(SECTIONS), Path("docs/benchmarks.md"))
    kept = Path("docs/benchmarks/lake.md").read_bytes()
    monkeypatch.setattr("bench.__main__._run", measure)
    monkeypatch.setattr("sys.argv", ["bench", *asked])

    assert main() == code

    assert "lake ... not measured, and its page stays as it is: `make lake` has it" in capsys.readouterr().out
    assert Path("docs/benchmarks/lake.md").read_bytes() == kept
    assert len(list(Path("docs/benchmarks").iterdir())) == (1 if asked else len(SECTIONS))


def test_the_committed_report_sums_up_the_committed_pages(tmp_path: Path) -> None:
    pages = COMMITTED.with_suffix("")
    copy = tmp_path / "benchmarks"
    copy.mkdir()
    for name in SECTIONS:
        if (page := pages / f"{name}.md").exists():
            (copy / page.name).write_bytes(page.read_bytes())
    write_section("other", Section("Other"), list(SECTIONS), tmp_path / "benchmarks.md")
    assert (tmp_path / "benchmarks.md").read_text() == COMMITTED.read_text()
