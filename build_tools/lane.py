# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that run one after the other, beside what this process does meanwhile."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .console import say


@dataclass(frozen=True)
class Run:
    """A command, what is said before it, its folder and the whole of its environment."""

    title: str
    command: Sequence[str]
    folder: Path
    env: Mapping[str, str]

    def passed(self, output: BinaryIO | None = None) -> bool:
        """Whether it ended well; what it says goes to `output`, an unbuffered file, if given."""

        def tell(text: str) -> None:
            if output is None:
                say(text)
            else:
                output.write(f"{text}\n".encode())

        tell(self.title)
        done = subprocess.run(
            self.command,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
        )
        if done.returncode < 0:  # a program that crashes may not have said so
            tell(f"the run above ended with signal {-done.returncode}, which counts as failed")
        return done.returncode == 0


class Lane:
    """Runs that go on in the background; their output waits in a file until `show` is called.

    ::

        with Lane(runs) as lane:
            ...                       # prints what it likes
            passed = lane.show()      # all that the lane has said, then the rest as it comes

    Left early, it starts no further run and waits for the one in progress, which a stop from the
    keyboard has reached as well.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._passed: list[bool] = []
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lane")

    def __enter__(self) -> "Lane":
        self._folder = tempfile.TemporaryDirectory(prefix="hy3d-lane-")
        self._path = Path(self._folder.name) / "output.txt"
        self._path.touch()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()
        self._folder.cleanup()

    def show(self) -> bool:
        """Print what the lane said and says, to its end; whether every run ended well."""
        with open(self._path, "rb") as said:
            running = True
            while running:
                self._thread.join(timeout=0.5)
                running = self._thread.is_alive()
                sys.stdout.write(said.read().decode(errors="replace"))
                sys.stdout.flush()
        return len(self._passed) == len(self._runs) and all(self._passed)

    def _work(self) -> None:
        with open(self._path, "wb", buffering=0) as output:
            for run in self._runs:
                if self._left.is_set():
                    break
                self._passed.append(run.passed(output))
