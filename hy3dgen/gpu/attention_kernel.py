# SPDX-License-Identifier: Apache-2.0
"""Softmax attention by a kernel of our own, for heads of 64 on GPUs of compute capability 9.0.

Its plain twin is torch's `scaled_dot_product_attention`, and `attend_biased` where the first key
stands for several. Source: `cuda/attention.cu`.
"""

import ctypes
import logging
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .devices import chosen
from .tried_kernels import TriedKernels

if TYPE_CHECKING:
    from .nvrtc import CudaKernels

SOURCES = ("hopper", "attention")
HEAD = 64
_CAPABILITY = (9, 0)
_TILE, _STAGES, _TASKS = 128, 4, 2  # as in the source
_FEWEST_PRODUCTS = 1 << 18  # of a query and a key in one head
# Groups of a block, and what a query and a key cost with so many. Three are faster, but take 192
# queries at a time, which does not come out even with few queries.
_COSTS = {3: 1.0, 2: 1.2}
_ALIGNMENT = 64  # of what the driver writes about tensors
# The driver's numbers: element types, rows swizzled over 128 bytes, neighbours brought along.
_TYPES = {torch.float16: 6, torch.bfloat16: 9}
_SWIZZLE, _PROMOTION = 3, 2


class Task(NamedTuple):
    """Attention of q to k and v, `(B, H, N, HEAD)` each, in any layout that `fits`.

    Its result goes to one or two outputs `(B, n, H, HEAD)`, as tokens follow one another; they are
    contiguous in a token. The first key counts as `times` equal ones.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    outputs: Sequence[Tensor]
    times: int = 1


class AttentionKernel(NamedTuple):
    """The kernel on one device for one dtype, with so many groups in a block."""

    programs: "dict[int, CudaKernels]"


def attention_kernel(x: Tensor) -> AttentionKernel | None:
    """The kernel for tensors like `x`, or None where the plain functions have to do.

    Compiled at the first call for a device and a dtype; tried once on a small case.
    """
    if not x.is_cuda or x.dtype not in _TYPES or x.shape[-1] != HEAD:
        return None
    return KERNELS.on(x.device, x.dtype)


def kernel_for(parts: Sequence[tuple[Tensor, Tensor, Tensor]]) -> AttentionKernel | None:
    """The kernel for several attentions, of q to k and v each, or None where it cannot do one.

    Gradients and torch.compile are left to the plain functions, and so are small cases: a launch
    would cost more than it saves.
    """
    if torch.compiler.is_compiling() or not parts[0][0].is_cuda:
        return None
    if all(q.shape[2] * k.shape[2] < _FEWEST_PRODUCTS for q, k, _v in parts):
        return None
    for q, k, v in parts:
        if not fits(q, k, v) or q.shape[:2] != k.shape[:2] or not q.dtype == k.dtype == v.dtype:
            return None
        if torch.is_grad_enabled() and any(part.requires_grad for part in (q, k, v)):
            return None
    return attention_kernel(parts[0][2])


def run_alone(kernel: AttentionKernel, q: Tensor, k: Tensor, v: Tensor, times: int = 1) -> Tensor:
    """One attention, `(B, H, N, HEAD)`; the first key counts as `times` equal ones."""
    out = v.new_empty(q.shape[0], q.shape[2], q.shape[1], q.shape[3])
    run_tasks(kernel, [Task(q, k, v, [out], times)])
    return out.transpose(1, 2)


def prepare_attention_kernel(device: torch.device, dtype: torch.dtype) -> None:
    """Begin to compile it while something else is done, such as reading weights."""
    if device.type == "cuda" and dtype in _TYPES:
        threading.Thread(target=KERNELS.on, args=(device, dtype), daemon=True).start()


def _compiled(device: torch.device, dtype: torch.dtype) -> AttentionKernel:
    from .nvrtc import CudaKernels, KernelsUnavailableError

    if torch.cuda.get_device_capability(device) != _CAPABILITY:
        raise KernelsUnavailableError("the kernel is made for GPUs of compute capability 9.0")

    def compiled(groups: int) -> CudaKernels:
        options = [f"-DGROUPS={groups}", *(["-DBFLOAT"] if dtype is torch.bfloat16 else [])]
        return CudaKernels(SOURCES, device, options, own=True)

    with ThreadPoolExecutor() as pool:
        return AttentionKernel(dict(zip(_COSTS, pool.map(compiled, _COSTS), strict=True)))


def _error_of(kernel: AttentionKernel, device: torch.device, dtype: torch.dtype) -> float:
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 1, 2, 300, HEAD, generator=generator).to(device, dtype).unbind(0)
    k = k * torch.linspace(0.1, 4, 300, device=device, dtype=dtype)[:, None]
    bias = torch.zeros(300, device=device)
    bias[0] = math.log(1000)
    logits = q.float() @ k.float().transpose(-1, -2) / math.sqrt(HEAD) + bias
    want = (logits.softmax(dim=-1) @ v.float()).transpose(1, 2)
    errors = []
    for groups, program in kernel.programs.items():
        out = torch.empty(1, 300, 2, HEAD, device=device, dtype=dtype)
        tasks = [Task(q, k, v, [out], 1000)]
        _launch(program, groups, _plan(program.processors, groups, tasks), tasks)
        errors.append(float((out.float() - want).abs().max()))
    return max(errors)


KERNELS = TriedKernels(_compiled, "Attention is that of PyTorch here", _error_of, logging.INFO)


def fits(*parts: Tensor) -> bool:
    """Whether the copy engine reads tensors `(B, H, N, HEAD)` as they lie in memory."""
    return all(
        part.stride(-1) == 1
        and part.data_ptr() % 16 == 0
        and all(step > 0 and 2 * step % 16 == 0 for step in _steps(part))
        for part in parts
    )


def run_tasks(kernel: AttentionKernel, tasks: Sequence[Task]) -> None:
    """Fills the outputs of all tasks, which had better be given together: a GPU idles less."""
    order = sorted(tasks, key=lambda task: task.k.shape[2], reverse=True)  # the longest first
    for first in range(0, len(order), _TASKS):
        some = order[first : first + _TASKS]
        plans = {
            groups: _plan(kernel.programs[groups].processors, groups, some) for groups in _COSTS
        }
        groups = min(plans, key=lambda groups: plans[groups].cost)
        _launch(kernel.programs[groups], groups, plans[groups], some)


class _Plan(NamedTuple):
    """Which blocks take which sets of queries (`struct Tasks`), and what the slowest has to do."""

    blocks: int
    start: int
    step: int
    cost: float


def _plan(processors: int, groups: int, tasks: Sequence[Task]) -> _Plan:
    sets, keys = [_sets(task, groups) for task in tasks], [task.k.shape[2] for task in tasks]
    blocks = min(sum(sets), processors)
    one = 64 * groups * _COSTS[groups]
    if len(tasks) == 1:
        return _Plan(blocks, 0, blocks, one * keys[0] * _rounds(sets[0], blocks))
    most, rest = _rounds(sets[0], blocks), sets[0] % blocks
    more = _rounds(sum(sets), blocks) - most
    all_go_on = _Plan(blocks, 0, blocks, one * (most * keys[0] + more * keys[1]))
    more = _rounds(sets[1], blocks - rest)
    others = max(most * keys[0], sets[0] // blocks * keys[0] + more * keys[1])
    return min(all_go_on, _Plan(blocks, rest, blocks - rest, one * others), key=lambda p: p.cost)


def _rounds(sets: int, blocks: int) -> int:
    return -(-sets // blocks)


def _sets(task: Task, groups: int) -> int:
    batch, heads, tokens = task.q.shape[:3]
    return _rounds(tokens, 64 * groups) * heads * batch


def _launch(program: "CudaKernels", groups: int, plan: _Plan, tasks: Sequence[Task]) -> None:
    room = ctypes.create_string_buffer(ctypes.sizeof(_Tasks) + _ALIGNMENT)
    laid = _Tasks.from_buffer(room, -ctypes.addressof(room) % _ALIGNMENT)
    for item, task in zip(laid.item, tasks, strict=False):
        item.batch, item.heads, item.tokens = task.q.shape[:3]
        item.keys, item.split = task.k.shape[2], task.outputs[0].shape[1]
        item.sets = _sets(task, groups)
        item.extra = math.log(task.times) * math.sqrt(HEAD)
        for number, output in enumerate(task.outputs):
            item.out[number] = output.data_ptr()
            item.out_batch[number], item.out_token[number] = output.stride()[:2]
        for name, part, rows in (("q", task.q, 64), ("k", task.k, _TILE), ("v", task.v, _TILE)):
            _describe(program, getattr(item, name), part, rows)
    laid.start, laid.step = plan.start, plan.step
    sets = sum(item.sets for item in laid.item)
    scale = math.log2(math.e) / math.sqrt(HEAD)
    # Queries twice, stages of keys and values, and what tiles need to begin at a kilobyte.
    shared = 2 * HEAD * (2 * 64 * groups + 2 * _STAGES * _TILE) + 1024
    with chosen(program.device):
        program.launch_blocks("attend", plan.blocks, 128 * (groups + 1), shared, laid, sets, scale)


def _describe(program: "CudaKernels", to: ctypes.Array, part: Tensor, rows: int) -> None:
    """Lets the copy engine bring so many tokens of one head at a time."""
    batch, heads, tokens, width = part.shape
    four, three = ctypes.c_uint32 * 4, ctypes.c_uint64 * 3
    program.check(
        program.driver.cuTensorMapEncodeTiled(
            ctypes.byref(to), _TYPES[part.dtype], 4, ctypes.c_void_p(part.data_ptr()),
            (ctypes.c_uint64 * 4)(width, tokens, heads, batch),
            three(*(2 * step for step in _steps(part))), four(width, rows, 1, 1), four(1, 1, 1, 1),
            0, _SWIZZLE, _PROMOTION, 0,
        ),
        "a tensor's layout",
    )  # fmt: skip


def _steps(part: Tensor) -> list[int]:
    """From one token, head, batch row to the next; of a single one it may be anything."""
    return [part.stride(axis) if part.shape[axis] > 1 else HEAD for axis in (2, 1, 0)]


class _Task(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint64 * 16) for name in "qkv"),
        ("out", ctypes.c_void_p * 2), ("out_batch", ctypes.c_longlong * 2),
        ("out_token", ctypes.c_longlong * 2),
        *((name, ctypes.c_int) for name in ("split", "tokens", "keys", "heads", "batch", "sets")),
        ("extra", ctypes.c_float), ("_rest", ctypes.c_char * 52),
    )  # fmt: skip


class _Tasks(ctypes.Structure):
    _fields_ = (
        ("item", _Task * _TASKS), ("start", ctypes.c_int), ("step", ctypes.c_int),
        ("_rest", ctypes.c_char * 56),
    )  # fmt: skip
