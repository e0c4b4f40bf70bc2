# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the wheels of hy3dgen: its Python files, its assets and one platform's mesh kernel.

The kernel has a C ABI and is loaded with ctypes, so one wheel `py3-none-<platform>` serves every
Python 3, and each platform's wheel can be made on any machine. The metadata comes from
pyproject.toml. The same files give the same bytes.
"""

import base64
import hashlib
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import tomllib

from . import native

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "hy3dgen"
REQUIREMENTS = ROOT / "requirements" / "worker.txt"

# Our platforms (those of native.TARGETS) -> wheel tags. Blender takes any manylinux tag; 2_17 is
# the glibc that the kernel is linked against.
PLATFORMS = {
    "linux-x64": "manylinux_2_17_x86_64",
    "linux-arm64": "manylinux_2_17_aarch64",
    "windows-x64": "win_amd64",
    "macos-x64": "macosx_10_13_x86_64",
    "macos-arm64": "macosx_11_0_arm64",
}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can tell


def host_platform() -> str:
    """The name of the platform this runs on, a key of PLATFORMS."""
    return native.host_target()


def version() -> str:
    """hy3dgen's version, read without importing it."""
    text = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if not found:
        raise SystemExit('hy3dgen/__init__.py has no line `__version__ = "…"`; add it.')
    return found.group(1)


def build_wheels(out_dir: Path, platforms: Iterable[str] | None = None) -> list[Path]:
    """Write one wheel per platform (none given: this machine's) into `out_dir`; their paths.

    The kernels must be built already, by `native.build`.
    """
    names = [host_platform()] if platforms is None else list(platforms)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    out_dir.mkdir(parents=True, exist_ok=True)
    return [_build_wheel(out_dir, name, project) for name in names]


def _build_wheel(out_dir: Path, platform: str, project: dict) -> Path:
    if platform not in PLATFORMS:
        raise SystemExit(
            f"No wheel is made for platform {platform!r}; the known ones are "
            f"{', '.join(PLATFORMS)}."
        )
    library = native.library_path(platform)
    if not library.is_file():
        raise SystemExit(
            f"{library.name} is missing; build it with `python -m build_tools.native {platform}`."
        )
    tag = f"py3-none-{PLATFORMS[platform]}"
    stem = f"{project['name'].replace('-', '_')}-{version()}"
    info = f"{stem}.dist-info"
    target = out_dir / f"{stem}-{tag}.whl"
    unfinished = target.with_name(target.name + ".part")
    record = []
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:

        def add(name: str, content: bytes) -> None:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            record.append(f"{name},sha256={digest.decode()},{len(content)}")

        for path in _package_files():
            add(path.relative_to(ROOT).as_posix(), path.read_bytes())
        # What an environment for the worker is made of, read by hy3dgen.install.
        add("hy3dgen/assets/requirements/worker.txt", REQUIREMENTS.read_bytes())
        add(library.relative_to(ROOT).as_posix(), library.read_bytes())
        for pattern in project.get("license-files", []):
            for path in sorted(ROOT.glob(pattern)):
                add(f"{info}/licenses/{path.relative_to(ROOT).as_posix()}", path.read_bytes())
        add(f"{info}/METADATA", _metadata(project).encode())
        add(f"{info}/WHEEL", _wheel_text(tag).encode())
        add(f"{info}/entry_points.txt", _entry_points(project).encode())
        record.append(f"{info}/RECORD,,")
        # Written last, by custom; lists itself without a hash, as it must.
        entry = zipfile.ZipInfo(f"{info}/RECORD", _EPOCH)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, "\n".join(record) + "\n")
    unfinished.replace(target)
    return target


def _package_files() -> Iterator[Path]:
    """Python files and assets; libraries are chosen per platform, kernel sources stay behind."""
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE)
        if not path.is_file() or "__pycache__" in inside.parts or path.name.startswith("."):
            continue
        if path.suffix == ".py" or inside.parts[0] == "assets":
            yield path


def _wheel_text(tag: str) -> str:
    lines = ["Wheel-Version: 1.0", "Generator: build_tools.wheels", "Root-Is-Purelib: false"]
    return "\n".join([*lines, f"Tag: {tag}"]) + "\n"


def _entry_points(project: dict) -> str:
    lines = [f"{name} = {place}" for name, place in project.get("scripts", {}).items()]
    return "\n".join(["[console_scripts]", *lines]) + "\n"


def _metadata(project: dict) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {version()}",
        f"Summary: {project['description']}",
        f"Requires-Python: {project['requires-python']}",
        f"License-Expression: {project['license']}",
    ]
    for pattern in project.get("license-files", []):
        lines += [
            f"License-File: {path.relative_to(ROOT).as_posix()}"
            for path in sorted(ROOT.glob(pattern))
        ]
    lines += [f"Requires-Dist: {requirement}" for requirement in project.get("dependencies", [])]
    for extra, requirements in project.get("optional-dependencies", {}).items():
        lines.append(f"Provides-Extra: {extra}")
        for requirement in requirements:
            if ";" in requirement:
                name, marker = (part.strip() for part in requirement.split(";", 1))
                lines.append(f'Requires-Dist: {name}; ({marker}) and extra == "{extra}"')
            else:
                lines.append(f'Requires-Dist: {requirement}; extra == "{extra}"')
    readme = ROOT / project.get("readme", "")
    if readme.is_file():
        lines += ["Description-Content-Type: text/markdown", "", readme.read_text(encoding="utf-8")]
    return "\n".join(lines) + "\n"
