# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs in real Blender whose worker is killed, stopped, crashed or gagged at a random moment.

    PYTHON_WITH_BPY worker_kills.py --home FOLDER --memory FOLDER --zip ZIP --picture PNG
        --count N --seed S --lines FILE

Each trial becomes a line of JSON in FILE: what was done, how the job ended, what was wrong. N of
them strike; in the others the job was quicker than the fault. The process ends with code 0 whatever
it found; with another code Blender itself did not survive.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import trial_client as client
from worker_faults import FAULTS, Fault

GENERATE_SHARE = 0.25
LEFT_PATIENCE = 3.0  # seconds within which everything must be gone


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("home", "memory", "picture", "lines"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--zip", required=True)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    places = client.Places(options.home, options.memory)
    client.start(places, options.zip)
    struck = 0
    with options.lines.open("a") as lines:
        trials = Trials(places, options.picture, random.Random(options.seed))
        while struck < options.count:
            trial = trials.one()
            struck += trial["struck"]
            lines.write(json.dumps(trial) + "\n")
            lines.flush()
    client.close_workers()


class Trials:
    """Runs trials; what they are measured against was measured without any fault at the start."""

    def __init__(
        self,
        places: client.Places,
        picture: Path,
        chance: random.Random,
        kinds: Sequence[str] = ("reduce", "generate"),
    ) -> None:
        self._places, self._picture, self._chance = places, picture, chance
        self._typical: dict[str, float] = {}
        for kind in (kinds[0], *kinds):  # the first start of all is slower
            client.new_scene(7)
            began = time.monotonic()
            words = client.run_job(kind, picture)
            assert not words, words
            client.close_workers()
            self._typical[kind] = time.monotonic() - began
        self._children = client.children()
        self._descriptors = client.descriptors()

    def one(self, fault_name: str | None = None, kind: str | None = None) -> dict:
        """One trial, chosen by chance as far as it is not given; what happened."""
        chance = self._chance
        if kind is None:
            kind = "generate" if chance.random() < GENERATE_SHARE else "reduce"
        fault_name = fault_name or chance.choice(list(FAULTS))
        delay = chance.uniform(0, 0.9 * self._typical[kind])
        client.new_scene(chance.choice((5, 6, 7)))
        before = client.fingerprint()
        problems = []
        fault = Fault(fault_name, delay)
        fault.start()
        words = client.run_job(kind, self._picture)
        ended = time.monotonic()
        fault.end()
        if fault.at is None:  # the machine is quicker than when it was measured
            self._typical[kind] *= 0.8
        if words:
            problems += filter(None, [client.wrong_words(words)])
            if client.fingerprint() != before:
                problems.append("the scene is not as before")
        client.new_scene(3)
        after = client.run_job(kind, self._picture)
        if after:
            problems.append(f"the next job failed: {after}")
        client.close_workers()
        problems += self._left()
        return {
            "kind": kind,
            "fault": fault_name,
            "delay": round(delay, 3),
            "struck": fault.at is not None,
            "words": words,
            "seconds": round(ended - fault.at, 2) if fault.at else None,
            "problems": problems,
        }

    def _left(self) -> list[str]:
        deadline = time.monotonic() + LEFT_PATIENCE
        while (left := self._traces()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left

    def _traces(self) -> list[str]:
        more = {
            number: what
            for number, what in client.descriptors().items()
            if number not in self._descriptors
        }
        return [
            *(f"process {pid} is left" for pid in client.children() - self._children),
            *(f"{path} is left" for path in self._places.leftovers()),
            *(f"thread {name} is left" for name in client.own_threads()),
            *(f"descriptor {number} ({what}) is left" for number, what in more.items()),
        ]


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # the bpy module of Blender 4.2 may crash at its end, which is none of our affair
