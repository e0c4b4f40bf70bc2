# SPDX-License-Identifier: Apache-2.0
"""The network that paints several views at once: two UNets, one of which looks at the other.

`unet` denoises the views and sees, beside the noise, their normals and positions; `unet_dual` looks
at the reference pictures once, and what it finds stays the same for all steps.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import InvalidSettingError
from .block_layers import KeysAndValues
from .settings import UNetSettings
from .transformer import PaintBlock, Views
from .unet import UNet

REFERENCE_CLASSES = 5  # embeddings for reference pictures, before those of the cameras
CAMERA_CLASSES = 44
TEXT_TOKENS = 77
_MAPS = 2  # normals and positions


class PaintUNet(nn.Module):
    """Velocity of the latents of N views, for B calls.

    `camera_info_ref` and the text of the references change nothing of the result in the published
    network; the first is accepted for that reason.
    """

    def __init__(self, settings: UNetSettings) -> None:
        super().__init__()
        self.settings = settings
        self.config = SimpleNamespace(
            in_channels=settings.in_channels, sample_size=settings.sample_size
        )
        self.unet = UNet(
            settings,
            lambda *sizes: PaintBlock(*sizes, paints=True),
            in_channels=(1 + _MAPS) * settings.in_channels,
            classes=REFERENCE_CLASSES + CAMERA_CLASSES,
        )
        self.unet_dual = UNet(settings, lambda *sizes: PaintBlock(*sizes, paints=False))
        for name in ("learned_text_clip_gen", "learned_text_clip_ref"):
            learned = nn.Parameter(torch.zeros(1, TEXT_TOKENS, settings.text_width))
            self.unet.register_parameter(name, learned)

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.dtype

    @property
    def device(self) -> torch.device:
        return self.unet.device

    def look_at_references(self, ref_latents: Tensor) -> dict[str, Tensor]:
        """What views may look at, by layer: `(B, N_ref, 4, H, W)` -> `(B, N_ref * L, C)` each."""
        calls, count = ref_latents.shape[:2]
        views = Views(count, write=True)
        text = self.unet.learned_text_clip_ref.to(ref_latents).expand(calls, -1, -1)
        self.unet_dual(ref_latents.flatten(0, 1), 0, text, views=views)
        return views.features

    def arrange(self) -> None:
        """Weights that are used together lie together; they keep their names."""
        self.unet.arrange()
        self.unet_dual.arrange()

    def contexts(
        self,
        encoder_hidden_states: Tensor,
        condition_embed_dict: dict[str, Tensor],
        ref_scale: float | Sequence[float] = 1.0,
        silent: int = 0,
    ) -> dict[str, KeysAndValues]:
        """`kept` of all steps with the same text (B, T, X) and references, already filled."""
        views = Views(
            1, features=condition_embed_dict, reference_scale=ref_scale, kept={}, silent=silent
        )
        for block in self.unet.transformers().values():
            assert isinstance(block, PaintBlock)
            block.keep_contexts(encoder_hidden_states, views)
        assert views.kept is not None
        return views.kept

    def forward(
        self,
        sample: Tensor,
        timestep: float | Tensor,
        encoder_hidden_states: Tensor,
        normal_imgs: Tensor,
        position_imgs: Tensor,
        ref_latents: Tensor | None = None,
        camera_info_gen: Tensor | Sequence[Sequence[int]] | None = None,
        camera_info_ref: Any = None,
        mva_scale: float = 1.0,
        ref_scale: float | Sequence[float] | Tensor = 1.0,
        condition_embed_dict: dict[str, Tensor] | None = None,
        kept: dict[str, KeysAndValues] | None = None,
        silent: int = 0,
    ) -> tuple[Tensor]:
        """`(B * N, 4, H, W)`, in a tuple.

        Parameters
        ----------
        sample, normal_imgs, position_imgs : (B, N, 4, H, W) latents, H = W; or (1, N, …) for all
            calls, of which there are then as many as `ref_scale` has numbers
        encoder_hidden_states : (B, T, X) text, without that of `silent` calls
        ref_latents : (B, N_ref, 4, H, W); not needed with `condition_embed_dict`
        camera_info_gen : (B, N) numbers of the cameras, see `cameras.camera_number`
        ref_scale : one number, or one a call; calls with 0 do without the references
        condition_embed_dict : what `look_at_references` gave
        kept : what `contexts` gave, or an empty dict that is given to every step with the same
            references and text
        silent : how many of the calls, the first ones, have a text that is all zeros; with `kept`
        """
        calls, count, _, height, width = sample.shape
        if height != width:
            raise InvalidSettingError(
                f"latents are {height} x {width}; views must be square, so give as many rows as "
                "columns"
            )
        if condition_embed_dict is None:
            if ref_latents is None:
                raise InvalidSettingError(
                    "neither ref_latents nor condition_embed_dict was given; give the latents of "
                    "the reference pictures"
                )
            condition_embed_dict = self.look_at_references(ref_latents)
        classes = None
        if camera_info_gen is not None:
            cameras = torch.as_tensor(camera_info_gen, device=sample.device)
            classes = cameras.flatten() + REFERENCE_CLASSES
        if isinstance(ref_scale, Tensor):
            ref_scale = ref_scale.flatten().tolist()
            ref_scale = ref_scale * calls if len(ref_scale) == 1 else ref_scale
        if calls == 1 and isinstance(ref_scale, Sequence):
            calls = len(ref_scale)
        views = Views(
            count,
            features=condition_embed_dict,
            reference_scale=ref_scale,
            multiview_scale=mva_scale,
            kept=kept,
            calls=calls,
            silent=silent,
        )
        together = torch.cat([sample, normal_imgs, position_imgs], dim=2).flatten(0, 1)
        return (self.unet(together, timestep, encoder_hidden_states, classes, views),)
