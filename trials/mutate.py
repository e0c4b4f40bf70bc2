# SPDX-License-Identifier: Apache-2.0
"""Damaged copies of good files: every number of a seed gives one, the same each time."""

import random

_TELLING = (
    *(b"\x00", b"\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"),
    *(b"\x00\x00\x00\x80", b"NaN", b"inf", b"-1", b"99999999999999999999", b"1e999", b"\n", b'"'),
    *(b"{", b"[", b"}", b"]", b":", b"%s", b"../", b"\x00" * 64, b"\xc3\x28"),
)
"""What parsers stumble over: ends of ranges, brackets, bad UTF-8."""


def mutated(good: bytes, source: random.Random) -> bytes:
    """`good` after one to eight changes; one in twenty times something that has no form at all."""
    if source.random() < 0.05:
        return source.randbytes(source.choice((0, 1, 8, 64, 4096)))
    data = bytearray(good)
    for _ in range(source.choice((1, 1, 2, 4, 8))):
        source.choice(_CHANGES)(data, source)
    return bytes(data)


def _somewhere(data: bytearray, source: random.Random) -> int:
    # Half of all changes near the start, where headers are.
    end = min(len(data), 256) if source.random() < 0.5 else len(data)
    return source.randrange(end + 1) if end else 0


def _flip_bit(data: bytearray, source: random.Random) -> None:
    if data:
        data[min(_somewhere(data, source), len(data) - 1)] ^= 1 << source.randrange(8)


def _overwrite(data: bytearray, source: random.Random) -> None:
    at, telling = _somewhere(data, source), source.choice(_TELLING)
    data[at : at + len(telling)] = telling


def _insert(data: bytearray, source: random.Random) -> None:
    at = _somewhere(data, source)
    data[at:at] = source.choice(_TELLING)


def _cut_off(data: bytearray, source: random.Random) -> None:
    del data[_somewhere(data, source) :]


def _cut_out(data: bytearray, source: random.Random) -> None:
    at = _somewhere(data, source)
    del data[at : at + source.choice((1, 2, 4, 16, 256))]


def _repeat(data: bytearray, source: random.Random) -> None:
    at, length = _somewhere(data, source), source.choice((4, 16, 256))
    data[at:at] = data[at : at + length] * source.choice((1, 2, 16))


def _change_digit(data: bytearray, source: random.Random) -> None:
    """Numbers in texts: sizes, counts, offsets."""
    places = [i for i, byte in enumerate(data[:65536]) if 48 <= byte <= 57]
    if places:
        data[source.choice(places)] = 48 + source.randrange(10)


_CHANGES = (_flip_bit, _overwrite, _insert, _cut_off, _cut_out, _repeat, _change_digit)
