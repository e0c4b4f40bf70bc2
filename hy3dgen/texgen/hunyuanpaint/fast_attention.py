# SPDX-License-Identifier: Apache-2.0
"""The one attention of the texture networks, and which kernel it runs on.

Torch's own choice is right nearly everywhere. The attention between all views at the top level, 24
thousand tokens, is most of a step, and on some GPUs cuDNN's kernel is the faster one there: both
are run once, and cuDNN's is taken if it gives the same and needs less time.
"""

import logging

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

logger = logging.getLogger(__name__)

LONG = 4096  # tokens from which the choice of a kernel matters
_TRIAL_TOKENS, _TRIAL_HEADS = 8192, 5
_TOLERANCE = 0.01  # between two kernels in 16 bits, for values of about one
_cudnn_is_better: dict[tuple[torch.device, torch.dtype, int], bool] = {}


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention, `(B, heads, L, d)`, `(B, heads, M, d)` twice -> `(B, heads, L, d)`."""
    if q.is_cuda and min(q.shape[2], k.shape[2]) >= LONG and prefers_cudnn(q):
        return attend_by_cudnn(q, k, v)
    return F.scaled_dot_product_attention(q, k, v)


def attend_by_cudnn(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        return F.scaled_dot_product_attention(q, k, v)


def prefers_cudnn(like: Tensor) -> bool:
    """Whether cuDNN is the faster one for long sequences; measured once for each kind of tensor."""
    key = (like.device, like.dtype, like.shape[-1])
    if key not in _cudnn_is_better:
        if torch.cuda.is_current_stream_capturing():
            return False
        _cudnn_is_better[key] = _try_cudnn(*key)
    return _cudnn_is_better[key]


def _try_cudnn(device: torch.device, dtype: torch.dtype, width: int) -> bool:
    if dtype not in (torch.float16, torch.bfloat16):
        return False
    generator = torch.Generator(device).manual_seed(0)
    shape = (3, 1, _TRIAL_HEADS, _TRIAL_TOKENS, width)
    q, k, v = torch.randn(shape, generator=generator, device=device, dtype=dtype).unbind(0)
    try:
        want, got = F.scaled_dot_product_attention(q, k, v), attend_by_cudnn(q, k, v)
        if float((want.float() - got.float()).abs().max()) > _TOLERANCE:
            return False
        usual = _milliseconds(lambda: F.scaled_dot_product_attention(q, k, v))
        return _milliseconds(lambda: attend_by_cudnn(q, k, v)) < usual
    except RuntimeError as reason:
        logger.info("no attention by cuDNN here: %s", reason)
        return False


def _milliseconds(function) -> float:
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
