# SPDX-License-Identifier: Apache-2.0
"""The builder that a family uses to write its program, one row of plain floats per primitive.

Sizes given here are outer and full (a box 1 wide reaches from -0.5 to 0.5); the rows hold what the
distance functions in `sdf.py` take: half sizes of the core that is left after rounding. Units are
free: `programs.py` scales the whole to the box. Plain Python floats, because building a program
with small numpy arrays is five times slower.
"""

import math

# Primitive types and their parameters, all lengths, in the primitive's own frame:
BOX = 0  # half x, half y, half z, rounding
ELLIPSOID = 1  # radius x, radius y, radius z
CAPSULE = 2  # radius, half length of the axis (along y)
FRUSTUM = 3  # bottom radius, top radius, half height (along y), rounding
TORUS = 4  # ring radius (around y), tube radius
PRISM = 5  # half bottom width, half top width, half height, half depth (along z), shear, rounding

UNION, SMOOTH_UNION, SUBTRACT = 0, 1, 2

MAX_PRIMITIVES = 24
ROW = 24  # type, op, smooth, 6 parameters, 9 rotation (row-major), 3 translation, 3 colour

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
Vector = tuple[float, float, float]


def euler(rotation: Vector) -> tuple[float, ...]:
    """Row-major matrix that turns by degrees about z, then x, then y."""
    if rotation == (0, 0, 0):
        return IDENTITY
    x, y, z = (math.radians(angle) for angle in rotation)
    cx, sx, cy, sy, cz, sz = (
        math.cos(x),
        math.sin(x),
        math.cos(y),
        math.sin(y),
        math.cos(z),
        math.sin(z),
    )
    return (
        cy * cz + sy * sx * sz,
        -cy * sz + sy * sx * cz,
        sy * cx,
        cx * sz,
        cx * cz,
        -sx,
        -sy * cz + cy * sx * sz,
        sy * sz + cy * sx * cz,
        cy * cx,
    )


def _axis_frame(direction: Vector) -> tuple[float, ...]:
    """Row-major matrix whose second column is the unit `direction`."""
    dx, dy, dz = direction
    # Least rotation that takes +y to the direction; straight down is a half turn about x.
    if dy < -0.999999:
        return (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0)
    f = 1.0 / (1.0 + dy)
    return (1 - dx * dx * f, dx, -dx * dz * f, -dx, dy, -dz, -dx * dz * f, dz, 1 - dz * dz * f)


class Shape:
    """Rows of a program in the making; each method adds one primitive.

    `op` is UNION, SMOOTH_UNION (blended over the length `k`) or SUBTRACT, applied to all that was
    added before. A cutter must not shorten the shape's box, because the box is taken from the
    primitives that add (`programs.normalise`).
    """

    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []

    def _add(self, kind, parameters, rotation, at, colour, op, k) -> None:
        if k and op == UNION:
            op = SMOOTH_UNION
        padding = (0.0,) * (6 - len(parameters))
        self.rows.append((kind, op, k, *parameters, *padding, *rotation, *at, *colour))

    def box(self, size, at, colour, round=0.02, rot=(0, 0, 0), op=UNION, k=0.0) -> None:
        """Box with full `size`; edges rounded by the radius `round`."""
        r = min(round, 0.49 * min(size))
        core = (size[0] / 2 - r, size[1] / 2 - r, size[2] / 2 - r, r)
        self._add(BOX, core, euler(rot), at, colour, op, k)

    def ball(self, radii, at, colour, rot=(0, 0, 0), op=UNION, k=0.0) -> None:
        """Ellipsoid with three radii, or a sphere with one."""
        radii = (radii, radii, radii) if isinstance(radii, float) else radii
        self._add(ELLIPSOID, radii, euler(rot), at, colour, op, k)

    def limb(self, start, end, radius, colour, op=UNION, k=0.0) -> None:
        """Capsule around the segment; its caps reach beyond both ends by the radius."""
        rotation, at, half = self._between(start, end)
        self._add(CAPSULE, (radius, half), rotation, at, colour, op, k)

    def rod(self, start, end, r0, r1, colour, round=0.02, op=UNION, k=0.0) -> None:
        """Cylinder or cone from `start` (radius r0) to `end` (radius r1), flat ends."""
        rotation, at, half = self._between(start, end)
        r = min(round, 0.9 * half, 0.9 * max(r0, r1))
        core = (max(r0 - r, 0.0), max(r1 - r, 0.0), half - r, r)
        self._add(FRUSTUM, core, rotation, at, colour, op, k)

    def ring(self, radius, tube, at, colour, rot=(0, 0, 0), op=UNION, k=0.0) -> None:
        """Torus around the y axis, before rotation."""
        self._add(TORUS, (radius, tube), euler(rot), at, colour, op, k)

    def prism(
        self, bottom, top, height, depth, at, colour, shear=0.0, round=0.02, rot=(0, 0, 0), op=UNION
    ) -> None:
        """Trapezoid of widths `bottom` and `top`, extruded along z; `shear` moves the top in x."""
        core = self._prism_core(bottom, top, height, depth, shear, round)
        self._add(PRISM, core, euler(rot), at, colour, op, 0.0)

    def panel(
        self, root, tip, span, thickness, at, chord_axis, span_axis, colour, sweep=0.0, round=0.02
    ) -> None:
        """Wing, fin or sail: a trapezoid from chord `root` at the point `at` to chord `tip`.

        `sweep` moves the tip along `chord_axis`; both axes are unit vectors at a right angle.
        """
        cx, cy, cz = chord_axis
        sx, sy, sz = span_axis
        normal = (cy * sz - cz * sy, cz * sx - cx * sz, cx * sy - cy * sx)
        rotation = (cx, sx, normal[0], cy, sy, normal[1], cz, sz, normal[2])
        centre = tuple(
            at[i] + span_axis[i] * span / 2 + chord_axis[i] * sweep / 2 for i in range(3)
        )
        core = self._prism_core(root, tip, span, thickness, sweep, round)
        self._add(PRISM, core, rotation, centre, colour, UNION, 0.0)

    @staticmethod
    def _prism_core(bottom, top, height, depth, shear, round):
        r = min(round, 0.45 * min(height, depth, max(bottom, top)))
        return (
            max(bottom / 2 - r, 0.0),
            max(top / 2 - r, 0.0),
            height / 2 - r,
            depth / 2 - r,
            shear / 2,  # the quad is centred: bottom moves by -shear/2, top by +shear/2
            r,
        )

    @staticmethod
    def _between(start, end):
        direction = tuple(end[i] - start[i] for i in range(3))
        length = math.sqrt(sum(c * c for c in direction))
        at = tuple((start[i] + end[i]) / 2 for i in range(3))
        return _axis_frame(tuple(c / length for c in direction)), at, length / 2
