"""The control messages: round trips, refusals, and golden lines that must be readable for ever."""

import json
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrun.domain.errors import (
    Conflict,
    DaemonUnreachable,
    ExitCode,
    JobFileInvalid,
    JobrunError,
    NotFound,
    UsageError,
)
from jobrun.wire.client import Client
from jobrun.wire.message import (
    MAX_LINE,
    MessageError,
    Request,
    decode_reply,
    decode_request,
    encode_error,
    encode_reply,
    encode_request,
)

GOLDEN = [json.loads(line) for line in (Path(__file__).parent / "golden" / "v1.jsonl").open()]
json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)


@pytest.mark.parametrize("message", [m for m in GOLDEN if "op" in m], ids=lambda m: m["op"])
def test_golden_requests_are_read_and_written_alike(message):
    line = json.dumps(message).encode()
    request = decode_request(line)
    assert (request.op, request.args) == (message["op"], message["args"])
    assert json.loads(encode_request(request)) == message


def test_golden_replies_are_read():
    good, missing, invalid = (json.dumps(m).encode() for m in GOLDEN if "ok" in m)
    assert decode_reply(good)["run"] == 12
    with pytest.raises(NotFound) as not_found:
        decode_reply(missing)
    assert not_found.value.hint == 'Did you mean "backup"?'
    with pytest.raises(JobFileInvalid) as bad_file:
        decode_reply(invalid)
    assert bad_file.value.problems == ("jobs.toml:3: jobs.a.cron: …",)


@pytest.mark.parametrize("line", [rb'"run \ud800"', rb'"run","args":{"job":"\uDCFC"}', b'"run \xed\xa0\x80"'])
def test_a_request_that_is_not_all_text_is_refused(line):
    """The store could not take it, nor could an answer name it."""
    with pytest.raises(MessageError):
        decode_request(b'{"v":1,"op":' + line + b"}")


def test_a_pair_of_surrogate_escapes_is_a_character():
    assert decode_request(rb'{"v":1,"op":"\ud83d\ude00"}').op == "\U0001f600"


@pytest.mark.parametrize(
    "args", [{"job": "\udcfc"}, {"env": {"\udcfc": "1"}}, {"words": ["a", ("b\ud800",)]}]
)
def test_a_request_with_what_is_no_text_is_not_sent(args):
    with pytest.raises(UsageError, match="is not UTF-8"):
        encode_request(Request("run", args))


def test_an_answer_can_name_a_path_of_any_bytes():
    with pytest.raises(Conflict) as refused:
        decode_reply(encode_error(Conflict("/tmp/\udcfc is there already.")))
    assert ascii(refused.value.sentence) == "'/tmp/\\udcfc is there already.'"
    assert ascii(decode_reply(encode_reply({"path": "/tmp/\udcfc"}))) == "{'path': '/tmp/\\udcfc'}"


@given(st.text(min_size=1), st.dictionaries(st.text(), json_values, max_size=4))
def test_requests_round_trip_on_one_line(op, args):
    line = encode_request(Request(op, args))
    assert line.count(b"\n") == 1
    assert decode_request(line) == Request(op, args)


@pytest.mark.parametrize("kind", [JobrunError, UsageError, NotFound, Conflict, DaemonUnreachable])
def test_errors_keep_their_code_sentence_and_hint(kind):
    with pytest.raises(JobrunError) as caught:
        decode_reply(encode_error(kind("It is so.", "Do this.")))
    assert (caught.value.code, caught.value.sentence, caught.value.hint) == (
        kind.code,
        "It is so.",
        "Do this.",
    )


@given(st.binary(max_size=300))
def test_garbage_is_refused_with_a_sentence(line):
    with pytest.raises(MessageError) as caught:
        decode_request(line)
    assert caught.value.code is ExitCode.USAGE
    assert caught.value.sentence


def test_deep_nesting_and_long_lines_are_refused():
    with pytest.raises(MessageError):
        decode_request(b'{"v":1,"op":"x","args":' + b"[" * 200_000)
    with pytest.raises(MessageError):
        encode_reply({"x": "y" * MAX_LINE})


def test_another_version_is_named():
    with pytest.raises(MessageError, match="version 2"):
        decode_request(b'{"v":2,"op":"ping","args":{}}')


def test_no_daemon_is_unreachable(tmp_path):
    with pytest.raises(DaemonUnreachable) as caught:
        Client(tmp_path / "control.sock").call("ping")
    assert caught.value.code is ExitCode.UNREACHABLE
    assert "jobrun daemon" in caught.value.hint


def test_a_daemon_that_never_answers_is_given_up(tmp_path):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(DaemonUnreachable, match="did not answer"):
            Client(path, timeout=0.05).call("ping")


def test_a_reply_that_is_cut_off_is_unreachable_not_a_crash(tmp_path):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def cut_off() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b'{"v":1,')
            connection.close()

        peer = threading.Thread(target=cut_off)
        peer.start()
        with pytest.raises(DaemonUnreachable):
            Client(path).call("ping")
        peer.join()
