# SPDX-License-Identifier: Apache-2.0
"""`VectsetVAE`: what every latent-set VAE can do beside its networks, loading and meshing."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ....errors import CheckpointMismatchError
from ....weights import fitting_subfolder, load_strictly, locate, read_config, read_weights
from ...devices import pick_device, pick_dtype
from .decoder_choice import pick_volume_decoder
from .surface_extractors import Latent2MeshOutput, MCSurfaceExtractor, make_surface_extractor
from .volume_decoders import (
    FlashVDMVolumeDecoding,
    HierarchicalVolumeDecoding,
    VanillaVolumeDecoder,
)

_SUBFOLDER, _SUBFOLDER_21 = "hunyuan3d-vae-v2-0", "hunyuan3d-vae-v2-1"
_Self = TypeVar("_Self", bound="VectsetVAE")


class VectsetVAE(nn.Module):
    """Base of VAEs whose latent is a set of vectors.

    Attributes
    ----------
    volume_decoder, surface_extractor : exchangeable; dense and marching cubes by default
    """

    def __init__(self, volume_decoder: Any = None, surface_extractor: Any = None) -> None:
        super().__init__()
        self.volume_decoder = volume_decoder or VanillaVolumeDecoder()
        self.surface_extractor = surface_extractor or MCSurfaceExtractor()

    @classmethod
    def from_single_file(
        cls: type[_Self],
        ckpt_path: str | os.PathLike[str],
        config_path: str | os.PathLike[str],
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        use_safetensors: bool | None = None,
        **kwargs: Any,
    ) -> _Self:
        """The VAE of a weight file; `kwargs` win over the config's `params`.

        `device` None picks a GPU if there is one; `dtype` None is half precision there and float32
        on the CPU.
        """
        device = pick_device(device)
        weights = Path(ckpt_path)
        if use_safetensors and weights.suffix == ".ckpt":
            weights = weights.with_suffix(".safetensors")
        config = read_config(config_path, ["params"])
        try:
            with torch.device("meta"):
                vae = cls(**{**config["params"], **kwargs})
        except TypeError as error:
            raise CheckpointMismatchError(
                f"{config_path} does not fit {cls.__name__}: {error}; use the config.yaml that was "
                "published with the weights."
            ) from error
        dtype = pick_dtype(dtype, device)
        vae.load_weights(read_weights(weights), str(weights), dtype, device)
        return vae.to(device)

    @classmethod
    def from_pretrained(
        cls: type[_Self],
        model_path: str | os.PathLike[str],
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        use_safetensors: bool = True,
        variant: str | None = "fp16",
        subfolder: str | None = _SUBFOLDER,
        local_files_only: bool = False,
        **kwargs: Any,
    ) -> _Self:
        """The VAE of a model folder or repository, see `hy3dgen.weights.locate`."""
        subfolder = fitting_subfolder(model_path, subfolder, _SUBFOLDER, _SUBFOLDER_21)
        files = locate(
            model_path,
            subfolder,
            use_safetensors=use_safetensors,
            variant=variant,
            default_subfolder=_SUBFOLDER,
            local_files_only=local_files_only,
        )
        return cls.from_single_file(files.weights, files.config, device, dtype, **kwargs)

    def load_weights(
        self,
        state: dict[str, Tensor],
        source: str,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        """Load strictly, emptying `state`; only a whole encoder may be absent; it is removed."""
        if not any(name.startswith(("encoder.", "pre_kl.")) for name in state):
            self.drop_encoder()
        load_strictly(self, state, source, dtype, device)
        self.eval().requires_grad_(False)

    def enable_flashvdm_decoder(
        self,
        enabled: bool = True,
        adaptive_kv_selection: bool = True,
        topk_mode: str = "mean",
        mc_algo: str = "dmc",
        compatibility: bool = False,
    ) -> None:
        """Decode with FlashVDM from now on, or densely with `enabled=False`.

        Parameters
        ----------
        adaptive_kv_selection : False refines in the same way but looks at all latents
        topk_mode : 'mean' or 'merge', see `FlashVDMVolumeDecoding`
        mc_algo : 'mc' or 'dmc', see the surface extractors
        compatibility : grids and vertices of the original, see the classes
        """
        if not enabled:
            self.volume_decoder = VanillaVolumeDecoder()
            self.surface_extractor = MCSurfaceExtractor()
            return
        extractor = make_surface_extractor(mc_algo, compatibility)
        if adaptive_kv_selection:
            self.volume_decoder = FlashVDMVolumeDecoding(topk_mode, compatibility)
        else:
            self.volume_decoder = HierarchicalVolumeDecoding(compatibility)
        self.surface_extractor = extractor

    def init_from_ckpt(self, path: str | os.PathLike[str], ignore_keys: Sequence[str] = ()) -> None:
        """Load the weights of a training checkpoint, but for keys that start like `ignore_keys`.

        Keys that are left out keep the values they have.
        """
        state = read_weights(path)
        state = state.get("state_dict", state)
        kept = {
            name: value for name, value in state.items() if not name.startswith(tuple(ignore_keys))
        }
        own = {name: value for name, value in self.state_dict().items() if name not in kept}
        left_out = {
            name: value for name, value in own.items() if name.startswith(tuple(ignore_keys))
        }
        dtype = next(self.parameters()).dtype
        load_strictly(self, {**left_out, **kept}, os.fspath(path), dtype)

    def drop_encoder(self) -> None:
        """Remove the encoder, for checkpoints that only carry the decoder."""
        raise NotImplementedError

    @torch.no_grad()
    def latents2mesh(self, latents: Tensor, **kwargs: Any) -> list[Latent2MeshOutput]:
        """Meshes of decoded latents `(B, L, D)`.

        The volume decoder and the surface extractor both get all keywords (`bounds`, `mc_level`,
        `octree_resolution`, `num_chunks`). Fine grids are decoded coarse to fine, see
        `pick_volume_decoder`; `compatibility=True` gives what the original gives.
        """
        compatibility = kwargs.pop("compatibility", False)
        extractor = self.surface_extractor
        if compatibility:
            extractor = make_surface_extractor(getattr(extractor, "mc_algo", "mc"), True)
        resolution = kwargs.setdefault("octree_resolution", 384)
        decoder = pick_volume_decoder(
            self.volume_decoder, extractor, resolution, compatibility=compatibility,
            device=latents.device.type,
        )  # fmt: skip
        return extractor(decoder(latents, self.geo_decoder, **kwargs), **kwargs)
