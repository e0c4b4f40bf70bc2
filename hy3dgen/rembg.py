# SPDX-License-Identifier: Apache-2.0
"""Cuts the object of a picture out of its background.

Tries what is safest first: transparency that the picture already has, then a plain background
(one colour or a smooth gradient) removed by flooding from the border, then the `rembg` library if
that is installed. All but the last needs only numpy. Knows nothing about files (see
`hy3dgen.pictures`) or networks of our own.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidImageError
from .numpy_forward.picture import resize_area
from .numpy_forward.regions import label, soften
from .pictures import load_picture

if TYPE_CHECKING:
    from PIL import Image

# Alpha below this is see-through; a cut-out has at least this share of such pixels.
_CLEAR_ALPHA = 128
_CUT_OUT_SHARE = 0.005
# An object smaller than this share of the picture counts as nothing.
_LEAST_SHARE = 0.0005
# A background is plain if this share of the border fits it; an object may cross the rest.
_PLAIN_SHARE = 0.6
# Patches inside an object that match the background this closely are holes, as in a mug's handle.
_HOLE_TOLERANCE = 8.0
_HOLE_SHARE = 0.0005
# Larger pictures are looked at in this many pixels; the models see half a megapixel at most.
_MOST_PIXELS = 4_000_000
# How far a channel may be from the plain background's colour there, in 0..255: 14 cut out rendered
# objects best, over clean files and JPEGs of quality 60 and 90.
TOLERANCE = 14.0
_CUT_OUT_ADVICE = "cut out the object in an image editor and save it as a PNG with transparency"


class BackgroundRemover:
    """Callable: picture in, RGBA picture out with the background transparent.

    Parameters
    ----------
    tolerance : how far a channel may be from the plain background's colour there, in 0..255
    allow_download : the `rembg` library may download its model; without it that library is only
        used if its model is on the disk already
    """

    def __init__(self, tolerance: float = TOLERANCE, allow_download: bool = False) -> None:
        self.tolerance = tolerance
        self.allow_download = allow_download
        self._session: Callable[[Image.Image], Image.Image] | None = None

    def __call__(self, image: Any) -> "Image.Image":
        """Cut-out of a picture in any form that `hy3dgen.pictures.load_picture` takes.

        Raises
        ------
        InvalidImageError
            If nothing is left, or the background is not plain and no library can remove it.
        """
        from PIL import Image

        pixels = load_picture(image)
        alpha = simple_alpha(pixels, self.tolerance)
        if alpha is None:
            return self._with_library(Image.fromarray(pixels))
        pixels[..., 3] = alpha
        return Image.fromarray(pixels)

    def _with_library(self, image: "Image.Image") -> "Image.Image":
        if self._session is None:
            self._session = _library_session(self.allow_download)
        cut_out = self._session(image)
        _check_something_left(
            np.asarray(cut_out)[..., 3], "background removal found no object in the picture"
        )
        return cut_out


def cut_out(pixels: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """`(H, W, 4)` bytes with the background transparent, with numpy alone.

    Raises
    ------
    InvalidImageError
        If nothing is left, or the background is not plain.
    """
    alpha = simple_alpha(pixels, tolerance)
    if alpha is None:
        raise InvalidImageError(
            f"the background is not plain; {_CUT_OUT_ADVICE}, or choose a picture before a plain "
            "background."
        )
    return np.dstack([pixels[..., :3], alpha])


def simple_alpha(pixels: np.ndarray, tolerance: float) -> np.ndarray | None:
    """Opacity from transparency or a plain background; None if there is neither."""
    if (pixels[..., 3] < _CLEAR_ALPHA).mean() >= _CUT_OUT_SHARE:
        _check_something_left(pixels[..., 3], "the picture is transparent nearly everywhere")
        return pixels[..., 3]
    alpha = plain_background_alpha(pixels[..., :3], tolerance)
    if alpha is not None:
        _check_something_left(
            alpha, "nothing stands out from the background, so nothing is left of the picture"
        )
    return alpha


def plain_background_alpha(rgb: np.ndarray, tolerance: float) -> np.ndarray | None:
    """Opacity `(H, W) uint8` of what is not background, or None if the background is not plain.

    The background is a colour that may change linearly over the picture. What is connected to the
    border and within `tolerance` of it goes, so the same colour inside the object stays, unless a
    patch matches nearly exactly. The edge is one pixel soft.
    """
    height, width, _ = rgb.shape
    if height * width > _MOST_PIXELS:
        scale = (_MOST_PIXELS / (height * width)) ** 0.5
        size = max(1, int(height * scale)), max(1, int(width * scale))
        alpha = plain_background_alpha(resize_area(rgb, *size), tolerance)
        return None if alpha is None else resize_area(alpha, height, width)
    background = _fit_background(rgb, tolerance)
    if background is None:
        return None
    # The smoothed picture keeps grain and compression noise from leaving specks; the picture itself
    # keeps the object's edge where it is.
    difference = np.minimum(
        np.abs(np.rint(soften(rgb)) - background).max(axis=2),
        np.abs(rgb - background).max(axis=2),
    )
    count, labels = label(difference < tolerance, diagonal=False)
    outside = np.zeros(count, bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        outside[edge] = True
    # Holes: enclosed, nearly exactly the background's colour, and large enough to mean something.
    exact = (difference < _HOLE_TOLERANCE).ravel()
    sizes = np.bincount(labels.ravel(), minlength=count)
    exact_sizes = np.bincount(labels.ravel()[exact], minlength=count)
    outside |= (sizes >= _HOLE_SHARE * height * width) & (exact_sizes > 0.9 * sizes)
    outside[0] = False  # label 0 is what is not similar
    foreground = _without_specks(~outside[labels])
    # Half a pixel inwards, where the object's colour is no longer mixed with the background's.
    soft = soften(foreground)
    return np.rint(np.clip(2.0 * soft - 1.0, 0.0, 1.0) * 255.0).astype(np.uint8)


def _fit_background(rgb: np.ndarray, tolerance: float) -> np.ndarray | None:
    """The background's colour at every pixel `(H, W, 3) float32`, from the border alone.

    Least squares for a linear gradient, three times over the pixels that fit the last one, starting
    from the border's median colour.
    """
    height, width, _ = rgb.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    edge = np.zeros((height, width), bool)
    thickness = max(1, min(height, width) // 100)
    edge[:thickness] = edge[-thickness:] = True
    edge[:, :thickness] = edge[:, -thickness:] = True
    colours = rgb[edge].astype(np.float32)
    terms = np.stack([np.ones_like(x[edge]), x[edge], y[edge]], axis=1)
    coefficients = np.zeros((3, 3), np.float32)
    coefficients[0] = np.median(colours, axis=0)
    reach = 3.0 * tolerance  # the first guess is flat, so a gradient is further off
    for _ in range(3):
        fits = np.abs(colours - terms @ coefficients).max(axis=1) < reach
        if fits.mean() < _PLAIN_SHARE / 2:
            return None
        coefficients = np.linalg.lstsq(terms[fits], colours[fits], rcond=None)[0]
        reach = tolerance
    fits = np.abs(colours - terms @ coefficients).max(axis=1) < tolerance
    if fits.mean() < _PLAIN_SHARE:
        return None
    planes = np.stack([np.ones_like(x), x, y], axis=-1)
    return (planes @ coefficients).astype(np.float32)


def _without_specks(foreground: np.ndarray) -> np.ndarray:
    """Drop parts smaller than a hundredth of the largest one."""
    count, labels = label(foreground, diagonal=True)
    if count <= 2:
        return foreground
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return (areas >= 0.01 * areas.max())[labels] & foreground


def _check_something_left(alpha: np.ndarray, found: str) -> None:
    if (alpha >= _CLEAR_ALPHA).mean() < _LEAST_SHARE:
        raise InvalidImageError(
            f"{found}; choose a picture with one object in front of a background of another colour."
        )


def _library_session(allow_download: bool) -> "Callable[[Image.Image], Image.Image]":
    """A function that cuts out the object with the `rembg` library."""
    wanted = f"the background is not plain; {_CUT_OUT_ADVICE}"
    try:
        import rembg
        from rembg.sessions.u2net import U2netSession
    except (ImportError, SystemExit) as error:  # it exits where its own backend is missing
        raise InvalidImageError(
            f"{wanted}, or install rembg and onnxruntime with pip: they remove any background."
        ) from error
    # By name: the library's default changes between versions, to models with other licences too.
    name = f"{U2netSession.name()}.onnx"
    if hasattr(U2netSession, "resolve_existing"):  # newer versions look in several folders
        model = U2netSession.resolve_existing(name)
    else:
        model = os.path.join(U2netSession.u2net_home(), name)
    if not (model and os.path.isfile(model)) and not allow_download:
        raise InvalidImageError(
            f"{wanted}, or allow the rembg library to download its model {name}."
        )
    session = rembg.new_session(U2netSession.name())
    return lambda image: rembg.remove(image, session=session)
