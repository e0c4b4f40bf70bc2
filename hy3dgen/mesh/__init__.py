# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes as numpy arrays: cleaning, components, face reduction. Needs only numpy."""

from .._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "TriangleMesh": ".triangle_mesh",
        "reduce_faces": ".reduce",
        "reduce_many": ".batch",
        "Attribute": ".attributes",
        "reduce_with_attributes": ".attribute_reduce",
        "TargetNotReachedWarning": ".face_target",
        "load_mesh": ".files",
        "save_mesh": ".files",
        "clean": ".cleanup",
        "weld": ".cleanup",
        "components": ".cleanup",
        "component_labels": ".cleanup",
        "drop_degenerate_faces": ".cleanup",
        "remove_floaters": ".cleanup",
        "select_faces": ".cleanup",
        "fill_small_holes": ".holes",
        "to_trimesh": ".convert",
        "from_trimesh": ".convert",
        "native_available": ".native.loader",
    },
)
