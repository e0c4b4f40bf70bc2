# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the panel in its main states and of the preferences, for the documentation.

python -m build_tools.window pictures        (or in Blender: --python pictures.py -- ZIP FOLDER)
"""

import os
import sys
import tempfile
from pathlib import Path

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import bpy
import driver

ARCHIVE, OUT = sys.argv[sys.argv.index("--") + 1 :][:2]
PICTURE = Path(__file__).parents[2] / "tests" / "blender" / "mug.png"
_ABOVE, _PREFERENCES = 215, 815  # pixels: Blender's words on the add-on; the preferences below


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
    driver.view().spaces.active.overlay.show_overlays = False  # lines would show through the panels
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
    yield from driver.click(point)  # a second one waits behind it
    yield from shoot("running")
    queue.cancel(queue.jobs[-1])
    yield lambda: not queue.jobs
    queue.remove(queue.ended[0])  # the cancelled one
    settings.filepath = _empty_picture()
    yield from driver.click(point)
    yield lambda: len(queue.ended) == 2
    settings.filepath = str(PICTURE.with_name("away.png"))
    settings.model = "2mv Turbo"
    bpy.context.scene.hunyuan3d.reduce.face_count = 1000
    yield from shoot("done")
    settings.model = ""
    settings.filepath = str(PICTURE)
    bpy.ops.hunyuan3d.remove_job()
    yield from _texture(queue)
    if _speak("de_DE"):
        bpy.ops.hunyuan3d.remove_job()
        settings.filepath = _empty_picture()
        yield from driver.click(point)
        yield lambda: queue.ended
        settings.filepath = str(PICTURE)
        yield from shoot("german")
        _speak("en_US")
    yield from _preferences()


def _empty_picture() -> str:
    """A picture of nothing, which no mesh can be made of."""
    image = bpy.data.images.new("nothing", 64, 64, alpha=True)
    image.generated_color = (0.0, 0.0, 0.0, 0.0)
    image.filepath_raw = os.path.join(tempfile.gettempdir(), "nothing.png")
    image.file_format = "PNG"
    image.save()
    bpy.data.images.remove(image)
    return os.path.join(tempfile.gettempdir(), "nothing.png")


def _preferences() -> driver.Script:
    """The 3D view becomes the preferences, with nothing but the extension's own in sight."""
    area, manager = driver.view(), bpy.context.window_manager
    area.type = "PREFERENCES"
    bpy.context.preferences.active_section = "ADDONS"
    manager.addon_search = "Hunyuan3D"
    with bpy.context.temp_override(window=manager.windows[0], area=area):
        bpy.ops.preferences.addon_expand(module=driver.EXTENSION)
    driver.move((5, 300))
    yield 2.0
    region = next(region for region in area.regions if region.type == "WINDOW")
    left, top = driver.screen_point(region, 0, 0)
    picture = Path(OUT, "preferences.png")
    driver.picture(picture, (left, top + _ABOVE, region.width, _PREFERENCES))


def _texture(queue) -> driver.Script:
    """The picture laid onto the mesh that was made of it."""
    texture = bpy.context.scene.hunyuan3d_texture
    texture.filepath = str(PICTURE)
    point = yield from driver.find_button("hunyuan3d.texture(")
    yield from driver.click(point)
    yield lambda: not queue.jobs
    yield from shoot("texture")


def _speak(locale: str) -> bool:
    """Whether this Blender has the language and speaks it now."""
    view = bpy.context.preferences.view
    if locale not in bpy.app.translations.locales:
        print(f"this Blender has no {locale}: no picture in that language")
        return False
    view.language = locale
    view.use_translate_interface = True
    return True


driver.install(ARCHIVE)
driver.play(script())
