# SPDX-License-Identifier: Apache-2.0
"""Conditioners: pictures become the tokens that a denoiser looks at.

An image encoder turns pictures into one sequence of tokens; a conditioner names the sequences
(`main`, `additional`). Knows nothing about files or backgrounds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InvalidSettingError, MissingViewsError
from ...image_towers import read_tower
from ...weights import load_strictly
from .clip import CLIPVisionConfig, CLIPVisionModel
from .dinov2 import Dinov2Config, Dinov2Model
from .embeddings import get_1d_sincos_pos_embed_from_grid

__all__ = [
    "CLIPImageEncoder",
    "DinoImageEncoder",
    "DinoImageEncoderMV",
    "DualImageEncoder",
    "ImageEncoder",
    "SingleImageEncoder",
    "build_image_encoder",
    "get_1d_sincos_pos_embed_from_grid",
]


def _itself(network: nn.Module) -> nn.Module:
    return network


class ImageEncoder(nn.Module):
    """Tokens of pictures. What tower makes them, and how pixels are scaled, is a subclass's share.

    Parameters
    ----------
    config : Hugging Face style config of the tower; its weights then come from the model's file
    image_size : pictures are brought to this many pixels a side
    use_cls_token : keep the class token in front of the patch tokens
    version : without `config`, the name or folder of a published tower that is on this machine,
        with its weights; see `image_towers`
    """

    mean: ClassVar[tuple[float, float, float]]
    std: ClassVar[tuple[float, float, float]]

    @staticmethod
    def build_tower(config: Mapping[str, Any]) -> nn.Module:
        """The network that turns normalised pixels into tokens, class token first."""
        raise NotImplementedError

    def __init__(
        self,
        version: str | None = None,
        config: Mapping[str, Any] | None = None,
        use_cls_token: bool = True,
        image_size: int = 224,
        **ignored: Any,
    ) -> None:
        super().__init__()
        weights = None
        if config is None:
            if version is None:
                raise InvalidSettingError(
                    "the image encoder has neither a 'config' nor a 'version'; write the tower's "
                    "config into config.yaml, as published models do."
                )
            config, weights = read_tower(version)
        self.model = self.build_tower(config)
        if weights is not None:
            load_strictly(self.model, weights, str(version), torch.float32)
        self.use_cls_token = use_cls_token
        self.image_size = image_size
        tower = self.model.config
        self.num_patches = (image_size // tower.patch_size) ** 2 + int(use_cls_token)

    def forward(
        self,
        image: Tensor,
        mask: Tensor | None = None,
        value_range: tuple[float, float] | None = (-1.0, 1.0),
        call: Callable[[nn.Module], Any] = _itself,
        **ignored: Any,
    ) -> Tensor:
        """Tokens `(B, tokens, D)` of pictures `(B, 3, H, W)` whose values span `value_range`.

        Parameters
        ----------
        mask : without effect; the published models were trained without it
        call : gives what is called for a network; see `hy3dgen.gpu.graphs`
        """
        if value_range is not None:
            low, high = value_range
            image = (image - low) / (high - low)
        weights = next(self.model.parameters())
        image = image.to(weights.device, weights.dtype)
        image = _fit_square(image, self.image_size)
        mean = image.new_tensor(self.mean)[:, None, None]
        std = image.new_tensor(self.std)[:, None, None]
        tokens = call(self.model)((image - mean) / std)
        return tokens if self.use_cls_token else tokens[:, 1:]

    def unconditional_embedding(self, batch_size: int, **ignored: Any) -> Tensor:
        """Zeros in the shape that `forward` returns."""
        weights = next(self.model.parameters())
        return weights.new_zeros(batch_size, self.num_patches, self.model.config.hidden_size)


class DinoImageEncoder(ImageEncoder):
    """Tokens of pictures from a DINOv2 tower."""

    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    @staticmethod
    def build_tower(config: Mapping[str, Any]) -> nn.Module:
        return Dinov2Model(Dinov2Config.from_mapping(config))


class CLIPImageEncoder(ImageEncoder):
    """Tokens of pictures from CLIP's picture tower."""

    mean = (0.48145466, 0.4578275, 0.40821073)
    std = (0.26862954, 0.26130258, 0.27577711)

    @staticmethod
    def build_tower(config: Mapping[str, Any]) -> nn.Module:
        return CLIPVisionModel(CLIPVisionConfig.from_mapping(config))


class DinoImageEncoderMV(DinoImageEncoder):
    """Tokens of several views of one object, each marked with a sinusoid of its view number."""

    view_embed: Tensor

    def __init__(
        self,
        version: str | None = None,
        config: Mapping[str, Any] | None = None,
        use_cls_token: bool = True,
        image_size: int = 224,
        view_num: int = 4,
        **ignored: Any,
    ) -> None:
        super().__init__(version, config, use_cls_token, image_size)
        table = get_1d_sincos_pos_embed_from_grid(
            self.model.config.hidden_size, np.arange(view_num, dtype=np.float32)
        )
        self.register_buffer(
            "view_embed", torch.from_numpy(table.astype(np.float32)), persistent=False
        )

    def forward(
        self,
        image: Tensor,
        mask: Tensor | None = None,
        value_range: tuple[float, float] | None = (-1.0, 1.0),
        view_idxs: Sequence[Sequence[int]] | None = None,
        call: Callable[[nn.Module], Any] = _itself,
        **ignored: Any,
    ) -> Tensor:
        """Tokens `(B, V * tokens, D)` of pictures `(B, V, 3, H, W)`, view after view.

        `view_idxs` numbers each picture's views; without it they are 0, 1, 2 and so on.
        """
        batch, views = image.shape[:2]
        tokens = super().forward(image.flatten(0, 1), value_range=value_range, call=call)
        tokens = tokens.unflatten(0, (batch, views))  # (B, V, tokens, D)
        numbers = [list(range(views))] * batch if view_idxs is None else view_idxs
        marks = self.view_embed.to(tokens)[torch.as_tensor(numbers, device=tokens.device)]
        return (tokens + marks[:, :, None, :]).flatten(1, 2)

    def unconditional_embedding(
        self, batch_size: int, view_idxs: Sequence[Sequence[int]] | None = None, **ignored: Any
    ) -> Tensor:
        if view_idxs is None:
            raise MissingViewsError(
                "a multi-view model needs view_idxs to know how many views its empty condition "
                "stands for; pass one tuple of view numbers per object."
            )
        zeros = super().unconditional_embedding(batch_size)
        return zeros.repeat(1, len(view_idxs[0]), 1)


def _fit_square(image: Tensor, size: int) -> Tensor:
    """Resize the shorter side to `size`, keep the middle square."""
    height, width = image.shape[-2:]
    if min(height, width) != size:
        short = min(height, width)
        new = (int(size * height / short), int(size * width / short))
        # Apple's GPUs lack this filter in some versions of torch; a picture is small.
        where = "cpu" if image.device.type == "mps" else image.device
        image = F.interpolate(
            image.to(where).float(), size=new, mode="bilinear", align_corners=False, antialias=True
        ).to(image)
    height, width = image.shape[-2:]
    top, left = round((height - size) / 2), round((width - size) / 2)
    return image[..., top : top + size, left : left + size]


_ENCODERS = {
    "CLIPImageEncoder": CLIPImageEncoder,
    "DinoImageEncoder": DinoImageEncoder,
    "DinoImageEncoderMV": DinoImageEncoderMV,
}


def build_image_encoder(config: Mapping[str, Any]) -> ImageEncoder:
    """Build the encoder that a config's `type` names, with its `kwargs`."""
    kind = config.get("type")
    if kind not in _ENCODERS:
        raise InvalidSettingError(
            f"the config names image encoder {kind!r}, but this version knows "
            f"{', '.join(sorted(_ENCODERS))}; use a model with one of those."
        )
    return _ENCODERS[kind](**config.get("kwargs", {}))


class SingleImageEncoder(nn.Module):
    """Conditioner with one image encoder; its tokens are called `main`."""

    def __init__(self, main_image_encoder: Mapping[str, Any]) -> None:
        super().__init__()
        self.main_image_encoder = build_image_encoder(main_image_encoder)

    def forward(
        self, image: Tensor, mask: Tensor | None = None, **extras: Any
    ) -> dict[str, Tensor]:
        return {"main": self.main_image_encoder(image, mask=mask, **extras)}

    def unconditional_embedding(self, batch_size: int, **extras: Any) -> dict[str, Tensor]:
        return {"main": self.main_image_encoder.unconditional_embedding(batch_size, **extras)}


class DualImageEncoder(nn.Module):
    """Conditioner with two image encoders; their tokens are called `main` and `additional`."""

    def __init__(
        self,
        main_image_encoder: Mapping[str, Any],
        additional_image_encoder: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.main_image_encoder = build_image_encoder(main_image_encoder)
        self.additional_image_encoder = build_image_encoder(additional_image_encoder)

    def forward(
        self, image: Tensor, mask: Tensor | None = None, **extras: Any
    ) -> dict[str, Tensor]:
        return {
            "main": self.main_image_encoder(image, mask=mask, **extras),
            "additional": self.additional_image_encoder(image, mask=mask, **extras),
        }

    def unconditional_embedding(self, batch_size: int, **extras: Any) -> dict[str, Tensor]:
        return {
            "main": self.main_image_encoder.unconditional_embedding(batch_size, **extras),
            "additional": self.additional_image_encoder.unconditional_embedding(
                batch_size, **extras
            ),
        }
