# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender that is about to be killed: job after job without an end. Or one that looks on.

    PYTHON_WITH_BPY endless_jobs.py --home FOLDER --memory FOLDER --zip ZIP --picture PNG
        --ready FILE [--look-on]

FILE appears once the first job is done. With --look-on there is one job for each line of standard
input, and its words ("done" if all went well) are appended to FILE.
"""

import argparse
import itertools
import os
import sys
from pathlib import Path

import trial_client as client


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("home", "memory", "picture", "ready"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--zip", required=True)
    parser.add_argument("--look-on", action="store_true")
    options = parser.parse_args()
    client.start(client.Places(options.home, options.memory), options.zip)

    def job(number: int) -> None:
        client.new_scene(5 + number % 3)
        kind = "generate" if number % 4 == 1 and not options.look_on else "reduce"
        words = client.run_job(kind, options.picture)
        if options.look_on or number == 0:
            with options.ready.open("a") as file:
                file.write(f"{words or 'done'}\n")

    job(0)
    if options.look_on:
        for _ in sys.stdin:
            job(0)
        client.close_workers()
    else:
        for number in itertools.count(1):
            job(number)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
