# SPDX-License-Identifier: Apache-2.0
"""The one attention of the texture networks, and which kernel it runs on.

For short sequences that is torch's own choice. Long ones are half of a step, and which kernel is
the fastest depends on the GPU and on their lengths: the first time that a shape is met on a CUDA
device, torch's choice, our own kernel (`gpu/attention_kernel.py`) and cuDNN's each do the work at
hand, and the fastest of those that give the same is kept for that shape.
"""

import logging
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...gpu.attention_kernel import kernel_for, run_alone

logger = logging.getLogger(__name__)

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]
LONG = 1024  # queries and keys from which the choice of a kernel matters
_TOLERANCE = 0.01  # between two kernels in 16 bits, as a part of the largest value
_WORTH = 0.97  # another kernel has to take less than this part of the time, lest chance decides
_fastest: dict[tuple, Kernel] = {}


def attend(q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
    """Softmax attention, `(B, heads, L, d)`, `(B, heads, M, d)` twice -> `(B, heads, L, d)`.

    `causal`: of a text, whose words see only what stands before them.
    """
    if causal:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    if q.is_cuda and min(q.shape[2], k.shape[2]) >= LONG:
        return fastest(q, k, v)(q, k, v)
    return attend_plainly(q, k, v)


def attend_plainly(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v)


def attend_by_cudnn(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        return F.scaled_dot_product_attention(q, k, v)


def attend_by_ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Where our kernel cannot do it, on another GPU or with other heads or layouts, plainly."""
    kernel = kernel_for([(q, k, v)])
    return attend_plainly(q, k, v) if kernel is None else run_alone(kernel, q, k, v)


def fastest(q: Tensor, k: Tensor, v: Tensor) -> Kernel:
    """Which function attends tensors like these; tried once for each kind of them."""
    if q.dtype not in (torch.float16, torch.bfloat16):
        return attend_plainly
    key = (q.device, q.dtype, *(part for x in (q, k, v) for part in (x.shape, x.stride())))
    if key not in _fastest:
        if torch.cuda.is_current_stream_capturing():
            return attend_plainly
        _fastest[key] = _try_all(q, k, v)
    return _fastest[key]


def _try_all(q: Tensor, k: Tensor, v: Tensor) -> Kernel:
    best, want = attend_plainly, attend_plainly(q, k, v).float()
    scale = float(want.abs().max())
    least = _milliseconds(lambda: attend_plainly(q, k, v))
    for kernel in (attend_by_ours, attend_by_cudnn):
        try:
            if not float((kernel(q, k, v) - want).abs().max()) <= _TOLERANCE * scale:
                continue
            taken = _milliseconds(lambda kernel=kernel: kernel(q, k, v))
        except RuntimeError as reason:
            logger.info("no attention by %s here: %s", kernel.__name__, reason)
            continue
        if taken < _WORTH * least:
            best, least = kernel, taken
    return best


def _milliseconds(function: Callable[[], object]) -> float:
    """The least of some runs; events, so that nothing but the device counts."""
    times = []
    for _ in range(4):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return min(times[1:])
