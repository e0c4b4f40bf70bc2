# SPDX-License-Identifier: Apache-2.0
"""Run pip in an environment: progress from what it prints, its failures as sentences.

Wheels only: nothing that a package brings is executed while it is installed. Knows nothing of what
is installed or why.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hy3dgen.errors import SetupError
from hy3dgen.install.watched_child import WATCH_PARENT, SilenceError, run_child
from hy3dgen.worker.process import child_environment

Report = Callable[[str, int, int], object]  # (stage, step, total); raises Cancelled

_RUN_PIP = f"""{WATCH_PARENT}
import runpy
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
# They would put the packages elsewhere.
_DIVERSIONS = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV")
_NETWORK_SILENCE = 180.0  # seconds; pip's own patience with a silent server is shorter
_UNPACK_SILENCE = 3600.0  # unpacking torch with CUDA to a slow disk says nothing for long


@dataclass(frozen=True)
class Index:
    """Where pip finds packages. `place` None: where pip is set up to look on this machine."""

    place: str | None = None  # an address, or a folder of wheels

    @property
    def is_folder(self) -> bool:
        return self.place is not None and not urlsplit(self.place).scheme[1:]  # "C:" is a drive

    @property
    def needs_network(self) -> bool:
        """Whether asking it leaves this machine."""
        if self.is_folder:
            return False
        address = urlsplit(self.place or "https://pypi.org")
        return address.scheme != "file" and address.hostname not in (
            *("localhost", "127.0.0.1", "::1"),
        )

    @property
    def host(self) -> str:
        if self.is_folder:
            return str(self.place)
        return urlsplit(self.place or "").hostname or "the package index"

    def arguments(self) -> list[str]:
        if self.place is None:
            return []
        if self.is_folder:
            folder = Path(self.place).expanduser()
            if not folder.is_dir():
                raise SetupError(f"there is no folder of packages at {folder}; choose another one")
            return ["--no-index", "--find-links", str(folder)]
        return ["--index-url", self.place]


def pip_install(
    python: Path,
    requirements: Sequence[str],
    index: Index,
    report: Report,
    *,
    work: Path,
    subject: str,
    options: Sequence[str] = (),
    timeout: float = 15.0,
) -> None:
    """Install `requirements` into the environment of `python`.

    Parameters
    ----------
    work : folder for pip's cache and temporary files; what was downloaded stays there for the next
        try
    subject : what is being installed, for stages and sentences
    timeout : seconds that pip waits for a silent server, three times over

    Raises
    ------
    SetupError
        Why it did not work and what to do. What was installed before stays.
    Cancelled
        From `report`.
    """
    output = _Output(report, subject)
    temporary = work / "temp"
    temporary.mkdir(parents=True, exist_ok=True)
    environment = child_environment()
    for name in _DIVERSIONS:
        environment.pop(name, None)
    # Same disk as the environment: the one whose space was checked.
    environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    isolated = ["--isolated"] if index.is_folder else []  # else other indexes might be asked
    command = [
        *(str(python), "-I", "-X", "utf8", "-u", "-c", _RUN_PIP, *isolated, "install"),
        *("--only-binary", ":all:", "--no-input", "--disable-pip-version-check"),
        *("--no-warn-script-location", "--cache-dir", str(work / "pip-cache")),
        *("--timeout", f"{timeout:g}", "--retries", "2"),
        *(["--progress-bar", "raw"] if _has_raw_progress(python) else []),
        *index.arguments(),
        *options,
        *requirements,
    ]
    try:
        code = run_child(command, environment, output.take, output.tick, output.silence, work)
    except SilenceError as error:
        raise SetupError(_no_answer(index, subject)) from error
    if code:
        raise SetupError(output.explain(index))


def _has_raw_progress(python: Path) -> bool:
    """Whether that environment's pip is new enough (24.1) to print bytes line by line."""
    for folder in (*python.parent.parent.glob("lib/python*"), python.parent.parent / "Lib"):
        for found in (folder / "site-packages").glob("pip-*.dist-info"):
            version = re.match(r"pip-(\d+)\.(\d+)", found.name)
            if version and (int(version[1]), int(version[2])) >= (24, 1):
                return True
    return False


class _Output:
    """Reads what pip prints."""

    def __init__(self, report: Report, subject: str) -> None:
        self._report = report
        self._subject = subject
        self._stage = (f"look up {subject}", 0, 1)
        self._tail: deque[str] = deque(maxlen=60)
        self._unpacking = False

    def take(self, line: str) -> None:
        words = line.strip()
        if progress := re.fullmatch(r"Progress (\d+) of (\d+)", words):
            done, total = int(progress[1]), int(progress[2])
            self._stage = (self._stage[0], done, max(total, done))
            return
        if words:
            self._tail.append(words)
        if collecting := re.match(r"Collecting ([\w.-]+)", words):
            self._stage = (f"look up {collecting[1]}", 0, 1)
        elif found := re.match(r"(?:Downloading|Using cached|Processing) (\S+)", words):
            name = found[1].rpartition("/")[2].partition("-")[0]
            verb = "download" if words.startswith("Downloading") else "unpack"
            if not words.partition(" (")[0].endswith(".metadata"):
                self._stage = (f"{verb} {name}", 0, 1)
        elif installing := re.match(r"Installing collected packages: (.*)", words):
            self._unpacking = True
            count = installing[1].count(",") + 1
            what = "package" if count == 1 else "packages"
            self._stage = (f"install {self._subject}, {count} {what}", 0, 1)

    def tick(self) -> None:
        self._report(*self._stage)

    def silence(self) -> float:
        return _UNPACK_SILENCE if self._unpacking else _NETWORK_SILENCE

    def explain(self, index: Index) -> str:
        """One sentence on why pip failed."""
        text = "\n".join(self._tail)
        subject = self._subject
        if re.search(r"No space left|ENOSPC|not enough space|Disk quota", text):
            return (
                f"the disk became full while installing {subject}; free some space and start "
                "again, it goes on where it stopped"
            )
        if "HASHES" in text or ("hash" in text.lower() and "mismatch" in text.lower()):
            return (
                f"a package of {subject} arrived damaged and was not installed; start again, and "
                "if it happens again ask who runs your network"
            )
        if refused := re.search(r"HTTP error (4\d\d)|\b(401|403) Client Error", text):
            return (
                f"{index.host} refused the request with status {refused[1] or refused[2]}; check "
                "the address of the package index"
            )
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return (
                f"the connection to {index.host} is not safe (its certificate is not trusted); "
                "check this computer's date, or ask who runs your network"
            )
        if re.search(r"Retrying \(|ConnectTimeout|Connection(Error|Pool)|timed out|Broken", text):
            return _no_answer(index, subject)
        if missing := re.search(r"No matching distribution found for (\S+)", text):
            return (
                f"{index.host} has no {missing[1]} for this Python and system; choose another "
                "Python to make the environment from, or another package index"
            )
        if re.search(r"Permission denied|Access is denied|Read-only file system", text):
            return (
                f"{subject} could not be written ({self._last_error()}); close what uses the "
                "environment, or choose a folder that can be written to"
            )
        return f"{subject} could not be installed ({self._last_error()}); the log has the rest"

    def _last_error(self) -> str:
        errors = [line for line in self._tail if line.startswith(("ERROR", "error"))]
        last = (errors or list(self._tail) or ["pip said nothing"])[-1]
        return last.removeprefix("ERROR:").strip()[:200]


def _no_answer(index: Index, subject: str) -> str:
    return (
        f"{index.host} could not be reached while fetching {subject}; check the connection or "
        "firewall and start again, it goes on where it stopped"
    )
