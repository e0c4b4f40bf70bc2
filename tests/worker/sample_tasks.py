# SPDX-License-Identifier: Apache-2.0
"""A real worker with small tasks that behave well and badly; started by the tests beside it."""

import ctypes
import gc
import os
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[2])

import numpy as np  # noqa: E402

from hy3dgen.errors import InvalidMeshError  # noqa: E402
from hy3dgen.worker import server  # noqa: E402
from hy3dgen.worker.server import Server  # noqa: E402

TIDIED = []


def echo(params, arrays, context):
    return dict(params), arrays


def noisy(params, arrays, context):
    """Print to standard output in every way there is."""
    print("printed by Python")
    os.write(1, b'{"type":"result","request":1,"values":{},"arrays":[]}\n')
    libc = ctypes.CDLL(None)
    libc.printf(b"printed by C\n")
    libc.fflush(None)
    os.system("echo printed by a child")
    return {}, {}


def fail(params, arrays, context):
    if params["how"] == "ours":
        raise InvalidMeshError("the mesh has no faces; choose another")
    if params["how"] == "exit":
        sys.exit(3)
    if params["how"] == "die":
        print("I am dying")
        os._exit(7)
    if params["how"] == "crash":
        ctypes.string_at(0)
    raise KeyError("oops")


def steps(params, arrays, context):
    """`count` steps of `seconds` each."""
    for step in range(params["count"]):
        context.progress("steps", step, params["count"])
        time.sleep(params["seconds"])
    context.progress("steps", params["count"], params["count"])
    return {"done": True}, {}


class Knot:
    """Holds itself."""

    def __init__(self):
        self.me = self


def knots(params, arrays, context):
    """How many there are; makes one more, so old that the garbage collector seldom looks there."""
    found = sum(isinstance(one, Knot) for one in gc.get_objects())
    knot = Knot()
    gc.collect()
    del knot
    return {"found": found}, {}


def tidied(params, arrays, context):
    """Whether the worker has tidied up since the last task of this kind."""
    found, TIDIED[:] = list(TIDIED), []
    return {"times": len(found)}, {}


def previews(params, arrays, context):
    for step in range(params["count"]):
        context.preview({"step": np.full(4, step, np.int32)})
    return {}, {}


def stubborn(params, arrays, context):
    """Compute for many seconds without ever letting go of Python's lock."""
    return {"digits": (3 ** int(2e7)) % 10}, {}


def bad_values(params, arrays, context):
    return {"value": float("nan")}, {"block": np.zeros(1000, np.uint8)}


def large(params, arrays, context):
    return {}, {"zeros": np.zeros(params["bytes"], np.uint8)}


def chatter(params, arrays, context):
    for _ in range(params["lines"]):
        print("x" * 999)
    return {}, {}


if __name__ == "__main__":
    give_back = server.give_back_freed
    server.give_back_freed = lambda: TIDIED.append(give_back())
    tasks = (
        echo,
        noisy,
        fail,
        steps,
        knots,
        tidied,
        previews,
        stubborn,
        bad_values,
        large,
        chatter,
    )
    Server(
        {task.__name__: task for task in tasks}, {"generate": "there is no torch here"}, "cpu"
    ).serve()
