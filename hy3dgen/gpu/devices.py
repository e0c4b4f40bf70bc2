# SPDX-License-Identifier: Apache-2.0
"""Which device work goes to."""

import contextlib

import torch


def chosen(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Streams, recordings and kernels are those of the device that is chosen at the time."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()
