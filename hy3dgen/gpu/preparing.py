# SPDX-License-Identifier: Apache-2.0
"""What a first picture on a CUDA device would wait for, begun while weights are read.

Each is a thread that calls what is called later anyway; what comes of it is kept where that is.
"""

import logging
import os
import threading
from collections.abc import Callable

import torch
import torch.nn.functional as F

from . import decoder_kernels
from .mesh_kernels import mesh_kernels
from .transformer_kernels import HEAD, WIDTH, transformer_kernels
from .tried_kernels import OFF

logger = logging.getLogger(__name__)


def prepare_kernels(device: torch.device) -> list[threading.Thread]:
    """Begin to load libraries and compile kernels for a device; the threads that do."""
    if device.type != "cuda":
        return []
    threads = [
        threading.Thread(target=_try, args=(part, device), daemon=True)
        for part in (_transformers, mesh_kernels, _triton, _libraries)
    ]
    for thread in threads:
        thread.start()
    return threads


def _try(part: Callable[[torch.device], object], device: torch.device) -> None:
    try:
        part(device)
    except Exception as reason:  # of many libraries; whoever needs the part will tell
        logger.info("%s could not be prepared: %s", part.__name__, reason)


def _transformers(device: torch.device) -> None:
    transformer_kernels(torch.empty(1, device=device, dtype=torch.float16), WIDTH, HEAD)


def _triton(device: torch.device) -> None:
    if not os.environ.get(OFF):
        decoder_kernels.begin(device)


@torch.inference_mode()
def _libraries(device: torch.device) -> None:
    """Those of products and of attention."""
    x = torch.zeros(1, 16, 128, HEAD, device=device, dtype=torch.float16)
    F.scaled_dot_product_attention(x, x, x)
    F.linear(x, x[0, 0, :HEAD])
