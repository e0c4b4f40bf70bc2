# SPDX-License-Identifier: Apache-2.0
"""The compiled mesh kernels of a device, tried once; None where tensor operations have to do."""

import logging
import os
import threading
from functools import cache

import torch

from .fused_reduce import Kernels

logger = logging.getLogger(__name__)

OFF = "HY3DGEN_NO_KERNELS"  # environment: set, and tensor operations do everything
_one_at_a_time = threading.Lock()

SOURCES = ("corners", "collapse", "refit")


def mesh_kernels(device: torch.device) -> Kernels | None:
    """Kernels for a device; compiled at the first call, which takes a second or two."""
    if device.type != "cuda" or torch.version.hip is not None or os.environ.get(OFF):
        return None
    index = device.index if device.index is not None else torch.cuda.current_device()
    with _one_at_a_time:
        return _compiled(index)


@cache
def _compiled(index: int) -> Kernels | None:
    from .nvrtc import CudaKernels, KernelsUnavailableError

    device = torch.device("cuda", index)
    try:
        return CudaKernels(SOURCES, device)
    except KernelsUnavailableError as reason:
        logger.warning("Faces are reduced without compiled kernels, which is slower: %s", reason)
        return None
