"""What of a foreign text reaches a person: no secret, no control over the terminal, no more than fits."""

import json
import time

import pytest
from pydantic import SecretStr

from linkt_pipeline import redaction
from linkt_pipeline.display import escape_json, shown, shown_value
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.redaction import redact, redact_value, register_secret

KEY = 'sk-live/with"odd+characters'


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(redaction, "_spellings", ())
    register_secret(SecretStr(KEY))


@pytest.mark.parametrize(
    ("text", "as_shown"),
    [
        ("plain text, Zoë, 北京, 😀", "plain text, Zoë, 北京, 😀"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("of Windows\r\nand of a Mac\r", "of Windows\nand of a Mac\\x0d"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m eight bits", "\\x9b31m eight bits"),
        ("null \x00 delete \x7f", "null \\x00 delete \\x7f"),
        ("invoice\u202egpj.exe", "invoice\\u202egpj.exe"),
        ("\u2066isolated\u2069", "\\u2066isolated\\u2069"),
        ("line\u2028separator", "line\\u2028separator"),
        ("half a \ud83d pair", "half a \\ud83d pair"),
        ("שלום\u200f", "שלום\u200f"),
    ],
)
def test_controls_are_shown_and_do_nothing(text, as_shown):
    assert shown(text) == shown_value(text) == as_shown
    shown(text).encode()


@pytest.mark.parametrize(
    "text",
    [
        f"as it is {KEY} twice {KEY}",
        "in an address https://api.example/?a=sk-live%2Fwith%22odd%2Bcharacters",
        'in JSON {"k": "sk-live/with\\"odd+characters"}',
        "a stranger's sk-proj-somebodyelse",
        "proxy http://somebody:sk-live-password@proxy.example:3128",
        "https://hooks.slack.com/services/T000/B000/sk-live-token",
        "https://discord.com/api/webhooks/123/sk-live_token",
        "https://x.example/?sig=sk-live-1&b=2",
        "Authorization: Bearer sk-live.a.b",
    ],
)
def test_secrets_are_in_no_message(text):
    assert "sk-" not in redact(text)
    assert "[redacted]" in redact(text)


@pytest.mark.parametrize(
    "name", ["SK-Elektronik GmbH", "sk-elektronik.de", "task-based-learning", "sk-1", "a:b@c.example"]
)
def test_a_name_that_looks_a_bit_like_a_key_stays_a_name(name):
    assert redact_value(name) == name


@pytest.mark.parametrize("text", ["sk-", "://a:", "://a", "a:", "x-api-key=", "&key=", "https://sk-", "bearer "])
def test_megabytes_take_no_longer_than_their_length(text):
    """A text that some patterns would look at once for each of its characters."""
    long = "://" + text * (1_000_000 // len(text))
    began = time.process_time()
    redact(long)
    redact_value(long)
    assert time.process_time() - began < 5


def test_a_short_text_is_no_secret():
    register_secret(SecretStr("data"))
    assert redact("the data folder") == "the data folder"


def test_a_long_text_is_cut_with_a_mark_and_without_half_a_key():
    text = "x" * 3_990 + KEY + "y" * 5_000_000
    told = shown(text)
    assert len(told) < 4_100
    assert told.endswith("… (cut: 5,004,000 characters)")
    assert "sk-live" not in told
    assert shown("short", longest=5) == "short"


def test_json_keeps_every_character():
    value = {"name": "a\x1b[31m\x9bb\u202e\ud83d", "key\u2028": ["\x7f"]}
    document = json.dumps(value, ensure_ascii=False)

    escaped = escape_json(document)

    assert json.loads(escaped) == value
    assert not any(character in escaped for character in "\x1b\x9b\u202e\u2028\x7f")


def test_every_error_of_ours_is_fit_to_be_shown():
    error = LinktPipelineError(f"it said \x1b[2J {KEY} " + "z" * 10_000)
    assert str(error).startswith("it said \\x1b[2J [redacted] zzz")
    assert "(cut: " in str(error)
