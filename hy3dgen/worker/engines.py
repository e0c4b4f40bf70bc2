# SPDX-License-Identifier: Apache-2.0
"""The two ways in which a worker turns a picture into a mesh: with torch, or with numpy alone.

`TorchEngine` runs every model, `NumpyEngine` the bundled one in a Python that has nothing else.
Both give the same mesh for the same seed, up to rounding and the way in which cells are cut.
"""

from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any, Protocol

import numpy as np

from hy3dgen.errors import InvalidSettingError, MissingDependencyError, SurfaceExtractionError
from hy3dgen.mesh import TriangleMesh
from hy3dgen.shapegen.cost_model import TYPICAL_SURFACE, MachineCosts, ModelTraits
from hy3dgen.worker.model_cache import (
    SETTINGS,
    Defaults,
    ModelCache,
    ModelChoice,
    bundled_folder,
)
from hy3dgen.worker.previews import Previews
from hy3dgen.worker.speed import Figures

Progress = Callable[[str, int, int], None]
DECODING = ("num_chunks", "volume_decoder")  # settings that may be None: as the model has it
ONE_VIEW = (
    "this model takes one picture, and several views were given; choose a multi-view model such as "
    "Hunyuan3D-2mv, or leave the front view alone"
)


class Engine(Protocol):
    """What the task `generate` asks for, in this order; `device` holds after `load`."""

    device: str

    def cut_out(self, picture: str | np.ndarray) -> Any:
        """The picture, a path or an array, with its background gone."""

    def load(
        self, choice: ModelChoice, download: bool, max_memory: float | None = None
    ) -> None: ...

    def figures(self, defaults: Defaults, check: Callable[[], object]) -> Figures:
        """What the loaded model costs here, measured once; what `check` raises ends that."""

    def run(
        self,
        pictures: dict[str, Any],
        settings: dict[str, Any],
        progress: Progress,
        previews: Previews | None,
    ) -> TriangleMesh:
        """The mesh of what `cut_out` gave for each view, as the generation's settings want it."""


class TorchEngine:
    """Any model, on CUDA if there is CUDA."""

    device = "cpu"

    def __init__(self) -> None:
        self._models = ModelCache()
        self._pipeline: Any = None

    def cut_out(self, picture: str | np.ndarray) -> Any:
        from hy3dgen.pictures import load_picture
        from hy3dgen.rembg import BackgroundRemover

        return BackgroundRemover()(load_picture(picture))

    def load(self, choice: ModelChoice, download: bool, max_memory: float | None = None) -> None:
        self._pipeline = None  # make room before loading
        self._pipeline = self._models.get(choice, download, max_memory=max_memory)
        self.device = str(self._pipeline.device)

    def figures(self, defaults: Defaults, check: Callable[[], object]) -> Figures:
        from hy3dgen.shapegen.calibration import machine_costs, model_traits

        check()
        pipeline = self._pipeline
        traits = model_traits(pipeline, defaults)
        surfaces = pipeline._surfaces
        surface = float(median(surfaces)) if surfaces else TYPICAL_SURFACE
        return Figures(machine_costs(pipeline, traits), traits, surface)

    def run(
        self,
        pictures: dict[str, Any],
        settings: dict[str, Any],
        progress: Progress,
        previews: Previews | None,
    ) -> TriangleMesh:
        import torch

        from hy3dgen.shapegen.pipelines import export_to_arrays

        several = getattr(self._pipeline.image_processor, "return_view_idx", False)
        if len(pictures) > 1 and not several:
            raise InvalidSettingError(ONE_VIEW)

        # On the CPU, so that a seed gives the same noise on every device.
        noise = torch.Generator("cpu").manual_seed(settings["seed"])
        (output,) = self._pipeline(
            image=pictures if several else pictures["front"],
            generator=noise,
            output_type="mesh",
            progress=progress,
            callback=previews and self._look(previews),
            **{name: settings[name] for name in SETTINGS},
            **{name: settings[name] for name in DECODING if settings[name] is not None},
        )
        if output is None or len(output.mesh_f) == 0:
            raise SurfaceExtractionError(
                "the model made no surface from this picture; try another seed or picture"
            )
        return TriangleMesh(*export_to_arrays(output))

    def _look(self, previews: Previews) -> Callable[[int, Any, Any], None]:
        from hy3dgen.shapegen.coarse_preview import CleanLatents, coarse_mesh

        pipeline = self._pipeline
        guesses = CleanLatents(pipeline.scheduler)

        def look(index: int, timestep: Any, outputs: Any) -> None:
            guess = guesses.after_step(index, outputs)
            if guess is not None and guesses.time < 1:
                previews.offer(
                    guesses.time, lambda: coarse_mesh(pipeline, guess, previews.resolution)
                )

        return look


class NumpyEngine:
    """The bundled model on the processor.

    Parameters
    ----------
    lacking : what this Python lacks for anything else, as a sentence's first half
    """

    device = "cpu (numpy)"

    def __init__(self, lacking: str) -> None:
        self._lacking = lacking
        self._pipeline: Any = None
        self._costs: MachineCosts | None = None
        self._surfaces: deque[float] = deque(maxlen=16)  # of the last meshes

    def cut_out(self, picture: str | np.ndarray) -> np.ndarray:
        from hy3dgen.pictures import load_picture
        from hy3dgen.rembg import cut_out

        try:
            return cut_out(load_picture(picture))
        except ImportError as error:  # no library that reads picture files
            raise MissingDependencyError(
                f"{self._lacking}, so this worker takes pictures as arrays only; install the "
                "libraries with pip, or leave the generation Python empty for the bundled model"
            ) from error

    def load(self, choice: ModelChoice, download: bool, max_memory: float | None = None) -> None:
        from hy3dgen.numpy_forward.pipeline import NumpyPipeline

        if choice.path != str(bundled_folder()):
            raise MissingDependencyError(
                f"{self._lacking}, and runs the bundled model only; choose a Python with PyTorch "
                f"for the model {choice.path}"
            )
        if self._pipeline is None:
            self._pipeline = NumpyPipeline(choice.path)

    def figures(self, defaults: Defaults, check: Callable[[], object]) -> Figures:
        from hy3dgen.numpy_forward.calibration import measure_costs, with_memory_now

        if self._costs is None:
            self._costs = measure_costs(self._pipeline, check)
        settings = {name: getattr(defaults, name) for name in SETTINGS}
        surface = median(self._surfaces) if self._surfaces else TYPICAL_SURFACE
        traits = ModelTraits(**settings, flashvdm=False)
        return Figures(with_memory_now(self._costs), traits, surface)

    def run(
        self,
        pictures: dict[str, np.ndarray],
        settings: dict[str, Any],
        progress: Progress,
        previews: Previews | None,
    ) -> TriangleMesh:
        if len(pictures) > 1:
            raise InvalidSettingError(ONE_VIEW)
        if settings["volume_decoder"] not in (None, "coarse_to_fine"):
            raise InvalidSettingError(
                f"volume_decoder is {settings['volume_decoder']}; without PyTorch there is only "
                "'coarse_to_fine'"
            )
        wanted = {name: settings[name] for name in (*SETTINGS, "seed")}
        mesh = self._pipeline(pictures["front"], progress=progress, previews=previews, **wanted)
        self._surfaces.append(len(mesh[1]) / settings["octree_resolution"] ** 2)
        return TriangleMesh(*mesh)
