"""Faults on request: one value that says what goes wrong, where and how often.

Written as ``NAME[=ARG][@ENDPOINT[:ID]][*TIMES][%PROBABILITY][+SKIP]``, for example ``lost_reply``,
``http_503=2@get_run*3``, ``missing@get_entity:69d4d1365c41d0beef002a2b``, ``http_429=60@any%0.2``.
``*0`` means for ever; ``+2`` lets the first two requests pass.
"""

import re
import threading
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from linkt_pipeline.sandbox.endpoints import ENDPOINTS
from linkt_pipeline.sandbox.errors import FaultSpecError


class Stage(Enum):
    """When a fault acts."""

    REQUEST = auto()  # the request is understood wrongly
    BEFORE = auto()  # instead of any work
    AFTER = auto()  # the work is done, the reply suffers
    RUN = auto()  # a run that is being executed will end oddly
    FILE = auto()  # a file that is uploaded will be processed oddly
    VIEW = auto()  # what a read shows


@dataclass(frozen=True)
class FaultKind:
    """A fault the sandbox knows.

    Attributes:
        stage: when it acts.
        endpoint: where, unless the fault says otherwise; None for everywhere.
        times: how often, unless the fault says otherwise; None for ever.
        description: one line for ``--help`` and the documentation.
    """

    stage: Stage
    endpoint: str | None
    times: int | None
    description: str


KINDS: dict[str, FaultKind] = {
    "reset": FaultKind(Stage.BEFORE, None, 1, "connection reset before any work"),
    "hang": FaultKind(Stage.BEFORE, None, 1, "no work and no answer for ARG seconds (default 30), then a reset"),
    "missing": FaultKind(Stage.BEFORE, "get_entity", None, "404 for the id given after the endpoint, or for all"),
    "http_429": FaultKind(Stage.BEFORE, None, 1, "429; Retry-After ARG seconds (default 1), date:SECONDS or none"),
    "http_503": FaultKind(Stage.BEFORE, None, 1, "503 with Retry-After ARG seconds (default 1), or none"),
    "http_502": FaultKind(Stage.BEFORE, None, 1, "502 with an HTML page, as a gateway sends it"),
    "http_NNN": FaultKind(Stage.BEFORE, None, 1, "any other error status, without work; ARG is the detail text"),
    "endless_page": FaultKind(Stage.REQUEST, None, None, "whatever page is asked for, the first one comes"),
    "drifting_total": FaultKind(Stage.AFTER, None, None, "lists say ARG (default 3) more rows than there are"),
    "lost_reply": FaultKind(Stage.AFTER, "execute", 1, "the work is done, then the connection is reset"),
    "late_reply": FaultKind(Stage.AFTER, "execute", 1, "the work is done, the reply is ARG (default 5) seconds later"),
    "cut_body": FaultKind(Stage.AFTER, None, 1, "the connection closes after the share ARG of the body (default 0.5)"),
    "error_after_work": FaultKind(Stage.AFTER, "execute", 1, "the work is done, the reply is status ARG (default 500)"),
    "malformed_body": FaultKind(
        Stage.AFTER, None, 1, "200 with a body that is truncated | empty | html | list | missing_id | wrong_type (ARG)"
    ),
    "failed_run": FaultKind(Stage.RUN, "execute", 1, "the run fails; ARG is the kind, such as rate_limit"),
    "crashed_run": FaultKind(Stage.RUN, "execute", 1, "the run ends CRASHED, without output"),
    "canceled_run": FaultKind(Stage.RUN, "execute", 1, "somebody else cancels the run"),
    "paused_run": FaultKind(Stage.RUN, "execute", 1, "PAUSED half-way, for ARG seconds or for ever"),
    "unknown_status": FaultKind(Stage.RUN, "execute", 1, "shows status ARG (default ARCHIVING) for a while"),
    "null_output": FaultKind(Stage.RUN, "execute", 1, "COMPLETED with output null"),
    "legacy_output": FaultKind(Stage.RUN, "execute", 1, "COMPLETED with a free-form output"),
    "empty_run": FaultKind(Stage.RUN, "execute", 1, "COMPLETED at once with empty lists and no credits"),
    "missing_ids": FaultKind(Stage.RUN, "execute", 1, "the output names ARG (default 1) ids that give 404"),
    "malformed_ids": FaultKind(Stage.RUN, "execute", 1, "the output names ARG (default 1) things that are no ids"),
    "run_life": FaultKind(Stage.RUN, "execute", 1, "the run takes ARG seconds"),
    "failed_file": FaultKind(Stage.FILE, "upload_file", 1, "the uploaded file can't be processed"),
    "slow_file": FaultKind(Stage.FILE, "upload_file", 1, "the uploaded file is processed for ARG (default 60) seconds"),
    "lagging_files": FaultKind(Stage.VIEW, "list_files", None, "files show in the list ARG seconds (default 5) late"),
    "lagging_list": FaultKind(Stage.VIEW, "list_runs", None, "runs show in lists ARG seconds (default 5) late"),
    "stale_list": FaultKind(Stage.VIEW, "list_runs", None, "lists show RUNNING for ARG seconds (default 5) too long"),
    "clock_skew": FaultKind(Stage.VIEW, None, None, "the server's clock is ARG seconds ahead (negative: behind)"),
}

_SPEC = re.compile(
    r"(?P<name>[a-z][a-z_0-9]*)(?:=(?P<arg>[^@*%+]*))?(?:@(?P<endpoint>[a-z_]+)(?::(?P<resource>[^*%+]+))?)?"
    r"(?:\*(?P<times>\d+))?(?:%(?P<probability>[\d.]+))?(?:\+(?P<skip>\d+))?"
)


@dataclass
class Fault:
    """Something that goes wrong, and how often it already did (``fired``)."""

    name: str
    arg: str | None = None
    endpoint: str | None = None
    resource: str | None = None
    times: int | None = 1
    probability: float = 1.0
    skip: int = 0
    fired: int = 0

    @property
    def kind(self) -> FaultKind:
        """What the sandbox knows about faults of this name."""
        return KINDS.get(self.name) or KINDS["http_NNN"]

    @property
    def spent(self) -> bool:
        """Whether the fault will never act again."""
        return self.times is not None and self.fired >= self.times

    def number(self, default: float) -> float:
        """The argument as a number.

        Raises:
            FaultSpecError: the argument is not a number.
        """
        try:
            return float(self.arg) if self.arg else default
        except ValueError:
            raise FaultSpecError(f"fault {self.name}={self.arg}: expected a number, such as {default:g}") from None

    def matches(self, stage: Stage, endpoint: str, resource: str | None) -> bool:
        """Whether the fault concerns this request, counts and chance left aside."""
        return (
            self.kind.stage is stage
            and not self.spent
            and self.endpoint in (None, endpoint)
            and self.resource in (None, resource)
        )


def parse_fault(spec: str) -> Fault:
    """Read one fault.

    Raises:
        FaultSpecError: the form, the name, the endpoint or a number is not known.
    """
    found = _SPEC.fullmatch(spec.strip())
    if not found:
        raise FaultSpecError(f"fault {spec!r}: expected NAME[=ARG][@ENDPOINT[:ID]][*TIMES][%PROBABILITY][+SKIP]")
    name = found["name"]
    if name not in KINDS and not re.fullmatch(r"http_[45]\d\d", name):
        raise FaultSpecError(f"fault {name!r} is not known; known are {', '.join(KINDS)}")
    kind = KINDS.get(name, KINDS["http_NNN"])
    endpoint = found["endpoint"] or kind.endpoint
    if endpoint == "any":
        endpoint = None
    elif endpoint is not None and endpoint not in ENDPOINTS:
        raise FaultSpecError(f"fault {spec!r}: endpoint {endpoint!r} is not known; use any, {', '.join(ENDPOINTS)}")
    times = kind.times if found["times"] is None else (int(found["times"]) or None)
    return Fault(
        name=name,
        arg=found["arg"],
        endpoint=endpoint,
        resource=found["resource"],
        times=times,
        probability=_probability(spec, found["probability"]),
        skip=int(found["skip"] or 0),
    )


def _probability(spec: str, text: str | None) -> float:
    try:
        probability = float(text) if text else 1.0
    except ValueError:
        probability = -1.0
    if not 0 < probability <= 1:
        raise FaultSpecError(f"fault {spec!r}: a probability is a number above 0, up to 1")
    return probability


class FaultBox:
    """The faults in force. Safe to change while requests are being served."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)  # noqa: S311 chance of a fault, not a secret
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force; the returned value counts how often it acted."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._faults.clear()

    def all(self) -> list[Fault]:
        """Every fault added, the spent ones too."""
        with self._lock:
            return list(self._faults)

    def take(self, stage: Stage, endpoint: str, resource: str | None = None) -> list[Fault]:
        """The faults that act on this request now; each is counted as having acted."""
        if not self._faults:
            return []
        acting: list[Fault] = []
        with self._lock:
            for fault in self._faults:
                if not fault.matches(stage, endpoint, resource):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                elif fault.probability >= 1 or self._rng.random() < fault.probability:
                    fault.fired += 1
                    acting.append(fault)
                    if stage is Stage.BEFORE:
                        break  # one request gets one reply: the next fault waits for the next request
        return acting

    def active(self, name: str) -> Fault | None:
        """The latest fault of this name, if one is in force."""
        with self._lock:
            return next((fault for fault in reversed(self._faults) if fault.name == name and not fault.spent), None)
