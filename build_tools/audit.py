# SPDX-License-Identifier: GPL-3.0-or-later
"""Licences and known holes of everything that the worker's environment is made of, offline.

    .venv/bin/python -m build_tools.audit

Looks at requirements/worker.txt and, through the metadata of what is installed beside it, at all
that those packages bring. The list of holes below is a copy and grows by hand, because what tells
of new ones (`pip-audit` asks pypi.org or osv.dev, and has no offline copy) is no part of a package
index: who has a network asks `pip-audit -r requirements/worker.txt` as well. What goes into the zip
itself is the affair of `wheel_licences`.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from build_tools.wheel_licences import COMPATIBLE

WORKER = Path(__file__).parents[1] / "requirements" / "worker.txt"
ACCEPTED = COMPATIBLE | {"Apache-2.0 WITH LLVM-exception"}
# How packages without an SPDX expression call their licence, in one field or in a classifier.
NAMES = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
}
# Torch for NVIDIA's GPUs brings their libraries, under their own terms. Whoever makes an
# environment gets them from the index; nothing of ours hands them on.
NVIDIAS = ("nvidia-", "cuda-")
# First version without the newest hole that can reach us, which one that was, and how it would.
# Only what can is worth a line: readers of models and pictures, what talks to the hub, what unpacks
# wheels. What `requirements/worker.txt` lets in, and what is installed, must not be older.
FIXED_IN = {
    # Comes with torch and huggingface_hub; the newest one is installed. Only the account itself can
    # put a link into its cache.
    "filelock": ("3.20.3", "CVE-2026-22701, follows a link put in place of its lock"),
    # Comes with huggingface_hub. A hole of servers; we are a client of the hub.
    "h11": ("0.16.0", "CVE-2025-43859, requests smuggled in chunks"),
    # Comes with huggingface_hub. The hub's name is the only one, unless HF_ENDPOINT is set.
    "idna": ("3.7", "CVE-2024-3651, names that keep it busy"),
    # Comes with torch, which fills templates of its own with it; none from a file.
    "jinja2": ("3.1.6", "CVE-2025-27516, a way out of its sandbox"),
    # Resizes pictures here and decodes none; required from 4.12.
    "opencv-python-headless": ("4.8.1.78", "CVE-2023-4863, heap overflow by a WebP picture"),
    # Decodes every picture that is given as a file, so this one counts most; required from 12.3.
    "pillow": (
        "12.3.0",
        "CVE-2026-55379 and others; CVE-2026-25990 before them wrote out of bounds by a PSD "
        "picture",
    ),
    # Reads configs, with the safe loader only; pinned.
    "pyyaml": ("5.4", "CVE-2020-14343, code from a file with the full loader"),
    # Comes with torch. Nothing is built or fetched with it in the environment: wheels only.
    "setuptools": ("78.1.1", "CVE-2025-47273, files written outside of the wanted folder"),
    # Reads `.ckpt` files, with weights_only; pinned.
    "torch": (
        "2.10.0",
        "CVE-2026-24747, memory overwritten by a checkpoint in spite of weights_only; "
        "CVE-2025-32434 before it ran code",
    ),
    # Comes with huggingface_hub. Its command line is not used.
    "tqdm": ("4.66.3", "CVE-2024-34062, code from command line arguments"),
}
# Packages that were looked at and have no line above, because no hole of theirs is known that could
# reach us. One that is in neither list, which another begins to bring one day, is a problem until
# somebody has looked.
LOOKED_AT = frozenset(
    (
        *("anyio", "certifi", "click", "fsspec", "hf-xet", "httpcore", "httpcore2", "httpx"),
        *("httpx2", "huggingface-hub", "imageio", "lazy-loader", "markupsafe", "mpmath"),
        *("networkx", "numpy", "packaging", "safetensors", "scikit-image", "scipy", "shellingham"),
        *("sniffio", "sympy", "tifffile", "trimesh", "triton", "truststore", "typer-slim"),
        "typing-extensions",
    )
)
CHECKED = "December 2026"  # both lists, against what public trackers say


@dataclass(frozen=True)
class Package:
    """One that is installed; `licence` as SPDX if that can be told, else as it calls itself."""

    name: str
    version: str
    licence: str

    def problems(self) -> Iterator[str]:
        if not is_accepted(self.licence) and not self.name.startswith(NVIDIAS):
            yield f"{self.name} is under '{self.licence}', which nobody has accepted yet"
        first, hole = FIXED_IN.get(self.name, ("0", ""))
        if Version(self.version) < Version(first):
            yield f"{self.name} {self.version} has a hole that {first} mends ({hole})"
        if self.name not in FIXED_IN.keys() | LOOKED_AT and not self.name.startswith(NVIDIAS):
            yield f"{self.name} is new here; look for its known holes and put it into a list"


def is_accepted(expression: str) -> bool:
    """Of alternatives one must be on the list, of parts that hold together all."""
    return any(
        all(part.strip() in ACCEPTED for part in alternative.split(" AND "))
        for alternative in expression.split(" OR ")
    )


def requirements(path: Path = WORKER) -> list[Requirement]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def loose(requirement: Requirement) -> Iterator[str]:
    """What is wrong with the versions that a line of requirements lets in."""
    ends = {specifier.operator: Version(specifier.version) for specifier in requirement.specifier}
    lowest = ends.get("==") or ends.get(">=")
    if lowest is None or ("==" not in ends and "<" not in ends):
        yield f"{requirement} is neither pinned nor bounded on both sides"
    first, hole = FIXED_IN.get(canonicalize_name(requirement.name), ("0", ""))
    if lowest is not None and lowest < Version(first):
        yield f"{requirement} lets in versions with a hole that {first} mends ({hole})"


def installed(wanted: list[Requirement]) -> list[Package]:
    """`wanted` and all that they bring, as installed, without what this system does not need."""
    found: dict[str, Package] = {}
    waiting = list(wanted)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if name in found:
            continue
        package = metadata.distribution(name)
        found[name] = Package(name, package.version, _licence(package.metadata))
        waiting += map(Requirement, package.requires or ())
    return sorted(found.values(), key=lambda package: package.name)


def _licence(fields) -> str:
    """The expression; else the classifiers; else the one line that it says of itself."""
    if expression := fields.get("License-Expression"):
        return expression
    texts = fields.get_all("Classifier") or ()
    classes = [text.rpartition("::")[2].strip() for text in texts if text.startswith("License ::")]
    if classes:
        return " AND ".join(NAMES.get(name, name) for name in classes)
    line = (fields.get("License") or "no licence at all").strip().splitlines()[0]
    return NAMES.get(line, line)


def main() -> None:
    wanted = requirements()
    packages = installed(wanted)
    for package in packages:
        sys.stdout.write(f"{package.name:24} {package.version:14} {package.licence}\n")
    sys.stdout.write(f"Known holes as of {CHECKED}.\n")
    problems = [words for requirement in wanted for words in loose(requirement)]
    problems += [words for package in packages for words in package.problems()]
    sys.exit("\n".join(problems) if problems else 0)


if __name__ == "__main__":
    main()
