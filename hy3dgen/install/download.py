# SPDX-License-Identifier: Apache-2.0
"""Fetch a published model from the hub, check every byte of it, and only then give it its place.

huggingface_hub does the talking, in a process of its own under the worker's Python; here is what it
leaves open: progress for others, an end to waiting, sizes and checksums against the hub's own
listing, and a folder that appears whole or not at all. An interrupted download goes on where it
stopped.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from hy3dgen.errors import SetupError
from hy3dgen.install import disk
from hy3dgen.install.models import (
    RECORD,
    KnownModel,
    look_up,
    unfinished_folder,
)
from hy3dgen.install.pip_run import Report
from hy3dgen.install.places import models_folder
from hy3dgen.install.watched_child import SilenceError, run_child
from hy3dgen.worker.process import child_environment

_SCRIPT = Path(__file__).with_name("hub_script.py")
_PAPERS = ("LICENSE*", "License*", "NOTICE*", "Notice*")  # travel with the weights, as they must
_CHUNK = 1 << 22
_SPARE = 200_000_000  # bytes that stay free beside the model


@dataclass(frozen=True)
class Patience:
    """Seconds. `answer`: one silent request; `stall`: a download without a new byte after that."""

    answer: float = 20.0
    stall: float = 120.0


@dataclass(frozen=True)
class _File:
    name: str  # in the repository
    size: int
    sha256: str | None  # of large files
    git: str | None  # of small ones: git's own hash

    def check(self, path: Path, report: Callable[[int, int], object]) -> str | None:
        """None if `path` holds these bytes, else half a sentence on what is wrong."""
        found = path.stat().st_size
        if found != self.size:
            return f"has {found:,} bytes instead of {self.size:,}"
        if self.sha256:
            digest, wanted = hashlib.sha256(), self.sha256
        elif self.git:
            digest, wanted = hashlib.sha1(b"blob %d\0" % self.size), self.git
        else:
            return "comes without a checksum"
        done = 0
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                done += len(chunk)
                report(done, self.size)
        return None if digest.hexdigest() == wanted else "arrived with wrong bytes"


def download_model(
    model: KnownModel,
    python: Path,
    report: Report,
    *,
    models: Path | None = None,
    patience: Patience = Patience(),
) -> Path:
    """The folder of `model`, fetched if it is not on this machine yet.

    Whether its licence was accepted is the caller's affair.

    Parameters
    ----------
    python : one that has huggingface_hub
    report : called often with (stage, step, total); what it raises stops the download, and the
        next call goes on from there
    models : where it goes, below as `owner/name/subfolder`; None: `models_folder()`

    Raises
    ------
    SetupError
        Why it could not be fetched and what to do. What arrived so far is kept for the next try,
        unless its bytes are wrong.
    """
    models = models_folder() if models is None else models
    target = models / model.repository / model.subfolder
    found = look_up(model, models)
    if found.folder is not None:
        return found.folder
    staging = unfinished_folder(model, models)
    lock = staging.with_name(f"{staging.name}.lock")
    hub = _Hub(python, patience)
    try:
        with disk.only_one(lock, lambda: report("wait for another Blender that fetches it", 0, 1)):
            if not model.is_in(target):  # the other one may have done it
                _fetch(model, hub, staging, target, report)
            lock.unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(
            f"the disk of {models} is full; free some space and start again, it goes on where it "
            "stopped"
            if disk.is_full(error)
            else f"{error.filename or target} could not be written ({error.strerror or error}); "
            "choose another models folder"
        ) from error
    return target


def _fetch(model: KnownModel, hub: "_Hub", staging: Path, target: Path, report: Report) -> None:
    report("ask the hub", 0, 1)
    listing = hub.ask(["list", model.repository], lambda: report("ask the hub", 0, 1))
    files = _choose(model, listing)
    total = sum(file.size for file in files)
    disk.make_folder(staging)
    missing = total - disk.size_of(staging)
    disk.check_space(staging, missing + _SPARE, f"the model {model.name}")

    for file in files:
        path = staging / file.name
        if not path.is_file():
            _fetch_file(hub, model, listing["revision"], file, staging, report)
    for file in files:
        stage = f"check {Path(file.name).name}"
        wrong = file.check(staging / file.name, lambda done, of, s=stage: report(s, done, of))
        if wrong:
            (staging / file.name).unlink()
            raise SetupError(
                f"{Path(file.name).name} of {model.name} {wrong} and was removed; start again, "
                "and if it happens again ask who runs your network"
            )
    _put_in_place(model, files, listing["revision"], staging, target)


def _choose(model: KnownModel, listing: dict) -> list[_File]:
    """What to fetch of the repository: the papers, and of each needed file the best kind."""
    known = {name: _File(name, **facts) for name, facts in listing["files"].items()}
    wanted = [[f"{model.subfolder}/{name}" for name in names] for names in model.files]
    needed = [next((name for name in names if name in known), None) for names in wanted]
    if None in needed:
        raise SetupError(
            f"the hub's repository {model.repository} has no {model.subfolder} any more; get a "
            "newer version of this extension, or use a local folder"
        )
    papers = [name for name in known if any(fnmatch(name, pattern) for pattern in _PAPERS)]
    chosen = [known[name] for name in (*sorted(papers), *needed)]
    if any(not isinstance(file.size, int) or file.size < 0 for file in chosen):
        raise SetupError(f"the hub does not say how large {model.name} is; try again later")
    return chosen


def _fetch_file(
    hub: "_Hub", model: KnownModel, revision: str, file: _File, staging: Path, report: Report
) -> None:
    stage = f"download {Path(file.name).name}"
    parts = staging / ".cache"
    clock = _Stall(hub.patience)

    def tick() -> None:
        arrived = min(disk.size_of(parts), file.size)
        report(stage, arrived, file.size)
        clock.see(arrived)

    size = str(file.size)
    hub.ask(["fetch", model.repository, revision, file.name, str(staging), size], tick)
    if not (staging / file.name).is_file():
        raise SetupError(f"{file.name} did not arrive; start again")


class _Stall:
    """Raises SilenceError when the number it sees has not changed for too long.

    The first change may take longer: a Python starts and a request is answered before it.
    """

    def __init__(self, patience: Patience) -> None:
        self._stall = patience.stall
        self._allowed = patience.answer + patience.stall
        self._last: int | None = None
        self._since = time.monotonic()

    def see(self, number: int) -> None:
        if number != self._last:
            if self._last is not None:
                self._allowed = self._stall
            self._last, self._since = number, time.monotonic()
        elif time.monotonic() - self._since > self._allowed:
            raise SilenceError("no more bytes arrive")


def _put_in_place(
    model: KnownModel, files: list[_File], revision: str, staging: Path, target: Path
) -> None:
    record = {
        "repository": model.repository,
        "revision": revision,
        "sha256": {f.name.removeprefix(f"{model.subfolder}/"): f.sha256 for f in files if f.sha256},
    }
    disk.write_json(staging / model.subfolder / RECORD, record)
    for file in files:
        if "/" not in file.name:  # the papers belong to the whole repository
            os.replace(staging / file.name, target.parent / file.name)
    if not target.exists():
        os.replace(staging / model.subfolder, target)
    else:  # somebody's incomplete copy; the config last, without it a folder is no model
        inside = staging / model.subfolder
        arrived = sorted(
            (path for path in inside.rglob("*") if path.is_file()),
            key=lambda path: path.name == Path(model.files[0][0]).name,
        )
        for path in arrived:
            place = target / path.relative_to(inside)
            place.parent.mkdir(exist_ok=True)
            os.replace(path, place)
    disk.remove_tree(staging)


class _Hub:
    """Asks the hub through a process that has huggingface_hub."""

    def __init__(self, python: Path, patience: Patience) -> None:
        self._python = python
        self.patience = patience

    @property
    def host(self) -> str:
        return os.environ.get("HF_ENDPOINT") or "huggingface.co"

    def ask(self, arguments: list[str], tick: Callable[[], object]) -> dict:
        environment = child_environment() | {
            "HF_HUB_DISABLE_XET": "1",  # plain HTTPS: resumed by bytes, and every proxy lets it by
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": f"{max(1, round(self.patience.answer))}",
            "HF_HUB_ETAG_TIMEOUT": f"{max(1, round(self.patience.answer))}",
            "HF_HUB_OFFLINE": "0",
        }
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            del lines[:-50]

        command = [self._python, "-I", _SCRIPT, *arguments]
        try:
            # Its own silence means nothing: a long download prints nothing.
            run_child(command, environment, take, tick, lambda: float("inf"))
        except SilenceError as error:
            raise SetupError(self._unreachable()) from error
        answer = None
        for line in reversed(lines):
            if line.startswith("{"):
                answer = json.loads(line)
                break
        if answer is None:
            said = (lines or ["nothing"])[-1][:200]
            raise SetupError(
                f"the download ended early ({said}); start again, it goes on where it stopped"
            )
        if "error" in answer:
            raise SetupError(self._explain(answer))
        return answer

    def _explain(self, answer: dict) -> str:
        name, status, text = answer["error"], answer["status"], answer["text"]
        if name == "ModuleNotFoundError":
            return (
                f"the Python {self._python} lacks huggingface_hub; install it with its pip, or "
                "make an environment in the preferences"
            )
        if status in (401, 403) or name == "GatedRepoError":
            return (
                f"{self.host} refuses this model without an account that may have it; log in "
                "with `hf auth login` in a terminal, or use a local folder"
            )
        if status == 404 or name in ("RepositoryNotFoundError", "EntryNotFoundError"):
            return (
                f"{self.host} does not have this model any more; get a newer version of this "
                "extension, or use a local folder"
            )
        if status is not None and status >= 500:
            return f"{self.host} has trouble of its own (status {status}); try again later"
        if answer["number"] in (28, 122) or "No space left" in text:
            return (
                "the disk became full; free some space and start again, it goes on where it stopped"
            )
        if "Consistency check failed" in text or name in (
            *("ConnectError", "ConnectTimeout", "ReadTimeout", "RemoteProtocolError"),
            *("ReadError", "ConnectionError", "LocalEntryNotFoundError", "TimeoutException"),
        ):
            return self._unreachable()
        return f"the hub's answer could not be used ({name}: {text[:200]}); try again later"

    def _unreachable(self) -> str:
        return (
            f"{self.host} could not be reached or stopped sending; check the connection or "
            "firewall and start again, it goes on where it stopped"
        )
