# SPDX-License-Identifier: Apache-2.0
"""A script for a Python that has the bpy wheel: meshes in files -> Workbench pictures beside them.

    python -I render_in_blender.py FOLDER SIZE

Every FOLDER/*.npz holds one mesh and its camera as `contact_sheet` writes them, y up; the picture
is a transparent PNG of the same name. Knows nothing about programs, models or torch.
"""

import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

Y_UP_TO_BLENDER = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
SHARP_ANGLE = np.radians(40.0)
COLOUR = (0.27, 0.45, 0.74)  # linear

# Direction towards the light as the camera sees it (right, up, towards it), brightness, softness.
LIGHTS = (
    ((-0.45, 0.75, 0.48), 0.88, 0.15),
    ((0.80, 0.10, 0.60), 0.28, 0.50),
    ((0.30, 0.60, -0.74), 0.30, 0.30),
)
AMBIENT = 0.12


def main(folder: Path, size: int) -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    set_studio(scene, size)
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            place_camera(camera, arrays)
            mesh = make_mesh(arrays["vertices"], arrays["faces"])
        shown = bpy.data.objects.new(path.stem, mesh)
        scene.collection.objects.link(shown)
        scene.render.filepath = str(path.with_suffix(".png"))
        bpy.ops.render.render(write_still=True)
        bpy.data.objects.remove(shown)
        bpy.data.meshes.remove(mesh)


def set_studio(scene: bpy.types.Scene, size: int) -> None:
    """Soft studio light, edges brought out, nothing behind."""
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.film_transparent = True
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.view_settings.view_transform = "Standard"
    scene.display.render_aa = "16"
    shading = scene.display.shading
    shading.light = "STUDIO"
    shading.color_type = "SINGLE"
    shading.single_color = COLOUR
    shading.show_object_outline = False
    shading.show_cavity = True
    shading.cavity_type = "BOTH"
    shading.cavity_ridge_factor = shading.curvature_ridge_factor = 0.25
    shading.cavity_valley_factor = shading.curvature_valley_factor = 0.6
    system = bpy.context.preferences.system
    system.use_studio_light_edit = True  # these lights instead of the ones that come with Blender
    system.light_ambient = [AMBIENT] * 3
    for number, light in enumerate(system.solid_lights):
        light.use = number < len(LIGHTS)
        if light.use:
            light.direction, brightness, light.smooth = LIGHTS[number]
            light.diffuse_color = [brightness] * 3
            light.specular_color = [0.15 * brightness] * 3


def place_camera(camera: bpy.types.Object, arrays: np.lib.npyio.NpzFile) -> None:
    """`rotation` has right, up and forward as columns; Blender's cameras look along their -z."""
    right, up, forward = (Y_UP_TO_BLENDER @ arrays["rotation"]).T
    pose = np.eye(4)
    pose[:3] = np.stack([right, up, -forward, Y_UP_TO_BLENDER @ arrays["origin"]], axis=1)
    camera.matrix_world = Matrix(pose.tolist())  # a bare list would be read by columns
    camera.data.angle = 2 * np.arctan(float(arrays["tangent"]))


def make_mesh(vertices: np.ndarray, faces: np.ndarray) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new("generated")
    mesh.from_pydata(vertices @ Y_UP_TO_BLENDER.T, [], faces, shade_flat=False)
    mesh.set_sharp_from_angle(angle=SHARP_ANGLE)
    return mesh


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
