# SPDX-License-Identifier: Apache-2.0
"""Several trimesh meshes that touch, such as the materials of one object, reduced as one surface.

File formats split a mesh by its materials. Reduced one by one, the parts would draw apart along
their common borders; reduced as one, those borders are curves that both sides share.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .attribute_reduce import reduce_with_correspondence
from .attributes import Attribute
from .correspondence import Correspondence
from .row_keys import row_keys
from .triangle_mesh import TriangleMesh
from .trimesh_attributes import attributes_of, with_carried

if TYPE_CHECKING:
    import trimesh

_PART = "part of the scene"


def touching(meshes: Sequence["trimesh.Trimesh"]) -> list[list[int]]:
    """Numbers of the meshes in groups: in one are those that share places of vertices.

    Meshes with a triangle in common lie on each other rather than beside each other and are never
    in one group.
    """
    if len(meshes) == 1:
        return [[0]]
    keys = row_keys(np.concatenate([np.asarray(mesh.vertices, np.float64) for mesh in meshes]))
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    owners = np.repeat(np.arange(len(meshes)), np.diff(starts))
    pairs = np.unique(np.stack([keys, owners], axis=1), axis=0)
    shared = pairs[1:, 0] == pairs[:-1, 0]
    groups = {number: [number] for number in range(len(meshes))}
    for one, other in np.unique(np.stack([pairs[:-1, 1], pairs[1:, 1]], axis=1)[shared], axis=0):
        if groups[one] is not groups[other]:
            groups[one].extend(groups[other])
            groups |= dict.fromkeys(groups[other], groups[one])
    found = {id(group): sorted(group) for group in groups.values()}

    def lie_apart(group: list[int]) -> bool:
        corners = [keys[starts[number] + np.asarray(meshes[number].faces)] for number in group]
        rows = np.sort(np.concatenate(corners), axis=1).astype(np.float64)
        used = row_keys(rows)
        parts = np.repeat(group, [len(one) for one in corners])
        triangles = np.unique(np.stack([used, parts], axis=1), axis=0)
        return bool((triangles[1:, 0] != triangles[:-1, 0]).all())

    return [
        part
        for group in found.values()
        for part in ([group] if lie_apart(group) else [[number] for number in group])
    ]


def reduce_together(
    meshes: Sequence["trimesh.Trimesh"],
    target_faces: int,
    method: str,
    progress: Callable[[float], object] | None = None,
    threads: int | None = None,
) -> "list[trimesh.Trimesh] | None":
    """The meshes with `target_faces` faces in all, fitting together as before.

    None if one of them would have no faces left, or faces on the other side of its border.
    """
    places = [np.asarray(mesh.vertices, np.float64) for mesh in meshes]
    used = np.concatenate([p[np.unique(m.faces)] for p, m in zip(places, meshes, strict=True)])
    middle = (used.min(axis=0) + used.max(axis=0)) / 2
    counts = [len(mesh.faces) for mesh in meshes]
    firsts = np.cumsum([0, *(len(place) for place in places)])
    whole = TriangleMesh(
        np.concatenate(places) - middle,
        np.concatenate(
            [np.asarray(m.faces) + first for m, first in zip(meshes, firsts, strict=False)]
        ),
    )
    part = np.repeat(np.arange(len(meshes), dtype=np.int32), counts)
    own = [attributes_of(mesh) for mesh in meshes]
    label = Attribute(_PART, "face", part)
    reduced, found = reduce_with_correspondence(
        *(whole, [label, *_joined(own, counts)], target_faces, method, progress, threads)
    )
    parts = [
        _part(reduced, found, number, part, np.asarray(mesh.faces))
        for number, mesh in enumerate(meshes)
    ]
    if any(one is None for one in parts):
        return None
    results = [
        with_carried(mesh, attributes, *one)
        for mesh, attributes, one in zip(meshes, own, parts, strict=True)
    ]
    for result in results:
        result.vertices = result.vertices + middle
    return results


def _joined(own: list[list[Attribute]], counts: list[int]) -> list[Attribute]:
    """Attributes of one name and kind in one; zeros where a part has none.

    Only where they jump is asked of them, and at borders of parts the parts' label jumps anyway.
    """
    found: dict[tuple, dict[int, Attribute]] = {}
    for number, attributes in enumerate(own):
        for one in attributes:
            key = (one.name, one.domain, one.values.shape[1:], one.values.dtype, one.unit_length)
            found.setdefault(key, {})[number] = one
    joined = []
    for (name, domain, shape, dtype, _unit), by_part in found.items():
        each = 3 if domain == "corner" else 1
        values = [
            by_part[number].values if number in by_part else np.zeros((each * count, *shape), dtype)
            for number, count in enumerate(counts)
        ]
        like = next(iter(by_part.values()))
        joined.append(
            Attribute(
                f"{name} {len(joined)}",
                *(domain, np.concatenate(values), like.blend, like.unit_length, like.parts),
            )
        )
    return joined


def _part(
    reduced: TriangleMesh,
    found: Correspondence,
    number: int,
    part: np.ndarray,
    source_faces: np.ndarray,
) -> tuple[TriangleMesh, Correspondence] | None:
    """One part of a mesh that was reduced as a whole; `part` tells that of each face before."""
    mine = part[found.faces] == number
    wedges, corners = np.unique(found.corners[mine], return_inverse=True)
    if not len(wedges) or not (part[found.wedge_faces[wedges]] == number).all():
        return None
    vertices, wedge_vertices = np.unique(found.wedge_vertices[wedges], return_inverse=True)
    first = int(np.argmax(part == number))
    corners = corners.reshape(-1, 3).astype(np.int32)
    mesh = TriangleMesh(
        reduced.vertices[vertices], wedge_vertices.reshape(-1).astype(np.int32)[corners]
    )
    return mesh, Correspondence(
        corners,
        wedge_vertices.reshape(-1).astype(np.int32),
        found.wedge_faces[wedges] - first,
        found.wedge_weights[wedges],
        found.faces[mine] - first,
        np.full_like(found.edges[mine], -1),
        _scattered(found.scattered),
        source_faces,
    )


def _scattered(names: tuple[str, ...]) -> tuple[str, ...]:
    """Back from the names that `_joined` gave."""
    return tuple(name.rpartition(" ")[0] for name in names)
