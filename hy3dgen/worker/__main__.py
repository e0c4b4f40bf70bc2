# SPDX-License-Identifier: Apache-2.0
"""`python -m hy3dgen.worker`: serve one client over standard input and output."""

import os
import sys
from typing import NoReturn

from hy3dgen.worker.process import die_at_once_with_parent

# How OpenMP's threads wait for each other: GNU's library and Intel's. By default they spin, and
# when another program uses the same cores (Blender, for one) all of torch then slows down tenfold:
# measured on 2 busy cores, picture to mesh 41 s spinning and 2.8 s sleeping.
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
# Numpy's products are small here and run on several threads already; OpenBLAS' own would only wait
# for each other.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


def prepare() -> None:
    """What comes before numpy and torch, because they read it when they are imported."""
    for name, value in {**_WAITING, **_ONE_THREAD}.items():
        os.environ.setdefault(name, value)
    die_at_once_with_parent()  # what is imported next can take seconds; the server cleans up later


def main() -> NoReturn:
    if sys.stdin.isatty():
        sys.exit("a worker is started by a program; use hy3dgen.worker.client.WorkerClient")
    prepare()
    from hy3dgen.worker import tasks
    from hy3dgen.worker.server import Server

    Server(*tasks.available()).serve()


if __name__ == "__main__":
    main()
