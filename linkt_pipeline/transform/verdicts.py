"""Verdicts of checks that passed, which hold for as long as all rows stay the same that the check reads.

Only passes are kept. A check that failed is run again, and so is a check whose rows have no known state. So a kept
verdict never publishes what the check itself would hold back.

For a key check there is a shorter way after an incremental build. If no two rows shared a key before, any two that
share one now include a row that the build has put in, and the build checks these rows. So the verdict on the rows
before the build holds for the rows after it. Tests compare this way with the check in full.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import orjson

from linkt_pipeline.transform.build import BuildResult
from linkt_pipeline.transform.checks import KEY_CHECK, Check
from linkt_pipeline.transform.model import ModelKey
from linkt_pipeline.transform.statement import fingerprint
from linkt_pipeline.warehouse.state import read_state, write_state

_NAME = "checks_passed"
# A change of rows by hand leaves no mark.
_GOOD_FOR = timedelta(days=1)


@dataclass(frozen=True)
class Verdict:
    """A check has passed.

    Attributes:
        state: fingerprint of the check and of the rows it is about; see :func:`_state`.
        looked_at: when the check last read all rows, in UTC. A derived verdict has the time of the one it follows from.
    """

    state: str
    looked_at: datetime


class Verdicts:
    """The verdicts on what one session has built: those that are kept, and those of this session.

    Args:
        kept: verdicts of earlier sessions by name of the check, as :func:`read_verdicts` gives them.
        states: the states of the models' rows; see :mod:`~linkt_pipeline.transform.row_states`.
        built: what the session did.
        now: the present.
    """

    def __init__(
        self,
        kept: Mapping[str, Verdict],
        states: Mapping[ModelKey, str],
        built: Mapping[ModelKey, BuildResult],
        now: datetime | None = None,
    ) -> None:
        self._verdicts = dict(kept)
        self._states = states
        self._follows = {key: result.follows for key, result in built.items() if result.follows}
        self._now = now or datetime.now(UTC)

    def holding(self, check: Check) -> Verdict | None:
        """The kept verdict on the very rows that the check would read now; None if the check has to run."""
        verdict = self._verdicts.get(_name(check))
        # A verdict from the future means that a clock was set back, so nobody knows its age.
        if verdict is None or not timedelta(0) <= self._now - verdict.looked_at < _GOOD_FOR:
            return None
        state = _state(check, self._states)
        if state is None:
            return None
        if verdict.state == state:
            return verdict
        # The shorter way: the verdict is on the rows before the build, and the build has checked the rows it put in.
        before = self._follows.get(check.model) if check.name == KEY_CHECK else None
        if before is None or verdict.state != _state(check, {**self._states, check.model: before}):
            return None
        # The age counts from when all rows were read, or a chain of builds would keep a verdict for ever.
        self._verdicts[_name(check)] = derived = Verdict(state, verdict.looked_at)
        return derived

    def note(self, check: Check, *, passed: bool) -> None:
        """Record how the check came out."""
        state = _state(check, self._states)
        if passed and state is not None:
            self._verdicts[_name(check)] = Verdict(state, self._now)
        else:
            # An older pass must not outlive this failure.
            self._verdicts.pop(_name(check), None)

    def of(self, checks: Iterable[Check]) -> dict[str, Verdict]:
        """The verdicts to keep: those of checks that still exist."""
        names = set(map(_name, checks))
        return {name: verdict for name, verdict in self._verdicts.items() if name in names}


def read_verdicts(con: duckdb.DuckDBPyConnection) -> dict[str, Verdict]:
    """The kept verdicts, by name of the check."""
    stored = read_state(con, _NAME)
    return {
        name: Verdict(state, datetime.fromisoformat(looked_at).astimezone(UTC))
        for name, (state, looked_at) in orjson.loads(stored or "{}").items()
    }


def write_verdicts(con: duckdb.DuckDBPyConnection, verdicts: Mapping[str, Verdict]) -> None:
    """Keep these verdicts and no others."""
    write_state(con, _NAME, orjson.dumps({name: (v.state, v.looked_at) for name, v in verdicts.items()}).decode())


def _name(check: Check) -> str:
    return f"{check.model} {check.name}"


def _state(check: Check, states: Mapping[ModelKey, str]) -> str | None:
    """A fingerprint of all that decides the check; None if a part of it is not known."""
    if check.version is None or not all(key in states for key in check.reads):
        return None
    # The same SQL may find something else in another release of the engine.
    return fingerprint(check.version, duckdb.__version__, *(f"{key} {states[key]}" for key in sorted(check.reads)))
