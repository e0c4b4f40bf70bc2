# SPDX-License-Identifier: Apache-2.0
"""Cameras around the object: matrices, the six standard views, their numbers for the network.

Points are row vectors, multiplied by the transposed matrix. Everything is in the renderer's axes,
which `render.prepare_mesh` makes from the caller's: x left, y towards the camera, z down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians, sin, tan

import numpy as np

from ..errors import InvalidSettingError

DISTANCE = 1.45
HALF_EXTENT = 0.6  # of the orthographic frame; the object fits into a sphere of radius 0.575
NEAR, FAR = 0.1, 100.0

# Elevation -> (azimuth steps per number, first number) in the network's table of 44 cameras.
_CAMERA_NUMBERS = {-20: (1, 0), 0: (1, 12), 20: (1, 24), -90: (3, 36), 90: (3, 40)}


@dataclass(frozen=True)
class View:
    """One of the views that an object is painted from.

    Parameters
    ----------
    elevation, azimuth : degrees; 0, 0 is the front
    weight : how much the view counts where several see the same texel
    """

    elevation: float
    azimuth: float
    weight: float = 1.0


STANDARD_VIEWS = (
    View(0, 0, 1.0),
    View(0, 90, 0.1),
    View(0, 180, 0.5),
    View(0, 270, 0.1),
    View(90, 0, 0.05),
    View(-90, 180, 0.05),
)


def view_matrix(
    elevation: float,
    azimuth: float,
    distance: float = DISTANCE,
    center: Sequence[float] | None = None,
) -> np.ndarray:
    """(4, 4) float32 from world to camera, which looks along -z.

    The camera stands at `distance` from the origin, not from `center`, which it looks at. Straight
    from above or below, cos(90 degrees) being 6e-17 instead of 0 decides how the picture is turned;
    recorded results depend on it.
    """
    elevation, azimuth = radians(-elevation), radians(azimuth + 90)
    position = distance * np.array(
        [cos(elevation) * cos(azimuth), cos(elevation) * sin(azimuth), sin(elevation)]
    )
    forward = np.zeros(3) if center is None else np.asarray(center, np.float64)
    forward = _unit(forward - position)
    right = _unit(np.cross(forward, (0.0, 0.0, 1.0)))
    up = _unit(np.cross(right, forward))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, up, -forward])
    matrix[:3, 3] = -matrix[:3, :3] @ position
    return matrix.astype(np.float32)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def orthographic(
    left: float = -1,
    right: float = 1,
    bottom: float = -1,
    top: float = 1,
    near: float = 0,
    far: float = 2,
) -> np.ndarray:
    """(4, 4) float32 from camera to clip space, without perspective."""
    matrix = np.diag([2 / (right - left), 2 / (top - bottom), -2 / (far - near), 1.0])
    matrix[0, 3] = -(right + left) / (right - left)
    matrix[1, 3] = -(top + bottom) / (top - bottom)
    matrix[2, 3] = -(far + near) / (far - near)
    return matrix.astype(np.float32)


def standard_projection() -> np.ndarray:
    """The orthographic projection that all standard views share."""
    return orthographic(-HALF_EXTENT, HALF_EXTENT, -HALF_EXTENT, HALF_EXTENT, NEAR, FAR)


def perspective(
    field_of_view: float, aspect: float = 1.0, near: float = 0.01, far: float = 100.0
) -> np.ndarray:
    """(4, 4) float32 from camera to clip space; vertical field of view in degrees."""
    scale = 1 / tan(radians(field_of_view) / 2)
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[1, 1] = scale / aspect, scale
    matrix[2, 2], matrix[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
    matrix[3, 2] = -1
    return matrix.astype(np.float32)


def transform(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(N, 3 or 4) points through a (4, 4) matrix, (N, 4) float32."""
    points = np.asarray(points, np.float32)
    if points.shape[1] == 3:
        points = np.concatenate([points, np.ones((len(points), 1), np.float32)], axis=1)
    return points @ matrix.T


def camera_number(elevation: float, azimuth: float) -> int:
    """The network's number of a view, 0..43.

    Raises
    ------
    InvalidSettingError
        For elevations other than -90, -20, 0, 20 and 90: the network was shown no others.
    """
    if elevation not in _CAMERA_NUMBERS:
        known = ", ".join(str(number) for number in sorted(_CAMERA_NUMBERS))
        raise InvalidSettingError(
            f"a view has elevation {elevation:g}, but the model knows only {known}; choose those"
        )
    steps, first = _CAMERA_NUMBERS[int(elevation)]
    return int((azimuth // 30 + 9) % 12) // steps + first
