# SPDX-License-Identifier: Apache-2.0
"""Volume IoU between what the autoencoder decodes and the program's own solid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .programs.batch import ProgramBatch
from .programs.sdf import evaluate

BOUND = 1.01


def grid_points(resolution: int, device: torch.device | str = "cpu") -> Tensor:
    """(R^3, 3) points of a grid over [-1.01, 1.01]^3, both ends included, x slowest."""
    axis = torch.linspace(-BOUND, BOUND, resolution, device=device)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)


def decoded_solid(vae: nn.Module, tokens: Tensor, resolution: int = 64) -> Tensor:
    """(B, R^3) bool: where the field of the decoded tokens `(B, K, D)` is positive."""
    points = grid_points(resolution, tokens.device)
    chunk = 65_536 if tokens.is_cuda else 2_048  # small ones stay in a processor's cache
    solids = []
    for shape in tokens.split(1 if not tokens.is_cuda else len(tokens)):
        projected = vae.geo_decoder.project(shape)
        parts = [
            vae.geo_decoder.query(projected, queries.expand(len(shape), -1, -1)).squeeze(-1) > 0
            for queries in points.split(chunk)
        ]
        solids.append(torch.cat(parts, dim=1))
    return torch.cat(solids)


def true_solid(programs: ProgramBatch, resolution: int = 64) -> Tensor:
    """(B, R^3) bool: inside the programs."""
    points = grid_points(resolution, programs.device)
    return evaluate(programs, points.expand(len(programs), -1, -1)) < 0


def iou(a: Tensor, b: Tensor) -> Tensor:
    """(B,) intersection over union of the solids `(B, N)`; two empty ones score 1."""
    union = (a | b).sum(1)
    return torch.where(union > 0, (a & b).sum(1) / union.clamp_min(1), torch.ones_like(union))


def field_iou(
    vae: nn.Module, tokens: Tensor, programs: ProgramBatch, resolution: int = 64
) -> Tensor:
    """(B,) IoU of decoded tokens with the programs that they stand for."""
    return iou(decoded_solid(vae, tokens, resolution), true_solid(programs, resolution))
