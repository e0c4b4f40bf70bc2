# SPDX-License-Identifier: Apache-2.0
"""Text to a picture of one object, with HunyuanDiT through the `diffusers` library.

Needs diffusers, transformers and a GPU; the weights are downloaded when a pipeline is made. Their
licence is Tencent's: read it first.
"""

import os
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidSettingError, MissingDependencyError

if TYPE_CHECKING:
    from PIL import Image

MODEL = "Tencent-Hunyuan/HunyuanDiT-v1.1-Diffusers-Distilled"
_LONGEST_PROMPT = 60  # characters; the model was asked for objects with short ones
_PROMPT_END = ",白色背景,3D风格,最佳质量"
_NEGATIVE_PROMPT = (
    "文本,特写,裁剪,出框,最差质量,低质量,JPEG伪影,PGLY,重复,病态,残缺,多余的手指,变异的手,"
    "画得不好的手,画得不好的脸,变异,畸形,模糊,脱水,糟糕的解剖学,糟糕的比例,多余的肢体,克隆的脸,"
    "毁容,恶心的比例,畸形的肢体,缺失的手臂,缺失的腿,额外的手臂,额外的腿,融合的手指,手指太多,长脖子"
)


def seed_everything(seed: int) -> None:
    """Seed the global random states of Python, numpy and torch."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002, diffusers may draw from it
    torch.manual_seed(seed)
    os.environ["PL_GLOBAL_SEED"] = str(seed)


class HunyuanDiTPipeline:
    """Callable: a text in, a picture of 1024 x 1024 pixels on white out.

    Raises
    ------
    MissingDependencyError
        diffusers is not installed.
    """

    def __init__(self, model_path: str = MODEL, device: str = "cuda") -> None:
        import torch

        try:
            from diffusers import AutoPipelineForText2Image
        except ImportError as error:
            raise MissingDependencyError(
                "pictures from text need the diffusers library, which is not installed; install "
                "diffusers and transformers with pip, or start from a picture."
            ) from error
        self.device = device
        self.pipe = AutoPipelineForText2Image.from_pretrained(
            model_path,
            torch_dtype=torch.float16,
            enable_pag=True,
            pag_applied_layers=["blocks.(16|17|18|19)"],
        ).to(device)

    def compile(self) -> None:
        """Compile the network; takes minutes once and makes one picture to get there."""
        import torch

        torch.set_float32_matmul_precision("high")
        self.pipe.transformer = torch.compile(self.pipe.transformer, fullgraph=True)
        self("a cup")

    def __call__(self, prompt: str, seed: int = 0) -> "Image.Image":
        """The same text and seed give the same picture on the same device."""
        import torch

        if not isinstance(prompt, str) or not prompt.strip():
            raise InvalidSettingError(f"the text is {prompt!r}; describe one object in words.")
        seed_everything(int(seed))
        with torch.inference_mode():
            result: Any = self.pipe(
                prompt=prompt[:_LONGEST_PROMPT] + _PROMPT_END,
                negative_prompt=_NEGATIVE_PROMPT,
                num_inference_steps=25,
                pag_scale=1.3,
                width=1024,
                height=1024,
                generator=torch.Generator(device=self.pipe.device).manual_seed(int(seed)),
                return_dict=False,
            )
        return result[0][0]
