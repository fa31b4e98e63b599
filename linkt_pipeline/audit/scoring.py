"""The seeds that people edit: what makes a company qualified, and worth a call."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.world import World
from linkt_pipeline.plain_text import word

_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Scoring:
    """Settings, labels, words of titles and bands of head counts."""

    settings: Mapping[str, float]
    statuses: Mapping[str, tuple[bool | None, bool]]
    seniority: Mapping[str, int]
    bands: tuple[tuple[str, int, int | None], ...]

    def value(self, setting: str) -> float:
        """A setting; one that is not there counts as 0."""
        return self.settings.get(setting, 0.0)

    def qualified_by_status(self, status: str | None) -> bool | None:
        """What a label alone says."""
        return self._status(status)[0]

    def is_called(self, status: str | None) -> bool:
        """Whether companies with a label may be on the list."""
        return self._status(status)[1]

    def _status(self, status: str | None) -> tuple[bool | None, bool]:
        return self.statuses.get(word(status) or "", (None, True))

    def seniority_of(self, title: Any) -> Any:
        """The highest word of a title."""
        if title is UNSURE:
            return UNSURE
        return max((self.seniority.get(word, 0) for word in _WORD.findall((title or "").lower())), default=0)

    def band_of(self, heads: Any) -> Any:
        """The band of a head count."""
        if heads is UNSURE or heads is None:
            return heads
        return next((band for band, low, high in self.bands if low <= heads and (high is None or heads <= high)), None)


def read_scoring(world: World) -> Scoring:
    """The seeds as they are in the warehouse."""
    return Scoring(
        {row["setting"]: row["value"] for row in world.table("seeds", "scoring")},
        {row["status"]: (row["is_qualified"], row["is_called"]) for row in world.table("seeds", "account_statuses")},
        {row["word"]: row["seniority"] for row in world.table("seeds", "seniority")},
        tuple((row["band"], row["low"], row["high"]) for row in world.table("seeds", "employee_bands")),
    )
