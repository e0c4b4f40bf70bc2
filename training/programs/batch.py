# SPDX-License-Identifier: Apache-2.0
"""Programs as tensors on one device, and their packed form for the kernels."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from .programs import Program, Programs, make_programs
from .shape import BOX, CAPSULE, ELLIPSOID, FRUSTUM, PRISM, SUBTRACT, TORUS

PACKED = 24  # 9 rotation, 3 translation, 6 parameters, smooth, 3 colour, 2 unused


@dataclass(frozen=True)
class ProgramBatch:
    """B programs of at most P primitives; the fields of `Programs` as tensors."""

    types: torch.Tensor  # (B, P) int32
    ops: torch.Tensor  # (B, P) int32
    params: torch.Tensor  # (B, P, 6)
    rotations: torch.Tensor  # (B, P, 3, 3)
    translations: torch.Tensor  # (B, P, 3)
    smooth: torch.Tensor  # (B, P)
    colours: torch.Tensor  # (B, P, 3)
    counts: torch.Tensor  # (B,) int32
    family: torch.Tensor  # (B,) int32
    extents: torch.Tensor  # (B, 3)

    @staticmethod
    def make(
        seed: int,
        indices: Sequence[int],
        families: Sequence[str] | None = None,
        device: torch.device | str = "cpu",
    ) -> "ProgramBatch":
        """Programs of (seed, index), made here and now; see `programs.make_programs`."""
        return ProgramBatch.from_programs(make_programs(seed, indices, families), device)

    @staticmethod
    def from_programs(
        programs: Program | Programs, device: torch.device | str = "cpu"
    ) -> "ProgramBatch":
        arrays = [np.asarray(getattr(programs, field.name)) for field in fields(ProgramBatch)]
        if isinstance(programs, Program):
            arrays = [array[None] for array in arrays]
        return ProgramBatch(*(torch.from_numpy(a.copy()).to(device) for a in arrays))

    @staticmethod
    def load(path: str | Path, device: torch.device | str = "cpu") -> "ProgramBatch":
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[field.name] for field in fields(ProgramBatch)]
        return ProgramBatch(*(torch.from_numpy(a).to(device) for a in arrays))

    def save(self, path: str | Path) -> None:
        arrays = {f.name: getattr(self, f.name).cpu().numpy() for f in fields(ProgramBatch)}
        np.savez_compressed(path, **arrays)

    def __len__(self) -> int:
        return self.counts.shape[0]

    def __getitem__(self, index: int | slice | Sequence[int] | torch.Tensor) -> "ProgramBatch":
        """Some of the programs, in the order asked for; one int keeps the leading axis."""
        if isinstance(index, int):
            index = [index]
        if isinstance(index, (list, tuple)):
            index = torch.tensor(index, dtype=torch.int64)
        if isinstance(index, torch.Tensor):
            index = index.to(self.device)
        return ProgramBatch(*(getattr(self, field.name)[index] for field in fields(ProgramBatch)))

    def to(self, device: torch.device | str) -> "ProgramBatch":
        return ProgramBatch(*(getattr(self, f.name).to(device) for f in fields(ProgramBatch)))

    @property
    def device(self) -> torch.device:
        return self.counts.device

    def corners(self) -> torch.Tensor:
        """(B, P * 8, 3) corners of every primitive's own box; the shape lies within their hull.

        Cutters and unused rows give the origin, which is within the shape's box.
        """
        p0, p1, p2, p3, p4, p5 = self.params.unbind(-1)
        wide = torch.maximum(p0, p1)
        halves = {
            BOX: (p0 + p3, p1 + p3, p2 + p3),
            ELLIPSOID: (p0, p1, p2),
            CAPSULE: (p0, p0 + p1, p0),
            FRUSTUM: (wide + p3, p2 + p3, wide + p3),
            TORUS: (p0 + p1, p1, p0 + p1),
            PRISM: (wide + p4.abs() + p5, p2 + p5, p3 + p5),
        }
        half = torch.zeros_like(self.translations)
        for kind, parts in halves.items():
            half = torch.where((self.types == kind)[..., None], torch.stack(parts, dim=-1), half)
        signs = torch.tensor(
            [[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)],
            device=self.device,
        )
        local = half[:, :, None] * signs  # (B, P, 8, 3)
        corners = local @ self.rotations.transpose(-1, -2) + self.translations[:, :, None]
        corners = corners * (self.ops != SUBTRACT)[:, :, None, None]
        return corners.flatten(1, 2)

    def packed(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What the kernels read: (B, P, 24) float32 and (B, P, 2) int32 of type and op."""
        b, p = self.types.shape
        table = torch.cat(
            [
                self.rotations.reshape(b, p, 9),
                self.translations,
                self.params,
                self.smooth[..., None],
                self.colours,
                self.smooth.new_zeros(b, p, PACKED - 22),
            ],
            dim=-1,
        )
        return table.contiguous(), torch.stack([self.types, self.ops], dim=-1).contiguous()
