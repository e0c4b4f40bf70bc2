# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo, run by a Python that has bpy: picture -> mesh -> fewer faces, colours -> one picture.

    python demo_scene.py EXTENSION_ZIP PICTURE WORKER_PYTHON OUT_FOLDER

Works as an artist would: installs the zip, sets the preference, calls the extension's operators.
"""

import os
import sys
import tempfile
import time
from math import radians
from pathlib import Path

EXTENSION = "bl_ext.user_default.hunyuan3d_blender"
REDUCED_FACES = 2000
SPACING = 2.6  # metres between the three exhibits, each of which fits into 2 m
TURN = 30.0  # degrees; three-quarter view, from the side that the bundled picture shows
SIZE = (1500, 600)  # pixels
GENERATION = "picture to mesh"


class Stopwatch:
    """Stages with their seconds and, where it says something, the faces at their end."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, int | None]] = []
        self._last = time.perf_counter()

    def stage(self, name: str, faces: int | None = None) -> None:
        now = time.perf_counter()
        self.rows.append((name, now - self._last, faces))
        self._last = now

    def print(self, within: dict[str, float]) -> None:
        """The table; `within` are the worker's stages, which are part of the generation."""
        total = sum(seconds for _, seconds, _ in self.rows)
        print(f"\n{'stage':<24}{'seconds':>9}{'faces':>10}")
        for name, seconds, faces in [*self.rows, ("total", total, None)]:
            print(f"{name:<24}{seconds:>9.1f}{'' if faces is None else f'{faces:,}':>10}")
            if name == GENERATION:
                for stage, part in within.items():
                    print(f"  {stage:<22}{part:>9.1f}")


def main(archive: Path, picture: Path, worker_python: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hy3d-demo-") as home:
        os.environ["BLENDER_USER_RESOURCES"] = home  # before the first import of bpy
        try:
            run(archive, picture, worker_python, out)
        except RuntimeError as error:  # an operator's error: one sentence
            raise SystemExit(f"the demo failed: {error}") from error


def run(archive: Path, picture: Path, worker_python: Path, out: Path) -> None:
    clock = Stopwatch()
    import bpy

    clock.stage(f"start Blender {bpy.app.version_string}")
    install(archive, worker_python)
    clock.stage("install extension")

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.hunyuan3d.generate(filepath=str(picture))
    raw = bpy.context.object
    clock.stage(GENERATION, len(raw.data.polygons))
    made = raw["hunyuan3d"].to_dict()

    reduced = raw.copy()
    reduced.data = raw.data.copy()
    reduced.name = f"{raw.name} reduced"
    bpy.context.collection.objects.link(reduced)
    raw.select_set(False)
    reduced.select_set(True)
    bpy.context.view_layer.objects.active = reduced
    bpy.ops.hunyuan3d.reduce_faces(face_count=REDUCED_FACES, method="QUALITY")
    clock.stage("reduce", len(reduced.data.polygons))

    reduced.select_set(False)
    raw.select_set(True)
    bpy.context.view_layer.objects.active = raw
    bpy.ops.hunyuan3d.texture(filepath=str(picture))
    clock.stage("texture")

    bpy.ops.export_scene.gltf(filepath=str(out / "demo.glb"), use_selection=True)
    arrange(picture, raw, reduced)
    bpy.context.preferences.filepaths.save_version = 0  # no demo.blend1 beside it
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "demo.blend"), compress=True)
    clock.stage("write .glb and .blend")
    render(out / "demo.png")
    clock.stage("render")

    bpy.ops.preferences.addon_disable(module=EXTENSION)  # ends the workers
    clock.print(made["seconds"])
    print(f"\nworker: on {made['device']}, at most {made['peak_memory']:,.0f} MB of memory")


def install(archive: Path, worker_python: Path) -> None:
    import bpy

    bpy.ops.extensions.package_install_files(
        filepath=str(archive), repo="user_default", enable_on_install=True
    )
    # A zip whose wheels do not fit this Python installs "successfully" and stays off.
    if EXTENSION not in bpy.context.preferences.addons:
        raise SystemExit(f"{archive.name} was installed but could not be enabled")
    bpy.context.preferences.addons[EXTENSION].preferences.python = str(worker_python)


def arrange(picture: Path, raw, reduced) -> None:
    """Picture, raw and reduced mesh side by side on a studio floor, with captions."""
    import bpy

    raw.location.x, reduced.location.x = 0.0, SPACING
    raw.rotation_euler.z = reduced.rotation_euler.z = radians(TURN)
    _give_material(reduced, _clay("clay with edges", (0.18, 0.42, 0.62), wireframe=True))
    _picture_plane(picture, -SPACING)
    for x, text in (
        (-SPACING, "picture"),
        (0.0, f"painted: {len(raw.data.polygons):,} faces"),
        (SPACING, f"reduced: {len(reduced.data.polygons):,} faces"),
    ):
        _caption(x, text)
    _studio()
    bpy.context.view_layer.update()


def render(path: Path) -> None:
    import bpy

    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = 8  # the denoiser does the rest; more would take most of the demo's time
    scene.cycles.max_bounces = 2
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = True
    scene.cycles.denoising_prefilter = "FAST"
    if hasattr(scene.cycles, "denoising_quality"):
        scene.cycles.denoising_quality = "FAST"
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.render.filepath = str(path)
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.view_settings.view_transform = "Standard"
    bpy.ops.render.render(write_still=True)


def _give_material(obj, material) -> None:
    obj.data.materials.clear()
    obj.data.materials.append(material)


def _clay(name: str, color: tuple[float, float, float], wireframe: bool = False):
    import bpy

    material = bpy.data.materials.new(name)
    _use_nodes(material)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*color, 1.0)
    shader.inputs["Roughness"].default_value = 0.55
    if wireframe:
        edges = nodes.new("ShaderNodeWireframe")
        edges.use_pixel_size = True
        edges.inputs["Size"].default_value = 1.1
        mix = nodes.new("ShaderNodeMixRGB")
        mix.inputs["Color1"].default_value = (*color, 1.0)
        mix.inputs["Color2"].default_value = (0.01, 0.02, 0.04, 1.0)
        links.new(edges.outputs["Fac"], mix.inputs["Fac"])
        links.new(mix.outputs["Color"], shader.inputs["Base Color"])
    return material


def _use_nodes(owner) -> None:
    import bpy

    if bpy.app.version < (5, 0, 0):  # from then on nodes are always used, and asking warns
        owner.use_nodes = True


def _glow(name: str):
    """Material that shows its colour whatever the light, and the node that takes the colour."""
    import bpy

    material = bpy.data.materials.new(name)
    _use_nodes(material)
    nodes = material.node_tree.nodes
    nodes.remove(nodes["Principled BSDF"])
    emission = nodes.new("ShaderNodeEmission")
    material.node_tree.links.new(
        emission.outputs["Emission"], nodes["Material Output"].inputs["Surface"]
    )
    return material, emission


def _picture_plane(picture: Path, x: float) -> None:
    """The picture upright before a light card; transparent parts show the card."""
    import bpy

    image = bpy.data.images.load(str(picture))
    image.pack()
    width, rows = image.size
    side = 1.8
    bpy.ops.mesh.primitive_plane_add(size=1.0, rotation=(radians(90), 0.0, 0.0))
    plane = bpy.context.object
    plane.name = "picture"
    plane.scale = (side * min(1.0, width / rows), side * min(1.0, rows / width), 1.0)
    plane.location = (x, 0.0, plane.scale.y / 2)
    material, emission = _glow("picture")
    nodes, links = material.node_tree.nodes, material.node_tree.links
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = image
    mix = nodes.new("ShaderNodeMixRGB")
    mix.inputs["Color1"].default_value = (0.93, 0.93, 0.93, 1.0)
    links.new(texture.outputs["Alpha"], mix.inputs["Fac"])
    links.new(texture.outputs["Color"], mix.inputs["Color2"])
    links.new(mix.outputs["Color"], emission.inputs["Color"])
    _give_material(plane, material)


def _caption(x: float, text: str) -> None:
    import bpy

    curve = bpy.data.curves.new(text, "FONT")
    curve.body, curve.size, curve.align_x = text, 0.22, "CENTER"
    caption = bpy.data.objects.new(text, curve)
    caption.location = (x, -1.5, 0.06)  # lies before the exhibit, raised towards the camera
    caption.rotation_euler = (radians(20), 0.0, 0.0)
    caption.visible_shadow = False
    material, emission = _glow(f"ink for {text}")
    emission.inputs["Color"].default_value = (0.03, 0.035, 0.05, 1.0)
    curve.materials.append(material)
    bpy.context.collection.objects.link(caption)


def _studio() -> None:
    """Floor, soft light and a long lens, so that the three exhibits look alike."""
    import bpy
    from mathutils import Vector

    collection, scene = bpy.context.collection, bpy.context.scene
    bpy.ops.mesh.primitive_plane_add(size=60.0)
    floor = bpy.context.object
    floor.name = "floor"
    _give_material(floor, _clay("paper", (0.80, 0.81, 0.83)))

    world = bpy.data.worlds.new("studio")
    _use_nodes(world)
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.9, 0.95, 1.0, 1.0)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.5
    scene.world = world
    for name, energy, size, place in (
        ("key", 360.0, 3.0, (-4.5, -5.0, 6.0)),
        ("rim", 160.0, 3.0, (3.0, 5.0, 5.0)),
    ):
        light = bpy.data.lights.new(name, "AREA")
        light.energy, light.size = energy, size
        lamp = bpy.data.objects.new(name, light)
        lamp.location = place
        lamp.rotation_euler = (
            (Vector((0, 0, 0.8)) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
        )
        collection.objects.link(lamp)

    camera = bpy.data.cameras.new("camera")
    camera.lens = 90.0
    view = bpy.data.objects.new("camera", camera)
    view.location = (0.0, -19.3, 6.0)
    target = Vector((0.0, 0.0, 0.7))
    view.rotation_euler = (target - view.location).to_track_quat("-Z", "Y").to_euler()
    collection.objects.link(view)
    scene.camera = view


if __name__ == "__main__":
    main(*(Path(argument).absolute() for argument in sys.argv[1:5]))
