# SPDX-License-Identifier: Apache-2.0
"""Text to picture: what is asked of the library, and what is said where it is missing."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from hy3dgen.errors import InvalidSettingError, MissingDependencyError
from hy3dgen.text2image import HunyuanDiTPipeline


def test_a_missing_library_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingDependencyError, match="diffusers and transformers with pip"):
        HunyuanDiTPipeline()


def test_what_the_library_is_asked_for(monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "")  # is set by the call
    asked, loaded = [], []

    class Pipe:
        device = torch.device("cpu")

        @classmethod
        def from_pretrained(cls, path, **options):
            loaded.append((path, options))
            return cls()

        def to(self, device):
            return self

        def __call__(self, **options):
            asked.append(options)
            return (["picture"],)

    library = ModuleType("diffusers")
    library.AutoPipelineForText2Image = Pipe
    monkeypatch.setitem(sys.modules, "diffusers", library)
    pipeline = HunyuanDiTPipeline(device="cpu")
    path, options = loaded[0]
    assert path == "Tencent-Hunyuan/HunyuanDiT-v1.1-Diffusers-Distilled"
    assert options["enable_pag"] and options["torch_dtype"] == torch.float16
    assert pipeline("a" * 80, seed=3) == "picture"
    first = SimpleNamespace(**asked[0])
    assert first.prompt == "a" * 60 + ",白色背景,3D风格,最佳质量"
    assert (first.num_inference_steps, first.pag_scale, first.width) == (25, 1.3, 1024)
    assert first.generator.initial_seed() == 3
    with pytest.raises(InvalidSettingError, match="describe one object"):
        pipeline(" ")
