# SPDX-License-Identifier: Apache-2.0
"""What a worker can do: functions (params, arrays, context) -> (values, arrays).

`generate` is the one way from a picture to a mesh; its stages stand in order in its body.
"""

import secrets
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from hy3dgen.compiled_code import keep_what_triton_compiles
from hy3dgen.errors import InvalidSettingError
from hy3dgen.install.python_check import NEEDS
from hy3dgen.install.tasks import TASKS as SETUP_TASKS
from hy3dgen.mesh import TriangleMesh, clean, reduce_faces, reduce_with_attributes
from hy3dgen.mesh.native.loader import METHODS
from hy3dgen.shapegen.cost_model import DECODERS, REDUCERS
from hy3dgen.worker.attribute_arrays import MESH_ARRAYS, attributes_in
from hy3dgen.worker.engines import Engine, NumpyEngine, TorchEngine
from hy3dgen.worker.machine import (
    cuda_driver_finds_device,
    free_memory_mb,
    peak_memory_mb,
    total_memory_mb,
)
from hy3dgen.worker.model_cache import (
    CONFIG_FILE,
    SETTINGS,
    Defaults,
    bundled_folder,
    choose_model,
)
from hy3dgen.worker.parameters import Parameter, check_arrays, check_parameters
from hy3dgen.worker.previews import Previews
from hy3dgen.worker.server import Task, TaskContext
from hy3dgen.worker.speed import SOLVED, Figures
from hy3dgen.worker.stages import Stages, choose_picture
from hy3dgen.worker.texturing import Texturer, paint_new_mesh, unwrap_here

Arrays = dict[str, np.ndarray]
Values = dict[str, Any]

MAX_FACES = 100_000_000
OTHER_VIEWS = ("left", "back", "right")
_REDUCE = {
    "face_count": Parameter(int, 1, MAX_FACES),
    "ratio": Parameter(float, 0, 1),
    "method": Parameter(str, choices=(*METHODS, "pymeshlab"), default="quality"),
}
_MODEL = {
    "model": Parameter(str, high=4096),
    "subfolder": Parameter(str, high=256),
    # Chooses the settings that are left alone, by what this machine can do.
    "speed_priority": Parameter(float, 0, 1),
    "face_count": Parameter(int, 0, MAX_FACES, default=0),  # 0: all of them
    "allow_download": Parameter(bool, default=False),
    "max_memory": Parameter(float, 1, 2**50),  # bytes of a CUDA GPU
}
_GENERATE = {
    "picture": Parameter(str, high=4096),  # the front view, as a file
    **{f"picture_{view}": Parameter(str, high=4096) for view in OTHER_VIEWS},
    **_MODEL,
    "seed": Parameter(int, 0, 2**53),
    **SETTINGS,
    "num_chunks": Parameter(int, 1, 2**31),  # points decoded at a time, at most
    "volume_decoder": Parameter(str, choices=DECODERS),
    "reducer": Parameter(str, choices=REDUCERS),
    "preview": Parameter(bool, default=False),  # send coarse meshes on the way
    "texture_size": Parameter(int, 0, 8192, default=0),  # 0: no texture
}


def ping(params: Values, arrays: Arrays, context: TaskContext) -> tuple[Values, Arrays]:
    """Nothing; shows that the worker answers."""
    check_parameters(params, {})
    check_arrays(arrays, ())
    return {}, {}


class Status:
    """The task `status`."""

    def __init__(self, texturer: Texturer) -> None:
        self._texturer = texturer

    def __call__(
        self, params: Values, arrays: Arrays, context: TaskContext
    ) -> tuple[Values, Arrays]:
        """Memory in megabytes: of the machine, of what is kept for a second texture, and of the GPU
        once a model has been loaded there.
        """
        check_parameters(params, {})
        check_arrays(arrays, ())
        values: Values = {
            "free_mb": free_memory_mb(),
            "total_mb": total_memory_mb(),
            "cache_bytes": self._texturer.cache.bytes,
        }
        torch = sys.modules.get("torch")  # asking must not load it
        if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
            free, total = torch.cuda.mem_get_info()
            name = torch.cuda.get_device_name()
            values |= {"gpu": name, "gpu_free_mb": free >> 20, "gpu_total_mb": total >> 20}
        return values, {}


def reduce(params: Values, arrays: Arrays, context: TaskContext) -> tuple[Values, Arrays]:
    """The mesh `vertices`, `faces` with at most `face_count` faces where its shape allows.

    Or with the share `ratio` of its faces. Attributes come and go under the names of
    `attribute_arrays`; `scattered` tells which of them jump nearly everywhere.
    """
    settings = check_parameters(params, _REDUCE)
    attributes = attributes_in(arrays)
    check_arrays(arrays, MESH_ARRAYS, optional=[attribute.name for attribute in attributes])
    mesh = TriangleMesh(arrays["vertices"], arrays["faces"])
    target, method = _target(settings, mesh), settings["method"]
    values: Values = {"faces_before": len(mesh.faces)}
    if not attributes:
        return values, _mesh_arrays(_reduce(mesh, target, method, context))
    if method == "pymeshlab":
        raise InvalidSettingError(
            "the method 'pymeshlab' keeps no attributes; choose 'quality' or 'fast', or send none"
        )
    reduced, kept, scattered = reduce_with_attributes(
        mesh, attributes, target, method, _percent(context)
    )
    values["scattered"] = list(scattered)
    return values, _mesh_arrays(reduced) | {one.name: one.values for one in kept}


class Generator:
    """The task `generate`, with the model it keeps loaded."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(
        self, params: Values, arrays: Arrays, context: TaskContext
    ) -> tuple[Values, Arrays]:
        """A mesh, y up, from the file `picture` or the array `image`, (H, W, 3 or 4) uint8.

        Further views are called `picture_left` or `image_left`, and so on.
        With a `texture_size` also what the task `texture` gives, painted from the same picture.
        """
        settings = check_parameters(params, _GENERATE)
        check_arrays(arrays, (), optional=("image", *(f"image_{view}" for view in OTHER_VIEWS)))
        choice = choose_model(settings["model"], settings["subfolder"])
        if settings["seed"] is None:
            settings["seed"] = secrets.randbelow(2**31)
        stages = Stages(context)

        sources = _choose_pictures(settings, arrays)
        stages.progress("prepare picture", 0, len(sources))
        pictures = {view: self._engine.cut_out(source) for view, source in sources.items()}
        stages.progress("load model", 0, 1)
        self._engine.load(choice, settings["allow_download"], settings["max_memory"])
        figures = None
        if settings["speed_priority"] is not None and any(settings[n] is None for n in SETTINGS):
            stages.progress("measure", 0, 1)
            figures = self._engine.figures(choice.defaults, context.check_cancelled)
        settings = _settle(settings, choice.defaults, figures)
        previews = None
        if settings["preview"]:
            previews = Previews(context, settings["num_inference_steps"])
        mesh = self._engine.run(pictures, settings, stages.progress, previews)
        faces_raw = len(mesh.faces)
        stages.progress("clean", 0, 1)
        mesh = clean(mesh)
        if settings["face_count"]:
            stages.progress("reduce", 0, 100)
            mesh = _reduce(mesh, settings["face_count"], settings["reducer"], stages)
        texture: Arrays = {}
        if settings["texture_size"]:
            front = np.asarray(pictures["front"])
            texture = paint_new_mesh(mesh, front, settings["texture_size"], stages)
        values = {
            "stages": stages.finish(),
            "faces_raw": faces_raw,
            "device": self._engine.device,
            "peak_memory": peak_memory_mb(),
            "model": choice.path,
            "subfolder": choice.subfolder,
            "previews": previews.count if previews else 0,
            "previews_seconds": round(previews.seconds, 4) if previews else 0.0,
            **{name: settings[name] for name in (*SETTINGS, "seed")},
            **({} if figures is None else {"figures": figures.as_values()}),
        }
        return values, {**_mesh_arrays(mesh), **texture}


class Chooser:
    """The task `settings`: what `generate` would use, without making anything."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(
        self, params: Values, arrays: Arrays, context: TaskContext
    ) -> tuple[Values, Arrays]:
        """`figures` of the model on this machine; with a `speed_priority` also its `settings`, and
        the `seconds` and `peak_memory` (bytes) that they will take.
        """
        settings = check_parameters(params, _MODEL)
        check_arrays(arrays, ())
        choice = choose_model(settings["model"], settings["subfolder"])
        context.progress("load model", 0, 1)
        self._engine.load(choice, settings["allow_download"], settings["max_memory"])
        context.progress("measure", 0, 1)
        figures = self._engine.figures(choice.defaults, context.check_cancelled)
        values: Values = {"figures": figures.as_values()}
        if settings["speed_priority"] is not None:
            found = figures.settings(settings["speed_priority"], settings["face_count"])
            values |= {
                "settings": dict(found),
                "seconds": found.seconds,
                "peak_memory": found.peak_memory,
            }
        return values, {}


def available() -> tuple[dict[str, Task], dict[str, str], str]:
    """Tasks this Python can do, sentences on those it cannot, and the device for generation.

    Looks for libraries without importing them: importing torch takes seconds.
    """
    missing = [library for name, library in NEEDS.items() if find_spec(name) is None]
    lacking = f"the Python at {sys.executable} lacks {', '.join(missing)}"
    engine: Engine = NumpyEngine(lacking) if missing else TorchEngine()
    texturer = Texturer(engine)
    tasks: dict[str, Task] = {
        "ping": ping,
        "status": Status(texturer),
        "reduce": reduce,
        "unwrap": unwrap_here,
        "texture": texturer,
        "clear_cache": texturer.clear_cache,
        **SETUP_TASKS,
    }
    if not missing or (bundled_folder() / CONFIG_FILE).is_file():
        tasks |= {"generate": Generator(engine), "settings": Chooser(engine)}
        cuda = not missing and cuda_driver_finds_device()
        if cuda:
            keep_what_triton_compiles()
        return tasks, {}, "cuda" if cuda else engine.device
    sentence = (
        f"{lacking}, so this worker cannot generate; install them with pip, or choose a Python "
        "that has them"
    )
    return tasks, {"generate": sentence}, "cpu"


# --- the stages -----------------------------------------------------------------------------------


def _settle(settings: Values, defaults: Defaults, figures: Figures | None) -> Values:
    """Settings that were left alone, by the wish for speed or else the model's own."""
    chosen: Values = {name: getattr(defaults, name) for name in SETTINGS}
    chosen |= {"num_chunks": None, "volume_decoder": None, "reducer": "quality"}
    if figures is not None:
        chosen |= figures.settings(settings["speed_priority"], settings["face_count"])
    left_alone = [name for name in SOLVED if settings[name] is None]
    return {**settings, **{name: chosen[name] for name in left_alone}}


def _choose_pictures(settings: Values, arrays: Arrays) -> dict[str, str | np.ndarray]:
    """The views that were given, by name; the front one is a must."""
    views = {"front": choose_picture(settings["picture"], arrays.get("image"))}
    for view in OTHER_VIEWS:
        path, image = settings[f"picture_{view}"], arrays.get(f"image_{view}")
        if path is not None or image is not None:
            views[view] = choose_picture(path, image)
    return views


def _reduce(
    mesh: TriangleMesh, face_count: int, method: str, context: TaskContext | Stages
) -> TriangleMesh:
    if method == "pymeshlab":
        from hy3dgen.mesh.pymeshlab_engine import reduce_in_this_process

        context.progress("reduce", 0, 100)
        return reduce_in_this_process(mesh, face_count)
    return reduce_faces(mesh, face_count, method, progress=_percent(context))


def _target(settings: Values, mesh: TriangleMesh) -> int:
    face_count, ratio = settings["face_count"], settings["ratio"]
    if face_count is None and ratio is None:
        raise InvalidSettingError(
            "face_count is missing; give the number of faces wanted, or a ratio of the faces"
        )
    if face_count is not None and ratio is not None:
        raise InvalidSettingError(
            f"face_count is {face_count} and ratio is {ratio}; give only one of them"
        )
    if ratio == 0:
        raise InvalidSettingError("ratio is 0; it must be a number above 0 and up to 1")
    return face_count if ratio is None else max(1, round(ratio * len(mesh.faces)))


def _percent(context: TaskContext | Stages) -> Callable[[float], None]:
    return lambda fraction: context.progress("reduce", round(100 * fraction), 100)


def _mesh_arrays(mesh: TriangleMesh) -> Arrays:
    return {"vertices": mesh.vertices, "faces": mesh.faces}
