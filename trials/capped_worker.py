# SPDX-License-Identifier: Apache-2.0
"""A worker that generates, with five tasks more, by which a trial caps torch's share of the GPU.

cap {bytes}          0: no cap
held {}              -> what torch holds of the device
forget {}            the model, and what libraries keep for every stream they have seen
make {model, folder} -> a folder like a published model's, of its true size, weights by chance
"""

import gc
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

Arrays = dict[str, np.ndarray]


def cap(params: dict[str, Any], arrays: Arrays, context: Any) -> tuple[dict[str, Any], Arrays]:
    import torch

    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        total = torch.cuda.mem_get_info()[1]
        share = params["bytes"] / total if params["bytes"] else 1.0
        torch.cuda.set_per_process_memory_fraction(share)
    return {}, {}


def held(params: dict[str, Any], arrays: Arrays, context: Any) -> tuple[dict[str, Any], Arrays]:
    import torch

    if not torch.cuda.is_available():
        return {"device": "cpu", "allocated": 0, "most": 0}, {}
    torch.cuda.synchronize()
    return {
        "device": torch.cuda.get_device_name(),
        "allocated": torch.cuda.memory_allocated(),
        "most": torch.cuda.max_memory_reserved(),
    }, {}


def make(params: dict[str, Any], arrays: Arrays, context: Any) -> tuple[dict[str, Any], Arrays]:
    """Its decoder gives a ball's field, because random weights have no surface."""
    import torch
    import yaml
    from safetensors.torch import save_file

    from benchmarks.random_models import BallDecoder, config, random_pipeline
    from hy3dgen.shapegen.devices import default_dtype, pick_device
    from hy3dgen.shapegen.models.autoencoders import attention_blocks, model

    device = pick_device(None)
    small = device.type == "cpu"
    pipeline = random_pipeline(params["model"], device, default_dtype(device), small)
    weights = {
        f"{part}.{name}": value.contiguous()
        for part in ("model", "vae", "conditioner")
        for name, value in getattr(pipeline, part).state_dict().items()
    }
    folder = Path(params["folder"])
    folder.mkdir()
    save_file(weights, folder / "model.fp16.safetensors")
    (folder / "config.yaml").write_text(yaml.safe_dump(config(params["model"], small)))
    for module in (attention_blocks, model):
        if hasattr(module, "CrossAttentionDecoder"):
            module.CrossAttentionDecoder = BallDecoder
    del pipeline, weights
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return {"gigabytes": os.path.getsize(folder / "model.fp16.safetensors") / 1e9}, {}


def main() -> NoReturn:
    from hy3dgen.worker.engines import TorchEngine
    from hy3dgen.worker.server import Server
    from hy3dgen.worker.tasks import Generator, ping

    engine = TorchEngine()

    def forget(
        params: dict[str, Any], arrays: Arrays, context: Any
    ) -> tuple[dict[str, Any], Arrays]:
        engine.__init__()  # type: ignore[misc]
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            # cuBLAS: 32 MB a stream on an H200, made once and counted as allocated.
            torch._C._cuda_clearCublasWorkspaces()
            torch.cuda.empty_cache()
        return {}, {}

    table = {"ping": ping, "generate": Generator(engine)}
    more = {"cap": cap, "held": held, "make": make, "forget": forget}
    Server({**table, **more}, {}, "cuda").serve()


if __name__ == "__main__":
    main()
