# SPDX-License-Identifier: Apache-2.0
"""Workers and Blenders are killed at random moments; figures as JSON (Linux).

    python -m trials.kills --bpy PYTHON_WITH_BPY --zip EXTENSION_ZIP [--workers 1000]
        [--blenders 200] [--minutes M] [--json FILE] [--lines FILE]

What happens inside Blender is in `trials/blender`, run there as programs.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSIDE = Path(__file__).with_name("blender")
PICTURE = ROOT / "tests" / "blender" / "mug.png"
TOKEN = "HY3DGEN_TRIAL"  # in the environment of a Blender under trial and of all it starts
START_SECONDS = 180.0
GONE_SECONDS = 2.0  # a dead Blender's worker must have ended by then
SHARED = "hy3dgen-arrays-*"
TRIALS_PER_BLENDER = 100


@dataclass
class Place:
    """Where Blenders under trial put their files."""

    bpy: Path
    zip: Path
    home: Path
    memory: Path

    def command(self, program: str, *arguments: object) -> list[str]:
        return [
            *(str(self.bpy), str(INSIDE / program), "--home", str(self.home)),
            *("--memory", str(self.memory), "--zip", str(self.zip), "--picture", str(PICTURE)),
            *map(str, arguments),
        ]

    def shared_folders(self) -> set[Path]:
        return {path for root in (self.memory, self.home / "temp") for path in root.glob(SHARED)}


@contextlib.contextmanager
def place(bpy: Path, extension: Path) -> Iterator[Place]:
    """New folders, gone at the end; shared arrays in memory if the system has it."""
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    folders = [Path(tempfile.mkdtemp(prefix="kills-", dir=root)) for root in (None, memory)]
    try:
        yield Place(bpy.absolute(), extension.resolve(), *folders)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


# --- workers --------------------------------------------------------------------------------------


def kill_workers(where: Place, count: int, seed: int, until: float) -> list[dict]:
    """Trials, of which `count` strike; a Blender that dies in one is a problem of that trial."""
    found: list[dict] = []
    lines = where.home / "trials.jsonl"
    while (struck := sum(trial["struck"] for trial in found)) < count and time.monotonic() < until:
        lines.write_text("")
        next_ones = min(count - struck, TRIALS_PER_BLENDER)
        arguments = ("--count", next_ones, "--seed", seed + len(found))
        command = where.command("worker_kills.py", *arguments, "--lines", lines)
        with open(where.home / "words.txt", "wb") as words_file:  # no pipe: who is left may hold it
            done = subprocess.run(command, stdout=words_file, stderr=words_file)
        new = [json.loads(line) for line in lines.read_text().splitlines()]
        if done.returncode:
            said = (where.home / "words.txt").read_text(errors="replace").strip()
            words = (said.splitlines() or ["no words"])[-1]
            if not new:
                raise SystemExit(f"no trial could be run: {words}")
            died = f"Blender ended with code {done.returncode}: {words}"
            new.append({"struck": True, "words": "", "seconds": 0.0, "problems": [died]})
        found += new
    return found


# --- Blenders -------------------------------------------------------------------------------------


@dataclass
class Blender:
    """A Blender of `endless_jobs.py`."""

    process: subprocess.Popen
    ready: Path
    token: str
    folders: set[Path] = field(default_factory=set)  # for shared arrays

    @classmethod
    def start(cls, where: Place, token: str, *more: str) -> "Blender":
        ready = where.home / f"ready-{token}"
        before = where.shared_folders()
        process = subprocess.Popen(
            where.command("endless_jobs.py", "--ready", ready, *more),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {TOKEN: token},
        )
        blender = cls(process, ready, token)
        blender.wait_for_words(1)
        blender.folders = where.shared_folders() - before
        return blender

    def wait_for_words(self, count: int) -> list[str]:
        deadline = time.monotonic() + START_SECONDS
        while True:
            words = self.ready.read_text().splitlines() if self.ready.exists() else []
            if len(words) >= count:
                return words
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"a Blender under trial did no job: {self.process.poll()}")
            time.sleep(0.02)

    def workers(self) -> list[int]:
        """Processes that this Blender started, at any remove."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                variables = (folder / "environ").read_bytes().split(b"\0")
                if f"{TOKEN}={self.token}".encode() in variables:
                    state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                    if state != "Z" and int(folder.name) != self.process.pid:
                        found.append(int(folder.name))
        return found

    def stop_workers(self) -> int:
        """SIGSTOP to each; how many got it."""
        stopped = 0
        for worker in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGSTOP)
                stopped += 1
        return stopped

    def kill(self) -> float | None:
        """SIGKILL; the seconds until its last worker had ended, None if that took too long."""
        self.process.kill()
        self.process.wait()
        began = time.monotonic()
        while self.workers():
            if time.monotonic() - began > GONE_SECONDS:
                return None
            time.sleep(0.02)
        return time.monotonic() - began


def kill_blenders(where: Place, count: int, seed: int, until: float) -> list[dict]:
    """`count` Blenders die in the middle of a job while another one looks on."""
    if not count:
        return []
    chance = random.Random(seed)
    onlooker = Blender.start(where, "onlooker", "--look-on")
    assert onlooker.process.stdin
    found = []
    dead: set[Path] = set()  # folders of the Blender killed before
    try:
        for number in range(count):
            if time.monotonic() > until:
                break
            blender = Blender.start(where, f"victim-{number}")
            problems = [f"{path} was not swept at the next start" for path in dead if path.exists()]
            time.sleep(chance.uniform(0.0, 5.0))
            busy = len(blender.workers())
            stopped = blender.stop_workers() if number % 3 == 2 else 0
            seconds = blender.kill()
            if seconds is None:
                problems.append(f"processes {blender.workers()} live on")
            if any(not path.is_dir() for path in onlooker.folders):
                problems.append("files of another running Blender are gone")
            dead = where.shared_folders() - onlooker.folders
            trial = {"workers": busy, "stopped": stopped, "seconds": seconds, "left": len(dead)}
            found.append({**trial, "problems": problems})
            if number % 10 == 9 or number == count - 1:
                words = onlooker.wait_for_words(1)
                onlooker.process.stdin.write(b"job\n")
                onlooker.process.stdin.flush()
                last = onlooker.wait_for_words(len(words) + 1)[-1]
                if last != "done":
                    found[-1]["problems"].append(f"another Blender's job failed: {last}")
    finally:
        onlooker.process.stdin.close()
        onlooker.process.wait(30)
    return found


# --- figures --------------------------------------------------------------------------------------


def figures(workers: list[dict], blenders: list[dict]) -> dict:
    """What came out, in numbers, and every problem in words."""
    struck = [trial for trial in workers if trial["struck"]]
    late = [trial["seconds"] for trial in struck if trial["words"]]
    gone = [trial["seconds"] for trial in blenders if trial["seconds"] is not None]
    return {
        "workers": {
            "struck": len(struck),
            "by fault": Counter(trial.get("fault") for trial in struck),
            "by job": Counter(trial.get("kind") for trial in struck),
            "jobs that ended in a sentence": sum(bool(trial["words"]) for trial in struck),
            "jobs that were done all the same": sum(not trial["words"] for trial in struck),
            "most seconds from fault to sentence": max(late, default=None),
            "sentences": Counter(_shape(trial["words"]) for trial in struck if trial["words"]),
            "trials with problems": sum(bool(trial["problems"]) for trial in workers),
        },
        "blenders": {
            "killed": len(blenders),
            "with a worker": sum(trial["workers"] > 0 for trial in blenders),
            "with a stopped worker": sum(trial["stopped"] > 0 for trial in blenders),
            "most seconds a worker lived on": round(max(gone, default=0.0), 2),
            "left something to sweep": sum(trial["left"] > 0 for trial in blenders),
            "trials with problems": sum(bool(trial["problems"]) for trial in blenders),
        },
        "problems": [trial for trial in (*workers, *blenders) if trial["problems"]],
    }


def _shape(words: str) -> str:
    return words.partition("; its last words")[0][:120]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bpy", type=Path, required=True, help="a Python that has bpy")
    parser.add_argument("--zip", type=Path, required=True, help="the extension")
    parser.add_argument("--workers", type=int, default=1000, help="workers to strike")
    parser.add_argument("--blenders", type=int, default=200, help="Blenders to kill")
    parser.add_argument("--minutes", type=float, default=1e6, help="start nothing later than that")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--lines", type=Path, help="where each trial goes, as a line of JSON")
    options = parser.parse_args()
    if not sys.platform.startswith("linux"):
        raise SystemExit("signals and /proc are Linux's; this trial runs there only")
    until = time.monotonic() + 60 * options.minutes
    with place(options.bpy, options.zip) as where:
        blenders = kill_blenders(where, options.blenders, options.seed, until)
    with place(options.bpy, options.zip) as where:
        workers = kill_workers(where, options.workers, options.seed, until)
    if options.lines:
        options.lines.write_text("".join(f"{json.dumps(one)}\n" for one in (*blenders, *workers)))
    found = figures(workers, blenders)
    text = json.dumps(found, indent=1)
    if options.json:
        options.json.write_text(text + "\n")
    sys.stdout.write(text + "\n")
    sys.exit(bool(found["problems"]))


if __name__ == "__main__":
    main()
