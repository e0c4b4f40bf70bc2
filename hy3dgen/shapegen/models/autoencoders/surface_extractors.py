# SPDX-License-Identifier: Apache-2.0
"""Surface extractors: a grid of field values becomes a triangle mesh."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....errors import InvalidSettingError, SurfaceExtractionError
from .volume_grids import box_corners


class Latent2MeshOutput:
    """Vertices `mesh_v (V, 3) float32` and faces `mesh_f (F, 3)` as marching cubes orders them.

    The faces look inwards for a field that is positive inside; `export_to_trimesh` and
    `export_to_arrays` turn them round.
    """

    def __init__(self, mesh_v: np.ndarray | None = None, mesh_f: np.ndarray | None = None) -> None:
        self.mesh_v = mesh_v
        self.mesh_f = mesh_f


class MCSurfaceExtractor:
    """Marching cubes (Lewiner et al. 2003, through scikit-image).

    Parameters
    ----------
    compatibility : place vertices by the published formula, which divides by
        `octree_resolution + 1` instead of the number of cells: meshes come out slightly small and
        off centre, equal to those of the original
    """

    def __init__(self, compatibility: bool = False) -> None:
        self.compatibility = compatibility

    def __call__(
        self,
        grid_logits: Any,
        *,
        mc_level: float = 0.0,
        bounds: float | Sequence[float] = 1.01,
        octree_resolution: int | None = None,
        **ignored: Any,
    ) -> list[Latent2MeshOutput]:
        """One mesh per grid of `(B, n, n, n)`.

        Points that are NaN are unknown; the surface ends where it meets them.

        Raises
        ------
        SurfaceExtractionError
            If a field does not cross `mc_level`.
        """
        low, high = box_corners(bounds)
        return [self._extract(grid, mc_level, low, high, octree_resolution) for grid in grid_logits]

    def _extract(
        self,
        grid: Any,
        mc_level: float,
        low: np.ndarray,
        high: np.ndarray,
        octree_resolution: int | None,
    ) -> Latent2MeshOutput:
        from skimage.measure import marching_cubes

        values = np.ascontiguousarray(grid.detach().cpu().float().numpy())
        known = np.isfinite(values)
        if not known.any():
            raise SurfaceExtractionError(
                "the decoded field is not finite anywhere, so the model's weights or precision do "
                "not fit; load it again in float32."
            )
        smallest, largest = float(values[known].min()), float(values[known].max())
        if not smallest < mc_level < largest:
            raise SurfaceExtractionError(
                f"the field has no surface at level {mc_level:g}: its values run from "
                f"{smallest:.3g} to {largest:.3g}; try another seed, more steps or a clearer "
                "picture."
            )
        try:
            vertices, faces, _, _ = marching_cubes(values, mc_level, method="lewiner")
        except RuntimeError as error:  # values on both sides, but never next to each other
            raise SurfaceExtractionError(
                f"the field has no surface at level {mc_level:g}; try another seed, more steps or "
                "a clearer picture."
            ) from error
        cells = np.array(values.shape) - 1
        if self.compatibility and octree_resolution is not None:
            cells = octree_resolution + 1
        vertices = (vertices / cells * (high - low) + low).astype(np.float32)
        return Latent2MeshOutput(*_without_nan(vertices, faces))


def _without_nan(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop vertices that are not finite, and every face that uses one."""
    finite = np.isfinite(vertices).all(axis=1)
    if finite.all():
        return vertices, np.ascontiguousarray(faces)
    numbers = np.cumsum(finite) - 1
    kept = faces[finite[faces].all(axis=1)]
    if len(kept) == 0:
        raise SurfaceExtractionError(
            "the field has no surface among the points that were decoded; use "
            "volume_decoder='dense'."
        )
    return vertices[finite], np.ascontiguousarray(numbers[kept].astype(faces.dtype))


class DMCSurfaceExtractor:
    """Dual marching cubes, the published scripts' `mc_algo='dmc'`, which this version cannot do.

    It needs a library that only runs on CUDA GPUs, and ignores the level and the bounds. The name
    stays importable; making one says what to use instead.
    """

    def __init__(self) -> None:
        raise InvalidSettingError(
            "mc_algo 'dmc' needs a library that this version does without; use 'mc', which also "
            "keeps the level and the bounds."
        )


SurfaceExtractors = {"mc": MCSurfaceExtractor, "dmc": DMCSurfaceExtractor}


def make_surface_extractor(mc_algo: str, compatibility: bool = False) -> MCSurfaceExtractor:
    """The extractor that `mc_algo` names."""
    if mc_algo == "mc":
        return MCSurfaceExtractor(compatibility)
    if mc_algo == "dmc":
        return DMCSurfaceExtractor()
    raise InvalidSettingError(f"mc_algo is {mc_algo!r}, but only 'mc' is known; use that.")
