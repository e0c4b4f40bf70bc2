# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the extension's zip and has Blender's own tool check it. Standard library only.

One zip per platform: each carries one wheel of hy3dgen, whose bundled model makes it large. The
zip's root holds the manifest beside `__init__.py`; `platforms` and `wheels` are written into the
copy of the manifest in the zip, never into the committed file.
"""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from .wheel_licences import check_licence

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "hunyuan3d_blender"
MANIFEST = ROOT / "blender_manifest.toml"
LICENSE = ROOT / "LICENSES" / "GPL-3.0-or-later.txt"

# How the end of a wheel's file name begins and ends -> what Blender calls that platform.
_PLATFORMS = (
    ("manylinux", "x86_64", "linux-x64"),
    ("manylinux", "aarch64", "linux-arm64"),
    ("win", "amd64", "windows-x64"),
    ("win", "arm64", "windows-arm64"),
    ("macosx", "arm64", "macos-arm64"),
    ("macosx", "x86_64", "macos-x64"),
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files give the same zip


def package(out_dir: Path, wheels: Iterable[Path]) -> Path:
    """The extension's zip for the one platform that `wheels` are for, in `out_dir`.

    Replaces a zip of the same name. Several wheels may be given (hy3dgen and what it needs); at
    least one names the platform, those for any platform go with it.
    """
    wheels = [Path(wheel) for wheel in wheels]
    platforms = {platform for wheel in wheels if (platform := platform_of(wheel))}
    if len(platforms) != 1:
        raise SystemExit(
            f"one zip is for one platform, but the wheels are for {sorted(platforms) or 'none'}; "
            "call package once for each"
        )
    platform = platforms.pop()
    for wheel in wheels:
        check_licence(wheel)
    manifest = staged_manifest(MANIFEST.read_text(encoding="utf-8"), platform, wheels)
    out_dir.mkdir(parents=True, exist_ok=True)
    name = (
        f"{_value(manifest, 'id')}-{_value(manifest, 'version')}-{platform.replace('-', '_')}.zip"
    )
    part = out_dir / (name + ".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "blender_manifest.toml", manifest.encode())
        for path in sorted(SOURCE.rglob("*.py")):
            _add(archive, path.relative_to(SOURCE).as_posix(), path.read_bytes())
        if LICENSE.is_file():
            _add(archive, "LICENSE", LICENSE.read_bytes())
        for wheel in wheels:
            _add(archive, f"wheels/{wheel.name}", wheel.read_bytes(), zipfile.ZIP_STORED)
    return part.replace(out_dir / name)


def package_all(out_dir: Path, wheels: Iterable[Path]) -> list[Path]:
    """One zip for each platform among the wheels of hy3dgen."""
    return [package(out_dir, [wheel]) for wheel in wheels]


def platform_of(wheel: Path) -> str | None:
    """Blender's name of a wheel's platform; None for a wheel that fits every one."""
    tag = wheel.stem.split("-")[-1]
    if tag == "any":
        return None
    for start, end, platform in _PLATFORMS:
        if tag.startswith(start) and tag.endswith(end):
            return platform
    known = ", ".join(sorted(f"{start}…{end}" for start, end, _ in _PLATFORMS))
    raise SystemExit(f"{wheel.name} is for '{tag}', which Blender does not know; known: {known}")


def staged_manifest(text: str, platform: str, wheels: Sequence[Path]) -> str:
    """The manifest with `platforms` and `wheels`, which must stand before the first table."""
    listed = "".join(f'  "./wheels/{wheel.name}",\n' for wheel in wheels)
    head, bracket, tables = text.partition("\n[")
    return (
        f'{head.rstrip()}\n\nplatforms = ["{platform}"]\nwheels = [\n{listed}]\n{bracket}{tables}'
    )


def find_extension_tool(bpy_python: Path) -> Path:
    """`blender_ext.py`, which is inside every Blender and so inside the bpy wheel."""
    code = "import importlib.util as u; print(u.find_spec('bpy').submodule_search_locations[0])"
    found = subprocess.run(
        [str(bpy_python), "-I", "-c", code], capture_output=True, text=True, check=True
    )
    tools = list(Path(found.stdout.strip()).glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    if not tools:
        raise SystemExit(f"no blender_ext.py in the bpy of {bpy_python}; is the wheel complete?")
    return tools[0]


def validate(archive: Path, blender_ext_cli: Path, python: Path | None = None) -> None:
    """Have Blender's own tool check the zip; SystemExit with its words if it refuses.

    `python`: any Python 3.11 or newer runs the tool; without one the Python that runs this.
    """
    command = [str(python or sys.executable), str(blender_ext_cli), "validate", str(archive)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"Blender refuses {archive.name}:\n{done.stdout}{done.stderr}")


def _add(
    archive: zipfile.ZipFile, name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED
) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = 0o644 << 16
    archive.writestr(info, data, method)


def _value(manifest: str, key: str) -> str:
    """A string at the manifest's top; tomllib is missing from Python 3.10."""
    found = re.search(rf'^{key} = "([^"]+)"$', manifest, re.MULTILINE)
    if found is None:
        raise SystemExit(f"{MANIFEST.name} has no line '{key} = \"…\"'")
    return found[1]
