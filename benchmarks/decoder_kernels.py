# SPDX-License-Identifier: Apache-2.0
"""The geometry decoder's query on a CUDA GPU: plain steps against folded kernels.

    python -m benchmarks.decoder_kernels [--points 262144]

Milliseconds per million points, for the published narrow and wide decoders with random weights.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import torch

from hy3dgen.gpu import decoder_kernels as kernels
from hy3dgen.shapegen.models.autoencoders.attention_blocks import CrossAttentionDecoder
from hy3dgen.shapegen.models.autoencoders.fused_query import FusedQuery, fused_query
from hy3dgen.shapegen.models.embeddings import FourierEmbedder

from .random_models import fill


def milliseconds(run: Callable[[], Any], repeats: int = 7) -> float:
    """Of one call on the GPU, the median."""
    for _ in range(2):
        run()
    found = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        found.append(begin.elapsed_time(end))
    return statistics.median(found)


def decoder(narrow: bool) -> CrossAttentionDecoder:
    made = CrossAttentionDecoder(
        fourier_embedder=FourierEmbedder(8, include_pi=False), width=1024, heads=16,
        downsample_ratio=2 if narrow else 1, mlp_expand_ratio=1 if narrow else 4,
        enable_ln_post=not narrow, qkv_bias=False, qk_norm=True,
    )  # fmt: skip
    device = torch.device("cuda")
    fill(made, device, torch.float16, torch.Generator(device).manual_seed(0))
    return made.to(device).eval().requires_grad_(False)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=1 << 18)
    count = parser.parse_args().points
    print(f"{torch.cuda.get_device_name()}, ms per million points")
    points = 2 * torch.rand(1, count, 3, device="cuda") - 1
    for narrow in (True, False):
        made = decoder(narrow)
        for latents in (512, 3072):
            projected = made.project(torch.randn(1, latents, 1024, device="cuda").half())
            folded = FusedQuery().weights(made, projected)
            per = 1e6 / count
            line = f"{'narrow' if narrow else 'wide'} {latents}: plain "
            line += f"{per * milliseconds(partial(plain, made, projected, points)):.2f}"
            if folded is None:
                print(line, "no kernels", flush=True)
                continue
            shapes = kernels.NARROW_SHAPES if narrow else (folded.shape,)
            for shape, chunk in product(shapes, (32768, 131072)):
                run = partial(fused, made, folded._replace(shape=shape), projected, points, chunk)
                try:
                    line += f" | {shape[:2]} {chunk >> 10}k {per * milliseconds(run):.2f}"
                except Exception as reason:  # a shape that this card cannot run
                    line += f" | {shape[:2]} {type(reason).__name__}"
            print(line)
            parts(made, folded, projected, points[:, :131072], 1e6 / 131072)


def plain(made: Any, projected: Any, points: torch.Tensor) -> None:
    for part in points.split(32768, dim=1):
        made.plain_query(projected, part)


def fused(made: Any, folded: Any, projected: Any, points: torch.Tensor, chunk: int) -> None:
    for part in points.split(chunk, dim=1):
        fused_query(made, folded, projected, part)


def parts(made: Any, folded: Any, projected: Any, points: torch.Tensor, per: float) -> None:
    """The steps of the folded query alone."""
    attn = made.cross_attn_decoder.attn
    flat, count = points[0].contiguous(), points.shape[1]
    width = folded.to_query.shape[1]

    def queries() -> Any:
        return kernels.queries(
            flat, folded.frequencies, folded.root, folded.to_query, folded.query_shift,
            folded.query_norm, folded.to_start, width, attn.heads, 1e-6,
        )  # fmt: skip

    q, _start = queries()
    heads = q.view(1, count, attn.heads, -1).transpose(1, 2)

    def attended() -> Any:
        return attn.processor(attn, heads, projected.keys, projected.values)

    line = (
        f"  queries {per * milliseconds(queries):.2f}, attention {per * milliseconds(attended):.2f}"
    )
    print(line, f"(output strides {attended().stride()})", flush=True)


if __name__ == "__main__":
    main()
