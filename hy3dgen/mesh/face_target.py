# SPDX-License-Identifier: Apache-2.0
"""The number of faces that a caller asks for: checked before, compared afterwards."""

import logging
import warnings
from numbers import Integral
from typing import Any

from ..errors import InvalidSettingError

_log = logging.getLogger("hy3dgen.mesh")


class TargetNotReachedWarning(UserWarning):
    """A reduction stopped early: `wanted` faces were asked for, `reached` are there."""

    def __init__(self, wanted: int, reached: int) -> None:
        super().__init__(
            f"{wanted} faces were asked for, but {reached} are left: the shape's separate parts, "
            "holes and borders keep it from going further; remove floaters first or ask for more."
        )
        self.wanted = wanted
        self.reached = reached


def check_target(target_faces: Any) -> int:
    """`target_faces` as an int, if it is a whole number of at least 1."""
    whole = isinstance(target_faces, Integral) and not isinstance(target_faces, bool)
    if not whole or target_faces < 1:
        raise InvalidSettingError(
            f"target_faces is {target_faces!r}, but a whole number of at least 1 is wanted."
        )
    return int(target_faces)


def tell_if_short(wanted: int, reached: int) -> None:
    """Warn, and note it in the log, if more faces are left than were asked for."""
    if reached > wanted:
        warning = TargetNotReachedWarning(wanted, reached)
        _log.warning("%s", warning)
        warnings.warn(warning, stacklevel=3)
