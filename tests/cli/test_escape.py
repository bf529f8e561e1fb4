"""What jobs print and are called cannot drive the reader's terminal."""

import re

from hypothesis import given
from hypothesis import strategies as st

from jobrun.cli.escape import TerminalText, visible

COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


def cleaned(*pieces: bytes, colour: bool = True) -> str:
    text = TerminalText(colour=colour)
    return "".join(text.feed(piece) for piece in pieces) + text.finish()


def test_colours_stay_and_are_reset() -> None:
    assert cleaned(b"\x1b[1;31mred\n") == "\x1b[1;31mred\n\x1b[0m"


def test_without_colour_they_go() -> None:
    assert cleaned(b"\x1b[1;31mred\x1b[0m\n", colour=False) == "red\n"


def test_title_cursor_and_clipboard_sequences_are_spelled_out() -> None:
    """TRAPS, Output: terminal escapes in output must not drive the reader's terminal."""
    hostile = b"\x1b]0;owned\x07\x1b[2J\x1b]52;c;ZXZpbA==\x07\x9b31m\x00\x08"
    text = cleaned(hostile)
    assert "\x1b" not in text
    assert "\\x1b]0;owned\\x07\\x1b[2J" in text
    assert "\\x00\\x08" in text


def test_invalid_utf8_and_nul() -> None:
    """TRAPS, Output: invalid UTF-8 and NUL must neither break nor drive."""
    assert cleaned(b"a\xff\xfeb\x00\n") == "a\ufffd\ufffdb\\x00\n"


def test_a_sequence_cut_in_two_is_still_one() -> None:
    whole = b"x\x1b[1;31mred \xe2\x82\xac\r\n\x1b]0;t\x07"
    for cut in range(len(whole)):
        assert cleaned(whole[:cut], whole[cut:]) == cleaned(whole)


def test_a_carriage_return_ends_a_line() -> None:
    assert cleaned(b"10%\r20%\r\n") == "10%\n20%\n"


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_nothing_but_text_colours_tabs_and_line_ends_comes_through(pieces: list[bytes]) -> None:
    text = COLOUR.sub("", cleaned(*pieces))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@given(st.text())
def test_a_cell_is_one_line_without_controls(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", visible(text))


def test_right_to_left_overrides_are_spelled_out() -> None:
    assert visible("abc\u202edcba") == "abc\\u202edcba"


def test_bytes_of_a_name_that_are_no_text_are_spelled_out() -> None:
    # As bytes: pytest could not tell of a failure in what has no form in UTF-8.
    shown = visible("d\udcfcr \udc80\udcff").encode("utf-8", "surrogateescape")
    assert shown == b"d\\xfcr \\x80\\xff"
