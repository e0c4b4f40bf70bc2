# SPDX-License-Identifier: Apache-2.0
"""Image processors: a cut-out object becomes a centred square picture on white, as a tensor.

Rounding, cropping and order of operations follow what the published models were trained with: the
object's box is one pixel short on two sides, and conversions to bytes cut off the fraction.
"""

import reprlib
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..errors import InvalidImageError, InvalidSettingError, UnknownViewError
from ..pictures import load_picture

_LEAST_SIDE = 2  # what can be centred, as far as scripts are concerned


# What opacities become on their way through float32 and back: some lose one.
_MASK_BYTES = (np.arange(256, dtype=np.float32) / 255 * 255).astype(np.uint8)
_WHITE = np.uint32(0xFFFFFFFF)


def _on_white(canvas: np.ndarray) -> np.ndarray:
    """`(H, W, 4)` bytes laid on white, `(H, W, 3)`; few pixels of most pictures need arithmetic."""
    import cv2

    opacity = canvas[..., 3]
    pixels = np.where(opacity == 255, canvas.view(np.uint32)[..., 0], _WHITE)
    rgb = cv2.cvtColor(pixels.view(np.uint8).reshape(canvas.shape), cv2.COLOR_RGBA2RGB)
    between = (opacity != 0) & (opacity != 255)
    alpha = opacity[between][:, None].astype(np.float32) / 255
    mixed = canvas[between][:, :3] * alpha + 255 * (1 - alpha)
    rgb[between] = mixed.clip(0, 255).astype(np.uint8)
    return rgb


def array_to_tensor(pixels: np.ndarray) -> Tensor:
    """`(H, W, C)` bytes -> `(1, C, H, W)` float32 in [-1, 1]."""
    values = torch.from_numpy(np.ascontiguousarray(pixels)).float()
    return values.div_(255.0).mul_(2.0).sub_(1.0).permute(2, 0, 1)[None]


class ImageProcessorV2:
    """Object in the middle of a white square.

    Parameters
    ----------
    size : pixels a side of the result
    border_ratio : share of the side left free, split between both ends of the object's longer
        side; wins over the call's argument if given
    """

    def __init__(self, size: int = 512, border_ratio: float | None = None) -> None:
        if not isinstance(size, Integral) or size < 1:
            raise InvalidSettingError(
                f"size is {reprlib.repr(size)}, but the pixels a side are wanted; use the config "
                "that was published with the model."
            )
        if border_ratio is not None and not (
            isinstance(border_ratio, Real) and 0 <= border_ratio < 1
        ):
            raise InvalidSettingError(
                f"border_ratio is {reprlib.repr(border_ratio)}, but a share from 0 to less than 1 "
                "is wanted; give one of those."
            )
        self.size = size
        self.border_ratio = border_ratio

    @staticmethod
    def recenter(image: np.ndarray, border_ratio: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
        """Centre the visible part on a white square as long as the picture's longer side.

        Parameters
        ----------
        image : (H, W, 3 or 4) uint8; without alpha everything counts as visible
        border_ratio : share of the square's side to leave free

        Returns
        -------
        rgb (S, S, 3) uint8 and mask (S, S, 1) uint8
        """
        import cv2

        height, width, channels = image.shape
        if channels == 3:
            opaque = np.full((height, width, 1), 255, np.uint8)
            image = np.concatenate([image, opaque], axis=2)
        visible = image[..., 3] != 0
        rows, columns = (np.flatnonzero(visible.any(axis=axis)) for axis in (1, 0))
        if len(rows) == 0:
            raise InvalidImageError(
                "the picture is fully transparent, so there is no object in it; choose another one."
            )
        top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
        if top == bottom or left == right:
            raise InvalidImageError(
                f"only {visible.sum()} pixels in one line of the picture are visible; choose a "
                "picture with a larger object."
            )
        side = max(height, width)
        scale = int(side * (1 - border_ratio)) / max(bottom - top, right - left)
        new_height, new_width = int((bottom - top) * scale), int((right - left) * scale)
        if new_height == 0 or new_width == 0:
            raise InvalidImageError(
                f"the object is {right - left} x {bottom - top} pixels, too thin to be shown; "
                "choose a picture with a wider object."
            )
        y, x = (side - new_height) // 2, (side - new_width) // 2
        canvas = np.zeros((side, side, 4), np.uint8)
        canvas[y : y + new_height, x : x + new_width] = cv2.resize(
            image[top:bottom, left:right],  # ends are left out
            (new_width, new_height),
            interpolation=cv2.INTER_AREA,
        )
        return _on_white(canvas), _MASK_BYTES[canvas[..., 3:]]

    def load_image(self, image: Any, border_ratio: float) -> tuple[np.ndarray, np.ndarray]:
        """Picture `(size, size, 3)` and mask `(size, size, 1)`, uint8."""
        import cv2

        rgb, mask = self.recenter(load_picture(image, min_side=_LEAST_SIDE), border_ratio)
        size = (self.size, self.size)
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC)
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
        return rgb, mask[..., None]

    def __call__(
        self, image: Any, border_ratio: float = 0.15, to_tensor: bool = True, **ignored: Any
    ) -> dict[str, Any]:
        """`image` and `mask`, tensors `(1, 3 or 1, size, size)` in [-1, 1], or bytes.

        `image` is a path, a PIL image or an array, see `hy3dgen.pictures.load_picture`.
        """
        if isinstance(image, Mapping):
            raise InvalidImageError(
                f"views were given ({', '.join(map(str, image))}), but this model takes one "
                "picture; give one of them, or use a multi-view model."
            )
        if self.border_ratio is not None:
            border_ratio = self.border_ratio
        rgb, mask = self.load_image(image, border_ratio)
        if to_tensor:
            return {"image": array_to_tensor(rgb), "mask": array_to_tensor(mask)}
        return {"image": rgb, "mask": mask}


class MVImageProcessorV2(ImageProcessorV2):
    """Several views of one object, named by where the camera stood, sorted front to right."""

    return_view_idx = True
    # Clockwise seen from above, 90 degrees apart.
    view2idx: ClassVar[dict[str, int]] = {"front": 0, "left": 1, "back": 2, "right": 3}

    def __call__(
        self,
        image_dict: Mapping[str, Any] | Any,
        border_ratio: float = 0.15,
        to_tensor: bool = True,
        **ignored: Any,
    ) -> dict[str, Any]:
        """`image` and `mask` with a views axis `(1, V, ...)`, and `view_idxs`, a tuple of ints.

        A picture alone is the view in front.
        """
        if not isinstance(image_dict, Mapping):
            image_dict = {"front": image_dict}
        unknown = sorted(set(image_dict) - set(self.view2idx))
        if unknown or not image_dict:
            raise UnknownViewError(
                f"the views are named {', '.join(map(repr, image_dict)) or 'nothing'}; "
                f"give one to four of {', '.join(self.view2idx)}."
            )
        names = sorted(image_dict, key=self.view2idx.__getitem__)
        process = super().__call__
        parts = [process(image_dict[name], border_ratio, to_tensor) for name in names]
        stack = torch.stack if to_tensor else np.stack
        axis = 1 if to_tensor else 0
        return {
            "image": stack([part["image"] for part in parts], axis),
            "mask": stack([part["mask"] for part in parts], axis),
            "view_idxs": tuple(self.view2idx[name] for name in names),
        }


IMAGE_PROCESSORS = {"v2": ImageProcessorV2, "mv_v2": MVImageProcessorV2}
DEFAULT_IMAGEPROCESSOR = "v2"
