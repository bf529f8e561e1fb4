"""The daemon's log, line by line."""

import io
import json

from jobrun.daemon.log import Log


def test_lists_are_read_as_words_by_people_and_as_lists_by_programs() -> None:
    text, lines = io.StringIO(), io.StringIO()
    for form, stream in (("text", text), ("json", lines)):
        Log(form, "info", stream)("daemon.reloaded", added=["a", "two words"], removed=[], kept=3)
    assert text.getvalue().endswith(' daemon.reloaded  added=a,"two words" removed=- kept=3\n')
    told = json.loads(lines.getvalue())
    assert (told["added"], told["removed"], told["kept"]) == (["a", "two words"], [], 3)
