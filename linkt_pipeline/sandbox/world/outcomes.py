"""How runs end when a fault says so."""

from collections.abc import Sequence
from dataclasses import replace

from linkt_pipeline.sandbox.faults import Fault
from linkt_pipeline.sandbox.world import vocabulary as words
from linkt_pipeline.sandbox.world.plan import Outcome


def outcome_under(faults: Sequence[Fault]) -> Outcome:
    """How a run ends under these faults."""
    outcome = Outcome()
    for fault in faults:
        match fault.name:
            case "failed_run":
                kind = fault.arg or "provider_error"
                text = words.ERROR_TEXTS.get(kind, kind)
                early = kind == "invalid_configuration"
                shape = {"at": 0.2, "output": "null"} if early else {"at": 0.7, "output": "partial"}
                outcome = replace(outcome, status="FAILED", error=text, **shape)  # type: ignore[arg-type]
            case "crashed_run":
                text = "Flow run infrastructure exited unexpectedly"
                outcome = replace(outcome, status="CRASHED", error=text, at=0.6, output="absent")
            case "canceled_run":
                outcome = replace(outcome, status="CANCELED", at=0.5)
            case "paused_run":
                outcome = replace(outcome, paused=True, pause_seconds=fault.number(0.0) if fault.arg else None)
            case "unknown_status":
                outcome = replace(outcome, odd_status=fault.arg or "ARCHIVING")
            case "null_output":
                outcome = replace(outcome, output="null")
            case "legacy_output":
                outcome = replace(outcome, output="legacy")
            case "empty_run":
                outcome = replace(outcome, at=0.2)
            case "missing_ids":
                outcome = replace(outcome, missing_ids=int(fault.number(1)))
            case "malformed_ids":
                outcome = replace(outcome, malformed_ids=int(fault.number(1)))
            case "run_life":
                outcome = replace(outcome, life=fault.number(5))
    return outcome
