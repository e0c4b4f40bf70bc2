# SPDX-License-Identifier: Apache-2.0
"""The picture that a texture is painted from: its framing, and its colours around delighting."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidImageError
from ..pictures import load_picture

if TYPE_CHECKING:
    from PIL import Image

SIZE = 512  # pixels a side that the networks see
_MEAN_SHARE = 0.95  # of the target's mean that is taken over


def references_of(image: Any) -> list["Image.Image"]:
    """One picture or a list of them, each a path, an array or a PIL image, on its square."""
    pictures = list(image) if isinstance(image, (list, tuple)) else [image]
    if not pictures or any(picture is None for picture in pictures):
        raise InvalidImageError("no picture was given; pass a path, a PIL image or an array")
    return [recenter_image(_as_pil(picture)) for picture in pictures]


def _as_pil(picture: Any) -> Any:
    """A PIL image; paths and arrays are read as every picture here, PIL images stay."""
    from PIL import Image

    if isinstance(picture, Image.Image):
        return picture
    pixels = load_picture(picture)
    return Image.fromarray(pixels if (pixels[..., 3] < 255).any() else pixels[..., :3].copy())


def recenter_image(image: "Image.Image", border_ratio: float = 0.2) -> "Image.Image":
    """A cut-out on a transparent square with a border, the object as it was.

    A picture without transparency is not cropped, only made RGB; palettes and grey with alpha are
    read for what they show.

    Raises
    ------
    InvalidImageError
        Everything is transparent.
    """
    from PIL import Image

    if image.mode == "RGB":
        return image
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode != "RGBA":
        return image.convert("RGB")
    box = image.getchannel("A").getbbox()
    if box is None:
        raise InvalidImageError(
            "the picture is transparent everywhere; choose one that shows an object"
        )
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    border = int(width * border_ratio), int(height * border_ratio)
    padded = width + 2 * border[0], height + 2 * border[1]
    side = max(padded)
    canvas = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    place = (
        (side - padded[0]) // 2 + border[0],
        (side - padded[1]) // 2 + border[1],
    )
    canvas.paste(image.crop(box), place)
    return canvas


def prepare_for_delight(image: "Image.Image") -> tuple["Image.Image", np.ndarray, np.ndarray]:
    """The RGB picture that the network takes, and the colours and opacity it is matched to.

    Returns
    -------
    PIL image of 512 x 512; target (512, 512, 3) and alpha (512, 512, 1), float64 in 0..1
    """
    from PIL import Image

    image = image.resize((SIZE, SIZE))
    if image.mode != "RGBA":
        image = image.convert("RGB")
        return image, np.asarray(image) / 255.0, np.ones((SIZE, SIZE, 1))
    pixels = np.array(image)
    pixels[..., 3] = _erode(pixels[..., 3])
    pixels[..., :3][pixels[..., 3] == 0] = 255
    prepared = Image.fromarray(pixels)
    return prepared.convert("RGB"), pixels[..., :3] / 255.0, pixels[..., 3:] / 255.0


def finish_delight(result: Any, target: np.ndarray, alpha: np.ndarray) -> "Image.Image":
    """The network's picture in the target's colours, over white."""
    from PIL import Image

    matched = match_colours(np.asarray(result) / 255.0, target, alpha)
    opacity = matched[..., 3:]
    flat = matched[..., :3] * opacity + (1 - opacity)
    return Image.fromarray((flat * 255).astype(np.uint8))


def match_colours(source: np.ndarray, target: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`source` with the mean and spread of `target`'s colours where alpha > 0.5; (H, W, 4).

    If that makes the picture less like the target, as for a picture of few colours, the source
    stays as it is. The fourth channel is `alpha`.
    """
    inside = alpha[..., 0] > 0.5
    matched = np.array(source, np.float64)
    for c in range(3):
        values, wanted = source[..., c][inside], target[..., c][inside]
        if len(values) < 2 or not values.std() > 0:
            continue  # one colour has no spread to match
        scale = wanted.std(ddof=1) / values.std(ddof=1)
        moved = (source[..., c] - _MEAN_SHARE * values.mean()) * scale
        matched[..., c] = moved + _MEAN_SHARE * wanted.mean()
    matched = np.clip(matched, 0, 1)
    if np.mean((source - target) ** 2) < np.mean((matched - target) ** 2):
        matched = source
    return np.concatenate([matched, alpha], axis=-1)


def _erode(channel: np.ndarray) -> np.ndarray:
    """The smallest of the 3 x 3 pixels around each, those outside not counted."""
    for axis in (0, 1):
        padded = np.pad(channel, [(1, 1) if i == axis else (0, 0) for i in (0, 1)], mode="edge")
        parts = [np.take(padded, range(i, i + channel.shape[axis]), axis) for i in range(3)]
        channel = np.minimum.reduce(parts)
    return channel
