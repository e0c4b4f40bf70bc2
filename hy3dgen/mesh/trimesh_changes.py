# SPDX-License-Identifier: Apache-2.0
"""Reducing and cleaning `trimesh` meshes and scenes, with everything that they carry.

Each function gives a new object and leaves its input alone, whatever happens. trimesh itself is
imported only by the functions that make meshes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidMeshError, InvalidSettingError
from .appearance import with_appearance_of
from .attribute_reduce import reduce_with_correspondence
from .cleanup import component_labels
from .parallel import run_all
from .reduce import reduce_faces
from .row_keys import row_keys
from .triangle_mesh import TriangleMesh
from .trimesh_attributes import attributes_of, vertex_keys, with_carried
from .trimesh_parts import reduce_together, touching

if TYPE_CHECKING:
    import trimesh

Progress = Callable[[float], object]
# A way to reduce triangles: (mesh, target_faces, progress) -> mesh.
Engine = Callable[[TriangleMesh, int, Progress | None], TriangleMesh]

_REDUCING = 0.75  # share of the progress where the appearance is looked up afterwards


@dataclass(frozen=True)
class KernelEngine:
    """The Engine of our own methods; told apart because it carries attributes itself."""

    method: str
    threads: int | None = None

    def __call__(
        self, mesh: TriangleMesh, target_faces: int, progress: Progress | None
    ) -> TriangleMesh:
        return reduce_faces(mesh, target_faces, self.method, progress, self.threads)


def reduce_trimesh(
    mesh: "trimesh.Trimesh", target_faces: int, engine: Engine, progress: Progress | None = None
) -> "trimesh.Trimesh":
    """`mesh` with at most `target_faces` faces where its shape allows; few enough: itself."""
    whole = TriangleMesh(mesh.vertices, mesh.faces)
    if len(whole.faces) <= target_faces:
        engine(whole, target_faces, None)  # checks the settings all the same
        return mesh
    whole.require_faces("reducing faces")
    # Reduced around its middle: a small mesh far from the origin keeps its digits in float32.
    used = np.asarray(mesh.vertices, np.float64)[np.unique(mesh.faces)]
    middle = (used.min(axis=0) + used.max(axis=0)) / 2
    surface = TriangleMesh(np.asarray(mesh.vertices, np.float64) - middle, mesh.faces)
    if isinstance(engine, KernelEngine):
        attributes = attributes_of(mesh)
        reduced, found = reduce_with_correspondence(
            *(surface, attributes, target_faces, engine.method, progress, engine.threads)
        )
        result = with_carried(mesh, attributes, reduced, found)
    else:
        stages = (None, None) if progress is None else _stages(progress)
        reduced = engine(surface, target_faces, stages[0])
        result = with_appearance_of(mesh, surface, reduced, stages[1])
    result.vertices = result.vertices + middle
    if progress is not None:
        progress(1.0)
    return result


def reduce_scene(
    scene: "trimesh.Scene",
    target_faces: int,
    engine: Engine,
    progress: Progress | None = None,
    threads: int | None = None,
) -> "trimesh.Scene":
    """`scene` with at most `target_faces` faces in all, each mesh reduced by the same ratio.

    A mesh that stands in the scene several times counts each time, and is reduced once. Meshes that
    touch, such as the materials of one object, are reduced as one surface, so that no gap opens
    between them. All this goes on on several threads.
    """
    uses = _uses(scene)
    total = sum(len(scene.geometry[name].faces) * count for name, count in uses.items())
    if not total:
        raise InvalidMeshError("The scene has no triangle mesh in it; was the right file read?")
    if total <= target_faces:
        return scene
    groups = [list(uses)[i : i + 1] for i in range(len(uses))]
    if isinstance(engine, KernelEngine):
        groups = _fitting_together(scene, uses)
        if len(groups) == 1:  # then no other mesh wants the cores
            engine = replace(engine, threads=threads)
    sizes = [sum(len(scene.geometry[name].faces) for name in group) for group in groups]

    def job(names: list[str], size: int) -> Callable[[Progress], list[Any]]:
        meshes = [scene.geometry[name] for name in names]
        return lambda report: _reduce_group(meshes, target_faces * size // total, engine, report)

    jobs = [job(names, size) for names, size in zip(groups, sizes, strict=True)]
    reduced = run_all(jobs, sizes, progress, threads)
    meshes = {
        name: mesh
        for names, results in zip(groups, reduced, strict=True)
        for name, mesh in zip(names, results, strict=True)
    }
    return _with_meshes(scene, meshes)


def _reduce_group(
    meshes: list[Any], target_faces: int, engine: Engine, progress: Progress
) -> list[Any]:
    """The meshes reduced as one surface if they can be, else each by the same ratio."""
    total = sum(len(mesh.faces) for mesh in meshes)
    if len(meshes) > 1 and isinstance(engine, KernelEngine) and total > target_faces > 0:
        together = reduce_together(meshes, target_faces, engine.method, progress, engine.threads)
        if together is not None:
            return together
    return [
        reduce_trimesh(mesh, max(1, target_faces * len(mesh.faces) // total), engine, progress)
        for mesh in meshes
    ]


def _fitting_together(scene: Any, uses: dict[str, int]) -> list[list[str]]:
    """The meshes of a scene in groups that are reduced as one surface each."""
    places: dict[bytes, list[str]] = {}  # those that stand there only
    groups = [[name] for name, count in uses.items() if count > 1]
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        if uses.get(name) == 1:
            places.setdefault(np.asarray(matrix, np.float64).tobytes(), []).append(name)
    for names in places.values():
        meshes = [scene.geometry[name] for name in names]
        for mesh in meshes:
            TriangleMesh(mesh.vertices, mesh.faces)  # the check
        groups += [[names[i] for i in group] for group in touching(meshes)]
    return groups


def remove_floaters_of(meshes: list[Any], min_component_ratio: float) -> list[Any]:
    """The meshes without components of fewer than this ratio of the largest one's faces.

    The largest is that of all meshes. Faces that meet at equal positions are connected, so neither
    UV seams nor flat shading make floaters. Nothing to remove: the same objects.
    """
    return [
        mesh if keep.all() else keep_faces(mesh, keep)
        for mesh, keep in zip(meshes, floater_masks(meshes, min_component_ratio), strict=True)
    ]


def floater_masks(meshes: list[Any], min_component_ratio: float) -> list[np.ndarray]:
    """For each mesh which of its faces, (F,) bool, `remove_floaters_of` keeps."""
    if not 0 <= min_component_ratio <= 1:
        raise InvalidSettingError(
            f"min_component_ratio is {min_component_ratio!r}, but a ratio from 0 to 1 is wanted."
        )
    labels = [component_labels(_joined(mesh)) for mesh in meshes]
    counts = [np.bincount(label) for label in labels]
    limit = int(min_component_ratio * max((c.max() for c in counts if len(c)), default=0))
    return [(c >= limit)[label] for c, label in zip(counts, labels, strict=True)]


def remove_degenerate(mesh: "trimesh.Trimesh") -> "trimesh.Trimesh":
    """`mesh` with equal vertices merged, and without faces that are then pinched.

    Vertices at one place that differ in UVs, colours or other attributes stay apart.
    """
    TriangleMesh(mesh.vertices, mesh.faces)  # the check
    merged = mesh.copy()
    faces = _joined(mesh).faces
    pinched = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    merged.update_faces(~pinched)
    _, first, keys = np.unique(vertex_keys(merged), return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")  # the first of each keeps its place in the order
    renumbered = np.empty(len(order), np.int64)
    renumbered[order] = np.arange(len(order))
    merged.update_vertices(first[order], renumbered[keys.reshape(-1)])
    merged.remove_unreferenced_vertices()
    return merged


def keep_faces(mesh: "trimesh.Trimesh", keep: np.ndarray) -> "trimesh.Trimesh":
    """The faces for which `keep` is true, with only the vertices that they use."""
    kept = mesh.copy()
    kept.update_faces(keep)
    kept.remove_unreferenced_vertices()
    return kept


def change_scene(scene: "trimesh.Scene", change: Callable[[list[Any]], list[Any]]) -> Any:
    """`scene` with its meshes replaced by what `change` makes of all of them."""
    names = list(_uses(scene))
    if not names:
        raise InvalidMeshError("The scene has no triangle mesh in it; was the right file read?")
    changed = change([scene.geometry[name] for name in names])
    return _with_meshes(scene, dict(zip(names, changed, strict=True)))


def _uses(scene: Any) -> dict[str, int]:
    """How often each triangle mesh stands in the scene."""
    uses: dict[str, int] = {}
    for node in scene.graph.nodes_geometry:
        name = scene.graph[node][1]
        if hasattr(scene.geometry[name], "faces"):  # not a path or a cloud of points
            uses[name] = uses.get(name, 0) + 1
    return uses


def _with_meshes(scene: Any, meshes: dict[str, Any]) -> Any:
    result = scene.copy()
    for name, mesh in meshes.items():
        result.geometry[name] = mesh.copy() if mesh is scene.geometry[name] else mesh
    return result


def _joined(mesh: Any) -> TriangleMesh:
    """The same faces on vertices of which equal positions are one."""
    checked = TriangleMesh(mesh.vertices, mesh.faces)
    keys = row_keys(np.asarray(mesh.vertices, np.float64))
    positions = np.empty((keys.max(initial=-1) + 1, 3), np.float32)
    positions[keys] = checked.vertices
    return TriangleMesh(positions, keys[checked.faces])


def _stages(progress: Progress) -> tuple[Progress, Progress]:
    return (
        lambda fraction: progress(_REDUCING * fraction),
        lambda fraction: progress(_REDUCING + (1 - _REDUCING) * fraction),
    )
