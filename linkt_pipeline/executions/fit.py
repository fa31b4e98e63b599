"""How well a run that Linkt shows matches a request that the ledger holds."""

from collections.abc import Mapping
from enum import Enum

from linkt_pipeline.api import Run, same_id
from linkt_pipeline.ledger.values import Execution


class Fit(Enum):
    """How well a run matches the request of a ledger row."""

    SAME = "same"
    POSSIBLE = "possible"  # says less, or more, than was asked: Linkt may add defaults
    DIFFERENT = "different"


def fit_of(execution: Execution, run: Run) -> Fit:
    """Compare a run's input with a request. A run is ruled out only if its input contradicts the request."""
    if execution.icp_id and run.icp_id and not same_id(run.icp_id, execution.icp_id):
        return Fit.DIFFERENT
    given = given_parameters(run)
    if given is None:
        return Fit.POSSIBLE
    if given == dict(execution.parameters):
        return Fit.SAME
    return Fit.DIFFERENT if _contradicts(given, execution.parameters) else Fit.POSSIBLE


def given_parameters(run: Run) -> dict[str, object] | None:
    """The parameters that a run says it was started with, if it does."""
    given = (run.input or {}).get("parameters", run.input)
    if not run.input or not isinstance(given, Mapping):
        return None
    return {key: value for key, value in given.items() if key != "icp_id"}


def _contradicts(given: object, asked: object) -> bool:
    """Whether a value can't come from the request. Defaults that Linkt added, and numbers shown as text, can."""
    if isinstance(given, Mapping) and isinstance(asked, Mapping):
        return any(key in given and _contradicts(given[key], value) for key, value in asked.items())
    return given != asked and str(given).casefold() != str(asked).casefold()
