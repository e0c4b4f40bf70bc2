# SPDX-License-Identifier: Apache-2.0
"""The 256 cases of marching cubes, derived from one rule instead of typed in.

A cell's corner `i` lies at `(i & 1, i >> 1 & 1, i >> 2 & 1)`; its bit in a case is set if the field
is positive there. The rule: on every face of the cell, positive corners that are only diagonal to
each other are separated. Two cells that share a face see the same four signs, apply the same rule
and draw the same lines, so the surface is closed without looking further.

The lines of the six faces join to closed loops around the cell. A loop becomes triangles without
any diagonal that lies in a face of the cell, since the neighbour could draw that one too, and then
an edge would have four triangles. Every loop of every case has such triangles.

Source of the cases: Lorensen & Cline 1987; the rule on faces is the one that all tables since
Dürst 1988 need in some form.
"""

from functools import cache
from itertools import product

import numpy as np

# Edges: (corner, the axis along which the other end lies), numbered axis by axis.
EDGES = [(corner, axis) for axis in range(3) for corner in range(8) if not corner >> axis & 1]
_NUMBER = {}
for _number, (_corner, _axis) in enumerate(EDGES):
    _NUMBER[_corner, _corner | 1 << _axis] = _NUMBER[_corner | 1 << _axis, _corner] = _number


def _faces() -> list[tuple[int, ...]]:
    """The corners of each face, counter-clockwise seen from outside."""
    faces = []
    for axis, end in product(range(3), (0, 1)):
        first, second = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
        base = end << axis
        ring = (base, base | first, base | first | second, base | second)
        faces.append(ring if end else ring[::-1])
    return faces


_FACES = _faces()
_FACES_OF_EDGE = [
    {number for number, ring in enumerate(_FACES) if corner in ring and corner | 1 << axis in ring}
    for corner, axis in EDGES
]


def loops(case: int) -> list[list[int]]:
    """Closed loops of edges; seen from outside the cell, positive corners lie to the right."""
    following = {}
    for ring in _FACES:
        positive = [case >> corner & 1 for corner in ring]
        for i in range(4):
            # A line starts where the face's border enters positive corners and ends where it
            # leaves them next: that cuts off each run of positive corners on its own.
            if not positive[i - 1] and positive[i]:
                j = i
                while positive[(j + 1) % 4]:
                    j += 1
                start = _NUMBER[ring[i - 1], ring[i]]
                following[start] = _NUMBER[ring[j % 4], ring[(j + 1) % 4]]
    found = []
    while following:
        loop = [min(following)]
        while (edge := following.pop(loop[-1])) != loop[0]:
            loop.append(edge)
        found.append(loop)
    return found


def _in_one_face(a: int, b: int) -> bool:
    return bool(_FACES_OF_EDGE[a] & _FACES_OF_EDGE[b])


def _triangulate(loop: tuple[int, ...]) -> list[tuple[int, int, int]] | None:
    """Triangles of a loop without a diagonal in a face of the cell; None if there are none."""
    if len(loop) == 2:
        return []
    first, last = loop[0], loop[-1]
    for i in range(1, len(loop) - 1):
        inner = [(first, loop[i])] if i > 1 else []
        inner += [(loop[i], last)] if i < len(loop) - 2 else []
        if any(_in_one_face(a, b) for a, b in inner):
            continue
        before, after = _triangulate(loop[: i + 1]), _triangulate(loop[i:])
        if before is not None and after is not None:
            return [*before, (first, loop[i], last), *after]
    return None


@cache
def case_table() -> tuple[np.ndarray, np.ndarray]:
    """Triangles `(256, T, 3)` as numbers of edges, filled up with 0, and their counts `(256,)`.

    Counter-clockwise seen from where the field is negative.
    """
    cases: list[list[tuple[int, int, int]]] = []
    for case in range(256):
        cases.append([])
        for loop in loops(case):
            triangles = _triangulate(tuple(loop))
            assert triangles is not None
            cases[-1] += triangles
    counts = np.array([len(triangles) for triangles in cases])
    table = np.zeros((256, counts.max(), 3), np.intp)
    for case, triangles in enumerate(cases):
        table[case, : len(triangles)] = np.reshape(triangles, (-1, 3))
    return table, counts
