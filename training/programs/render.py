# SPDX-License-Identifier: Apache-2.0
"""Pictures of programs: cameras, lights, and `render`, which picks the tracer for the device.

Cameras and lights are drawn by hashing (seed, index), so a picture can be made again alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch.nn.functional import normalize

from .batch import ProgramBatch

VIEW = 40  # floats a view takes in the packed form


class _Moved:
    """`.to(device)` for a frozen dataclass of tensors."""

    def to(self, device: torch.device | str):
        return type(self)(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class Cameras(_Moved):
    """Pinhole cameras; the columns of `rotations` are right, up and forward."""

    origins: torch.Tensor  # (B, 3)
    rotations: torch.Tensor  # (B, 3, 3)
    tangents: torch.Tensor  # (B,) of half the field of view


@dataclass(frozen=True)
class Lights(_Moved):
    """Three distant lights (black where absent; the first casts shadows) and what is around."""

    directions: torch.Tensor  # (B, 3, 3), unit, towards the light
    colours: torch.Tensor  # (B, 3, 3), linear
    sky: torch.Tensor  # (B, 3) ambient light from above, linear
    ground: torch.Tensor  # (B, 3) and from below
    shadow: torch.Tensor  # (B,) 0 none .. 1 full
    specular: torch.Tensor  # (B,)
    shininess: torch.Tensor  # (B,)
    backdrop: torch.Tensor  # (B, 3) sRGB; colour of transparent pixels
    bleed: torch.Tensor  # (B,) how much of it half-covered edge pixels take on


def pack_views(cameras: Cameras, lights: Lights) -> torch.Tensor:
    """(B, VIEW) float32: the order in which both tracers read a view."""
    b = cameras.tangents.shape[0]
    parts = [
        cameras.origins,  # 0
        cameras.rotations.reshape(b, 9),  # 3
        cameras.tangents[:, None],  # 12
        lights.directions.reshape(b, 9),  # 13
        lights.colours.reshape(b, 9),  # 22
        lights.sky,  # 31
        lights.ground,  # 34
        lights.shadow[:, None],  # 37
        lights.specular[:, None],  # 38
        lights.shininess[:, None],  # 39
    ]
    return torch.cat([part.float() for part in parts], dim=1).contiguous()


def render(batch: ProgramBatch, cameras: Cameras, lights: Lights, size: int = 128) -> torch.Tensor:
    """Pictures (B, size, size, 4) uint8 with straight alpha, 2x2 samples a pixel."""
    cameras, lights = cameras.to(batch.device), lights.to(batch.device)
    views = pack_views(cameras, lights)
    if batch.device.type == "cuda":
        from .trace_triton import trace_triton as trace
    else:
        from .trace import trace
    colour, coverage = trace(batch, views, size)  # (B, H, W, 3) in [0, 1], (B, H, W) in [0, 1]
    backdrop = lights.backdrop[:, None, None, :]
    mix = (1 - coverage) * lights.bleed[:, None, None]
    mix = torch.where(coverage > 0, mix, 1.0)[..., None]
    rgba = torch.cat([torch.lerp(colour, backdrop, mix), coverage[..., None]], dim=-1)
    return (rgba.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def random_cameras(seed: int, indices: Sequence[int], batch: ProgramBatch) -> Cameras:
    """One camera for each shape: mostly three-quarter views from the front and a little above."""
    draw = _Hashed(seed, indices, stream=1)
    side = torch.where(draw.chance(0.5), 1.0, -1.0)
    yaw = torch.where(draw.chance(0.75), side * draw.between(12, 50), draw.between(-15, 15))
    pitch = torch.where(draw.chance(0.8), draw.between(8, 32), draw.between(2, 40))
    fov, fill = draw.between(25, 45), draw.between(0.82, 0.95)
    return _orbit(batch, yaw, pitch, fov, fill)


def front_cameras(
    batch: ProgramBatch, yaw: float = 30.0, pitch: float = 20.0, fov: float = 35.0
) -> Cameras:
    """The same camera, in degrees, for every shape, as near as its box allows."""
    one = torch.ones(len(batch))
    return _orbit(batch, one * yaw, one * pitch, one * fov, one * 0.95)


def _orbit(batch: ProgramBatch, yaw, pitch, fov, fill) -> Cameras:
    """Cameras that look at the origin from where the shape fills at most `fill` of the frame."""
    yaw, pitch, fov, fill = (angle.to(batch.device) for angle in (yaw, pitch, fov, fill))
    yaw, pitch = torch.deg2rad(yaw), torch.deg2rad(pitch)
    level = torch.cos(pitch)
    back = torch.stack(
        [torch.sin(yaw) * level, torch.sin(pitch), torch.cos(yaw) * level], dim=1
    )  # from the shape to the camera
    up = torch.tensor([[0.0, 1.0, 0.0]], device=batch.device).expand_as(back)
    right = normalize(torch.linalg.cross(up, back), dim=1)
    up = torch.linalg.cross(back, right)
    rotations = torch.stack([right, up, -back], dim=2)
    tangents = torch.tan(torch.deg2rad(fov) / 2)
    seen = batch.corners() @ rotations  # (B, P * 8, 3) across, up, away
    across = seen[..., :2].abs().amax(dim=-1)
    distance = (across / (tangents * fill)[:, None] - seen[..., 2]).amax(dim=1)
    return Cameras(back * distance[:, None], rotations, tangents)


def random_lights(seed: int, indices: Sequence[int], device: torch.device | str = "cpu") -> Lights:
    """One to three lights a shape; the key light comes from the front and above."""
    draw = _Hashed(seed, indices, stream=2)
    count = len(draw)
    azimuth = torch.deg2rad(
        torch.stack(
            [
                draw.between(-75, 75),
                draw.between(-180, 180),
                180 + draw.between(-60, 60),
            ],
            dim=1,
        )
    )
    height = torch.deg2rad(
        torch.stack([draw.between(25, 70), draw.between(0, 45), draw.between(10, 50)], dim=1)
    )
    directions = torch.stack(
        [
            torch.sin(azimuth) * torch.cos(height),
            torch.sin(height),
            torch.cos(azimuth) * torch.cos(height),
        ],
        dim=2,
    )
    power = torch.stack(
        [
            draw.between(0.45, 0.95),
            draw.between(0.08, 0.4) * draw.chance(0.7),
            draw.between(0.1, 0.45) * draw.chance(0.5),
        ],
        dim=1,
    )
    tints = torch.stack([draw.tint(0.15) for _ in range(3)], dim=1)
    level = draw.between(0.3, 0.62)[:, None]
    plain = torch.where(draw.chance(0.5), 1.0, 0.0)[:, None]  # a grey backdrop: black to white
    backdrop = torch.stack([draw.between(0, 1) for _ in range(3)], dim=1)
    backdrop = torch.where(plain > 0, backdrop[:, :1].expand(count, 3), backdrop)
    return Lights(
        directions=directions,
        colours=tints * power[..., None],
        sky=draw.tint(0.12) * level,
        ground=draw.tint(0.12) * level * draw.between(0.4, 0.8)[:, None],
        shadow=draw.between(0.2, 1.0) * draw.chance(0.85),
        specular=draw.between(0.0, 0.35) * draw.chance(0.6),
        shininess=draw.between(8, 60),
        backdrop=backdrop,
        bleed=draw.between(0.0, 0.6) * draw.chance(0.6),
    ).to(device)


def studio_lights(count: int, device: torch.device | str = "cpu") -> Lights:
    """The same pleasant light for every shape: warm key, cool fill, rim from behind."""
    directions = torch.tensor([[-0.45, 0.75, 0.6], [0.8, 0.25, 0.45], [0.3, 0.55, -0.8]])
    colours = torch.tensor([[0.85, 0.82, 0.76], [0.16, 0.18, 0.22], [0.25, 0.26, 0.3]])
    fixed = {
        "directions": normalize(directions, dim=1),
        "colours": colours,
        "sky": torch.tensor([0.42, 0.44, 0.48]),
        "ground": torch.tensor([0.26, 0.24, 0.22]),
        "shadow": torch.tensor(0.75),
        "specular": torch.tensor(0.15),
        "shininess": torch.tensor(30.0),
        "backdrop": torch.ones(3),
        "bleed": torch.tensor(0.0),
    }
    return Lights(**{k: v.expand(count, *v.shape).clone() for k, v in fixed.items()}).to(device)


class _Hashed:
    """Uniform numbers that depend on (seed, index, stream, draw) alone, all indices at once.

    Source: the splitmix64 finaliser (Steele, Lea & Flood 2014), used as a counter-based hash.
    """

    def __init__(self, seed: int, indices: Sequence[int], stream: int) -> None:
        if isinstance(indices, torch.Tensor):
            indices = indices.tolist()
        index = np.asarray(list(indices), dtype=np.uint64)
        start = np.full(1, (seed * 8 + stream) % 2**64, dtype=np.uint64)
        self._state = self._mix(index ^ self._mix(start))
        self._draws = 0

    @staticmethod
    def _mix(value: np.ndarray) -> np.ndarray:
        value = value + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return value ^ (value >> np.uint64(31))

    def __len__(self) -> int:
        return len(self._state)

    def between(self, low: float, high: float) -> torch.Tensor:
        self._draws += 1
        bits = self._mix(self._state + np.uint64(self._draws)) >> np.uint64(40)  # 24 bits
        return low + (high - low) * torch.from_numpy(bits.astype(np.float32) / 2**24)

    def chance(self, probability: float) -> torch.Tensor:
        return self.between(0, 1) < probability

    def tint(self, spread: float) -> torch.Tensor:
        """(B, 3) nearly white colours."""
        warm = self.between(-spread, spread)
        green = self.between(-spread, spread) / 3
        return torch.stack([1 + warm, 1 + green, 1 - warm], dim=1)
