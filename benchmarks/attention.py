# SPDX-License-Identifier: Apache-2.0
"""Attention by our own kernel beside PyTorch's, for the shapes of the networks, on one GPU.

    python -m benchmarks.attention [--json FILE]

Random data in half precision, heads of 64. Each way is recorded twenty times in a row and replayed;
the median of seven replays counts. Operations are the products and sums of both matrix products.
Errors are against the same in float64.
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from hy3dgen.gpu.attention_kernel import HEAD, Task, attention_kernel, run_tasks
from hy3dgen.shapegen.models.attention import attend_merged, cudnn_with_sums, flash_with_sums

HEADS = 16
SHAPES = {  # heads, queries, keys
    "2.0, both halves": [(HEADS, 4442, 4442), (HEADS, 3073, 3073)],
    "2.0": [(HEADS, 4442, 4442)],
    "2mini, both halves": [(HEADS, 1882, 1882), (HEADS, 513, 513)],
    "2mini-turbo": [(HEADS, 8402, 8402)],
    "image encoder": [(24, 1370, 1370)],
    "latent decoder": [(HEADS, 3072, 3072)],
    "32,768 points": [(HEADS, 32768, 3072)],
    "8,192 tokens": [(HEADS, 8192, 8192)],
}
COPIES = 1370  # of the first key in the second half
RECORDED, REPLAYS = 20, 7


def drawn(heads: int, queries: int, keys: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator("cuda").manual_seed(seed)
    return tuple(
        torch.randn(1, tokens, heads, HEAD, generator=generator, device="cuda").half()
        .transpose(1, 2)
        for tokens in (queries, keys, keys)
    )  # fmt: skip


def microseconds(run: Callable[[], Any]) -> float:
    run()
    torch.cuda.synchronize()
    recording = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recording):
        for _ in range(RECORDED):
            run()
    recording.replay()
    times = []
    for _ in range(REPLAYS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        recording.replay()
        end.record()
        end.synchronize()
        times.append(1e3 * start.elapsed_time(end) / RECORDED)
    return statistics.median(times)


def by_torch(inputs: list[Any], backend: SDPBackend, with_sums: Any) -> list[Tensor]:
    """Halves side by side on two streams; the second with the copies of its first key."""
    with sdpa_kernel(backend):
        if len(inputs) == 1:
            return [F.scaled_dot_product_attention(*inputs[0])]
        here, beside = torch.cuda.current_stream(), torch.cuda.Stream()
        beside.wait_stream(here)
        with torch.cuda.stream(beside):
            second = attend_merged(*inputs[1], COPIES, with_sums)
        first = F.scaled_dot_product_attention(*inputs[0])
        here.wait_stream(beside)
    return [first, second]


def ours(inputs: list[Any]) -> list[Tensor]:
    outputs = [torch.empty_like(q.transpose(1, 2)) for q, _k, _v in inputs]
    tasks = [
        Task(*parts, [output], COPIES if number else 1)
        for number, (parts, output) in enumerate(zip(inputs, outputs, strict=True))
    ]
    run_tasks(attention_kernel(inputs[0][0]), tasks)
    return [output.transpose(1, 2) for output in outputs]


def errors(got: Tensor, inputs: Any, times: int) -> dict[str, float]:
    """Largest and root mean square, head by head, which needs less memory."""
    largest = squares = 0.0
    for head in range(got.shape[1]):
        q, k, v = (part[:, head].double() for part in inputs)
        logits = q @ k.mT / math.sqrt(HEAD)
        logits[..., 0] += math.log(times)
        off = got[:, head].double() - logits.softmax(dim=-1) @ v
        largest = max(largest, float(off.abs().max()))
        squares += float(off.square().mean()) / got.shape[1]
    return {"largest": float(f"{largest:.3g}"), "rms": float(f"{math.sqrt(squares):.3g}")}


@torch.inference_mode()
def measure(shapes: list[tuple[int, int, int]]) -> dict[str, Any]:
    inputs = [drawn(*shape, seed) for seed, shape in enumerate(shapes)]
    operations = sum(4 * heads * queries * keys * HEAD for heads, queries, keys in shapes)
    ways = {
        "ours": lambda: ours(inputs),
        "cudnn": lambda: by_torch(inputs, SDPBackend.CUDNN_ATTENTION, cudnn_with_sums),
        "flash": lambda: by_torch(inputs, SDPBackend.FLASH_ATTENTION, flash_with_sums),
    }
    figures = {}
    for name, way in ways.items():
        spent = microseconds(way)
        figures[name] = {
            "microseconds": round(spent, 1), "tflops": round(operations / spent / 1e6),
            **errors(way()[0], inputs[0], 1),
        }  # fmt: skip
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    if attention_kernel(torch.empty(1, HEAD, device="cuda", dtype=torch.float16)) is None:
        raise SystemExit("Our kernel is for GPUs of compute capability 9.0.")
    rows = {}
    for name, shapes in SHAPES.items():
        rows[name] = measure(shapes)
        told = ", ".join(
            f"{way} {row['microseconds']:.1f} us {row['tflops']} TFLOP/s, "
            f"off by {row['largest']:.1e} ({row['rms']:.2e})"
            for way, row in rows[name].items()
        )
        print(f"{name}: {told}", flush=True)
    if options.json:
        result = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "rows": rows}
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
