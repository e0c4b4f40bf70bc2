# SPDX-License-Identifier: Apache-2.0
"""The named families of shapes: each is a function that writes one program into a `Shape`.

What every family keeps: y up, front to +z, mirror-symmetric about x = 0 where the thing is, one
connected solid, no part thinner than 0.07 of the normalised box. The order is the family id, and
belongs to what a seed means: append, never reorder.
"""

from collections.abc import Callable

from ..draw import Draw
from ..shape import Shape
from .creatures import animal, mushroom, robot, snowman, tree
from .furniture import bed, chair, lamp, sofa, table
from .things import bottle, house, mug
from .vehicles import boat, car, plane, rocket, train

WRITERS: dict[str, Callable[[Draw, Shape], None]] = {
    "table": table,
    "chair": chair,
    "sofa": sofa,
    "bed": bed,
    "lamp": lamp,
    "mug": mug,
    "bottle": bottle,
    "house": house,
    "tree": tree,
    "mushroom": mushroom,
    "car": car,
    "plane": plane,
    "rocket": rocket,
    "boat": boat,
    "train": train,
    "animal": animal,
    "robot": robot,
    "snowman": snowman,
}
