# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of this repository; needs nothing but a stock Python 3.11 or newer.

::

    python build.py demo [--picture FILE]   picture -> mesh in real Blender; see demo/demo.png
    python build.py test [--quick]          the tests, those in real Blender included
    python build.py package [--all]         the installable extension for this system, or for all

Each makes what it needs (.venv, .venv-bpy-*, the native kernel, the extension's zip) and leaves
alone what is already there.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):
    raise SystemExit(
        f"Python {sys.version_info[0]}.{sys.version_info[1]} is running, but build.py needs 3.11 "
        "or newer; run it with such a Python."
    )

from build_tools import environments, extension, native, wheels, window
from build_tools.console import run_step, say
from build_tools.lane import Lane, Run

ROOT = Path(__file__).resolve().parent
DIST = ROOT / "dist"
DEMO_PICTURE = ROOT / "examples" / "pictures" / "train.png"


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Build, test and try the Hunyuan3D extension for Blender."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="picture -> mesh in real Blender, with a rendered PNG")
    demo.add_argument("--picture", type=Path, default=DEMO_PICTURE, help="a picture of yours")
    demo.add_argument("--out", type=Path, default=ROOT / "demo", help="where the results go")
    test = commands.add_parser("test", help="run the tests, also inside real Blender")
    test.add_argument("--quick", action="store_true", help="leave out the slow tests")
    test.add_argument(
        "--blender",
        choices=[*environments.BLENDERS, "newest", "all"],
        default="newest",
        help="which Blender to test in; 'all' takes every one that a Python here fits",
    )
    package = commands.add_parser("package", help="make the installable zip in dist/")
    package.add_argument("--all", action="store_true", help="for every system, not only this one")
    soak = commands.add_parser("soak", help="wear the worker and the readers down, with figures")
    soak.add_argument("--count", type=int, default=5000, help="jobs in one worker")
    soak.add_argument("--hours", type=float, help="go on so long instead")
    soak.add_argument("--inputs", type=int, default=100_000, help="damaged inputs in all")
    soak.add_argument("--out", type=Path, default=ROOT / "soak", help="where the figures go")
    for command in (demo, test, package, soak):
        command.add_argument(
            "--torch-index",
            metavar="URL",
            help="where pip finds torch, such as PyTorch's index of CPU builds",
        )
    options = parser.parse_args()
    try:
        {"demo": run_demo, "test": run_tests, "package": run_package, "soak": run_soak}[
            options.command
        ](options)
    except KeyboardInterrupt:
        raise SystemExit("\nstopped; run the same command to go on") from None


def run_demo(options: argparse.Namespace) -> None:
    picture = options.picture.expanduser().resolve()
    if not picture.is_file():
        raise SystemExit(f"there is no picture {picture}; give --picture an image file.")
    python = environments.choose_python()
    worker_python = environments.worker_environment(python, options.torch_index)
    blender = environments.newest_blender(environments.version_of(python))
    blender_python = environments.blender_environment(blender)
    archive = build_extension(worker_python)
    say(f"Running the demo in Blender {environments.BLENDERS[blender]}")
    done = subprocess.run(
        [
            str(blender_python),
            str(ROOT / "build_tools" / "demo_scene.py"),
            str(archive),
            str(picture),
            str(worker_python),
            str(options.out.resolve()),
        ]
    )
    raise SystemExit(done.returncode)


def run_tests(options: argparse.Namespace) -> None:
    python = environments.choose_python()
    worker_python = environments.worker_environment(python, options.torch_index)
    blender_pythons = [
        (blender, environments.blender_environment(blender))
        for blender in chosen_blenders(options.blender, python)
    ]
    archive = build_extension(worker_python, blender_pythons[0][1])
    for title, *command in (
        ("ruff check", "-m", "ruff", "check", "."),
        ("ruff format", "-m", "ruff", "format", "--check", "."),
        ("codespell", "-m", "codespell_lib"),
    ):
        run_step(f"Checking with {title}", [worker_python, *command])
    window.tell_if_missing()
    quick = ["-m", "not slow"] if options.quick else []
    pytest = ["-m", "pytest", "-q", *quick]
    env = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}  # or torch crawls on busy cores
    core = Run(
        "Testing hy3dgen, the worker, the training code and the build tools",
        [str(worker_python), *pytest, "--ignore=tests/blender"],
        ROOT,
        env,
    )
    given = {"EXT_ZIP": str(archive), "HY3D_WORKER_PYTHON": str(worker_python)}
    in_blender = []
    for blender, blender_python in blender_pythons:
        between = blender not in (blender_pythons[0][0], blender_pythons[-1][0])
        fewer = ["-m", "not slow"] if between else []  # what is slow differs least between them
        in_blender.append(
            Run(
                f"Testing the extension in Blender {environments.BLENDERS[blender]}",
                [str(blender_python), *pytest, *fewer, "tests/blender"],
                ROOT,
                {**env, **given},
            )
        )
    if (os.cpu_count() or 1) > 1:
        say("The extension is tested in Blender at the same time; that is shown afterwards")
        with Lane(in_blender) as lane:
            passed = core.passed()
            passed &= lane.show()
    else:
        passed = all([run.passed() for run in (core, *in_blender)])
    passed &= window.driven_test(archive)
    raise SystemExit(0 if passed else 1)


def run_soak(options: argparse.Namespace) -> None:
    python = environments.choose_python()
    worker_python = environments.worker_environment(python, options.torch_index)
    native.build([wheels.host_platform()], worker_python)
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    length = ["--hours", str(options.hours)] if options.hours else ["--count", str(options.count)]
    trials = (
        ("jobs in one worker", "soak", *length, "--picture", str(out / "soak.png")),
        ("damaged inputs", "hostile", "--count", str(options.inputs)),
    )
    failures = False
    for title, name, *arguments in trials:
        command = [str(worker_python), "-m", f"trials.{name}", *arguments]
        command += ["--json", str(out / f"{name}.json")]
        failures |= not Run(f"Trying {title}", command, ROOT, os.environ).passed()
    say(f"figures and picture: {out}")
    raise SystemExit(int(failures))


def chosen_blenders(choice: str, python: Path) -> list[str]:
    """Blender versions to test in; `all` leaves out, and names, those without a Python here."""
    if choice == "newest":
        return [environments.newest_blender(environments.version_of(python))]
    if choice != "all":
        return [choice]
    found = []
    for blender, version in environments.PYTHON_OF.items():
        if environments.find_python(version):
            found.append(blender)
        else:
            say(f"No Python {version[0]}.{version[1]} here: Blender {blender} is left out")
    return found


def run_package(options: argparse.Namespace) -> None:
    python = environments.choose_python()
    worker_python = environments.worker_environment(python, options.torch_index)
    blender = environments.newest_blender(environments.version_of(python))
    blender_python = environments.blender_environment(blender)
    if options.all:
        archives = build_extensions(worker_python, list(wheels.PLATFORMS))
    else:
        archives = [build_extension(worker_python)]
    tool = extension.find_extension_tool(blender_python)
    for archive in archives:
        extension.validate(archive, tool, worker_python)
        size = archive.stat().st_size / 1e6
        say(f"{archive.relative_to(ROOT)}  {size:.1f} MB, valid for Blender")
    say("Install it in Blender: Edit > Preferences > Get Extensions > Install from Disk")


def build_extension(worker_python: Path, blender_python: Path | None = None) -> Path:
    """The extension's zip for this system; checked by Blender's tool if `blender_python` is."""
    archive = build_extensions(worker_python, [wheels.host_platform()])[0]
    if blender_python is not None:
        extension.validate(archive, extension.find_extension_tool(blender_python), worker_python)
    return archive


def build_extensions(worker_python: Path, platforms: list[str]) -> list[Path]:
    """The native kernel, the wheels and the zips for `platforms`."""
    native.build(platforms, worker_python)
    made = wheels.build_wheels(DIST, platforms)
    return extension.package_all(DIST, made)


if __name__ == "__main__":
    main()
