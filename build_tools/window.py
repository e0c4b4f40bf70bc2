# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs programs in a Blender with a window, where there is one.

    python -m build_tools.window pictures        draws docs/images/panel-*.png
    python -m build_tools.window tests [OPTIONS of pytest]      tests/blender inside that Blender

`HY3D_WINDOWED_BLENDER` holds the command that starts it, to which Blender's arguments are added; it
runs in the repository. Without it, a `blender` on the search path is used where there is a display.
The programs need xdotool and ImageMagick's `import` beside Blender.
"""

import importlib.metadata
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from .console import say

ROOT = Path(__file__).parent.parent
VARIABLE = "HY3D_WINDOWED_BLENDER"
PACKAGES = ROOT / ".build" / "pytest"


def find_command() -> list[str] | None:
    """What starts a Blender with a window; None if there is none here."""
    if given := os.environ.get(VARIABLE):
        return shlex.split(given)
    here = all(shutil.which(name) for name in ("blender", "xdotool", "import"))
    return ["blender", "--factory-startup"] if here and os.environ.get("DISPLAY") else None


def run(command: list[str], program: Path, *arguments: str, window: bool = True) -> int:
    """The exit status of `program`, run inside Blender."""
    inside = [] if window else ["-b"]
    inside += ["--python", program.relative_to(ROOT).as_posix(), "--", *arguments]
    return subprocess.run([*command, *inside], cwd=ROOT).returncode


def tell_if_missing() -> None:
    if find_command() is None:
        say(f"No Blender with a window here ({VARIABLE} names none): the driven test is left out")


def driven_test(archive: Path) -> bool:
    """An artist's round in a Blender with a window; True also where there is none."""
    command = find_command()
    if command is None:
        return True
    say("Driving the extension in a Blender with a window")
    program = ROOT / "tests" / "blender" / "window" / "artist.py"
    return run(command, program, archive.relative_to(ROOT).as_posix()) == 0


def collect_pytest(folder: Path = PACKAGES) -> Path:
    """pytest and what it needs, copied from this Python: no machine code, so it fits any other."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("pytest", "pluggy", "iniconfig", "packaging", "pygments"):
        for path in importlib.metadata.files(name) or ():
            if path.suffix == ".py" and ".." not in path.parts:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path.locate(), target)
    return folder


def main(name: str, *options: str) -> int:
    command = find_command()
    if command is None:
        raise SystemExit(f"no Blender with a window here; name its command in {VARIABLE}")
    import build

    archive = build.build_extension(Path(sys.executable)).relative_to(ROOT).as_posix()
    program = ROOT / "build_tools" / "in_window" / f"{name}.py"
    if name == "tests":
        packages = collect_pytest().relative_to(ROOT).as_posix()
        return run(command, program, packages, archive, *options, window=False)
    return run(command, program, archive, "docs/images", *options)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
