"""The models and Python read a text of another system alike: else lookup can't reach what the models hold."""

from linkt_pipeline.plain_text import trimmed, word

from .conftest import Bench

_LETTERS = "select chr(i::integer) as letter from range(1, 125252) as t(i) where i not between 55296 and 57343"
_READ = "select letter, linkt_trimmed(letter), linkt_word(letter)"


def test_every_letter_is_trimmed_and_lowered_alike(bench: Bench) -> None:
    bench.build("staging.entities")  # makes the macros
    letters = bench.con.execute(f"{_READ} from ({_LETTERS})").fetchall()
    assert len(letters) > 100_000
    assert [(letter, *read) for letter, *read in letters if read != [trimmed(letter), word(letter)]] == []


def test_blanks_go_from_both_ends_and_stay_within(bench: Bench) -> None:
    bench.build("staging.entities")
    for text, kept in (
        ("\t\u200b001A \u00a0\n", "001A"),
        ("0 0\u200b\t1", "0 0\u200b\t1"),
        ("\x00A\x00", "A"),
        ("\ufeff\r\n", None),
        ("", None),
    ):
        assert bench.con.execute("select linkt_trimmed($1)", [text]).fetchone() == (kept,) == (trimmed(text),)
