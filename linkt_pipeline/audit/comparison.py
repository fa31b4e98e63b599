"""Compares the rows of a mart with the recomputed rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from linkt_pipeline.audit.findings import Figure, MartAudit
from linkt_pipeline.audit.landed import CHOSEN, Landed, chosen
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.moments import shown_moment
from linkt_pipeline.audit.values import UNSURE, parse_json, same

MOST_FIGURES = 1_000  # kept of one mart; the others are counted
IS_ROW = "is_row"  # UNSURE in a recomputed row: the audit judges neither whether the mart has the row nor what is in it

Key = tuple[Any, ...]


class Comparison:
    """One mart's comparison, batch by batch.

    Args:
        landed: reads the mart.
        mart: how it is recomputed.
        types: the columns that the mart has, with their types.
    """

    def __init__(self, landed: Landed, mart: Mart, types: Mapping[str, str]) -> None:
        self.found = MartAudit(f"marts.{mart.name}")
        self._landed = landed
        self._mart = mart
        self._types = types
        self._never: set[str] = set(types)

    def compare(self, recomputed: Iterable[Mapping[str, Any]], ids: Sequence[str] | None) -> None:
        """Compare all stored rows of some ids, or of the whole mart, with what was recomputed for them."""
        expected: dict[Key, Mapping[str, Any]] = {}
        for row in recomputed:
            expected[self._key_of(row)] = row
        for row in self._stored(ids):
            key = self._key_of(row)
            if key in expected:
                self._compare_row(key, row, expected.pop(key))
            else:
                self._differ(key, None, "a row", None)
        for key, row in expected.items():
            if row.get(IS_ROW) is not UNSURE:
                self._differ(key, None, None, "a row")

    def stray(self, ids: Iterable[str]) -> None:
        """Stored rows with ids that should have none."""
        for stray in ids:
            self._differ((stray, *[None] * (len(self._mart.key) - 1)), None, "a row", None)

    def finish(self) -> MartAudit:
        """What was found in all batches."""
        self.found.skipped = tuple(sorted(self._never)) if self.found.rows else self._mart.skipped
        return self.found

    def _key_of(self, row: Mapping[str, Any]) -> Key:
        return tuple(row.get(name) for name in self._mart.key)

    def _stored(self, ids: Sequence[str] | None) -> Iterable[dict[str, Any]]:
        names = list(self._types)
        select = ", ".join(_expression(name, data_type) for name, data_type in self._types.items())
        sql = f"select {select} from marts.{self._mart.name}"  # noqa: S608
        if ids is not None:
            sql += f" where {self._mart.batch} {CHOSEN}"
        for row in self._landed.rows(sql, [] if ids is None else [chosen(ids)]):
            values = dict(zip(names, row, strict=True))
            for name, data_type in self._types.items():
                if data_type == "JSON":
                    values[name] = parse_json(values[name])
            yield values

    def _compare_row(self, key: Key, stored: Mapping[str, Any], recomputed: Mapping[str, Any]) -> None:
        if recomputed.get(IS_ROW) is UNSURE:
            return
        self.found.rows += 1
        for column in self._types.keys() & recomputed.keys():
            value = recomputed[column]
            if value is UNSURE:
                self.found.unsure += 1
                continue
            self.found.compared += 1
            self._never.discard(column)
            held = _restricted(stored[column], value) if column == "attributes" else stored[column]
            if not same(held, value):
                is_moment = self._types[column].startswith("TIMESTAMP")
                shown = map(shown_moment, (held, value)) if is_moment else (held, value)
                self._differ(key, column, *shown)

    def _differ(self, key: Key, column: str | None, stored: Any, recomputed: Any) -> None:
        self.found.differences += 1
        if len(self.found.figures) < MOST_FIGURES:
            named = dict(zip(self._mart.key, key, strict=True))
            self.found.figures.append(Figure(self.found.mart, named, column, stored, recomputed))


def _expression(name: str, data_type: str) -> str:
    """A column in the form that Python compares: times as microseconds, days as text."""
    quoted = f'"{name}"'
    if data_type.startswith("TIMESTAMP"):
        return f"epoch_us({quoted})"
    if data_type.startswith("DECIMAL") or data_type == "HUGEINT":
        return f"{quoted}::double"
    return f"{quoted}::varchar" if data_type in ("DATE", "JSON") else quoted


def _restricted(stored: Any, recomputed: Mapping[str, Any]) -> Any:
    """The fields that certainly have no column, out of all other fields."""
    return {name: stored[name] for name in stored.keys() & recomputed.keys()} if isinstance(stored, dict) else stored
