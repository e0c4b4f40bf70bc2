# SPDX-License-Identifier: Apache-2.0
"""The five parts of a shape model: loading, moving and exchanging them, and their single steps.

`pipelines.py` puts the steps in order.
"""

import inspect
import math
import os
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InvalidImageError, InvalidSettingError
from ..gpu.graphs import Recordings
from ..gpu.mesh_kernels import prepare_mesh_kernels
from ..model_defaults import Defaults, usual_settings, with_file
from ..weights import (
    ModelFiles,
    fitting_subfolder,
    load_strictly,
    locate,
    read_config,
    read_weights,
    split_parts,
)
from .call_settings import warn_of_unknown
from .devices import pick_device, pick_dtype
from .flash_vae import ModelSource, load_flash_vae
from .log import logger
from .models.attention import prepare_for_compiling
from .models.autoencoders.flash_vdm import FlashVDMVolumeDecoding
from .models.autoencoders.surface_extractors import make_surface_extractor
from .models.denoisers.hunyuan3ddit import Hunyuan3DDiT
from .offload import Offload
from .quantised import quantise_blocks
from .residency import Residency, default_limit, fits, least_limit
from .sampling import draw_noise
from .settings import instantiate_from_config
from .several_devices import SpreadDecoder, SpreadDenoiser, replica

_SUBFOLDER, _SUBFOLDER_21 = "hunyuan3d-dit-v2-0", "hunyuan3d-dit-v2-1"
_NETWORKS = ("model", "vae", "conditioner")
_PARTS = (*_NETWORKS, "scheduler", "image_processor")
_SAGE_SWITCHES = ("USE_SAGEATTN", "CA_USE_SAGEATTN")  # of the original, for a rougher attention
_MESHES = 9  # the last ones tell how large a surface to expect
_Self = TypeVar("_Self", bound="PipelineParts")


class PipelineParts:
    """The five parts of a model, and how they are loaded and used.

    Attributes
    ----------
    vae, model, conditioner : networks on `device` in `dtype`, in eval mode
    scheduler, image_processor
    max_memory : see `set_max_memory`
    """

    def __init__(
        self,
        vae: Any,
        model: Any,
        scheduler: Any,
        conditioner: Any,
        image_processor: Any,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        max_memory: float | None = None,
        **kwargs: Any,
    ) -> None:
        self.max_memory = max_memory
        self.kwargs = kwargs  # kept for scripts, without effect
        warn_of_unknown(kwargs, type(self).__init__)
        self.vae = vae
        self.model = model
        self.scheduler = scheduler
        self.conditioner = conditioner
        self.image_processor = image_processor
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self._source: ModelSource | None = None
        self._own_vae: Any = None  # while another one takes its place
        self._offload: Offload | Residency | None = None
        self._use_graphs = True
        self._recordings, self._second_recordings = Recordings(), Recordings()
        self._second: tuple[torch.device, Any, Any] | None = None  # with copies of networks
        self._folder: Path | None = None  # of the config, if there was one
        self._surfaces: deque[float] = deque(maxlen=_MESHES)  # faces a squared resolution
        for name in _SAGE_SWITCHES:
            if os.environ.get(name) == "1":
                logger.info("%s=1 has no effect: attention is exact, by PyTorch's kernels.", name)
        for network in (vae, model, conditioner):
            network.eval().requires_grad_(False)
        self.to(self.device, self.dtype)

    @classmethod
    def from_single_file(
        cls: type[_Self],
        ckpt_path: str | os.PathLike[str],
        config_path: str | os.PathLike[str],
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        use_safetensors: bool | None = None,
        max_memory: float | None = None,
        **kwargs: Any,
    ) -> _Self:
        """Load a weight file and its config.

        A file without weights for the conditioner leaves that with the weights it is made with,
        which the log says.

        Parameters
        ----------
        device : None picks a GPU if there is one, else the CPU
        dtype : None is float16 on a GPU and float32 on the CPU
        use_safetensors : True reads the `.safetensors` file beside a given `.ckpt`
        max_memory : see `set_max_memory`; a model for which a GPU has not enough gets what is free
        kwargs : go to the constructor, which keeps them
        """
        device = pick_device(device)  # before the slow part
        prepare_mesh_kernels(device)
        dtype = pick_dtype(dtype, device)
        weights = Path(ckpt_path)
        if use_safetensors and weights.suffix == ".ckpt":
            weights = weights.with_suffix(".safetensors")
        config = read_config(config_path, _PARTS)
        state = split_parts(
            read_weights(weights), _NETWORKS, str(weights), optional=("conditioner",)
        )
        with torch.device("meta"):
            parts = {name: instantiate_from_config(config[name]) for name in state}
        place = device
        if device.type == "cuda" and "conditioner" in parts:
            max_memory = _needed_limit([parts[n].to(dtype) for n in _NETWORKS], device, max_memory)
            place = device if max_memory is None else torch.device("cpu")
        parts["vae"].load_weights(state["vae"], f"{weights} (vae)", dtype, place)
        for name in ("model", "conditioner"):
            if name in state:
                load_strictly(parts[name], state[name], f"{weights} ({name})", dtype, place)
        if "conditioner" not in parts:
            parts["conditioner"] = instantiate_from_config(config["conditioner"])
            logger.warning(
                "%s holds no weights for the conditioner, which keeps those it is made with; load "
                "its weights before use.",
                weights,
            )
        for name in ("scheduler", "image_processor"):
            parts[name] = instantiate_from_config(config[name])
        pipeline = cls(**parts, device=device, dtype=dtype, max_memory=max_memory, **kwargs)
        pipeline._folder = Path(config_path).parent
        return pipeline

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
        """Load a model folder, or a repository of the Hugging Face hub.

        See `hy3dgen.weights.locate` for where it is looked for, `from_single_file` for the rest.
        """
        subfolder = fitting_subfolder(model_path, subfolder, _SUBFOLDER, _SUBFOLDER_21)
        files = cls.locate_files(model_path, subfolder, local_files_only, use_safetensors, variant)
        pipeline = cls.from_single_file(files.weights, files.config, device, dtype, **kwargs)
        pipeline._source = ModelSource(
            os.fspath(model_path), subfolder, use_safetensors, variant, local_files_only
        )
        return pipeline

    @staticmethod
    def locate_files(
        model_path: str | os.PathLike[str],
        subfolder: str | None,
        local_files_only: bool,
        use_safetensors: bool = True,
        variant: str | None = "fp16",
    ) -> ModelFiles:
        """What `from_pretrained` would read, fetched if need be but not loaded."""
        return locate(
            model_path,
            fitting_subfolder(model_path, subfolder, _SUBFOLDER, _SUBFOLDER_21),
            use_safetensors=use_safetensors,
            variant=variant,
            default_subfolder=_SUBFOLDER,
            local_files_only=local_files_only,
        )

    def to(
        self, device: str | torch.device | None = None, dtype: torch.dtype | None = None
    ) -> None:
        """Move the networks; ends `enable_model_cpu_offload`."""
        self._end_offload()
        self._second = None
        self._forget_recordings()
        if device is not None:
            self.device = pick_device(device)
        if dtype is not None:
            self.dtype = pick_dtype(dtype, self.device)
        limited = self.max_memory is not None and self.device.type == "cuda"
        for network in (self.vae, self.model, self.conditioner):
            network.to(device="cpu" if limited else self.device, dtype=self.dtype)
        if limited:
            self._keep_within()

    def set_max_memory(self, max_memory: float | None) -> None:
        """Hold no more than so many bytes of a CUDA GPU from now on; None: no limit.

        The fastest way within it is taken: weights that a picture needs once come from pinned host
        memory when they are needed, the encoder's first; with less, the denoiser is not recorded
        (`enable_cuda_graphs`), then its blocks are there for the time of denoising only, and with
        very little some come anew at every step. Reckoned for one picture at a resolution of 384.
        Latents are those without a limit, to the last bit. During calls torch gives back what it
        keeps for later; what the driver itself holds comes on top, some hundred megabytes.
        Elsewhere than on a CUDA GPU only `get_optimal_settings` takes notice.

        Raises
        ------
        InvalidSettingError
            The model needs more; the sentence says how much.
        """
        if max_memory is not None and not max_memory > 0:
            raise InvalidSettingError(
                f"max_memory is {max_memory}; give bytes, such as 4e9, or None for no limit."
            )
        before, self.max_memory = self.max_memory, max_memory
        try:
            self.to(self.device)
        except InvalidSettingError:
            self.max_memory = before
            self.to(self.device)
            raise

    def enable_low_memory(self, enabled: bool = True) -> None:
        """`set_max_memory` with the least that keeps the denoiser's blocks there, or no limit."""
        least = least_limit(self.conditioner, self.model, self.vae)
        self.set_max_memory(least if enabled else None)

    def quantize(self, kind: str, networks: Sequence[str] = ("model",)) -> None:
        """Give the blocks of networks weights of eight bits, for as long as the pipeline lives.

        Shapes change a little; `python -m benchmarks.quantised --quality` says how much for the
        bundled model.

        Parameters
        ----------
        kind : 'int8' halves what half-precision weights take, on any device, and products are as
            before; 'fp8' takes as little and multiplies eight-bit floats, on a GPU whose tensor
            cores know them (a CPU does the same slowly). Steps are a little slower with both
        networks : of 'model' and 'conditioner'

        Raises
        ------
        InvalidSettingError
            A name is unknown, or the device does not know the kind.
        """
        unknown = set(networks) - {"model", "conditioner"}
        if unknown or isinstance(networks, str):
            raise InvalidSettingError(
                f"networks is {networks!r}; give a list of 'model' and 'conditioner'."
            )
        self._end_offload()
        for name in networks:
            quantise_blocks(getattr(self, name), kind, self.device)
        self.to(self.device)

    def _keep_within(self) -> None:
        networks = (self.conditioner, self.model, self.vae)
        self._offload = Residency(*networks, self.device, self.max_memory)

    def _end_offload(self) -> None:
        if self._offload is not None:
            self._offload.remove()
            self._offload = None
            self._forget_recordings()

    def compile(self) -> None:
        """Compile the networks with torch.compile; the first call then takes a minute or more."""
        prepare_for_compiling()
        for network in (self.vae, self.model, self.conditioner):
            network.compile()

    def enable_flashvdm(
        self,
        enabled: bool = True,
        adaptive_kv_selection: bool = True,
        topk_mode: str = "mean",
        mc_algo: str = "mc",
        replace_vae: bool = True,
    ) -> None:
        """Decode faster and a little less exactly from now on, or no longer.

        Parameters
        ----------
        replace_vae : use the VAE that was published for it with this model; where that cannot be
            had, the log says so and the model's own VAE stays
        adaptive_kv_selection, topk_mode, mc_algo : see `VectsetVAE.enable_flashvdm_decoder`
        """
        self._forget_recordings()
        if enabled and replace_vae and self._own_vae is None:
            other = load_flash_vae(self._source, self.model, self.vae, self.device, self.dtype)
            other.enable_flashvdm_decoder(True, adaptive_kv_selection, topk_mode, mc_algo)
            if other is not self.vae:
                self._own_vae, self.vae = self.vae.to("cpu"), other
                self._renew_offload()
        elif enabled:
            self.vae.enable_flashvdm_decoder(True, adaptive_kv_selection, topk_mode, mc_algo)
        else:
            if self._own_vae is not None:
                self.vae, self._own_vae = self._own_vae.to(self.device, self.dtype), None
                self._renew_offload()
            self.vae.enable_flashvdm_decoder(False)

    def enable_model_cpu_offload(
        self, gpu_id: int | None = None, device: str | torch.device = "cuda"
    ) -> None:
        """Keep networks in host memory; each moves to the device while it is used.

        Saves device memory at the cost of copying. `to` ends it. It takes the place of a limit;
        `set_max_memory` copies less and faster.
        """
        self.max_memory = None
        where = pick_device(device)
        self.device = torch.device(where.type, gpu_id) if gpu_id is not None else where
        self._renew_offload(start=True)

    def enable_cuda_graphs(self, enabled: bool = True) -> None:
        """Replay the networks' calls from recordings on a CUDA GPU (the default), or no longer.

        A recording is compared with the network before it is used; see `hy3dgen.gpu.graphs`. They
        hold memory, and are of no use while networks move (`enable_model_cpu_offload`).
        """
        self._use_graphs = enabled
        self._forget_recordings()

    def disable_cuda_graphs(self) -> None:
        """`enable_cuda_graphs(False)`."""
        self.enable_cuda_graphs(False)

    def spread_over(self, device: str | torch.device | None) -> None:
        """Let a second device share the work of every picture from now on; None ends that.

        It gets copies of the denoiser, for the half of guided steps that knows no picture, and of
        the geometry decoder, for half of the points (not with FlashVDM). `to` ends it too.
        """
        self._forget_recordings()
        if device is None:
            self._second = None
            return
        if self._offload is not None and self._offload.moves:
            raise InvalidSettingError(
                "a second device cannot share the work while weights move between this one and "
                "host memory; call set_max_memory(None) or to(device) before spread_over."
            )
        where = pick_device(device)
        self._second = (
            where, replica(self.model, where), replica(self.vae.geo_decoder, where),
        )  # fmt: skip

    def _geo_decoder(self, decoder: Any) -> Any:
        """What a volume decoder asks."""
        if self._second is None or isinstance(decoder, FlashVDMVolumeDecoding):
            return self.vae.geo_decoder
        where, _model, copied = self._second
        return SpreadDecoder(self.vae.geo_decoder, copied, where)

    def _usual_settings(self) -> Defaults | None:
        """What the model's folder says, or is known for; None without a folder."""
        if self._folder is None:
            return None
        return with_file(usual_settings(self._folder), self._folder)

    def _denoiser(self) -> Any:
        """The model, by recordings where those work, and with its copy on a second device."""
        first = self._recorded(self.model) if isinstance(self.model, Hunyuan3DDiT) else self.model
        if self._second is None or self._offload is not None:
            return first
        where, copied, _decoder = self._second
        if first is not self.model and where.type == "cuda":
            copied = self._second_recordings.of(copied)
        return SpreadDenoiser(first, copied, where)

    def _recorded(self, network: nn.Module) -> Any:
        """The network by recordings, or itself where those are of no use."""
        return self._recordings.of(network) if self._graphs_work(network) else network

    def _graphs_work(self, network: nn.Module) -> bool:
        if self.device.type != "cuda" or not self._use_graphs:
            return False
        if self._offload is None:
            return True
        return network is self.model and self._offload.keeps_denoiser

    def _forget_recordings(self) -> None:
        self._recordings, self._second_recordings = Recordings(), Recordings()

    def maybe_free_model_hooks(self) -> None:
        """What only visits the device goes back to host memory."""
        if self._offload is not None:
            self._offload.rest()

    def _renew_offload(self, start: bool = False) -> None:
        if self._offload is None and not start:
            return
        self._end_offload()
        if self.max_memory is not None:
            self._keep_within()
            return
        self._offload = Offload((self.conditioner, self.model, self.vae), self.device)

    def _use(self, network: Any) -> None:
        if self._offload is not None:
            self._offload.use(network)

    @staticmethod
    def get_guidance_scale_embedding(
        w: Tensor, embedding_dim: int = 512, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Sinusoids `[sin | cos]` of guidance scales, `(B,)` -> `(B, embedding_dim)`."""
        half = embedding_dim // 2
        exponents = -math.log(10000.0) / (half - 1) * torch.arange(half, dtype=dtype)
        angles = (1000.0 * w.to(dtype))[:, None] * exponents.exp().to(w.device)
        embedding = torch.cat([angles.sin(), angles.cos()], dim=1)
        return torch.nn.functional.pad(embedding, (0, embedding_dim % 2))

    def prepare_extra_step_kwargs(
        self, generator: torch.Generator | None, eta: float
    ) -> dict[str, Any]:
        """Those of `eta` and `generator` that the scheduler's `step` takes."""
        taken = inspect.signature(self.scheduler.step).parameters
        offered = {"eta": eta, "generator": generator}
        return {name: value for name, value in offered.items() if name in taken}

    def set_surface_extractor(self, mc_algo: str | None) -> None:
        """Choose how surfaces are extracted from now on; None keeps it as it is."""
        if mc_algo is not None:
            self.vae.surface_extractor = make_surface_extractor(mc_algo)

    def prepare_image(self, image: Any, mask: Tensor | None = None) -> dict[str, Any]:
        """Pictures as `image (B, 3, S, S)` and `mask (B, 1, S, S)` in [-1, 1].

        Takes one picture or a list of them: paths, PIL images, arrays, or dicts of views; with
        views `view_idxs` is a list of tuples. A tensor is taken to be prepared already; of one with
        a views axis `(B, V, 3, S, S)` the views are those in front, to the left and so on.
        """
        if isinstance(image, Tensor):
            return self._prepared(image, mask)
        pictures = list(image) if isinstance(image, (list, tuple)) else [image]
        if not pictures or any(picture is None for picture in pictures):
            raise InvalidImageError("no picture was given; pass image= a path, picture or array.")
        prepared = [self.image_processor(picture) for picture in pictures]
        views = {np.shape(item["image"])[1] for item in prepared}
        if len(views) > 1:
            raise InvalidImageError(
                f"the objects have {' and '.join(map(str, sorted(views)))} views; give every "
                "object the same number."
            )
        return {
            name: torch.cat([item[name] for item in prepared])
            if isinstance(value, Tensor)
            else [item[name] for item in prepared]
            for name, value in prepared[0].items()
        }

    def _prepared(self, image: Tensor, mask: Tensor | None) -> dict[str, Any]:
        several = getattr(self.image_processor, "return_view_idx", False)
        wanted = "(B, V, 3, H, W)" if several else "(B, 3, H, W)"
        if image.ndim != 4 + several or image.shape[-3] != 3 or not image.is_floating_point():
            raise InvalidImageError(
                f"the picture is a tensor of {image.dtype} and shape {tuple(image.shape)}, but "
                f"{wanted} with values from -1 to 1 is wanted; pass that, or a path or picture."
            )
        found: dict[str, Any] = {"image": image}
        if mask is not None:
            found["mask"] = mask
        if several:
            found["view_idxs"] = [tuple(range(image.shape[1]))] * len(image)
        return found

    def encode_cond(
        self,
        image: Tensor,
        additional_cond_inputs: Mapping[str, Any] | None = None,
        do_classifier_free_guidance: bool = True,
        dual_guidance: bool = False,
    ) -> dict[str, Tensor]:
        """Condition tokens `(B, Lc, X)`; with guidance, as many rows of zeros follow.

        With dual guidance B rows stand between them whose `main` is zeros and whose `additional`
        is that of the picture.
        """
        extras = dict(additional_cond_inputs or {})
        calls = {"call": self._recorded} if self.device.type == "cuda" else {}
        condition = self.conditioner(image=image.to(self.device), **calls, **extras)
        if do_classifier_free_guidance:
            empty = self.conditioner.unconditional_embedding(len(image), **extras)
            blocks = [condition, empty]
            if dual_guidance:
                if "additional" not in condition:
                    raise InvalidSettingError(
                        "dual guidance needs a conditioner with two image encoders, but this model "
                        "has one; leave dual_guidance off."
                    )
                blocks.insert(1, {**condition, "main": empty["main"]})
            condition = {name: torch.cat([block[name] for block in blocks]) for name in condition}
        return {name: tokens.to(self.dtype) for name, tokens in condition.items()}

    def prepare_latents(
        self,
        batch_size: int,
        dtype: torch.dtype,
        device: torch.device,
        generator: torch.Generator | Sequence[torch.Generator] | None,
        latents: Tensor | None = None,
    ) -> Tensor:
        """Noise to start from, or the given latents, `(B, L, C)`.

        Noise is scaled by what a scheduler of another maker calls `init_noise_sigma`.
        """
        shape = (batch_size, *self.vae.latent_shape)
        if latents is None:
            scale = getattr(self.scheduler, "init_noise_sigma", 1.0)
            return draw_noise(shape, generator, device, dtype) * scale
        if tuple(latents.shape) != shape:
            raise InvalidSettingError(
                f"the latents have shape {tuple(latents.shape)}, but {shape} is wanted: pictures, "
                "tokens, channels; pass latents of that shape."
            )
        return latents.to(device, dtype)


def _needed_limit(
    networks: Sequence[Any], device: torch.device, max_memory: float | None
) -> float | None:
    """`max_memory`, or without it None where all weights fit, else what is free."""
    if max_memory is not None:
        return max_memory
    free = default_limit(device)
    model, vae, conditioner = networks
    if free is None or fits((conditioner, model, vae), free):
        return None
    logger.info("The device has %.1f GB free; weights come when they are needed.", free / 1e9)
    return free
