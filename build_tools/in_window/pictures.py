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
    """A picture of the sidebar, with nothing under the pointer."""
    driver.move((5, 5))
    for _ in range(3):  # a panel that has grown is laid out again at the next drawing
        driver.sidebar().tag_redraw()
        yield 0.7
    region = driver.sidebar()
    left, top = driver.screen_point(region, 0, 0)
    driver.picture(Path(OUT, f"panel-{name}.png"), (left, top, region.width, region.height))


def script() -> driver.Script:
    driver.full_screen()
    yield 0.5
    yield from driver.open_tab()
    settings = bpy.context.scene.hunyuan3d.generate
    queue = driver.module("job_timer").queue
    for obj in list(bpy.data.objects):
        bpy.data.objects.remove(obj)
    yield from shoot("empty")
    settings.filepath = str(PICTURE)
    settings.face_count, settings.better = 4000, 0.35
    yield 1.0
    point = yield from driver.find_button("hunyuan3d.generate(")
    yield from driver.click(point)
    yield lambda: queue.jobs and queue.jobs[0].preview is not None
    yield from shoot("running")
    yield lambda: not queue.jobs
    settings.filepath = str(PICTURE.with_name("away.png"))
    settings.model = "2mv Turbo"
    bpy.context.scene.hunyuan3d.reduce.face_count = 1000
    yield from shoot("done")
    settings.model = ""
    settings.filepath = str(PICTURE)
    yield from _texture(queue)
    _speak("de_DE")
    yield from shoot("german")


def _texture(queue) -> driver.Script:
    """The picture laid onto the mesh that was made of it."""
    texture = bpy.context.scene.hunyuan3d_texture
    texture.filepath = str(PICTURE)
    point = yield from driver.find_button("hunyuan3d.texture(")
    yield from driver.click(point)
    yield lambda: not queue.jobs
    yield from shoot("texture")


def _speak(locale: str) -> None:
    view = bpy.context.preferences.view
    if locale not in bpy.app.translations.locales:
        print(f"this Blender has no {locale}: no picture in that language")
        return
    view.language = locale
    view.use_translate_interface = True


driver.install(ARCHIVE)
driver.play(script())
