# SPDX-License-Identifier: Apache-2.0
"""What a Python can do for us, asked in a process of its own with a time limit."""

import contextlib
import json
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hy3dgen
from hy3dgen.errors import SetupError
from hy3dgen.install.watched_child import WATCH_PARENT, SilenceError, run_child
from hy3dgen.worker.process import child_environment

# What any model but the bundled one needs: module -> name on the package index.
NEEDS = {
    "torch": "torch",
    "safetensors": "safetensors",
    "yaml": "pyyaml",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
}
HUB = ("huggingface_hub", "huggingface_hub")  # needed to download models only
OLDEST = (3, 10)
TIMEOUT = 90.0  # seconds; a first import of torch from a slow disk takes long

_MARK = "hunyuan3d-python-check:"
_SCRIPT = (
    WATCH_PARENT
    + """
import importlib.util, json, platform
found = {}
def has(name):
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
report = {"version": list(sys.version_info[:3]), "bits": sys.maxsize.bit_length() + 1,
          "missing": [name for name in sys.argv[1:] if not has(name)]}
try:
    from importlib.metadata import version
    report["hy3dgen"] = version("hy3dgen-independent")
except Exception:
    report["hy3dgen"] = None
if "torch" not in report["missing"]:
    try:
        import torch
        report["torch"] = torch.__version__
        if torch.cuda.is_available():
            report["device"] = torch.cuda.get_device_name(0)
            report["memory"] = torch.cuda.get_device_properties(0).total_memory
        elif torch.backends.mps.is_available():
            report["device"] = "Apple GPU"
        else:
            report["device"] = platform.machine() + " processor"
    except BaseException as error:
        report["torch_error"] = " ".join((type(error).__name__ + ": " + str(error)).split())[:300]
print("\\n" + MARK + json.dumps(report))
"""
).replace("MARK", repr(_MARK))


@dataclass(frozen=True)
class PythonReport:
    """`lacks` is empty if this Python runs every model, else half a sentence on what to do."""

    python: str
    version: str
    torch: str | None
    device: str | None
    memory: int  # bytes of the graphics card; 0 without one
    hy3dgen: str | None  # the version installed in it, if any; the extension brings its own
    can_download: bool
    lacks: str

    @property
    def sentence(self) -> str:
        if self.lacks:
            return f"Python {self.version} at {self.python} {self.lacks}"
        memory = f" with {self.memory / 1e9:.0f} GB" if self.memory else ""
        text = f"Python {self.version} with PyTorch {self.torch} on {self.device}{memory}"
        if not self.can_download:
            text = f"{text}; it lacks huggingface_hub, so it cannot download models"
        if self.hy3dgen and self.hy3dgen != hy3dgen.__version__:
            text = (
                f"{text}; its own hy3dgen {self.hy3dgen} is left alone, workers use "
                f"{hy3dgen.__version__} of the extension"
            )
        return text


def find_python(path: str | os.PathLike[str]) -> Path:
    """The interpreter that `path` means: a program, or a virtual environment's folder.

    Raises
    ------
    SetupError
        There is nothing, or a folder without a Python.
    """
    python = Path(os.path.expanduser(path))
    if os.path.isdir(python):
        inside = [python / "bin" / "python", python / "Scripts" / "python.exe"]
        found = [candidate for candidate in inside if candidate.is_file()]
        if not found:
            raise SetupError(
                f"the folder {python} has no Python in it; choose a Python program, or the "
                "folder of a virtual environment"
            )
        return found[0]
    if not os.path.isfile(python):
        what = "is a link to nothing" if os.path.islink(python) else "does not exist"
        raise SetupError(f"the Python {python} {what}; choose another one")
    return python


def check_python(
    path: str | os.PathLike[str],
    tick: Callable[[], object] = lambda: None,
    timeout: float = TIMEOUT,
) -> PythonReport:
    """Start the Python at `path` and ask it; see `PythonReport.lacks` for the answer.

    `tick` is called some times a second; what it raises ends the check.

    Raises
    ------
    SetupError
        It is no Python, does not start, or does not answer within `timeout` seconds.
    """
    python = find_python(path)
    lines: deque[str] = deque(maxlen=200)
    deadline = time.monotonic() + timeout

    def check() -> None:
        tick()
        if time.monotonic() > deadline:
            raise SilenceError("it took too long")

    names = [*NEEDS, HUB[0]]
    # `-E` as for workers: its own packages, not those of a PYTHONPATH.
    command = [str(python), "-E", "-c", _SCRIPT, *names]
    try:
        code = run_child(command, child_environment(), lines.append, check, lambda: timeout)
    except SilenceError as error:
        raise SetupError(
            f"{python} did not answer within {timeout:.0f} s; is it a Python?"
        ) from error
    answers = [line for line in lines if line.startswith(_MARK)]
    report: dict = {}
    if answers:
        with contextlib.suppress(ValueError):
            report = json.loads(answers[-1].removeprefix(_MARK))
    if not report:
        printed = " ".join("".join(c if c.isprintable() else "?" for c in " ".join(lines)).split())
        said = f"it printed '{printed[-120:]}'" if printed else "it printed nothing"
        raise SetupError(
            f"{python} is not a Python that works: {said} and ended with code {code}; choose "
            "another one"
        )
    return _read(python, report)


def _read(python: Path, report: dict) -> PythonReport:
    version = tuple(report["version"])
    missing = [NEEDS[name] for name in report["missing"] if name in NEEDS]
    lacks = ""
    if version < OLDEST:
        lacks = f"is too old; {OLDEST[0]}.{OLDEST[1]} or newer is needed"
    elif report["bits"] < 64:
        lacks = "is a 32-bit one; PyTorch needs 64 bits"
    elif missing:
        lacks = f"lacks {', '.join(missing)}; install them with its pip, or choose another one"
    elif "torch_error" in report:
        lacks = (
            f"cannot load its PyTorch ({report['torch_error']}); install PyTorch again, or choose "
            "another one"
        )
    return PythonReport(
        python=str(python),
        version=".".join(map(str, version)),
        torch=report.get("torch"),
        device=report.get("device"),
        memory=int(report.get("memory", 0)),
        hy3dgen=report["hy3dgen"],
        can_download=HUB[0] not in report["missing"],
        lacks=lacks,
    )
