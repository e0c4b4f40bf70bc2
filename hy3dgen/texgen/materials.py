# SPDX-License-Identifier: Apache-2.0
"""Textured meshes for other programs, with materials that look right there.

glTF takes a material without a metallic factor for pure metal, so ours always writes one.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import trimesh

ROUGHNESS = 0.9  # of a painted texture without a roughness map


class TextureMaps(NamedTuple):
    """What a painted surface looks like, on its texture.

    Parameters
    ----------
    colour : (S, S, 3) uint8, sRGB
    metallic_roughness : (S, S, 3) uint8, linear: red metallic, green roughness, as 2.1 paints it;
        None for a surface that is not metallic and equally rough everywhere
    """

    colour: np.ndarray
    metallic_roughness: np.ndarray | None = None


def textured_trimesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    uvs: np.ndarray,
    colour: np.ndarray,
    metallic_roughness: np.ndarray | None = None,
) -> "trimesh.Trimesh":
    """A trimesh mesh with a PBR material; vertices stay in their order.

    Parameters
    ----------
    uvs : (V, 2), v up
    colour : (H, W, 3) uint8, sRGB
    metallic_roughness : (H, W, 3) uint8, linear: red metallic, green roughness, as 2.1 paints it
    """
    import trimesh

    mesh = trimesh.Trimesh(vertices, faces, process=False)
    set_texture(mesh, uvs, colour, metallic_roughness)
    return mesh


def set_texture(
    mesh: "trimesh.Trimesh",
    uvs: np.ndarray,
    colour: np.ndarray,
    metallic_roughness: np.ndarray | None = None,
) -> None:
    """Give a trimesh mesh UVs and a PBR material, in place of what it has."""
    from PIL import Image
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    settings = {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
    if metallic_roughness is not None:
        settings = {
            "metallicFactor": 1.0,
            "roughnessFactor": 1.0,
            "metallicRoughnessTexture": Image.fromarray(as_gltf(metallic_roughness)),
        }
    material = PBRMaterial(
        name="painted",
        baseColorTexture=Image.fromarray(colour),
        baseColorFactor=[255, 255, 255, 255],
        **settings,
    )
    mesh.visual = TextureVisuals(uv=np.asarray(uvs, np.float64), material=material)


def as_gltf(metallic_roughness: np.ndarray) -> np.ndarray:
    """Red metallic, green roughness -> glTF's order: green roughness, blue metallic."""
    packed = np.zeros_like(metallic_roughness)
    packed[..., 1] = metallic_roughness[..., 1]
    packed[..., 2] = metallic_roughness[..., 0]
    return packed


def from_gltf(packed: np.ndarray) -> np.ndarray:
    """The opposite of `as_gltf`."""
    metallic_roughness = np.zeros_like(packed)
    metallic_roughness[..., 0] = packed[..., 2]
    metallic_roughness[..., 1] = packed[..., 1]
    return metallic_roughness
