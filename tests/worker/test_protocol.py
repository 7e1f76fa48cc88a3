"""The lines of protocol 1."""

import json

import pytest

from neurorobust.backends.worker.protocol import (
    Failure,
    Hello,
    Progress,
    ProtocolError,
    Request,
    Result,
    decode,
    encode,
)


def test_a_request_is_one_line_of_json():
    line = encode(Request(3, "run", {"steps": 4, "text": "two\nlines"}))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "id": 3,
        "method": "run",
        "params": {"steps": 4, "text": "two\nlines"},
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes", {1, 2}])
def test_params_that_are_not_json_are_refused(value):
    with pytest.raises(ProtocolError, match="run: params are not JSON"):
        encode(Request(1, "run", {"x": value}))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": 1, "result": None}, Result(1, None)),
        ({"id": 1, "result": [1, {"a": 2}]}, Result(1, [1, {"a": 2}])),
        ({"id": 2, "progress": {"steps": 3}}, Progress(2, {"steps": 3})),
        (
            {"id": 2, "error": {"type": "E", "message": "m", "traceback": "t"}},
            Failure(2, "E", "m", "t"),
        ),
        (
            {
                "hello": {
                    "protocol": 1,
                    "worker": "w",
                    "python": "3",
                    "pid": 5,
                    "packages": {"a": "1"},
                }
            },
            Hello(1, "w", "3", 5, {"a": "1"}),
        ),
        ({"hello": {"protocol": 2, "news": True}}, Hello(2, "", "", 0)),
    ],
)
def test_answers(record, expected):
    assert decode(json.dumps(record).encode()) == expected


@pytest.mark.parametrize(
    "line",
    [b"", b"loading model ...", b"[1, 2]", b'"id"', b"{}", b'{"id": 1}', b"\xff\xfe",
     b'{"id": "x", "result": 1}', b'{"result": 1}',
     b'{"hello": 1}', b'{"hello": {}}', b'{"id": 1, "error": "bad"}',
     b'{"id": 1, "progress": 3}'],
)  # fmt: skip
def test_anything_else_is_a_protocol_error(line):
    with pytest.raises(ProtocolError, match="the worker wrote"):
        decode(line)


def test_a_long_line_is_shortened_in_the_message():
    with pytest.raises(ProtocolError) as caught:
        decode(b"x" * 100_000)
    assert len(str(caught.value)) < 400
