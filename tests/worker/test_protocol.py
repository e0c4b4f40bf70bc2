# SPDX-License-Identifier: Apache-2.0
"""Messages: what goes out comes back, and nothing else comes in."""

import json

import numpy as np
import pytest

from hy3dgen.errors import ProtocolError
from hy3dgen.worker import protocol
from hy3dgen.worker.json_lines import MAX_LINE_BYTES, LineReader
from hy3dgen.worker.protocol import ArrayDescriptor, decode, encode

VERTICES = ArrayDescriptor("vertices", "float32", (5, 3), 64, "0/w12")
EVERY_MESSAGE = [
    protocol.Hello(1, "0.1.0", ("ping", "reduce"), "cpu", "3.11.7", 16000, 4242),
    protocol.Open(1, "0.1.0", ("/dev/shm/a", "/tmp/b")),
    protocol.Request(1, "generate", {"picture": "/a b/ü\udc80.png", "seed": None}, (VERTICES,)),
    protocol.Cancel(1),
    protocol.Release("1/c3"),
    protocol.Close(),
    protocol.Progress(1, "denoise", 3, 10, 1.5),
    protocol.Progress(1, "denoise", 0, 10, None),
    protocol.Preview(1, (VERTICES,)),
    protocol.Result(2, {"stages": [["decode", 0.25]], "faces_raw": 12}, ()),
    protocol.Failure(2, "InvalidMeshError", "the mesh has no faces"),
    protocol.CancelledEvent(2),
]


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=lambda m: type(m).__name__)
def test_every_message_comes_back_equal(message):
    line = encode(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert decode(line[:-1], (type(message),)) == message


def test_every_type_of_message_is_tested():
    assert {type(message) for message in EVERY_MESSAGE} == set(protocol._NAMES)


def test_numpy_numbers_are_sent_as_plain_ones():
    message = protocol.Result(1, {"faces": np.int64(7), "seconds": np.float32(0.5)}, ())
    assert decode(encode(message), (protocol.Result,)).values == {"faces": 7, "seconds": 0.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x", np.zeros(3)])
def test_what_json_cannot_carry_is_not_sent(value):
    with pytest.raises(ProtocolError, match="JSON cannot carry"):
        encode(protocol.Result(1, {"value": value}, ()))


def test_too_long_a_line_is_not_sent():
    with pytest.raises(ProtocolError, match="as arrays"):
        encode(protocol.Result(1, {"text": "x" * MAX_LINE_BYTES}, ()))


def changed(message, **fields):
    return json.dumps({**json.loads(encode(message)), **fields}).encode()


PROGRESS = protocol.Progress(1, "denoise", 3, 10, 1.5)
PREVIEW = protocol.Preview(1, (VERTICES,))
DESCRIPTOR = json.loads(encode(PREVIEW))["arrays"][0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "not a message"),
        (b"loading model", "loading model"),
        (b"[1, 2]", "not a message"),
        (b"\xff\xfe{}", "not a message"),
        (b"[" * 100_000, "not a message"),
        (b'{"type": "close", "type": "close"}', "not a message"),
        (b'{"type": "progress", "request": NaN}', "not a message"),
        (b'{"type": "progress", "request": ' + b"9" * 5000 + b"}", "not a message"),
        (b'{"type": ["progress"]}', "only progress, preview"),
        (b'{"type": "shutdown"}', "'shutdown'"),
        (encode(protocol.Close()), "'close' arrived; only"),
        (changed(PROGRESS, colour="red"), "unknown field 'colour'"),
        (b'{"type": "cancelled"}', "lacks the field 'request'"),
        (changed(PROGRESS, step=-1), "progress.step"),
        (changed(PROGRESS, step=True), "progress.step"),
        (changed(PROGRESS, step=1.0), "progress.step"),
        (changed(PROGRESS, total=2**60), "progress.total"),
        (changed(PROGRESS, stage="x" * 65), "progress.stage"),
        (changed(PROGRESS, eta="soon"), "progress.eta"),
        (changed(PREVIEW, arrays={}), "preview.arrays"),
        (changed(PREVIEW, arrays=[DESCRIPTOR] * 33), "up to 32"),
        (changed(PREVIEW, arrays=[DESCRIPTOR, DESCRIPTOR]), "wrong name 'vertices'"),
    ],
    ids=lambda value: str(value[:40]) if isinstance(value, bytes) else "",
)
def test_wrong_lines_are_refused(line, said):
    with pytest.raises(ProtocolError) as caught:
        decode(line, protocol.FROM_WORKER)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "../x"),
        ("name", 5),
        ("dtype", "object"),
        ("dtype", "<f4"),
        ("dtype", ["float32"]),
        ("shape", [2**31, 2**31]),
        ("shape", [2**40, 2**40, 0]),
        ("shape", [1] * 9),
        ("shape", [-1]),
        ("shape", [1.5]),
        ("shape", 5),
        ("offset", -64),
        ("block", "0/../../etc/passwd"),
        ("block", "2/w1"),
        ("block", "0/w1\n"),
        ("block", "0/x1"),
    ],
)
def test_wrong_arrays_are_refused(field, value):
    with pytest.raises(ProtocolError, match=r"preview\.arrays"):
        decode(changed(PREVIEW, arrays=[{**DESCRIPTOR, field: value}]), protocol.FROM_WORKER)


def test_versions_can_be_read_from_a_hello_of_the_future():
    line = b'{"type": "hello", "protocol": 99, "version": "7.0", "something": "new"}'
    assert protocol.versions_in(line) == (99, "7.0")
    with pytest.raises(ProtocolError):
        decode(line, (protocol.Hello,))


def reader(*chunks):
    rest = list(chunks)
    return LineReader(lambda size: rest.pop(0) if rest else b"")


def test_lines_are_put_together_from_chunks():
    lines = reader(b"on", b"e\ntwo\nth", b"ree\n", b"half")
    assert [lines.next_line() for _ in range(5)] == [b"one", b"two", b"three", None, None]


def test_a_line_without_end_is_refused_before_it_fills_the_memory():
    read = 0

    def endless(size):
        nonlocal read
        read += size
        return b"x" * size

    with pytest.raises(ProtocolError, match="more than"):
        LineReader(endless).next_line()
    assert read < 2 * MAX_LINE_BYTES
