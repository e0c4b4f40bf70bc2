# SPDX-License-Identifier: Apache-2.0
"""What pays within a step of the texture networks; a part of `texture_stages.py`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from hy3dgen.gpu import fused_layers
from hy3dgen.texgen.hunyuanpaint import fast_attention

from . import texture_plain as plain
from .random_texture_models import TextureModels
from .stage_watch import Watch

VIEWS = 6


def time_variants(models: TextureModels, device: torch.device) -> dict[str, Any]:
    """Milliseconds of a step with this and that, to see what pays."""
    found: dict[str, Any] = {}
    size = 64 if models.base.size == 512 else 8
    model = models.base
    dtype = model.unet.dtype

    def maps(calls: int) -> torch.Tensor:
        return torch.randn(calls, VIEWS, 4, size, size, device=device, dtype=dtype)

    def step_ms(step: Callable[..., Any], scales: list[float]) -> float:
        features = model.unet.look_at_references(maps(1)[:, :1])
        text = model.unet.unet.learned_text_clip_gen.to(dtype)
        fixed = model._fixed(
            text, scales, features, {"normal_imgs": maps(1), "position_imgs": maps(1)},
            list(range(12, 12 + VIEWS)),
        )  # fmt: skip
        at = torch.tensor(500.0, device=device)
        seen = maps(1)
        for _ in range(3):
            step(seen, at, **fixed)
        clock = Watch(device)
        with clock("steps"):
            for _ in range(5):
                step(seen, at, **fixed)
        return round(200 * clock.stages["steps"]["seconds"], 2)

    def both(step: Callable[..., Any]) -> dict[str, float]:
        return {"turbo": step_ms(step, [1.0]), "base": step_ms(step, [0.0, 1.0])}

    def note(name: str, function: Callable[[], Any]) -> None:
        try:
            with torch.inference_mode():
                found[name] = function()
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"[:600]
        print(f"  {name}: {found[name]}")

    eager = model._graphed.network
    note("eager", lambda: both(eager))
    if device.type == "cuda":
        note("fused layers", lambda: {str(key): used for key, used in fused_layers._tried.items()})
        note(
            "attention by",
            lambda: {
                " x ".join(map(str, (*q[:3], k[2]))): kernel.__name__
                for (_device, _dtype, q, _steps, k, *_), kernel in fast_attention._fastest.items()
            },
        )
        note("graphs", lambda: both(model._graphed))
        note("kernels", lambda: name_kernels(lambda: step_ms(eager, [1.0])))
        model._graphed.forget()
        with plain.plain_networks([model.unet]):
            note("torch's own layers", lambda: both(eager))
        note("attention, ms", lambda: time_attention(device, dtype))
    return found


def name_kernels(function: Callable[[], Any]) -> list[str]:
    """What of a GPU's time goes where, in percent."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        function()
    events = [event for event in seen.key_averages() if event.self_device_time_total > 0]
    total = sum(event.self_device_time_total for event in events)
    events.sort(key=lambda event: -event.self_device_time_total)
    return [
        f"{100 * event.self_device_time_total / total:.1f} {event.count} {event.key[:60]}"
        for event in events[:24]
    ]


def time_attention(device: torch.device, dtype: torch.dtype) -> dict[str, dict[str, float]]:
    """Milliseconds of each kernel, for the lengths of a step of the base model."""
    shapes = {
        "views, 24,576 tokens": (2, 5, 24576, 24576),
        "references, 24,576 and 4,096": (1, 5, 24576, 4096),
        "one view, 4,096": (12, 5, 4096, 4096),
        "views, 6,144": (2, 10, 6144, 6144),
        "one view, 1,024": (12, 10, 1024, 1024),
        "views, 1,536": (2, 20, 1536, 1536),
    }
    found = {}
    for name, (batch, heads, *lengths) in shapes.items():
        q, k, v = (
            torch.randn(batch, tokens, heads, 64, device=device, dtype=dtype).transpose(1, 2)
            for tokens in (lengths[0], lengths[1], lengths[1])
        )
        milliseconds = found[name] = {}
        for kernel in (
            fast_attention.attend_plainly,
            fast_attention.attend_by_cudnn,
            fast_attention.attend_by_ours,
        ):
            taken = fast_attention._milliseconds(partial(kernel, q, k, v))
            milliseconds[kernel.__name__] = round(taken, 3)
    return found
