# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's round with pointer and keys, in a Blender with a window. Not a pytest file.

    blender --python tests/blender/window/artist.py -- EXTENSION_ZIP

`build.py test` runs it where there is such a Blender. Ends with status 0 if all went as it should.
"""

import contextlib
import io
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path.append(str(ROOT / "build_tools" / "in_window"))

import bpy  # noqa: E402
import driver  # noqa: E402

PICTURE = ROOT / "tests" / "blender" / "mug.png"


def said(words: str) -> None:
    print(f"- {words}", flush=True)


def queue():
    return driver.module("job_timer").queue


def settings() -> bpy.types.PropertyGroup:
    return bpy.context.scene.hunyuan3d.generate


def generate(resolution: int) -> driver.Script:
    """Fill the panel in and click Generate; goes on when the shape is being found."""
    settings().filepath = str(PICTURE)
    settings().better = 0.0
    settings().num_inference_steps = 40
    settings().octree_resolution = resolution  # fine enough that the job is not over too soon
    settings().face_count = 2000
    yield from driver.open_tab()
    point = yield from driver.find_button("hunyuan3d.generate(")
    yield from driver.click(point)
    yield lambda: queue().jobs and queue().jobs[0].stage == "denoise"


def names() -> set[str]:
    marked = "hunyuan3d_preview"
    return {obj.name for obj in bpy.data.objects if marked not in obj}


def undo() -> driver.Script:
    """Ctrl-Z over the 3D view."""
    driver.move(driver.screen_point(_view_region(), 200, 300))
    yield 0.3
    driver.xdotool("key", "ctrl+z")
    yield 1.0


def reduce_faces() -> driver.Script:
    """Click Reduce Faces: it is the same object with fewer triangles, and one Ctrl-Z brings back
    all of them. Once more with an undo while it is read.
    """
    before = names()
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=7)
    ball, faces = bpy.context.object.name, len(bpy.context.object.data.polygons)
    bpy.context.object.vertex_groups.new(name="all").add(range(1000), 0.5, "ADD")
    bpy.context.scene.hunyuan3d.reduce.face_count = 3000
    _push("Add Ball")
    yield 1.0
    point = yield from driver.find_button("hunyuan3d.reduce_faces(")
    for undone in (False, True):
        last = queue().last
        if undone:
            bpy.data.objects[ball].location.x = 1
            _push("Move Ball")
            with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
                bpy.ops.hunyuan3d.reduce_faces("INVOKE_DEFAULT", face_count=3000)
                assert queue().jobs[0].state.name == "READING"
                bpy.ops.ed.undo()
        else:
            driver.move(point)
            yield 0.15
            driver.xdotool("click", 1)
        yield lambda last=last: queue().last is not last and not queue().jobs
        yield 0.5
        assert queue().last.state.name == "DONE", queue().last.reports
        assert len(bpy.data.objects[ball].data.polygons) == 3000 and names() == before | {ball}
        assert [mesh.name for mesh in bpy.data.meshes if not mesh.users] == []
        yield from undo()
        assert len(bpy.data.objects[ball].data.polygons) == faces
        assert bpy.data.objects[ball].vertex_groups.keys() == ["all"]
    yield from undo()
    assert names() == before, names()
    said(
        "Reduce Faces was clicked; one Ctrl-Z brings all faces back, one in the middle does no harm"
    )


def _push(name: str) -> None:
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.ed.undo_push(message=name)


def _view_region() -> bpy.types.Region:
    return next(region for region in driver.view().regions if region.type == "WINDOW")


def script() -> driver.Script:
    bpy.context.preferences.view.filebrowser_display_type = "SCREEN"
    driver.full_screen()
    yield 0.5

    before = names()
    yield from generate(256)
    job = queue().jobs[0]
    text = driver.module("progress_text").describe(job)
    assert text.startswith("Finding the shape"), text
    said(f"Generate was clicked; the bar says: {text}")
    yield lambda: job.preview is not None
    yield 0.5
    assert any("hunyuan3d_preview" in obj for obj in bpy.data.objects)
    said("a preview stands in the view")
    point = yield from driver.find_button("hunyuan3d.cancel(", column=0.815)
    yield from driver.click(point)
    yield lambda: job.ended
    yield 0.5
    assert job.state.name == "CANCELLED" and names() == before
    assert not any("hunyuan3d_preview" in obj for obj in bpy.data.objects)
    said("Cancel was clicked; scene and previews are as before")

    yield from generate(128)
    job = queue().jobs[0]
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.mesh.primitive_cube_add(location=(4, 0, 0))
    _push("Add Cube")
    added = names() - before
    yield from undo()
    assert names() == before, (names(), added)
    assert not job.ended
    said("Ctrl-Z in the middle took the artist's cube away and left the job alone")
    yield lambda: job.ended
    yield 0.5
    assert job.state.name == "DONE", job.reports
    made = names() - before
    assert made == {"mug"}, made
    assert 0 < len(bpy.data.objects["mug"].data.polygons) <= 2000
    yield from undo()
    assert names() == before, names()
    driver.xdotool("key", "ctrl+shift+z")
    yield 1.0
    assert names() == before | made, names()
    said("the mesh is there; one Ctrl-Z takes it away, Ctrl-Shift-Z brings it back")

    driver.move(driver.screen_point(_view_region(), 200, 300))
    yield 0.3
    driver.xdotool("key", "F3")
    yield 1.0
    driver.xdotool("type", "--delay", 40, "Mesh from Picture")
    yield 1.5
    driver.xdotool("key", "Return")
    yield lambda: _areas("FILE_BROWSER")
    yield 0.5
    driver.xdotool("key", "Escape")
    yield lambda: not _areas("FILE_BROWSER")
    said("F3 finds the operator, which asks for a picture")

    yield from reduce_faces()

    yield from generate(128)
    job = queue().jobs[0]
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=False)
    assert names() == set() and not job.ended
    yield lambda: job.ended
    yield 0.5
    assert job.state.name == "DONE", job.reports
    assert names() == {"mug"}, names()
    said("a file loaded in the middle; the mesh came into the new one")

    # At the end, for Blender 4.3 crashes when a timer closes a window.
    bpy.ops.hunyuan3d.remove_job()  # or the button would lie below the window
    driver.full_screen()
    yield 0.5
    yield from driver.open_tab()
    point = yield from driver.find_button("preferences.addon_show(", column=0.86)
    yield from driver.click(point)
    yield lambda: _areas("PREFERENCES")
    yield 1.5
    said("the button opens the preferences")

    _check_german()


def _areas(kind: str) -> list[bpy.types.Area]:
    windows = bpy.context.window_manager.windows
    return [area for window in windows for area in window.screen.areas if area.type == kind]


def _check_german() -> None:
    translations = bpy.app.translations
    if "de_DE" not in translations.locales:
        said("this Blender has no German: translations are left out")
        return
    view = bpy.context.preferences.view
    view.language, view.use_translate_interface = "de_DE", True
    texts = driver.module("german").TEXTS
    wrong = {text for text, word in texts.items() if translations.pgettext_iface(text) != word}
    assert not wrong, wrong
    said(f"Blender gives the German words for all {len(texts)} texts")


class _Heard(io.TextIOBase):
    """Standard error, listened to: an exception in a panel only prints."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return sys.__stderr__.write(text)


def listened() -> driver.Script:
    heard = _Heard()
    with contextlib.redirect_stderr(heard):
        yield from script()
        assert "Traceback" not in heard.text, "something printed an exception"


driver.install(os.path.abspath(sys.argv[sys.argv.index("--") + 1]))
driver.play(listened())
