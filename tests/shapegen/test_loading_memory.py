# SPDX-License-Identifier: Apache-2.0
"""Loading a model never holds a second copy of its weights in host memory."""

import json
import os
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors.torch import save_file

from hy3dgen.shapegen.models import ShapeVAE

PARAMS = {"num_latents": 16, "embed_dim": 16, "width": 512, "heads": 8, "num_decoder_layers": 16}

SCRIPT = """
import json, sys, torch
from hy3dgen.memory import peak_memory, resident_bytes
from hy3dgen.shapegen.models import ShapeVAE
from hy3dgen.weights import read_config
import safetensors
torch.zeros(10).half().float()
with peak_memory() as peak:
    vae = ShapeVAE.from_single_file(*sys.argv[1:3], device="cpu", dtype=getattr(torch, sys.argv[3]))
    total = sum(float(p.sum()) for p in vae.parameters())  # reads what is only mapped
print(json.dumps({"peak": peak.bytes - peak.before, "after": resident_bytes() - peak.before}))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same weights in half precision in both formats, their config, and their number."""
    folder = tmp_path_factory.mktemp("large")
    with torch.device("meta"):
        vae = ShapeVAE(**PARAMS)
    vae.drop_encoder()
    state = {
        name: torch.full(value.shape, 0.01, dtype=torch.float16)
        for name, value in vae.state_dict().items()
    }
    save_file(state, folder / "model.safetensors")
    torch.save(state, folder / "model.ckpt")
    (folder / "config.yaml").write_text(yaml.safe_dump({"params": PARAMS}))
    yield folder, sum(value.numel() for value in state.values())
    for name in ("model.safetensors", "model.ckpt"):
        (folder / name).unlink()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts as Linux does")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", ["model.safetensors", "model.ckpt"])
def test_the_peak_is_the_weights_once(files, name, dtype):
    folder, numbers = files
    size = numbers * getattr(torch, dtype).itemsize
    command = [sys.executable, "-c", SCRIPT, folder / name, folder / "config.yaml", dtype]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(done.stdout)
    # The largest tensor and what reading needs come on top; a copy in half precision would be half
    # of all in float32, and all of it in float16. Pages of a mapped .ckpt stay counted.
    mapped = numbers * 2 if (name, dtype) == ("model.ckpt", "float32") else 0
    assert found["peak"] < 1.2 * size + mapped + (16 << 20)
    assert found["after"] > 0.9 * size
