# SPDX-License-Identifier: Apache-2.0
"""Surface extractors: a grid of field values becomes a triangle mesh."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ....errors import InvalidSettingError, SurfaceExtractionError
from ....gpu.reduce import reduce_surface
from ....gpu.sparse_grid import SparseGrid
from ....gpu.surface import extract_surface
from ....mesh import TriangleMesh, reduce_faces
from .dual_surface import extract_dual_surface
from .volume_grids import box_corners

# Vertices keep about this share of a cell away from its corners, as in `gpu.surface`. Where a value
# equals the level, marching cubes makes several vertices in one place, empty faces and gaps.
_MARGIN = np.float32(1e-3)


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

    A field that is outside on the whole border of its grid gives a closed surface: every edge has
    two faces of opposite direction, and every face has an area.

    Parameters
    ----------
    compatibility : place vertices by the published formula, which divides by
        `octree_resolution + 1` instead of the number of cells: meshes come out slightly small and
        off centre, equal to those of the original, with its faces without area
    """

    mc_algo = "mc"

    def __init__(self, compatibility: bool = False) -> None:
        self.compatibility = compatibility

    def __call__(
        self,
        grid_logits: Any,
        *,
        mc_level: float = 0.0,
        bounds: float | Sequence[float] = 1.01,
        octree_resolution: int | None = None,
        face_count: int | None = None,
        reducer: str = "quality",
        **ignored: Any,
    ) -> list[Latent2MeshOutput]:
        """One mesh per grid of `(B, n, n, n)`, or of a list of them or of sparse grids.

        Points that are NaN are unknown; the surface ends where it meets them. Grids on a GPU, and
        sparse ones, become surfaces where they are (`hy3dgen.gpu.surface`, which cuts cells by
        another table).

        Parameters
        ----------
        face_count : at most so many faces where the shape allows; None keeps all
        reducer : 'quality' or 'fast', see `hy3dgen.mesh.reduce_faces`; surfaces that are reduced
            on a GPU have one way

        Raises
        ------
        SurfaceExtractionError
            If a field does not cross `mc_level`.
        """
        low, high = box_corners(bounds)
        meshes = []
        for grid in grid_logits:
            if surface_on_device(grid) and not (self.compatibility and isinstance(grid, Tensor)):
                places, faces = _surface_of(extract_surface, grid, mc_level)
                meshes.append(_placed(*_smaller(places, faces, face_count), grid, low, high))
                continue
            mesh = self._extract(grid, mc_level, low, high, octree_resolution)
            if face_count is not None:
                mesh = _reduced(mesh, face_count, reducer)
            meshes.append(mesh)
        return meshes

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
            raise _not_finite()
        smallest, largest = float(values[known].min()), float(values[known].max())
        if not smallest < mc_level < largest:
            raise _no_surface(mc_level, smallest, largest)
        try:
            if self.compatibility:
                vertices, faces, _, _ = marching_cubes(values, mc_level, method="lewiner")
            else:
                extent = max(largest - mc_level, mc_level - smallest)
                vertices, faces = _closed_surface(values - np.float32(mc_level), extent)
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


def surface_on_device(grid: Tensor | SparseGrid) -> bool:
    """Whether a grid becomes a surface, and that is reduced, where the grid lies."""
    return isinstance(grid, SparseGrid) or grid.is_cuda


def _not_finite() -> SurfaceExtractionError:
    return SurfaceExtractionError(
        "the decoded field is not finite anywhere, so the model's weights or precision do not fit; "
        "load it again in float32."
    )


def _no_surface(level: float, smallest: float, largest: float) -> SurfaceExtractionError:
    return SurfaceExtractionError(
        f"the field has no surface at level {level:g}: its values run from {smallest:.3g} to "
        f"{largest:.3g}; try another seed, more steps or a clearer picture."
    )


def _surface_of(
    extract: Callable[[Any, float], tuple[Tensor, Tensor]],
    grid: Tensor | SparseGrid,
    level: float,
) -> tuple[Tensor, Tensor]:
    """Vertices in steps of the grid, and faces, on the grid's device; there is at least one."""
    sparse = isinstance(grid, SparseGrid)
    vertices, faces = extract(grid if sparse else grid.float(), level)
    if len(faces) == 0:
        known = grid.values if sparse else grid.reshape(-1)
        known = known[torch.isfinite(known)]
        if len(known) == 0:
            raise _not_finite()
        raise _no_surface(level, float(known.min()), float(known.max()))
    return vertices, faces


def _smaller(vertices: Tensor, faces: Tensor, face_count: int | None) -> tuple[Tensor, Tensor]:
    return (vertices, faces) if face_count is None else reduce_surface(vertices, faces, face_count)


def _placed(
    vertices: Tensor, faces: Tensor, grid: Tensor | SparseGrid, low: np.ndarray, high: np.ndarray
) -> Latent2MeshOutput:
    """Vertices in the box of the grid, as numpy arrays; faces as marching cubes orders them."""
    cells = (grid.side if isinstance(grid, SparseGrid) else grid.shape[0]) - 1
    places = vertices.cpu().numpy() / np.float32(cells) * (high - low) + low
    return Latent2MeshOutput(places.astype(np.float32), faces.flip(1).cpu().numpy())


def _reduced(mesh: Latent2MeshOutput, face_count: int, reducer: str) -> Latent2MeshOutput:
    small = reduce_faces(TriangleMesh(mesh.mesh_v, mesh.mesh_f), face_count, reducer)
    return Latent2MeshOutput(small.vertices, small.faces)


def _closed_surface(values: np.ndarray, extent: float) -> tuple[np.ndarray, np.ndarray]:
    """Marching cubes at level 0, with no vertex on a grid point."""
    from skimage.measure import marching_cubes

    values = _clear_of_zero(values, extent)
    vertices, faces, _, _ = marching_cubes(values, 0.0, method="lewiner")
    if _has_repeated_edges(faces):
        # Where a cell's side has its signs crosswise, the cells on both sides of it can disagree,
        # about once in some thousand noisy fields. The other table's cells never do.
        places, outwards = extract_surface(torch.from_numpy(values))
        vertices, faces = places.numpy(), outwards.flip(1).numpy()
    return vertices, faces


def _clear_of_zero(values: np.ndarray, extent: float) -> np.ndarray:
    """Values `(X, Y, Z)` of the same signs, none much smaller than those next to it.

    `extent` is the largest finite size of a value. Zero counts as outside. Only values that a
    surface passes very closely change, so that vertices move by no more than `_MARGIN` of a cell.
    """
    sizes = np.abs(values)
    close = np.flatnonzero(sizes < _MARGIN * np.float32(extent))
    if len(close) == 0:
        return values
    place = np.unravel_index(close, values.shape)
    flat = sizes.reshape(-1)
    for _ in range(3):  # what is that far from anything larger gets the same everywhere
        near = flat[close]
        for axis, side in enumerate(values.shape):
            stride = math.prod(values.shape[axis + 1 :])
            for step, end in ((-1, 0), (1, side - 1)):
                there = close + np.where(place[axis] == end, 0, step * stride)
                near = np.fmax(near, _MARGIN * flat[there])  # of NaN and a number the number
        flat[close] = near
    near = np.maximum(flat[close], _MARGIN**3 * np.float32(extent))
    moved = values.copy()
    moved.reshape(-1)[close] = np.where(values.reshape(-1)[close] > 0, near, -near)
    return moved


def _has_repeated_edges(faces: np.ndarray) -> bool:
    """Whether two faces run along the same two vertices in the same direction."""
    start, end = faces.astype(np.int64), np.roll(faces, -1, axis=1)
    edges = np.sort((start << 32 | end).reshape(-1))
    return bool((edges[1:] == edges[:-1]).any())


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
    """Dual marching cubes, see `dual_surface.py`: more even faces, on any device.

    Parameters
    ----------
    compatibility : as published, which ignores the level and the bounds: the surface is at 0, and
        the mesh is centred, in units of the box's side
    """

    mc_algo = "dmc"

    def __init__(self, compatibility: bool = False) -> None:
        self.compatibility = compatibility

    def __call__(
        self,
        grid_logits: Any,
        *,
        mc_level: float = 0.0,
        bounds: float | Sequence[float] = 1.01,
        octree_resolution: int | None = None,
        face_count: int | None = None,
        reducer: str = "quality",
        **ignored: Any,
    ) -> list[Latent2MeshOutput]:
        """One mesh per grid, as `MCSurfaceExtractor`; closed also where a field leaves its grid."""
        low, high = box_corners(0.5 if self.compatibility else bounds)
        level = 0.0 if self.compatibility else mc_level
        meshes = []
        for grid in grid_logits:
            places, faces = _surface_of(extract_dual_surface, grid, level)
            if surface_on_device(grid):
                places, faces = _smaller(places, faces, face_count)
            mesh = _placed(places, faces, grid, low, high)
            if face_count is not None and not surface_on_device(grid):
                mesh = _reduced(mesh, face_count, reducer)
            if self.compatibility:
                mesh.mesh_v -= (mesh.mesh_v.min(axis=0) + mesh.mesh_v.max(axis=0)) / 2
            meshes.append(mesh)
        return meshes


SurfaceExtractor = MCSurfaceExtractor | DMCSurfaceExtractor
SurfaceExtractors = {"mc": MCSurfaceExtractor, "dmc": DMCSurfaceExtractor}


def make_surface_extractor(mc_algo: str, compatibility: bool = False) -> SurfaceExtractor:
    """The extractor that `mc_algo` names."""
    if mc_algo not in SurfaceExtractors:
        raise InvalidSettingError(
            f"mc_algo is {mc_algo!r}; choose from {', '.join(SurfaceExtractors)}."
        )
    return SurfaceExtractors[mc_algo](compatibility)


def takes_sparse_grids(extractor: Any) -> bool:
    """Whether grids may come as `SparseGrid`: not to those of other makers, nor as published."""
    known = type(extractor) in SurfaceExtractors.values()
    return known and not extractor.compatibility
