# SPDX-License-Identifier: Apache-2.0
"""Checks what a pipeline was called with, before any work is done."""

import difflib
import inspect
import math
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InvalidSettingError
from .models.autoencoders.volume_grids import box_corners

_OUTPUT_TYPES = ("trimesh", "mesh", "latent")


def check_settings(
    num_inference_steps: int,
    timesteps: Any,
    eta: float,
    guidance_scale: float,
    box_v: Any,
    octree_resolution: int,
    mc_level: float,
    num_chunks: int,
    output_type: str,
    callback_steps: int,
    volume_decoder: str | None,
    volume_decoders: Iterable[str],
    face_count: int | None,
    reducer: str,
    reducers: Iterable[str],
) -> None:
    """Raise InvalidSettingError for what would fail later, or silently mean something else."""
    for name, value, low, high in (
        ("num_inference_steps", num_inference_steps, 1, 1000),
        ("octree_resolution", octree_resolution, 4, 2048),
        ("num_chunks", num_chunks, 1, 10**9),
        ("callback_steps", callback_steps, 1, 10**9),
        ("face_count", 1 if face_count is None else face_count, 1, 10**9),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise InvalidSettingError(f"{name} is {value!r}; give a whole number.")
        if not low <= value <= high:
            raise InvalidSettingError(f"{name} is {value}; choose from {low} to {high}.")
    for name, value in (("guidance_scale", guidance_scale), ("mc_level", mc_level)):
        try:
            finite = math.isfinite(value)
        except TypeError:
            finite = False
        if not finite:
            raise InvalidSettingError(f"{name} is {value!r}; give a finite number.")
    box_corners(box_v)
    for name, unused in (("timesteps", timesteps is not None), ("eta", eta != 0.0)):
        if unused:
            _warn(f"The argument {name} has no effect; give num_inference_steps or sigmas.")
    if not isinstance(output_type, str):
        raise InvalidSettingError(
            f"output_type is {output_type!r}; choose from {', '.join(_OUTPUT_TYPES)}."
        )
    if output_type not in _OUTPUT_TYPES:
        _warn(
            f"output_type is {output_type!r}, which gives what 'mesh' does; known are "
            f"{', '.join(_OUTPUT_TYPES)}."
        )
    for name, value, known in (
        ("volume_decoder", volume_decoder, (None, *volume_decoders)),
        ("reducer", reducer, reducers),
    ):
        if value not in known:
            raise InvalidSettingError(
                f"{name} is {value!r}; choose from {', '.join(item for item in known if item)}."
            )


def warn_of_unknown(names: Iterable[str], call: Callable[..., Any]) -> None:
    """Warn of arguments that have no effect, with the name that may have been meant."""
    known = list(inspect.signature(call).parameters)
    for name in names:
        close = difflib.get_close_matches(name, known, n=1)
        meant = f"; was {close[0]} meant?" if close else "."
        _warn(f"The argument {name} is not known and has no effect{meant}")


def _warn(sentence: str) -> None:
    """Warn whoever called this package, however deep in it."""
    inside = (str(Path(__file__).parent), str(Path(torch.__file__).parent))
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_back.f_code.co_filename.startswith(inside):
        frame, level = frame.f_back, level + 1
    warnings.warn(sentence, stacklevel=level + 1)
