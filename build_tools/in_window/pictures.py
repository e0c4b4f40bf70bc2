# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the panel in its main states, for the documentation.

python -m build_tools.window pictures        (or in Blender: --python pictures.py -- ZIP FOLDER)
"""

import os
import sys
from pathlib import Path

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import bpy
import driver

ARCHIVE, OUT = sys.argv[sys.argv.index("--") + 1 :][:2]
PICTURE = Path(__file__).parents[2] / "tests" / "blender" / "mug.png"
WIDTH = 320  # pixels of the sidebar


def shoot(name: str) -> driver.Script:
    driver.move((5, 5))
    driver.view().tag_redraw()
    yield 1.0
    region = driver.sidebar()
    left, top = driver.screen_point(region, 0, 0)
    driver.picture(Path(OUT, f"{name}.png"), (left, top, region.width, region.height))


def script() -> driver.Script:
    driver.full_screen()
    yield 0.5
    yield from driver.open_tab()
    settings = bpy.context.scene.hunyuan3d.generate
    queue = driver.module("job_timer").queue
    bpy.ops.object.select_all(action="DESELECT")
    yield from shoot("panel-empty")
    settings.filepath = str(PICTURE)
    settings.face_count = 4000
    yield from shoot("panel-picture")
    point = yield from driver.find_button("hunyuan3d.generate(")
    yield from driver.click(point)
    yield lambda: queue.jobs and queue.jobs[0].stage in ("denoise", "decode")
    yield from shoot("panel-running")
    yield lambda: not queue.jobs
    yield 0.5
    yield from shoot("panel-done")
    driver.picture(Path(OUT, "window-done.png"))


driver.install(ARCHIVE)
driver.play(script())
