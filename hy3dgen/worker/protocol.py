# SPDX-License-Identifier: Apache-2.0
"""The messages between a client and its worker, and their form as lines of JSON.

Every message is one line: an object whose `type` names a row of `_MESSAGES`, with exactly that
row's fields. Whatever else arrives is refused with a ProtocolError that names the field. All sizes
are bounded here, before anybody allocates. Knows nothing of processes, files or tasks.

::

    worker                               client
      Hello            ->                             versions are compared
                       <-                Open         where the arrays lie
                       <-                Request      a task, its parameters, its arrays
      Progress, Preview ->                            any number
      Result | Failure | CancelledEvent ->            exactly one
                       <-                Release      a block of the worker's was copied out
                       <-                Cancel, Close
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from hy3dgen.errors import ProtocolError
from hy3dgen.worker.json_lines import format_line, parse_line, quote

PROTOCOL = 1  # raised with every change of a message

MAX_ARRAYS = 32
MAX_DIMENSIONS = 8
MAX_ARRAY_BYTES = 4 << 30  # all arrays of one message together
MAX_MESSAGE_CHARACTERS = 4000  # of a failure's sentence

# Fixed sizes on every platform. No bool: a byte other than 0 and 1 would make a broken array.
DTYPES = {
    name: np.dtype(name)
    for name in (
        *("float16", "float32", "float64"),
        *("int8", "int16", "int32", "int64"),
        *("uint8", "uint16", "uint32", "uint64"),
    )
}
BLOCK_NAME = re.compile(r"[01]/[cw][0-9]{1,12}")  # folder / maker (client, worker) and number
_ARRAY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")


@dataclass(frozen=True)
class ArrayDescriptor:
    """Where one array's raw bytes lie: little-endian, C order, `offset` bytes into `block`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    block: str

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


# Arrays are descriptors in a message and numpy arrays in what callers of client and server see.
Arrays = Mapping[str, np.ndarray] | tuple[ArrayDescriptor, ...]


@dataclass(frozen=True)
class Hello:
    """The worker's first message: who it is and what it can do."""

    protocol: int
    version: str  # of hy3dgen
    tasks: tuple[str, ...]
    device: str  # where generation would run: "cpu" or "cuda"
    python: str  # version of the interpreter
    memory_mb: int  # the machine's main memory
    pid: int


@dataclass(frozen=True)
class Open:
    """The client's first message: its versions and the folders where arrays are exchanged."""

    protocol: int
    version: str
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    request: int
    task: str
    params: dict[str, Any]
    arrays: Arrays


@dataclass(frozen=True)
class Cancel:
    request: int


@dataclass(frozen=True)
class Release:
    """The receiver of a block has copied what it needs; its maker may free it."""

    block: str


@dataclass(frozen=True)
class Close:
    """The client is done; the worker ends at once."""


@dataclass(frozen=True)
class Progress:
    """`step` of `total` in a stage; `eta` is the estimated seconds left in this stage or None."""

    request: int
    stage: str
    step: int
    total: int
    eta: float | None


@dataclass(frozen=True)
class Preview:
    request: int
    arrays: Arrays


@dataclass(frozen=True)
class Result:
    request: int
    values: dict[str, Any]
    arrays: Arrays


@dataclass(frozen=True)
class Failure:
    """`kind` is the error type's name in the worker, `message` a sentence for the user."""

    request: int
    kind: str
    message: str


@dataclass(frozen=True)
class CancelledEvent:
    request: int


Message = (
    Hello | Open | Request | Cancel | Release | Close | Progress | Preview | Result | Failure
) | CancelledEvent
Event = Progress | Preview | Result | Failure | CancelledEvent


def descriptors_of(message: Any) -> tuple[ArrayDescriptor, ...]:
    """The arrays of a message as it travels."""
    assert isinstance(message.arrays, tuple)
    return message.arrays


def encode(message: Message) -> bytes:
    """One line, its newline included. ProtocolError if it cannot be sent."""
    content: dict[str, Any] = {"type": _NAMES[type(message)]}
    for field in fields(message):
        value = getattr(message, field.name)
        if field.name == "arrays":
            value = [vars(descriptor) for descriptor in descriptors_of(message)]
        content[field.name] = value
    return format_line(content)


def decode(line: bytes, accepted: Sequence[type]) -> Any:
    """The message in `line`, which must be one of the types `accepted`."""
    content = parse_line(line)
    name = content.pop("type", None)
    row = _MESSAGES.get(name) if isinstance(name, str) else None
    if row is None or row[0] not in accepted:
        known = ", ".join(_NAMES[kind] for kind in accepted)
        raise ProtocolError(f"a message of type {quote(name)} arrived; only {known} may come here")
    kind, checks = row
    unknown = [key for key in content if key not in checks]
    if unknown:
        raise ProtocolError(f"a {name} message has the unknown field {quote(unknown[0])}")
    missing = [key for key in checks if key not in content]
    if missing:
        raise ProtocolError(f"a {name} message lacks the field '{missing[0]}'")
    return kind(**{key: checks[key](f"{name}.{key}", content[key]) for key in checks})


def versions_in(line: bytes) -> tuple[int, str]:
    """Protocol and hy3dgen version of a Hello of *any* version, or ProtocolError.

    Read before the strict check, so that a worker of another version is told apart from garbage.
    """
    content = parse_line(line)
    if content.get("type") != "hello":
        raise ProtocolError(f"the first message is of type {quote(content.get('type'))}, not hello")
    protocol = _integer("hello.protocol", content.get("protocol"))
    return protocol, _text(64)("hello.version", content.get("version"))


# --- one check per kind of field: (what, value) -> value ------------------------------------------

Check = Callable[[str, Any], Any]
_MAX_INTEGER = 2**53


def _integer(what: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_INTEGER:
        raise ProtocolError(f"{what} is {quote(value)}, not a whole number from 0 to 2**53")
    return value


def _seconds(what: str, value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise ProtocolError(f"{what} is {quote(value)}, not a number of seconds")
    return float(value)


def _text(limit: int) -> Check:
    def check(what: str, value: Any) -> str:
        if not isinstance(value, str) or len(value) > limit:
            raise ProtocolError(f"{what} is {quote(value)}, not a text of up to {limit} letters")
        return value

    return check


def _texts(count: int, limit: int) -> Check:
    def check(what: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > count:
            raise ProtocolError(f"{what} is {quote(value)}, not a list of up to {count} texts")
        return tuple(_text(limit)(what, item) for item in value)

    return check


def _dictionary(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolError(f"{what} is {quote(value)}, not an object")
    return value


def _block(what: str, value: Any) -> str:
    if not isinstance(value, str) or not BLOCK_NAME.fullmatch(value):
        raise ProtocolError(f"{what} is {quote(value)}, not a block's name")
    return value


def _shape(what: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > MAX_DIMENSIONS:
        raise ProtocolError(f"{what} is {quote(value)}, not up to {MAX_DIMENSIONS} lengths")
    return tuple(_integer(what, length) for length in value)


def _descriptors(what: str, value: Any) -> tuple[ArrayDescriptor, ...]:
    if not isinstance(value, list) or len(value) > MAX_ARRAYS:
        raise ProtocolError(f"{what} is not a list of up to {MAX_ARRAYS} arrays")
    found: dict[str, ArrayDescriptor] = {}
    for item in value:
        if not isinstance(item, dict) or set(item) != {f.name for f in fields(ArrayDescriptor)}:
            raise ProtocolError(f"{what} holds {quote(item)}, which does not describe an array")
        name, dtype = item["name"], item["dtype"]
        if not isinstance(name, str) or not _ARRAY_NAME.fullmatch(name) or name in found:
            raise ProtocolError(f"{what} holds an array with the wrong name {quote(name)}")
        if not isinstance(dtype, str) or dtype not in DTYPES:
            known = ", ".join(DTYPES)
            raise ProtocolError(f"{what}.{name} is of {quote(dtype)}; possible are {known}")
        found[name] = ArrayDescriptor(
            name,
            dtype,
            _shape(f"{what}.{name}.shape", item["shape"]),
            _integer(f"{what}.{name}.offset", item["offset"]),
            _block(f"{what}.{name}.block", item["block"]),
        )
    # An empty axis must not hide a length that numpy cannot even multiply.
    total = sum(
        math.prod(max(length, 1) for length in d.shape) * DTYPES[d.dtype].itemsize
        for d in found.values()
    )
    if total > MAX_ARRAY_BYTES:
        raise ProtocolError(f"{what} holds {total} bytes, the limit is {MAX_ARRAY_BYTES}")
    return tuple(found.values())


_MESSAGES: dict[str, tuple[type, dict[str, Check]]] = {
    "hello": (
        Hello,
        {
            "protocol": _integer,
            "version": _text(64),
            "tasks": _texts(64, 64),
            "device": _text(64),
            "python": _text(64),
            "memory_mb": _integer,
            "pid": _integer,
        },
    ),
    "open": (
        Open,
        {
            "protocol": _integer,
            "version": _text(64),
            "folders": _texts(2, 4096),
        },
    ),
    "request": (
        Request,
        {"request": _integer, "task": _text(64), "params": _dictionary, "arrays": _descriptors},
    ),
    "cancel": (Cancel, {"request": _integer}),
    "release": (Release, {"block": _block}),
    "close": (Close, {}),
    "progress": (
        Progress,
        {
            "request": _integer,
            "stage": _text(64),
            "step": _integer,
            "total": _integer,
            "eta": _seconds,
        },
    ),
    "preview": (Preview, {"request": _integer, "arrays": _descriptors}),
    "result": (Result, {"request": _integer, "values": _dictionary, "arrays": _descriptors}),
    "failure": (
        Failure,
        {"request": _integer, "kind": _text(128), "message": _text(MAX_MESSAGE_CHARACTERS)},
    ),
    "cancelled": (CancelledEvent, {"request": _integer}),
}
_NAMES = {kind: name for name, (kind, _) in _MESSAGES.items()}

FROM_WORKER = (Progress, Preview, Result, Failure, CancelledEvent)
FROM_CLIENT = (Request, Cancel, Release, Close)
