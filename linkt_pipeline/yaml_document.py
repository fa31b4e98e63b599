"""YAML whose values know their lines, for errors that name them. What the values mean is known elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from linkt_pipeline.errors import ConfigError


class YamlDocument:
    """One file, or what a program gives in its place, which has no lines.

    Args:
        values: plain Python values.
        path: the file.
        written: the same values as a tree that knows its lines; default: ``values``.
    """

    def __init__(self, values: Any, path: Path | None = None, written: Any = None) -> None:
        self.values, self._path = values, path
        self._written = values if written is None else written

    @classmethod
    def read(cls, path: Path) -> Self:
        """The document of a file.

        Raises:
            ConfigError: it can't be read, or is no YAML; names the line.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
            return cls(YAML(typ="safe", pure=True).load(text), path, YAML(typ="rt").load(text))
        except DuplicateKeyError as error:
            raise ConfigError(f"{path}:{_mark_line(error)}: {str(error.problem).strip()}") from None
        except MarkedYAMLError as error:
            raise ConfigError(f"{path}:{_mark_line(error)}: not valid YAML: {error.problem}") from None
        except (YAMLError, ValueError, OSError, RecursionError) as error:
            raise ConfigError(f"{path}: can't be read: {error}") from None

    def written(self, place: Sequence[Any]) -> Any:
        """What stands at a place, or at the deepest part of it that is there."""
        return find(self._written, place)[0]

    def prefix(self, place: Sequence[Any]) -> str:
        """File and line of a place, to begin a message with; nothing where there is no file."""
        return f"{self._path}:{find(self._written, place)[1]}: " if self._path else ""


def find(tree: Any, place: Sequence[Any]) -> tuple[Any, int]:
    """The deepest part of a place (keys and numbers) that a tree has, and its line, counted from 1."""
    line = 1
    for key in place:
        is_of_list = isinstance(tree, list) and isinstance(key, int) and key < len(tree)
        if not is_of_list and not (isinstance(tree, dict) and key in tree):
            break
        if isinstance(tree, CommentedMap):
            line = tree.lc.key(key)[0] + 1
        elif isinstance(tree, CommentedSeq):
            line = tree.lc.item(key)[0] + 1
        tree = tree[key]
    return tree, line


def _mark_line(error: MarkedYAMLError) -> int:
    return error.problem_mark.line + 1 if error.problem_mark else 1
