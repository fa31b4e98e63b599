"""Why a Linkt run failed, and what to do about it.

The API gives prose without a code in ``run.error``; the kinds and the advice are the vendor's table. Matching
prose is fragile, so an unmatched text is ``other``, never a guess.
"""

import re

from linkt_pipeline.tasks import ErrorKind

# The first match wins: a text such as "provider timeout after rate limit" is about the limit.
_PATTERNS: tuple[tuple[ErrorKind, re.Pattern[str]], ...] = (
    (ErrorKind.RATE_LIMIT, re.compile(r"rate.?limit|too many requests|\b429\b|quota", re.I)),
    (
        ErrorKind.SHEET_CAPACITY,
        re.compile(r"(sheet|entity|entities).{0,40}(capacity|limit|full|maximum)|capacity.{0,40}sheet", re.I),
    ),
    (
        ErrorKind.INVALID_CONFIGURATION,
        re.compile(
            r"invalid.{0,40}(config|icp|task|param|prompt|schema)|misconfigur|(validation|configuration) error"
            r"|no icp|icp.{0,40}(missing|not found|required)|sheet.{0,40}(not found|missing|does not exist)",
            re.I,
        ),
    ),
    (ErrorKind.TIMEOUT, re.compile(r"time.?out|timed out|time limit|deadline|took too long", re.I)),
    (
        ErrorKind.PROVIDER_ERROR,
        re.compile(r"provider|upstream|external (api|service)|bad gateway|service unavailable|\b50[0234]\b", re.I),
    ),
)

ADVICE: dict[ErrorKind, str] = {
    ErrorKind.RATE_LIMIT: (
        "an external provider of Linkt was asked too often; wait and run again, "
        "or let it happen by itself with retry: {max_attempts: 3, on: [rate_limit], backoff: 30s}"
    ),
    ErrorKind.INVALID_CONFIGURATION: (
        "the ICP, sheet or task is not set up as this kind of run needs; correct it in the Linkt dashboard "
        "(a search needs a company and a person target, a sheet for each, and icp_id in tasks.yaml)"
    ),
    ErrorKind.SHEET_CAPACITY: "a sheet is at its entity limit; raise the limit or use another sheet, then run again",
    ErrorKind.TIMEOUT: "the run took longer than Linkt allows; ask for less (fewer num_results, a smaller file)",
    ErrorKind.PROVIDER_ERROR: "an external provider of Linkt failed; run again later, or retry: {on: [provider_error]}",
    ErrorKind.OTHER: "Linkt names no known cause; look at the run in the dashboard, or ask support with the run id",
}


def classify_error(error: str | None) -> ErrorKind:
    """The kind of a failed run's ``error`` text; an absent or unfamiliar text is ``other``."""
    for kind, pattern in _PATTERNS:
        if pattern.search(error or ""):
            return kind
    return ErrorKind.OTHER
