# SPDX-License-Identifier: Apache-2.0
"""Texture for a mesh from a picture: views, networks, baking, filling. Exports are lazy."""

from .._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Hunyuan3DPaintPipeline": ".pipelines",
        "Hunyuan3DTexGenConfig": ".config",
        "MeshRender": ".mesh_render",
        "bake_materials": ".material_bake",
    },
)
