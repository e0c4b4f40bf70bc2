# SPDX-License-Identifier: Apache-2.0
"""Where a pipeline's networks are and in which form: devices, limits, recordings, eight bits.

Part of `pipeline_parts.PipelineParts`, which makes the attributes used here.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from ..errors import InvalidSettingError
from ..gpu.graphs import Recordings
from .devices import pick_device, pick_dtype
from .flash_vae import ModelSource, load_flash_vae
from .models.attention import prepare_for_compiling
from .models.autoencoders.flash_vdm import FlashVDMVolumeDecoding
from .models.denoisers.hunyuan3ddit import Hunyuan3DDiT
from .offload import Offload
from .quantised import quantise_blocks
from .residency import Residency, least_limit, usual_plan
from .several_devices import SpreadDecoder, SpreadDenoiser, replica


class Placing:
    """The part of a pipeline that moves, exchanges and records its networks."""

    vae: Any
    model: Any
    conditioner: Any
    device: torch.device
    dtype: torch.dtype
    max_memory: float | None
    _source: ModelSource | None
    _own_vae: Any
    _offload: Offload | Residency | None
    _use_graphs: bool
    _whole: bool  # all weights are to stay on the device where there is no limit
    _recordings: Recordings
    _second_recordings: Recordings
    _second: tuple[torch.device, Any, Any] | None

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
        limited = self.memory_limit is not None and self.device.type == "cuda"
        for network in (self.vae, self.model, self.conditioner):
            network.to(dtype=self.dtype)
        if limited:
            for network in (self.vae, self.model, self.conditioner):
                network.to("cpu")
            self._keep_within()
        else:
            self._place_as_usual()

    def set_max_memory(self, max_memory: float | None) -> None:
        """Hold no more than so many bytes of a CUDA GPU from now on.

        The fastest way within it is taken: weights that a picture needs once come from pinned host
        memory when they are needed, the encoder's and the VAE's first; with less, calls are not
        recorded (`enable_cuda_graphs`), then the denoiser's blocks are there for the time of
        denoising only, and with very little some come anew at every step. Reckoned for one picture
        at a resolution of 384. Latents are those without a limit, to the last bit. During calls
        torch gives back what it keeps for later; what the driver itself holds comes on top, some
        hundred megabytes. Elsewhere than on a CUDA GPU only `get_optimal_settings` takes notice.

        Parameters
        ----------
        max_memory : bytes. None, the default: no limit; but where a device reads main memory at
            40 GB/s or more, and 3 GB then do, or 6 GB, what a picture needs once comes from there,
            as that takes some ten milliseconds a picture. `math.inf`: all weights stay on the
            device.

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
            before but for a step in front of them; 'fp8' takes as little and multiplies eight-bit
            floats, on a GPU whose tensor cores know them (a CPU does the same slowly), which also
            is faster for models of the published width
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
            if self.memory_limit is None:
                getattr(self, name).to(self.device)
            quantise_blocks(getattr(self, name), kind, self.device)
        self.to(self.device)

    @property
    def memory_limit(self) -> float | None:
        """`max_memory` in bytes, if that is a limit."""
        return None if self.max_memory in (None, math.inf) else self.max_memory

    def _keep_within(self) -> None:
        networks = (self.conditioner, self.model, self.vae)
        self._offload = Residency(*networks, self.device, self.memory_limit)

    def _keep_whole(self) -> None:
        """Without a limit, all weights stay on the device from now on."""
        self._whole = True
        if isinstance(self._offload, Residency) and self._offload.limit is None:
            self._end_offload()
            for network in (self.conditioner, self.model, self.vae):
                network.to(self.device)

    def _place_as_usual(self) -> None:
        """All weights on the device, but for those of the usual plan."""
        networks = (self.conditioner, self.model, self.vae)
        plan = None
        if self.device.type == "cuda" and self.max_memory is None and not self._whole:
            plan = usual_plan(*networks)
        if plan is not None:
            self._offload = Residency(*networks, self.device, None, plan=plan)
            if self._offload.reads_fast:
                return
            self._end_offload()
        for network in networks:
            network.to(self.device)

    def _end_offload(self) -> None:
        if self._offload is not None:
            self._offload.remove()
            self._offload = None
            self._forget_recordings()

    def compile(self) -> None:
        """Compile the networks with torch.compile; the first call then takes a minute or more."""
        prepare_for_compiling()
        self._keep_whole()
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
        self._keep_whole()
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

    def _denoiser(self) -> Any:
        """The model, by recordings where those work, and with its copy on a second device."""
        first = self._recorded(self.model) if isinstance(self.model, Hunyuan3DDiT) else self.model
        if self._second is None or self._offload is not None:
            return first
        where, copied, _decoder = self._second
        if first is not self.model and where.type == "cuda":
            copied = self._second_recordings.of(copied)
        return SpreadDenoiser(first, copied, where)

    def _ask_times(self, guidance_scale: float) -> Callable[..., Any] | None:
        """What the denoiser is asked for its schedule by, if not the network itself."""
        times = getattr(self.scheduler, "times", None)
        if not isinstance(self._offload, Residency) or times is None:
            return None
        return functools.partial(self._offload.time_values, (times(), guidance_scale))

    def _recorded(self, network: nn.Module) -> Any:
        """The network by recordings, or itself where those are of no use."""
        if not self._graphs_work():
            return network
        before = None if self._offload is None else self._offload.before(network)
        return self._recordings.of(network, before)

    def _graphs_work(self) -> bool:
        if self.device.type != "cuda" or not self._use_graphs:
            return False
        return self._offload is None or self._offload.records

    def _forget_recordings(self) -> None:
        self._recordings, self._second_recordings = Recordings(), Recordings()

    def maybe_free_model_hooks(self) -> None:
        """What only visits the device goes back to host memory."""
        if self._offload is not None:
            self._offload.rest()

    def _renew_offload(self, start: bool = False) -> None:
        if self._offload is None and not start:
            return
        usual = isinstance(self._offload, Residency) and not start
        self._end_offload()
        if self.memory_limit is not None:
            self._keep_within()
            return
        if usual:
            self._place_as_usual()
            return
        self._offload = Offload((self.conditioner, self.model, self.vae), self.device)

    def _use(self, network: Any) -> None:
        if self._offload is not None:
            self._offload.use(network)
