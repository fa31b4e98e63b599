"""What a Dockerfile and its .dockerignore say."""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.paths import PROJECT_ROOT


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        name: such as ``COPY``.
        text: what follows it, on one line.
        stage: number of the ``FROM`` that it belongs to; 0 before the first.
    """

    name: str
    text: str
    stage: int

    @property
    def words(self) -> list[str]:
        """Its parts: of the JSON form, or as a shell splits them."""
        return list(json.loads(self.text)) if self.text.startswith("[") else shlex.split(self.text)


def read_dockerfile(path: Path = PROJECT_ROOT / "Dockerfile") -> list[Instruction]:
    """Its instructions, in their order."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    instructions: list[Instruction] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, text = line.partition(" ")
            stage = sum(one.name == "FROM" for one in instructions) + (name == "FROM")
            instructions.append(Instruction(name, text.strip(), stage))
    return instructions


def of_image(instructions: Sequence[Instruction], name: str) -> list[Instruction]:
    """Those of one name in the last stage, which is the image."""
    return [one for one in instructions if one.name == name and one.stage == instructions[-1].stage]


def image_environment(instructions: Sequence[Instruction]) -> dict[str, str]:
    """The variables that every process of the image has."""
    words = [word for one in of_image(instructions, "ENV") for word in one.words]
    return dict(word.split("=", 1) for word in words)


def copied_from_here(instructions: Sequence[Instruction]) -> list[tuple[Instruction, list[str], str]]:
    """COPY instructions that read the build context, with their sources and target."""
    found = []
    for one in instructions:
        if one.name == "COPY" and "--from=" not in one.text:
            *sources, target = one.words
            found.append((one, sources, target))
    return found


def is_ignored(path: str, ignore_file: Path = PROJECT_ROOT / ".dockerignore") -> bool:
    """Whether the builder never sees a path: the last pattern that matches it, or a folder above it, decides."""
    parts = path.split("/")
    prefixes = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    ignored = False
    for line in ignore_file.read_text(encoding="utf-8").splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            expression = _expression(pattern.removeprefix("!"))
            if any(expression.fullmatch(prefix) for prefix in prefixes):
                ignored = not pattern.startswith("!")
    return ignored


def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/"))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts))
