"""Data for runs: what is taken, and where a mistake is said to be."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobrun.cli.bulk import ranges
from jobrun.cli.payload import LARGEST, MOST_AT_ONCE, checkpoint_path, portions, read_bulk, read_data
from jobrun.cli.reach import Reach
from jobrun.domain.errors import Conflict, UsageError


class Stdin:
    """What is piped into a command."""

    def __init__(self, raw: bytes) -> None:
        self.buffer = io.BytesIO(raw)


def test_data_is_json_from_the_line_a_file_or_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d.json").write_text('\ufeff{"a": [1, null]}\n')
    assert read_data('{"to": "ä"}') == {"to": "ä"}
    assert read_data(f"@{tmp_path}/d.json") == {"a": [1, None]}
    monkeypatch.setattr(sys, "stdin", Stdin(b" 12.5 \n"))
    assert read_data("-") == 12.5
    assert read_data("null") is None


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("", "--data is not JSON"),
        ("{", "--data is not JSON"),
        ("[NaN]", "--data is not JSON (NaN is no number of JSON)."),
        ('"\\ud800"', "--data has half of a surrogate pair"),
        ("[" * 100_000, "--data is nested too deeply, more than 100 levels."),
        ("[" * 101 + "]" * 101, "--data is nested too deeply, more than 100 levels."),
        ("-" + "1" * 601, "--data has a whole number of more than 600 digits."),
        ('{"a": 1e999}', "--data is not JSON (1e999 is larger than a number can be)."),
        ("-1e999", "--data is not JSON (-1e999 is larger than a number can be)."),
        (f'"{"x" * LARGEST}"', "--data is larger than 1MB."),
        ("\udcff", "--data is not UTF-8."),
    ],
)
def test_data_that_cannot_be_handed_on(word: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_data(word)
    assert refused.value.sentence.startswith(sentence)


def test_bulk_is_a_line_for_each_run(tmp_path: Path) -> None:
    file = tmp_path / "b.jsonl"
    file.write_bytes(b'{"n": 1}\r\n\n"two"\n  \nnull\n[3]')
    assert read_bulk(str(file)) == [{"n": 1}, "two", None, [3]]


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b'1\n2\n{"a": }\n4\n', "Line 3 of {file} is not JSON"),
        (b"1\n\n\xff\n", "Line 3 of {file} is not UTF-8."),
        (b"1 2\n", "Line 1 of {file} is not JSON"),
        (b"", "{file} has no line with data."),
        (b"\n \n", "{file} has no line with data."),
    ],
)
def test_a_bad_line_is_named(raw: bytes, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "b.jsonl"
    file.write_bytes(raw)
    with pytest.raises(UsageError) as refused:
        read_bulk(str(file))
    assert refused.value.sentence.startswith(sentence.format(file=file))


def test_portions_keep_order_number_and_size() -> None:
    few = list(range(2 * MOST_AT_ONCE + 1))
    parts = list(portions(few))
    assert [len(part) for part in parts] == [MOST_AT_ONCE, MOST_AT_ONCE, 1]
    assert [value for part in parts for value in part] == few
    large = ["ä" * (LARGEST // 2 - 10)] * 7
    parts = list(portions(large))
    assert [len(part) for part in parts] == [2, 2, 2, 1] or [len(part) for part in parts] == [3, 3, 1]
    assert all(len(json.dumps(part, ensure_ascii=False).encode()) < 4 << 20 for part in parts)


def test_what_to_resume_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "best.pt").touch()
    monkeypatch.chdir(tmp_path)
    assert checkpoint_path("latest") == "latest"
    assert checkpoint_path("best.pt") == str(tmp_path / "best.pt")


def test_ranges() -> None:
    assert ranges([41]) == "41"
    assert ranges([41, 42, 43, 50, 7, 8]) == "41 to 43, 50, 7 to 8"


def test_a_bulk_in_several_requests_says_what_was_added_before_one_failed(
    tmp_path: Path, state: Path, jobrun: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon's part is played here: a real one does not fail between two requests."""
    asked: list[int] = []

    class Failing:
        def call(self, op: str, *, answer_within: float, job: str, bulk: list[int], **_: object) -> dict:
            assert (op, job) == ("run", "backup")
            if len(asked) == 2:
                raise Conflict("The daemon is stopping; it takes no new runs.")
            asked.append(len(bulk))
            return {"runs": bulk, "skipped": []}

    monkeypatch.setattr(Reach, "client", lambda self: Failing())
    file = tmp_path / "many.jsonl"
    file.write_text("".join(f"{number}\n" for number in range(2 * MOST_AT_ONCE + 5)))
    said = jobrun("run", "backup", "--bulk", str(file))
    assert (said.code, said.out) == (5, "")
    assert said.err.splitlines() == [
        "40005 runs in 3 requests: each is added whole or not at all.",
        "Added before this failed: the first 40000 runs, 0 to 39999.",
        "jobrun: The daemon is stopping; it takes no new runs.",
    ]
    assert asked == [MOST_AT_ONCE, MOST_AT_ONCE]
