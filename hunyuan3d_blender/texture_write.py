# SPDX-License-Identifier: GPL-3.0-or-later
"""A texture from the worker -> UV map, image and material of a Blender object.

The geometry stays as it is, so name, transform, modifiers, shape keys and vertex groups do too.
"""

from pathlib import Path

import bpy
import numpy as np

from hy3dgen.errors import InvalidMeshError, InvalidSettingError

from .replaceable import check_own_faces

MARK = "hunyuan3d_texture"  # on images and materials that were made here
UV_NAME = "Hunyuan3D"


def check_paintable(obj: bpy.types.Object) -> None:
    """InvalidMeshError if the object cannot get a UV map and a material."""
    check_own_faces(obj)
    if obj.override_library or obj.data.override_library:
        raise InvalidMeshError(f"'{obj.name}' is a library override; make it local first")


def put_on(
    obj: bpy.types.Object,
    colour: np.ndarray,
    loops: np.ndarray,
    uvs: np.ndarray | None = None,
    folder: Path | None = None,
    metallic_roughness: np.ndarray | None = None,
) -> list[str]:
    """A texture (H, W, 3) uint8 as the object's only material; the names of its earlier ones.

    Parameters
    ----------
    metallic_roughness : (H, W, 3) uint8, linear, as in glTF: green roughness, blue
        metallic
    loops, uvs : see `write_uvs`; without `uvs` the active UV map is used
    folder : where the image becomes a file; None packs it
    """
    if uvs is not None:
        write_uvs(obj.data, loops, uvs)
    image = make_image(f"{obj.name} colour", colour, folder)
    material = make_material(f"{obj.name} texture", image, obj.data.uv_layers.active.name)
    if metallic_roughness is not None:
        name = f"{obj.name} metal and roughness"
        surface = make_image(name, metallic_roughness, folder, "Non-Color")
        add_metallic_roughness(material, surface)
    return give_material(obj, material)


def read_uvs(mesh: bpy.types.Mesh, loops: np.ndarray) -> np.ndarray:
    """(N, 2) float32, the active UV map at those loops."""
    uvs = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers.active.uv.foreach_get("vector", uvs)
    return uvs.reshape(-1, 2)[loops]


def write_uvs(mesh: bpy.types.Mesh, loops: np.ndarray, uvs: np.ndarray) -> None:
    """Put UVs (N, 2) of those loops into the map `UV_NAME` and make it the one that is used."""
    layer = mesh.uv_layers.get(UV_NAME) or mesh.uv_layers.new(name=UV_NAME, do_init=False)
    if layer is None:
        raise InvalidMeshError(
            f"'{mesh.name}' has {len(mesh.uv_layers)} UV maps, as many as Blender allows; "
            "remove one"
        )
    values = np.zeros((len(mesh.loops), 2), np.float32)
    values[loops] = uvs
    layer.uv.foreach_set("vector", values.ravel())
    mesh.uv_layers.active = layer
    layer.active_render = True


def make_image(
    name: str, colour: np.ndarray, folder: Path | None, space: str = "sRGB"
) -> bpy.types.Image:
    """A new image from (H, W, 3) uint8, row 0 at the top; packed, or a new PNG in `folder`."""
    height, width = colour.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=False)
    image.colorspace_settings.name = space
    pixels = np.ones((height, width, 4), np.float32)
    np.multiply(colour[::-1], np.float32(1 / 255), out=pixels[..., :3])
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    image[MARK] = True
    if folder is None:
        image.pack()
        return image
    path = _unused(folder, bpy.path.clean_name(name))
    image.filepath_raw, image.file_format = str(path), "PNG"
    try:
        image.save()
    except RuntimeError as error:
        bpy.data.images.remove(image)
        raise InvalidSettingError(
            f"the texture cannot be saved in {folder}; choose to pack it, or save the blend file "
            "where files can be written"
        ) from error
    image.filepath = bpy.path.relpath(str(path))
    return image


def _unused(folder: Path, name: str) -> Path:
    """A path where no file is: another texture may still be needed by an undo step or file."""
    path, number = folder / f"{name}.png", 1
    while path.exists():
        number += 1
        path = folder / f"{name}_{number}.png"
    return path


def make_material(name: str, image: bpy.types.Image, uv_name: str) -> bpy.types.Material:
    """A Principled BSDF that is not metallic and takes its colour from the image."""
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):  # from then on nodes are always used, and asking warns
        material.use_nodes = True
    material[MARK] = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = _node(material, "BSDF_PRINCIPLED")
    shader.inputs["Metallic"].default_value = 0.0
    shader.inputs["Roughness"].default_value = 0.8
    texture = nodes.new("ShaderNodeTexImage")
    texture.image, texture.location = image, (-320, 280)
    uv_map = nodes.new("ShaderNodeUVMap")
    uv_map.uv_map, uv_map.location = uv_name, (-520, 80)
    links.new(uv_map.outputs["UV"], texture.inputs["Vector"])
    links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    nodes.active = texture  # what "Solid" shading in texture colours shows
    return material


def _node(material: bpy.types.Material, kind: str) -> bpy.types.Node:
    """The first of a kind; names are no help, Blender may translate them."""
    return next(node for node in material.node_tree.nodes if node.type == kind)


def add_metallic_roughness(material: bpy.types.Material, image: bpy.types.Image) -> None:
    """Let an image in glTF's order, green roughness and blue metallic, say both.

    Wired as Blender's exporter for glTF expects it, which then writes the image as it is.
    """
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader, uv_map = _node(material, "BSDF_PRINCIPLED"), _node(material, "UVMAP")
    texture = nodes.new("ShaderNodeTexImage")
    texture.image, texture.location = image, (-520, -40)
    uv_map.location = (-760, 80)
    channels = nodes.new("ShaderNodeSeparateColor")
    channels.location = (-220, -40)
    links.new(uv_map.outputs["UV"], texture.inputs["Vector"])
    links.new(texture.outputs["Color"], channels.inputs["Color"])
    links.new(channels.outputs["Green"], shader.inputs["Roughness"])
    links.new(channels.outputs["Blue"], shader.inputs["Metallic"])


def give_material(obj: bpy.types.Object, material: bpy.types.Material) -> list[str]:
    """Make it the object's only material; the names of others that it had.

    Earlier ones made here, and their images, are removed if nothing else uses them.
    """
    before = [slot.material for slot in obj.material_slots if slot.material]
    mesh = obj.data
    mesh.materials.clear()
    mesh.materials.append(material)
    obj.material_slots[0].link = "DATA"
    mesh.polygons.foreach_set("material_index", np.zeros(len(mesh.polygons), np.int32))
    mesh.update()
    names = []
    for old in dict.fromkeys(before):
        if MARK not in old:
            names.append(old.name)
        elif not old.users:
            _remove(old)
    return names


def _remove(material: bpy.types.Material) -> None:
    images = [node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE"]
    bpy.data.materials.remove(material)
    for image in images:
        if image and MARK in image and not image.users:
            bpy.data.images.remove(image)
