# SPDX-License-Identifier: Apache-2.0
"""The texture stages done plainly, as the documented reference does them, for a comparison.

The same networks and the same device, with nothing saved: the references' network runs at every
step and for both calls of guidance, keys and values are made anew for every view and step; each
view is drawn three times, normals come from the processor each time, the neighbourhood of edges is
a convolution; vertices are filled in Python. Attention is torch's own, as diffusers has it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import cos, radians
from types import MethodType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from hy3dgen.gpu import fused_layers
from hy3dgen.texgen import bake, cameras, inpaint
from hy3dgen.texgen.edges import find_edges
from hy3dgen.texgen.hunyuanpaint import fast_attention
from hy3dgen.texgen.hunyuanpaint.components import arranged
from hy3dgen.texgen.hunyuanpaint.pipeline import HunyuanPaintPipeline
from hy3dgen.texgen.hunyuanpaint.transformer import PaintBlock, Views
from hy3dgen.texgen.noise_schedules import TURBO_TIMESTEPS, Consistency
from hy3dgen.texgen.rasterizer_torch import rasterize_tensors
from hy3dgen.texgen.render import SCALE, PreparedMesh, face_normals, vertex_normals


def _look_at_references(block: PaintBlock, h: Tensor, together: Tensor, views: Views) -> Tensor:
    """Once for each view, and for the calls whose result counts nothing too."""
    assert block.attn_refview is not None
    context = views.features[block.name].repeat_interleave(views.count, 0)
    seen = block.attn_refview(together.reshape(h.shape), context)
    scale = torch.tensor(views.scales(len(together)), device=h.device, dtype=h.dtype)
    return h + scale.repeat_interleave(views.count)[:, None, None] * seen


@contextmanager
def plain_networks(
    networks: Sequence[nn.Module] = (), blocks: Sequence[PaintBlock] = ()
) -> Iterator[None]:
    """Inside, the networks' layers are torch's own, in its usual order of memory, and the blocks
    save nothing."""
    chosen = fast_attention.fastest, fused_layers.is_fused
    fast_attention.fastest = lambda q, k, v: fast_attention.attend_plainly
    fused_layers.is_fused = lambda x: False
    for network in networks:
        network.to(memory_format=torch.contiguous_format)
    for block in blocks:
        block._add_references = MethodType(_look_at_references, block)
    try:
        yield
    finally:
        fast_attention.fastest, fused_layers.is_fused = chosen
        for network in networks:
            arranged(network, next(network.parameters()).device)
        for block in blocks:
            del block._add_references


@torch.inference_mode()
def paint(
    model: HunyuanPaintPipeline,
    references: np.ndarray,
    normals: np.ndarray,
    positions: np.ndarray,
    numbers: Sequence[int],
    steps: int,
    guidance: float,
    watch: Any,
) -> np.ndarray:
    """(N, S, S, 3) uint8; `watch(name)` is a context that a stage runs in."""
    unet, device = model.unet, model.vae.device
    turbo = isinstance(model.scheduler, Consistency)
    model.views_at_once = len(numbers)
    drawn = torch.Generator(device).manual_seed(0)
    with watch("encode"):
        seen = model.encode(references, drawn)
        maps = [model.encode(picture, drawn, torch.float16) for picture in (normals, positions)]
    model.scheduler.set_timesteps(TURBO_TIMESTEPS[:steps] if turbo else steps)
    latents = torch.randn(maps[0].shape[1:], generator=drawn, device=device, dtype=unet.dtype)
    latents = latents * model.scheduler.init_noise_sigma
    text, scales = unet.unet.learned_text_clip_gen, torch.ones(1)
    if not turbo:
        text, scales = torch.cat([torch.zeros_like(text), text]), torch.tensor([0.0, 1.0])
        seen = torch.cat([torch.zeros_like(seen), seen])
    calls = len(text)
    blocks = list(unet.unet.transformers().values())
    with watch("denoise"), plain_networks(blocks=blocks):
        for i, time in enumerate(model.scheduler.timesteps.tolist()):
            scaled = model.scheduler.scale_model_input(latents, i)[None]
            (output,) = unet(
                torch.cat([scaled] * calls),
                time,
                text.repeat_interleave(len(numbers), 0),
                *(torch.cat([one] * calls) for one in maps),
                ref_latents=seen,
                camera_info_gen=[list(numbers)] * calls,
                ref_scale=scales,
            )
            if not turbo:
                without, with_all = output.chunk(2)
                output = without + guidance * (with_all - without)
            latents = model.scheduler.step(output, i, latents, drawn)
    with watch("decode"):
        images = model.vae.decode(latents / model.vae.settings.scaling_factor)
        images = (images / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float().cpu().numpy()
        return (images * 255).round().astype(np.uint8)


class PlainRenderer:
    """Views by torch on the device; every map is drawn for itself."""

    def __init__(self, mesh: PreparedMesh, size: int, texture_size: int, device: torch.device):
        self.mesh, self.size, self.texture_size, self.device = mesh, size, texture_size, device
        self.faces = self._put(mesh.faces).long()

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _draw(self, view: cameras.View) -> tuple[np.ndarray, Tensor, Tensor]:
        matrix = cameras.view_matrix(view.elevation, view.azimuth)
        in_camera = cameras.transform(self.mesh.positions, matrix)
        clip = self._put(cameras.transform(in_camera, cameras.standard_projection()))
        return in_camera, *rasterize_tensors(clip, self.faces, (self.size, self.size))

    def _interpolate(self, attributes: np.ndarray, numbers: Tensor, weights: Tensor) -> Tensor:
        corners = self.faces[(numbers.long() - 1).clamp(min=0)]
        return (weights[..., None] * self._put(attributes)[corners]).sum(2)

    def _normals(self, positions: np.ndarray) -> np.ndarray:
        faces = self.mesh.faces
        return vertex_normals(face_normals(positions, faces), faces, len(positions))

    def maps(self, view: cameras.View) -> list[Image.Image]:
        """Normals, then positions, each with a pass of its own; shrunk by Pillow later."""
        found = []
        for kind in ("normals", "positions"):
            _, numbers, weights = self._draw(view)
            if kind == "normals":
                values = self._interpolate(self._normals(self.mesh.positions), numbers, weights)
                values = (values + 1) * 0.5
            else:
                values = self._interpolate(0.5 - self.mesh.positions / SCALE, numbers, weights)
            values[numbers == 0] = 1
            found.append(Image.fromarray((values.cpu().numpy() * 255).astype(np.uint8)))
        return found

    def back_project(self, image: Image.Image, view: cameras.View) -> tuple[Tensor, Tensor]:
        """Colour (H, W, 3) and cosines (H, W) on the texture."""
        image = image.resize((self.size, self.size))
        in_camera, numbers, weights = self._draw(view)
        visible = numbers > 0
        normals = self._interpolate(self._normals(in_camera[:, :3]), numbers, weights)
        cosines = -normals[..., 2] / normals.norm(dim=-1).clamp(min=1e-8)
        cosines[cosines < cos(radians(bake.ANGLE_LIMIT))] = 0
        depth = self._interpolate(in_camera[:, 2:3], numbers, weights)[..., 0]
        seen = depth[visible]
        depth = torch.where(visible, (depth - seen.min()) / (seen.max() - seen.min()), 0.0)
        edges = find_edges((depth.cpu().numpy() * 255).astype(np.uint8), 30, 80)
        radius = bake.unreliable_radius(self.size)
        around = torch.ones(1, 1, 2 * radius + 1, 2 * radius + 1, device=self.device)
        doubtful = torch.stack([(~visible).float(), self._put(edges).float()])[:, None]
        near = F.conv2d(doubtful, around, padding=radius).amax(0)[0] > 0.5
        usable = visible & ~near
        uvs = self._interpolate(self.mesh.uvs, numbers, weights)[usable]
        values = self._put(np.array(image)).float()[usable] / 255
        values = torch.cat([values, cosines[usable][:, None]], dim=1)
        means = self._scatter(uvs.flip(1), values).view(self.texture_size, self.texture_size, 4)
        return means[..., :3], means[..., 3]

    def _scatter(self, places: Tensor, values: Tensor) -> Tensor:
        side = self.texture_size
        at = places * (side - 1)
        low = at.long().clamp(0, side - 2)
        share = at - low
        sums = torch.zeros(side * side, values.shape[1], device=self.device)
        total = torch.zeros(side * side, 1, device=self.device)
        for down in (0, 1):
            for right in (0, 1):
                part = (share[:, 0] if down else 1 - share[:, 0]) * (
                    share[:, 1] if right else 1 - share[:, 1]
                )
                texel = (low[:, 0] + down) * side + low[:, 1] + right
                sums.index_add_(0, texel, values * part[:, None])
                total.index_add_(0, texel, part[:, None])
        return torch.where(total > 0, sums / total, 0.0)


def merge(
    baked: Sequence[tuple[Tensor, Tensor]], weights: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Texture (H, W, 3) and where it is painted."""
    total, trust = torch.zeros_like(baked[0][0]), torch.zeros_like(baked[0][1])
    for (colour, cosines), weight in zip(baked, weights, strict=True):
        strength = weight * cosines**bake.BAKE_EXPONENT
        paints = strength > 0
        if (paints & (trust > 0)).sum() / paints.sum() > bake.KNOWN_SHARE:
            continue
        total += colour * strength[..., None]
        trust += strength
    texture = total / trust.clamp(min=1e-8)[..., None]
    return texture.cpu().numpy(), (trust > 1e-8).cpu().numpy()


@contextmanager
def fill_in_python() -> Iterator[None]:
    """Inside, vertices are filled without the kernel."""
    available = inpaint.kernel.native_available
    inpaint.kernel.native_available = lambda: False
    try:
        yield
    finally:
        inpaint.kernel.native_available = available
