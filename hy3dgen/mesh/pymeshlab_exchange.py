# SPDX-License-Identifier: Apache-2.0
"""Between pymeshlab and trimesh or plain arrays, in memory.

Exchanged: positions, faces, vertex and face colours (MeshLab keeps 8 bits a channel), UVs per
vertex or per corner, and normals on the way out (MeshLab computes its own on the way in). Only
texture images go through a file, private and gone at once, because pymeshlab has no other door for
them.

pymeshlab is optional and imported when one of these functions is called. Imported before `bpy` it
breaks bpy, so inside Blender these functions refuse to load it.
"""

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidMeshError, MissingDependencyError
from ..private_folders import private_folder
from .row_keys import row_keys
from .triangle_mesh import TriangleMesh

if TYPE_CHECKING:
    import pymeshlab
    import trimesh


def import_pymeshlab() -> Any:
    """The module pymeshlab, or one sentence on why it cannot be had."""
    if "bpy" in sys.modules and "pymeshlab" not in sys.modules:
        raise MissingDependencyError(
            "pymeshlab is not loaded inside Blender, because the two bring libraries that clash; "
            'reduce with method="pymeshlab", which runs it in a process of its own.'
        )
    try:
        import pymeshlab
    except ImportError as error:
        raise MissingDependencyError(
            f"pymeshlab cannot be used ({error}); install it with `pip install pymeshlab`, or "
            'choose the method "quality" or "fast", which do without it.'
        ) from error
    return pymeshlab


def is_mesh_set(value: Any) -> bool:
    """True for a pymeshlab.MeshSet; does not import pymeshlab."""
    kinds = type(value).__mro__
    return any(k.__name__ == "MeshSet" and k.__module__.startswith("pymeshlab") for k in kinds)


def trimesh2pymeshlab(mesh: "trimesh.Trimesh | TriangleMesh") -> "pymeshlab.MeshSet":
    """A MeshSet with `mesh` as its only mesh, and its colours, UVs and texture."""
    pymeshlab = import_pymeshlab()
    checked = TriangleMesh(mesh.vertices, mesh.faces)
    columns: dict[str, np.ndarray] = {}
    image = None
    if not isinstance(mesh, TriangleMesh):
        visual = mesh.visual
        if visual.kind == "vertex":
            columns["v_color_matrix"] = _fractions(visual.vertex_colors)
        elif visual.kind == "face":
            columns["f_color_matrix"] = _fractions(visual.face_colors)
        elif visual.kind == "texture" and visual.uv is not None:
            uv = np.asarray(visual.uv, np.float64)[:, :2]
            columns["w_tex_coords_matrix"] = uv[checked.faces].reshape(-1, 2)
            image = _image_of(visual.material)
    mesh_set = pymeshlab.MeshSet()
    positions = np.asarray(mesh.vertices, np.float64).reshape(-1, 3)
    with _in_one_sentence():
        mesh_set.add_mesh(pymeshlab.Mesh(positions, checked.faces, **columns), "mesh")
    if image is not None:
        with private_folder() as folder:
            path = folder.write(_png(image), ".png")
            mesh_set.set_texture_per_mesh(textname=str(path))
    return mesh_set


def pymeshlab2trimesh(mesh: "pymeshlab.MeshSet | pymeshlab.Mesh") -> "trimesh.Trimesh":
    """A trimesh mesh of the set's current mesh, with its colours, or its UVs and texture.

    UVs per corner become UVs per vertex: vertices are doubled where corners differ. MeshLab paints
    every mesh without vertex colours opaque white, so vertices that are all so count as uncoloured.
    """
    import trimesh
    from trimesh.visual import ColorVisuals, TextureVisuals

    given = mesh  # a mesh is freed with its set, so the set must live as long
    if is_mesh_set(given):
        if given.mesh_number() == 0:
            raise InvalidMeshError("The MeshSet is empty; load or add a mesh first.")
        mesh = given.current_mesh()
    if not mesh.is_compact():
        raise InvalidMeshError(
            "The MeshSet's mesh has deleted elements in it; call its `compact()` first."
        )
    triangles = TriangleMesh(mesh.vertex_matrix(), mesh.face_matrix())
    vertices, faces = np.array(mesh.vertex_matrix()), triangles.faces
    lengths = np.linalg.norm(normals := np.array(mesh.vertex_normal_matrix()), axis=1)
    normals = normals / np.where(lengths > 0, lengths, 1)[:, None]
    uv, source = None, np.arange(len(vertices))
    if mesh.has_wedge_tex_coord():
        corners = faces.reshape(-1)
        wedges = np.array(mesh.wedge_tex_coord_matrix())
        keys = row_keys(np.column_stack([corners, wedges]))
        _, first = np.unique(keys, return_index=True)
        source, uv, faces = corners[first], wedges[first], keys.reshape(-1, 3)
    elif mesh.has_vertex_tex_coord():
        uv = np.array(mesh.vertex_tex_coord_matrix())
    result = trimesh.Trimesh(vertices[source], faces, vertex_normals=normals[source], process=False)
    if uv is not None:
        result.visual = TextureVisuals(uv=uv, image=_first_texture(mesh))
    elif mesh.has_vertex_color() and (mesh.vertex_color_matrix() != 1).any():
        result.visual = ColorVisuals(result, vertex_colors=_bytes(mesh.vertex_color_matrix()))
    elif mesh.has_face_color():
        result.visual = ColorVisuals(result, face_colors=_bytes(mesh.face_color_matrix()))
    return result


def replaced_in_set(mesh_set: "pymeshlab.MeshSet", mesh: "trimesh.Trimesh") -> "pymeshlab.MeshSet":
    """A new MeshSet with the meshes of `mesh_set`, of which the current one is `mesh` now."""
    pymeshlab = import_pymeshlab()
    result = pymeshlab.MeshSet()
    current = mesh_set.current_mesh_id()
    of_new = trimesh2pymeshlab(mesh)  # a mesh is freed with its set
    new = of_new.current_mesh()
    place = 0
    for index, old in enumerate(mesh_set):
        place = index if old.id() == current else place
        result.add_mesh(new if old.id() == current else old, old.label(), False)
    result.set_current_mesh([m.id() for m in result][place])
    return result


# --- colours and textures -------------------------------------------------------------------------


def _fractions(colors: Any) -> np.ndarray:
    return np.asarray(colors, np.float64) / 255


def _bytes(colors: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(colors, 0, 1) * 255).astype(np.uint8)


def _image_of(material: Any) -> Any:
    """The picture that gives the material its colour: of a simple or of a PBR material."""
    image = getattr(material, "image", None)
    return getattr(material, "baseColorTexture", None) if image is None else image


def _png(image: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _first_texture(mesh: Any) -> Any:
    if mesh.texture_number() == 0:
        return None
    from PIL import Image

    with private_folder() as folder:
        path = folder.new_path(".png")
        mesh.texture(0).save(str(path))
        with Image.open(path) as image:
            return image.copy()


@contextlib.contextmanager
def _in_one_sentence() -> Iterator[None]:
    """MeshLab's exceptions as ours."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("pymeshlab"):
            raise
        raise InvalidMeshError(f"MeshLab refused the mesh: {error}") from error
