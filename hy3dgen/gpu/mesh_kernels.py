# SPDX-License-Identifier: Apache-2.0
"""The compiled mesh kernels of a device; None where tensor operations have to do."""

import torch

from .fused_reduce import Kernels
from .tried_kernels import TriedKernels, of_sources

SOURCES = ("corners", "collapse", "refit")
KERNELS = TriedKernels(
    of_sources(*SOURCES), "Faces are reduced without compiled kernels, which is slower"
)


def mesh_kernels(device: torch.device) -> Kernels | None:
    """Kernels for a device; compiled at the first call, which takes a second or two."""
    return KERNELS.on(device)
