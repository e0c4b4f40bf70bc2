# SPDX-License-Identifier: Apache-2.0
"""Small meshes whose true surface is known in closed form."""

import numpy as np

from hy3dgen.mesh import TriangleMesh, weld


def grid(side: int, size: float = 1.0) -> TriangleMesh:
    """A flat square of side x side vertices in the plane z = 0, looking up."""
    x, y = np.meshgrid(np.linspace(0, size, side), np.linspace(0, size, side), indexing="ij")
    index = np.arange(side * side).reshape(side, side)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    quads = np.stack([a, b, c, d], -1).reshape(-1, 4)
    return TriangleMesh(
        np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3),
        np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]),
    )


def joined(*meshes: TriangleMesh) -> TriangleMesh:
    """One mesh with the vertices and faces of all, nothing merged."""
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return TriangleMesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + o for mesh, o in zip(meshes, offsets, strict=False)]),
    )


def moved(mesh: TriangleMesh, offset=(0.0, 0.0, 0.0), scale: float = 1.0) -> TriangleMesh:
    return TriangleMesh(mesh.vertices * np.float32(scale) + np.float32(offset), mesh.faces)


def soup(mesh: TriangleMesh) -> TriangleMesh:
    """Every face with its own three vertices, as flat-shaded files have them."""
    return TriangleMesh(
        mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3)
    )


def cube(side: int = 9) -> TriangleMesh:
    """[0, 1]^3, each side of side x side vertices, closed."""
    flat = grid(side)
    u, v, _ = flat.vertices.T
    zero, one = np.zeros_like(u), np.ones_like(u)
    sides = [
        ((u, v, one), False),
        ((u, v, zero), True),
        ((one, u, v), False),
        ((zero, u, v), True),
        ((v, one, u), False),
        ((v, zero, u), True),
    ]
    return weld(
        joined(
            *(
                TriangleMesh(np.stack(axes, 1), flat.faces[:, ::-1] if turned else flat.faces)
                for axes, turned in sides
            )
        )
    )


def sphere(side: int = 33) -> TriangleMesh:
    """Unit sphere: a cube blown up, 12 (side - 1)^2 faces."""
    box = cube(side)
    centred = np.tan((box.vertices.astype(np.float64) - 0.5) * (np.pi / 2))
    return TriangleMesh(centred / np.linalg.norm(centred, axis=1, keepdims=True), box.faces)


def torus(around: int = 48, across: int = 24, radius: float = 0.35) -> TriangleMesh:
    """A ring of radius 1, whose tube has `radius`; genus 1."""
    i, j = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    a, b = 2 * np.pi * i / around, 2 * np.pi * j / across
    out = 1 + radius * np.cos(b)
    vertices = np.stack([out * np.cos(a), out * np.sin(a), radius * np.sin(b)], -1).reshape(-1, 3)

    def index(i, j):
        return (i % around) * across + j % across

    quads = np.stack([index(i, j), index(i + 1, j), index(i + 1, j + 1), index(i, j + 1)], -1)
    quads = quads.reshape(-1, 4)
    return TriangleMesh(vertices, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))


def euler_number(mesh: TriangleMesh) -> int:
    """V - E + F of the used vertices: 2 for a sphere, 0 for a torus."""
    return len(np.unique(mesh.faces)) - len(mesh.edge_face_counts()[0]) + len(mesh.faces)
