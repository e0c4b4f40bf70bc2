# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's hands and eyes inside a Blender with a window: pointer, keys, pictures of the screen.

A script is a generator that a timer steps: it yields seconds to wait, or a function to wait for.
The pointer and the keys are the display's (xdotool), so Blender handles them as anybody's.
"""

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType

import bpy

EXTENSION = "bl_ext.user_default.hunyuan3d_blender"
Script = Generator[float | Callable[[], object], None, None]
WAIT = 300.0  # seconds; longer than anything that is waited for takes, on a busy machine too
_LOOK = 0.05


def install(archive: str) -> None:
    bpy.ops.extensions.package_install_files(
        filepath=os.path.abspath(archive), repo="user_default", enable_on_install=True
    )
    assert EXTENSION in bpy.context.preferences.addons, "installed but not enabled"


def module(name: str) -> ModuleType:
    """A module of the extension by its short name."""
    return sys.modules[f"{EXTENSION}.{name}"]


def play(script: Script) -> None:
    """Step a script to its end, then end Blender: 0, or 1 after an error."""
    waiting: list[Callable[[], object]] = []
    until = [0.0]

    def step() -> float:
        try:
            if waiting and not waiting[0]():
                if time.monotonic() > until[0]:
                    raise TimeoutError("what the script waits for does not happen")
                return _LOOK
            waiting.clear()
            answer = next(script)
        except StopIteration:
            leave(0)
        except BaseException:
            traceback.print_exc()
            leave(1)
        if isinstance(answer, (int, float)):
            return float(answer)
        waiting.append(answer)
        until[0] = time.monotonic() + WAIT
        return _LOOK

    bpy.app.timers.register(step, first_interval=0.5, persistent=True)


def leave(status: int) -> None:
    """End Blender without a question; the queue ends its workers."""
    module("job_timer").queue.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


# --- the window -----------------------------------------------------------------------------------


def view() -> bpy.types.Area:
    window = bpy.context.window_manager.windows[0]
    return next(area for area in window.screen.areas if area.type == "VIEW_3D")


def sidebar() -> bpy.types.Region:
    return next(region for region in view().regions if region.type == "UI")


def open_tab() -> Script:
    """The sidebar with the extension's tab in front; tabs hang at its right edge."""
    view().spaces.active.show_region_ui = True
    yield 0.5
    region = sidebar()
    for y in range(20, region.height, 20):
        if region.active_panel_category == "Hunyuan3D":
            return
        yield from click(screen_point(region, region.width - 8, y))
    raise LookupError("the sidebar has no such tab")


def full_screen() -> None:
    """Only the 3D view, all over the window."""
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=view()):
        bpy.ops.screen.screen_full_area(use_hide_panels=False)


def screen_point(region: bpy.types.Region, x: float, y: float) -> tuple[int, int]:
    """Of the display, rows from the top; `x`, `y` in the region, from its upper left corner."""
    window = bpy.context.window_manager.windows[0]
    return int(region.x + x), int(window.height - (region.y + region.height) + y)


# --- hands ----------------------------------------------------------------------------------------


def xdotool(*words: object) -> None:
    subprocess.run(["xdotool", *map(str, words)], check=True)


def move(point: tuple[int, int]) -> None:
    xdotool("mousemove", *point)


def click(point: tuple[int, int]) -> Script:
    move(point)
    yield 0.15
    xdotool("click", 1)
    yield 0.3


def find_button(command: str, column: float = 0.5) -> Generator:
    """Where in the sidebar the operator's button is: Ctrl-C over a button copies its command.

    `column`: share of the sidebar's width.
    """
    region = sidebar()
    manager = bpy.context.window_manager
    for y in range(10, region.height, 12):
        point = screen_point(region, column * region.width, y)
        manager.clipboard = ""
        move(point)
        yield 0.1
        xdotool("key", "ctrl+c")
        yield 0.1
        if command in manager.clipboard:
            return point
    raise LookupError(f"no button of the sidebar does {command}")


# --- eyes -----------------------------------------------------------------------------------------


def picture(path: Path, box: tuple[int, int, int, int] | None = None) -> None:
    """The display as a small PNG; `box`: left, top, width, height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    crop = ["-crop", "{2}x{3}+{0}+{1}".format(*box), "+repage"] if box else []
    # Few colours and no dither: an interface is flat, and pictures should weigh little.
    subprocess.run(
        ["import", "-window", "root", *crop, "+dither", "-colors", "32", f"PNG8:{path}"], check=True
    )
