# SPDX-License-Identifier: Apache-2.0
"""The five parts of a shape model, and how they are loaded.

`pipelines.py` puts their steps in order, which are in `pipeline_steps`; `pipeline_placing` says
where the networks are and in which form.
"""

import os
from collections import deque
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch

from ..gpu.attention_kernel import prepare_attention_kernel
from ..gpu.graphs import Recordings
from ..gpu.preparing import prepare_kernels
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
from .flash_vae import ModelSource
from .log import logger
from .offload import Offload
from .pipeline_placing import Placing
from .pipeline_steps import Steps
from .residency import Residency, host_first, needed_limit
from .settings import instantiate_from_config

_SUBFOLDER, _SUBFOLDER_21 = "hunyuan3d-dit-v2-0", "hunyuan3d-dit-v2-1"
_NETWORKS = ("model", "vae", "conditioner")
_PARTS = (*_NETWORKS, "scheduler", "image_processor")
_SAGE_SWITCHES = ("USE_SAGEATTN", "CA_USE_SAGEATTN")  # of the original, for a rougher attention
_MESHES = 9  # the last ones tell how large a surface to expect
_Self = TypeVar("_Self", bound="PipelineParts")


class PipelineParts(Placing, Steps):
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
        self._use_graphs, self._whole = True, False
        self._recordings, self._second_recordings = Recordings(), Recordings()
        self._second: tuple[torch.device, Any, Any] | None = None  # with copies of networks
        self._preview_costs: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
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
        prepare_kernels(device)
        dtype = pick_dtype(dtype, device)
        prepare_attention_kernel(device, dtype)
        weights = Path(ckpt_path)
        if use_safetensors and weights.suffix == ".ckpt":
            weights = weights.with_suffix(".safetensors")
        config = read_config(config_path, _PARTS)
        state = split_parts(
            read_weights(weights), _NETWORKS, str(weights), optional=("conditioner",)
        )
        with torch.device("meta"):
            parts = {name: instantiate_from_config(config[name]) for name in state}
        places = dict.fromkeys(_NETWORKS, device)
        if device.type == "cuda" and "conditioner" in parts:
            networks = [parts[name].to(dtype) for name in _NETWORKS]
            max_memory = needed_limit(networks, device, max_memory)
            places |= dict.fromkeys(host_first(networks, max_memory), torch.device("cpu"))
        place = places["vae"]
        parts["vae"].load_weights(state["vae"], f"{weights} (vae)", dtype, place)
        for name in ("model", "conditioner"):
            if name in state:
                file = f"{weights} ({name})"
                load_strictly(parts[name], state[name], file, dtype, places[name])
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

    def _usual_settings(self) -> Defaults | None:
        """What the model's folder says, or is known for; None without a folder."""
        if self._folder is None:
            return None
        return with_file(usual_settings(self._folder), self._folder)
