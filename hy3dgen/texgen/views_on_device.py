# SPDX-License-Identifier: Apache-2.0
"""The work of `standard_views.py` on tensors of a GPU: views drawn, pictures baked and merged.

The same steps as in `render.py` and `bake.py`. Vertices are placed on the processor, so that both
ways see the same points; on a GPU the last bit of a product may differ, and with it which face owns
a pixel on an edge, and a cosine at the limit. Sums of baking are whole numbers, so that a picture
gives the same texture again, whatever the order in which a GPU adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import cameras
from .bake import KNOWN_SHARE
from .edges_on_device import find_edges_on_device
from .mesh_render import MeshRender
from .rasterizer_torch import rasterize_tensors
from .render import CANNY, FLAT, PreparedMesh
from .resize_on_device import resize_bicubic

_UNIT = float(1 << 32)  # of the whole numbers that are summed in baking


@dataclass(frozen=True, eq=False)
class GeometryOnDevice:
    """`bake.ViewGeometry` in tensors; `pixels` are int32."""

    size: tuple[int, int]
    pixels: Tensor
    places: Tensor
    cosines: Tensor

    @property
    def bytes(self) -> int:
        return self.pixels.nbytes + self.places.nbytes + self.cosines.nbytes


@dataclass(frozen=True, eq=False)
class ViewsOnDevice:
    """Normals and positions of each view, (S, S, 3) uint8 arrays, and where its pixels belong."""

    normals: list[np.ndarray]
    positions: list[np.ndarray]
    geometries: list[GeometryOnDevice]

    @property
    def bytes(self) -> int:
        maps = sum(image.nbytes for image in (*self.normals, *self.positions))
        return maps + sum(geometry.bytes for geometry in self.geometries)


@torch.inference_mode()
def draw_views_on_device(
    render: MeshRender,
    elevations: Sequence[float],
    azimuths: Sequence[float],
    device: torch.device,
    map_size: int | None = None,
) -> ViewsOnDevice:
    """One raster pass for each view of the mesh that `render` holds.

    `map_size` is that of the maps for the network; None leaves them as large as they are drawn.
    """
    mesh = MeshOnDevice(render.prepared, render.scale_factor, device)
    maps, geometries = [], []
    for elevation, azimuth in zip(elevations, azimuths, strict=True):
        matrix = cameras.view_matrix(elevation, azimuth, render.camera_distance)
        size = render.default_resolution
        view = ViewOnDevice(mesh, matrix, render.projection(size), size)
        maps.append(_resized(view.maps(), map_size))
        geometries.append(
            view.geometry(render.bake_unreliable_kernel_size, render.bake_angle_thres)
        )
    return ViewsOnDevice([both[0] for both in maps], [both[1] for both in maps], geometries)


def _resized(maps: Tensor, size: int | None) -> np.ndarray:
    return (maps if size is None else resize_bicubic(maps, size)).cpu().numpy()


class MeshOnDevice:
    """`render.PreparedMesh` in tensors; `places` are what the maps of positions show."""

    def __init__(self, mesh: PreparedMesh, scale: float, device: torch.device) -> None:
        def put(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        self.prepared, self.device = mesh, device
        self.faces, self.uv_faces = put(mesh.faces).long(), put(mesh.uv_faces).long()
        self.uvs, self.normals = put(mesh.uvs), put(mesh.normals)
        self.positions, self.face_normals = put(mesh.positions), put(mesh.face_normals)
        self.places = put(np.float32(0.5) - mesh.positions / np.float32(scale))

    @staticmethod
    def interpolate(attributes: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
        """(N, C) of (V, C) at N places in triangles with these corners (N, 3)."""
        total = weights[:, :1] * attributes[corners[:, 0]]
        for k in (1, 2):
            total = total + weights[:, k : k + 1] * attributes[corners[:, k]]
        return total


class ViewOnDevice:
    """One view: what is drawn where, by the numbers of the pixels that show the object."""

    def __init__(
        self,
        mesh: MeshOnDevice,
        matrix: np.ndarray,
        projection: np.ndarray,
        size: tuple[int, int],
    ) -> None:
        self.mesh, self.matrix, self.projection, self.size = mesh, matrix, projection, size
        in_camera = cameras.transform(mesh.prepared.positions, self.matrix)
        clip = torch.from_numpy(cameras.transform(in_camera, projection))
        numbers, weights = rasterize_tensors(clip.to(mesh.device), mesh.faces, self.size)
        self.shown = numbers.view(-1).nonzero()[:, 0]
        self.face = numbers.view(-1)[self.shown].long() - 1
        self.weights = weights.view(-1, 3)[self.shown]
        self.depth = torch.from_numpy(np.ascontiguousarray(in_camera[:, 2:3])).to(mesh.device)
        self.normals = self._interpolate(mesh.normals)

    def _interpolate(self, attributes: Tensor) -> Tensor:
        """(N, C) at the N pixels that show the object."""
        return self.mesh.interpolate(attributes, self.mesh.faces[self.face], self.weights)

    def camera_depth(self) -> Tensor:
        """(N,) z in the camera's axes at those pixels: negative, larger is nearer."""
        return self._interpolate(self.depth)[:, 0]

    def maps(self) -> Tensor:
        """(2, H, W, 3) uint8: normals and positions, white outside."""
        pixels, device = self.size[0] * self.size[1], self.shown.device
        maps = torch.full((2, pixels, 3), 255, dtype=torch.uint8, device=device)
        for image, values in zip(
            maps, ((self.normals + 1) * 0.5, self._interpolate(self.mesh.places)), strict=True
        ):
            image[self.shown] = (values * 255).to(torch.uint8)
        return maps.view(2, *self.size, 3)

    def depth_edges(self) -> Tensor | None:
        """(H, W) bool: set where the depth jumps; None where everything is as far."""
        if not len(self.shown):
            return None
        depth = self.camera_depth()
        low, high = depth.amin(), depth.amax()
        if float(high - low) < FLAT:
            return None
        image = torch.zeros(self.size[0] * self.size[1], dtype=torch.uint8, device=depth.device)
        image[self.shown] = ((depth - low) / (high - low) * 255).to(torch.uint8)
        return find_edges_on_device(image.view(self.size), *CANNY)

    def geometry(self, radius: int, angle_limit: float) -> GeometryOnDevice:
        """See `bake.view_geometry`."""
        device = self.shown.device
        doubtful = torch.ones(self.size[0] * self.size[1], dtype=torch.bool, device=device)
        doubtful[self.shown] = False
        edges = self.depth_edges()
        if edges is not None:
            doubtful |= edges.view(-1)
        near = spread_on_device(doubtful.view(self.size), radius).view(-1)
        usable = ~near[self.shown]
        towards = torch.from_numpy(self.matrix[2, :3].copy()).to(device)
        normals = self.normals[usable]
        length = normals.norm(dim=1).clamp(min=1e-8)
        cosines = -(normals * towards).sum(1) / length
        cosines = torch.where(cosines < cos(radians(angle_limit)), 0.0, cosines)
        self.face, self.weights = self.face[usable], self.weights[usable]
        corners = self.mesh.uv_faces[self.face]
        uvs = sum(self.weights[:, k : k + 1] * self.mesh.uvs[corners[:, k]] for k in range(3))
        return GeometryOnDevice(
            self.size, self.shown[usable].int(), uvs.flip(1).contiguous(), cosines
        )


def spread_on_device(mask: Tensor, radius: int) -> Tensor:
    """(H, W) bool: within `radius` pixels, across and down, of a pixel that is set."""
    near = mask[None, None].to(torch.float16 if mask.is_cuda else torch.float32)
    near = F.max_pool2d(near, (2 * radius + 1, 1), stride=1, padding=(radius, 0))
    near = F.max_pool2d(near, (1, 2 * radius + 1), stride=1, padding=(0, radius))
    return near[0, 0] > 0


@dataclass(frozen=True, eq=False)
class Baking:
    """What of baking does not depend on the pictures.

    Parameters
    ----------
    strengths : how much each view counts at each texel, (S * S,); None: the view is left out
    trust : (S * S,) their sum
    painted : (S, S) bool, where any view paints
    """

    strengths: list[Tensor | None]
    trust: Tensor
    painted: np.ndarray

    @property
    def bytes(self) -> int:
        kept = [self.trust, *(one for one in self.strengths if one is not None)]
        return sum(tensor.nbytes for tensor in kept) + self.painted.nbytes


@torch.inference_mode()
def plan_baking(
    geometries: Sequence[GeometryOnDevice],
    weights: Sequence[float],
    texture_size: int,
    exponent: float,
) -> Baking:
    """Which view counts where, as `bake.merge` has it."""
    trust = torch.zeros(texture_size * texture_size, device=geometries[0].pixels.device)
    strengths: list[Tensor | None] = []
    for geometry, weight in zip(geometries, weights, strict=True):
        cosines = scatter_on_device(geometry.places, geometry.cosines[:, None], texture_size)[:, 0]
        strength = weight * (cosines.double() ** exponent).float()
        paints = strength > 0
        count, known = torch.stack([paints.sum(), (paints & (trust > 0)).sum()]).tolist()
        if count and known / count > KNOWN_SHARE:
            strengths.append(None)
            continue
        strengths.append(strength)
        trust += strength
    painted = (trust > 1e-8).view(texture_size, texture_size).cpu().numpy()
    return Baking(strengths, trust, painted)


@torch.inference_mode()
def bake_views_on_device(
    geometries: Sequence[GeometryOnDevice], pictures: Sequence[np.ndarray], baking: Baking
) -> Tensor:
    """(H, W, 3) float32 texture, on the device.

    `pictures` (S, S, 3) uint8 may be smaller than the views were drawn; they are enlarged here.
    """
    texture_size = len(baking.painted)
    total = torch.zeros(texture_size * texture_size, 3, device=baking.trust.device)
    for geometry, picture, strength in zip(geometries, pictures, baking.strengths, strict=True):
        if strength is None:
            continue
        image = torch.from_numpy(np.array(picture)).to(total.device)
        image = resize_bicubic(image[None], geometry.size[0])[0]
        values = image.view(-1, 3)[geometry.pixels.long()].float() / 255
        total += scatter_on_device(geometry.places, values, texture_size) * strength[:, None]
    texture = total / baking.trust.clamp(min=1e-8)[:, None]
    return texture.view(texture_size, texture_size, 3)


def scatter_on_device(places: Tensor, values: Tensor, texture_size: int) -> Tensor:
    """Weighted means of the values (N, C) that fall next to each texel, (S * S, C) float32."""
    at = places * (texture_size - 1)
    low = at.long().clamp(0, max(texture_size - 2, 0))
    share = (at - low).double()
    values = torch.cat([values, torch.ones_like(values[:, :1])], dim=1).double() * _UNIT
    sums = torch.zeros(
        texture_size * texture_size, values.shape[1], dtype=torch.int64, device=values.device
    )
    for down in (0, 1):
        for right in (0, 1):
            part = (share[:, 0] if down else 1 - share[:, 0]) * (
                share[:, 1] if right else 1 - share[:, 1]
            )
            texel = (low[:, 0] + down) * texture_size + low[:, 1] + right
            sums.index_add_(0, texel, (values * part[:, None]).round().long())
    weight = sums[:, -1:]
    means = sums[:, :-1].double() / weight.clamp(min=1).double()
    return torch.where(weight > 0, means, 0.0).float()
