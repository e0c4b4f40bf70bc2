# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what is going on: one line per step, and a ticking clock while a long command runs."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def say(text: str) -> None:
    print(text, flush=True)


def run_step(
    title: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None
) -> None:
    """Run a command whose output only matters when it fails; show the seconds meanwhile."""
    started = time.monotonic()
    ticking = sys.stdout.isatty()
    if not ticking:
        say(f"{title} ...")
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else {**os.environ, **env},
        )
        try:
            while True:
                try:
                    status = process.wait(timeout=1.0)
                    break
                except subprocess.TimeoutExpired:
                    if ticking:
                        print(
                            f"\r{title} ... {time.monotonic() - started:.0f} s", end="", flush=True
                        )
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.monotonic() - started
        end = "done" if status == 0 else "FAILED"
        if ticking:
            print(f"\r{title} ... {end} in {seconds:.0f} s")
        else:
            say(f"{title}: {end} in {seconds:.0f} s")
        if status != 0:
            output.seek(0)
            lines = output.read().decode(errors="replace").splitlines()
            raise StepFailedError(title, "\n".join(lines[-40:]))


class StepFailedError(SystemExit):
    """A command of a step failed; carries the end of what it printed."""

    def __init__(self, title: str, output: str) -> None:
        super().__init__(f"{title} failed:\n{output}")
        self.output = output
