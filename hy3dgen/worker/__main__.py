# SPDX-License-Identifier: Apache-2.0
"""`python -m hy3dgen.worker`: serve one client over standard input and output."""

import sys
from typing import NoReturn

from hy3dgen.worker import tasks
from hy3dgen.worker.server import Server


def main() -> NoReturn:
    if sys.stdin.isatty():
        sys.exit("a worker is started by a program; use hy3dgen.worker.client.WorkerClient")
    Server(*tasks.available()).serve()


if __name__ == "__main__":
    main()
