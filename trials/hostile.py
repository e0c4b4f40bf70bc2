# SPDX-License-Identifier: Apache-2.0
"""Damaged files, lines and arrays by the thousand: no crash, no hang, each refusal a sentence.

::

    python -m trials.hostile --count 100000 --json hostile.json
    python -m trials.hostile --target yaml --only 1234        # one finding again, with traceback

Each kind of input is tried in a child process of its own, so that a crash costs one input and is
counted. Nothing is mocked: the readers are those that the product uses.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from hy3dgen.errors import Hy3DError
from trials.hostile_targets import TARGETS
from trials.mutate import mutated

SECONDS = 5  # for one input
MEMORY = 1 << 30  # what one kind of inputs may add to the process, all of them together
FINDINGS_TOLD = 20


class TooSlowError(BaseException):
    """An input took longer than it may; no reader's `except Exception` swallows it."""


READ, REFUSED = "read", "refused"


def try_one(name: str, number: int, seed: int, folder: Path, samples: list[bytes]) -> str:
    """READ, REFUSED, or what went wrong with the input `number` of a kind."""
    source = random.Random(f"{seed} {name} {number}")
    data = mutated(source.choice(samples), source)
    try:
        signal.alarm(SECONDS)
        try:
            TARGETS[name].read(data, folder)
        finally:
            signal.alarm(0)
    except Hy3DError as error:
        return REFUSED if _is_sentence(str(error)) else f"no sentence: {str(error)!r}"
    except TooSlowError:
        return f"longer than {SECONDS} s"
    except MemoryError:
        return "out of memory"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return READ


def _is_sentence(text: str) -> bool:
    return 10 <= len(text) < 4000 and "\n" not in text.strip()


def _too_slow(*_: object) -> None:
    raise TooSlowError


def child(name: str, first: int, count: int, seed: int) -> None:
    """Try the inputs first..first+count; a line of JSON for each finding, and one at the end."""
    signal.signal(signal.SIGALRM, _too_slow)
    samples = TARGETS[name].samples()
    with tempfile.TemporaryDirectory(prefix="hy3d-trial-") as folder:
        with contextlib.suppress(Hy3DError):  # imports what is imported late, in its own time
            TARGETS[name].read(samples[0], Path(folder))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(first, first + count):
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            sys.stdout.write(
                json.dumps([number, try_one(name, number, seed, Path(folder), samples)]) + "\n"
            )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(json.dumps({"grown": grown * 1024}) + "\n")


def trial(name: str, count: int, seed: int, child_command: Sequence[str] = ()) -> dict:
    """`count` inputs of one kind: findings, crashes, seconds, bytes that the process grew by."""
    start = child_command or (sys.executable, "-m", "trials.hostile", "--child", name)
    started = time.monotonic()
    findings: list[list] = []
    crashes, grown, first, read = 0, 0, 0, 0
    while first < count:
        command = [*start, str(first), str(count - first), str(seed)]
        # Ours, so that what a child leaves which crashes is gone too.
        with tempfile.TemporaryDirectory(prefix="hy3d-trial-") as folder:
            env = {**os.environ, "TMPDIR": folder}
            process = subprocess.run(command, capture_output=True, text=True, env=env)
        last = first
        for line in process.stdout.splitlines():
            told = json.loads(line)
            if isinstance(told, int):
                last = told
            elif isinstance(told, dict):
                grown = max(grown, told["grown"])
            elif told[1] == READ:
                read += 1
            elif told[1] != REFUSED:
                findings.append(told)
        if process.returncode == 0:
            break
        crashes += 1
        words = process.stderr.strip().splitlines()
        findings.append([last, f"ended with {process.returncode}: {words[-1:]}"])
        first = last + 1
    if not read:
        findings.append([0, "nothing was read at all, so hardly anything was tried"])
    return {
        "inputs": count,
        "read": read,
        "findings": len(findings),
        "crashes": crashes,
        "grown_mb": round(grown / 1e6, 1),
        "too_much_memory": grown > MEMORY,
        "seconds": round(time.monotonic() - started, 1),
        "told": findings[:FINDINGS_TOLD],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Damaged inputs of every kind.")
    parser.add_argument("--count", type=int, default=100_000, help="inputs in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=TARGETS, action="append", help="only these kinds")
    parser.add_argument("--only", type=int, help="this number alone, with its traceback")
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], *map(int, options.child[1:]))
        return
    names = options.target or list(TARGETS)
    if options.only is not None:
        show(names[0], options.only, options.seed)
        return
    each = -(-options.count // len(names))
    report = {"seed": options.seed, "kinds": {}}
    columns = ("inputs", "read", "findings", "crashes", "MB more", "s")
    print(f"{'kind':18} " + " ".join(f"{column:>8}" for column in columns))
    for name in names:
        result = report["kinds"][name] = trial(name, each, options.seed)
        print(
            f"{name:18} {result['inputs']:8} {result['read']:8} {result['findings']:8} "
            f"{result['crashes']:8} {result['grown_mb']:8} {result['seconds']:8}"
        )
        for number, finding in result["told"][:5]:
            print(f"    {number}: {finding[:150]}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    bad = [n for n, r in report["kinds"].items() if r["findings"] or r["too_much_memory"]]
    raise SystemExit(f"findings in {', '.join(bad)}" if bad else 0)


def show(name: str, number: int, seed: int) -> None:
    """One input again, where it failed and how."""
    source = random.Random(f"{seed} {name} {number}")
    data = mutated(source.choice(TARGETS[name].samples()), source)
    print(data[:300])
    with tempfile.TemporaryDirectory(prefix="hy3d-trial-") as folder:
        try:
            print(TARGETS[name].read(data, Path(folder)))
        except Exception:
            traceback.print_exc()


if __name__ == "__main__":
    main()
