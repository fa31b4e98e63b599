"""The vendor's table of failures, and the texts seen in the field."""

import pytest

from linkt_pipeline.collection.error_kind import ADVICE, classify_error
from linkt_pipeline.tasks import ErrorKind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("Rate limit exceeded for provider northlight-search", ErrorKind.RATE_LIMIT),
        ("429 Too Many Requests", ErrorKind.RATE_LIMIT),
        ("ValueError: run document carries no ICP ID", ErrorKind.INVALID_CONFIGURATION),
        ("Company sheet not found for ICP", ErrorKind.INVALID_CONFIGURATION),
        ("Invalid task configuration: signal_types", ErrorKind.INVALID_CONFIGURATION),
        ("Sheet has reached its entity limit", ErrorKind.SHEET_CAPACITY),
        ("capacity exceeded on sheet 12", ErrorKind.SHEET_CAPACITY),
        ("Workflow exceeded its time limit", ErrorKind.TIMEOUT),
        ("timed out waiting for enrichment", ErrorKind.TIMEOUT),
        ("Provider returned 503 Service Unavailable", ErrorKind.PROVIDER_ERROR),
        ("Flow run infrastructure exited unexpectedly", ErrorKind.OTHER),
        ("", ErrorKind.OTHER),
        (None, ErrorKind.OTHER),
    ],
)
def test_a_text_is_of_the_kind_its_words_say(error: str | None, kind: ErrorKind) -> None:
    assert classify_error(error) is kind


def test_every_kind_says_what_to_do() -> None:
    assert set(ADVICE) == set(ErrorKind)
