# SPDX-License-Identifier: Apache-2.0
"""Seconds and peak memory of every stage from mesh and picture to texture, beside a plain run.

    python -m benchmarks.texture_stages --out FILE.json            a GPU, networks of true size
    python -m benchmarks.texture_stages --small --out FILE.json    the same path, tiny, on any CPU

Weights are random: they cost what trained ones do. The plain run (`texture_plain.py`) does the same
stages on the same device in the same process. Ours run first under a cap of memory, then once more
in the mode for little memory under a smaller cap; a stage that fails is recorded with its error.
The first call of ours loads libraries and records CUDA graphs, the second is what is compared.
"""

import argparse
import json
import platform
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hy3dgen.mesh.box_unwrap import box_unwrap
from hy3dgen.shapegen.devices import pick_device
from hy3dgen.texgen import (
    Hunyuan3DPaintPipeline,
    Hunyuan3DTexGenConfig,
    bake_materials,
    cameras,
    inpaint,
)
from hy3dgen.texgen.fill_on_device import (
    fill_along_mesh_on_device,
    fill_rest_on_device,
    find_gaps,
)
from hy3dgen.texgen.mesh_render import MeshRender
from hy3dgen.texgen.standard_views import draw_views
from hy3dgen.texgen.views_on_device import (
    bake_views_on_device,
    draw_views_on_device,
    plan_baking,
)

from . import texture_plain as plain
from .machine import processor_name
from .random_texture_models import TextureModels, embed_nothing, make
from .stage_watch import Watch, capped, free, show, watched_methods
from .texture_bake import torus
from .texture_variants import time_variants

PICTURE = Path(__file__).resolve().parent.parent / "examples" / "pictures" / "train.png"
DIFFUSION = ("delight", "encode", "reference UNet", "denoise", "decode")
OUTSIDE = ("draw views", "bake and merge", "fill along mesh", "fill rest")
HIDDEN = "way to fill, beside painting"  # on the processor while the networks run
VIEWS = cameras.STANDARD_VIEWS
WEIGHTS = [view.weight for view in VIEWS]
ANGLES = [view.elevation for view in VIEWS], [view.azimuth for view in VIEWS]
VERTEX_SECONDS = 40.0  # of the plain vertex fill, after which it is stopped


class Scene:
    """What every run gets: a mesh of 36,864 faces with UVs, and a picture."""

    def __init__(self, small: bool) -> None:
        self.size = 256 if small else 2048
        self.mesh = torus(32, 16) if small else torus()
        uv_map = box_unwrap(self.mesh)
        self.uv_mesh = self.mesh.vertices[uv_map.vertices], uv_map.faces, uv_map.uvs
        self.render = MeshRender(default_resolution=self.size, texture_size=self.size)
        self.render.set_mesh(*self.uv_mesh)
        self.picture = Hunyuan3DPaintPipeline.recenter_image(Image.open(PICTURE))
        self.numbers = [cameras.camera_number(view.elevation, view.azimuth) for view in VIEWS]


def run_ours(
    scene: Scene, models: TextureModels, kind: str, device: torch.device, steps: dict[str, int]
) -> dict[str, Any]:
    """Each stage by itself, the networks' twice."""
    watch = Watch(device)
    model = getattr(models, kind)
    on_device = device.type == "cuda"

    def draw() -> Any:
        return draw_views_on_device(scene.render, *ANGLES, device, model.size)

    delighted = watch.guarded(
        "delight", lambda: models.delight(scene.picture, num_inference_steps=steps["delight"])
    )
    delighted = delighted or scene.picture.convert("RGB").resize((512, 512))
    drawn = watch.guarded("draw views", draw)
    if not on_device:
        watch.guarded("draw views in arrays", lambda: draw_views(scene.render, *ANGLES))
    pictures = None
    if drawn is not None:
        pictures = watch.guarded(
            "paint views",
            lambda: paint(watch, scene, model, delighted, drawn, steps[kind]),
            inner=True,
        )
    if pictures is None or drawn is None:
        return watch.stages

    def bake() -> tuple[torch.Tensor, np.ndarray]:
        baking = plan_baking(drawn.geometries, WEIGHTS, scene.size, 4)
        return bake_views_on_device(drawn.geometries, pictures, baking), baking.painted

    baked = watch.guarded("bake and merge", bake)
    if baked is not None:
        texture, painted = baked
        watch.stages["bake and merge"]["painted"] = round(float(painted.mean()), 4)
        mesh = scene.render.get_mesh()[:3]
        gaps = watch.guarded(
            HIDDEN, lambda: find_gaps(painted, *mesh, texture.device, lambda: None)
        )
        mask = watch.guarded(
            "fill along mesh", lambda: fill_along_mesh_on_device(texture, gaps, *mesh[:2])
        )
        watch.guarded("fill rest", lambda: fill_rest_on_device(texture, mask, gaps))
    return watch.stages


def paint(
    watch: Watch, scene: Scene, model: Any, picture: Any, drawn: Any, steps: int
) -> list[np.ndarray]:
    """Pictures of the views; notes the stages "encode", "reference UNet", "denoise", "decode"."""
    images = [Image.fromarray(image) for image in (*drawn.normals, *drawn.positions)]
    controls = [model._pixels(image, 255) for image in images]
    half = len(controls) // 2
    before = {name: dict(stage) for name, stage in watch.stages.items()}
    with watched_methods(watch, model), watch("all before decoding"):
        latents = model.paint(
            np.stack([model._pixels(picture, 127)]),
            np.stack(controls[:half]),
            np.stack(controls[half:]),
            scene.numbers,
            steps,
        )
    everything = watch.stages.pop("all before decoding")
    inner = sum(
        watch.stages[name]["seconds"] - before.get(name, {"seconds": 0})["seconds"]
        for name in ("encode", "reference UNet")
    )
    everything["seconds"] = round(everything["seconds"] - inner, 4)
    watch.stages["denoise"] = everything
    with watch("decode"):
        return list(model.decode(latents))


def finish(watch: Watch, scene: Scene, texture: np.ndarray, painted: np.ndarray) -> None:
    mask = painted.astype(np.uint8) * np.uint8(255)
    watch.stages["bake and merge"]["painted"] = round(float(painted.mean()), 4)
    filled = watch.guarded(
        "fill along mesh",
        lambda: inpaint.fill_along_mesh(
            texture, mask, *scene.render.get_mesh(), seconds=VERTEX_SECONDS
        ),
    )
    if filled is not None:
        watch.guarded("fill rest", lambda: inpaint.fill_rest(*filled))


def run_plain(
    scene: Scene, models: TextureModels, kind: str, device: torch.device, steps: dict[str, int]
) -> dict[str, Any]:
    watch = Watch(device)
    model = getattr(models, kind)

    def delight() -> Any:
        models.delight.use_graphs = models.delight.keeps_text = False
        with plain.plain_networks():
            return models.delight(scene.picture, num_inference_steps=steps["delight"])

    delighted = watch.guarded("delight", delight)
    delighted = delighted or scene.picture.convert("RGB").resize((512, 512))
    renderer = plain.PlainRenderer(scene.render.prepared, scene.size, scene.size, device)

    def draw() -> list[np.ndarray]:
        images = [renderer.maps(view) for view in VIEWS]
        kinds = zip(*images, strict=True)
        return [np.stack([model._pixels(image, 255) for image in kind]) for kind in kinds]

    with torch.inference_mode():
        maps = watch.guarded("draw views", draw)
    if maps is None:
        return watch.stages
    reference = np.stack([model._pixels(delighted, 127)])
    views = watch.guarded(
        "paint views",
        lambda: plain.paint(model, reference, *maps, scene.numbers, steps[kind], 2.0, watch),
        inner=True,
    )
    if views is None:
        views = np.random.default_rng(0).integers(0, 256, (6, model.size, model.size, 3), np.uint8)
    pictures = [Image.fromarray(view) for view in views]

    def bake() -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            baked = [
                renderer.back_project(picture, view)
                for picture, view in zip(pictures, VIEWS, strict=True)
            ]
            return plain.merge(baked, WEIGHTS)

    baked = watch.guarded("bake and merge", bake)
    if baked is not None:
        with plain.fill_in_python():
            finish(watch, scene, *baked)
    return watch.stages


def run_whole(
    scene: Scene,
    models: TextureModels,
    kind: str,
    device: torch.device,
    steps: dict[str, int],
    low_memory: bool,
) -> dict[str, Any]:
    """The pipeline itself, from picture to texture, in one call."""
    watch = Watch(device)

    def call() -> None:
        config = Hunyuan3DTexGenConfig("delight", "paint", "hunyuan3d-paint-v2-0-turbo")
        config.render_size = config.texture_size = scene.size
        config.device = str(device)
        models.delight.steps = steps["delight"]
        pipeline = Hunyuan3DPaintPipeline(
            config, {"delight_model": models.delight, "multiview_model": getattr(models, kind)}
        )
        if low_memory:
            pipeline.enable_model_cpu_offload(device=device)
            free()
        try:
            with watch("everything"):
                picture = pipeline.delight(scene.picture)
                pipeline.paint(*scene.uv_mesh, [picture], num_inference_steps=steps[kind])
        finally:
            if pipeline._offload is not None:
                pipeline._offload.remove()

    watch.guarded("everything", call, inner=True)
    return watch.stages


def time_unwrap(scene: Scene) -> dict[str, Any]:
    """Both unwraps; xatlas runs beside the networks in ours."""
    watch = Watch(torch.device("cpu"))
    watch.guarded("box", lambda: box_unwrap(scene.mesh))
    if find_spec("xatlas") is not None:
        from hy3dgen.mesh.xatlas_engine import xatlas_unwrap

        watch.guarded("xatlas", lambda: xatlas_unwrap(scene.mesh))
    return watch.stages


def time_materials(scene: Scene, device: torch.device) -> dict[str, Any]:
    """Both materials baked and filled, by the processor and by the device, and how they differ."""
    random = np.random.default_rng(0)
    side = scene.size // 4
    small = [random.integers(0, 256, (side // 8, side // 8, 3), np.uint8) for _ in range(12)]
    pictures = [np.asarray(Image.fromarray(one).resize((scene.size,) * 2)) for one in small]
    both = {"albedo": pictures[:6], "mr": pictures[6:]}
    watch = Watch(device)
    maps = {}
    for name, where in (("processor", None), ("first on device", device), ("device", device)):
        maps[name] = watch.guarded(
            name,
            lambda where=where: bake_materials(
                scene.render.prepared, both, texture_size=scene.size, device=where
            ),
        )
    if all(one is not None for one in maps.values()):
        pairs = zip(maps["processor"], maps["device"], strict=True)
        off = [np.abs(one.astype(int) - other).max(axis=-1) > 1 for one, other in pairs]
        watch.stages["device"]["texels that differ"] = round(float(np.mean(off)), 6)
    return watch.stages


def seconds(stages: dict[str, Any], names: tuple[str, ...]) -> float | None:
    """None where one of them failed."""
    if any("error" in stages.get(name, {}) for name in (*names, "paint views")):
        return None
    return sum(stages[name]["seconds"] for name in names if name in stages)


def ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    found = {}
    kinds = {
        "diffusion": DIFFUSION,
        "outside": OUTSIDE,
        "outside, with what runs beside": (*OUTSIDE, HIDDEN),
    }
    for name, stages in kinds.items():
        fast, slow = seconds(ours, stages), seconds(theirs, stages)
        if fast and slow:
            found[name] = round(slow / fast, 2)
    for name in (*DIFFUSION, *OUTSIDE):
        fast, slow = (run.get(name, {}).get("seconds") for run in (ours, theirs))
        if fast and slow:
            found[name] = round(slow / fast, 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="tiny networks and pictures")
    parser.add_argument("--device", help="default: a GPU if there is one")
    parser.add_argument("--out", type=Path, help="write the figures to this file")
    parser.add_argument("--models", nargs="+", choices=("turbo", "base"), default=["turbo", "base"])
    parser.add_argument("--variants", action="store_true", help="also what pays within a step")
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--low-gigabytes", type=float, default=6.0)
    options = parser.parse_args()
    device = pick_device(options.device)
    cuda = device.type == "cuda"
    dtype = torch.float16 if cuda else torch.float32
    steps = {"delight": 2 if options.small else 50, "turbo": 10, "base": 2 if options.small else 30}
    start = time.perf_counter()
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if cuda else processor_name(),
        "host": processor_name(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "weights": "random",
        "small": options.small,
        "steps": steps,
        "caps_gb": {"usual": options.gigabytes, "low memory": options.low_gigabytes},
    }

    def save() -> None:
        if options.out:
            options.out.write_text(json.dumps(result) + "\n", encoding="utf-8")

    scene = Scene(options.small)
    result["faces"], result["texture_size"] = len(scene.mesh.faces), scene.size
    result["unwrap"] = time_unwrap(scene)
    watch = Watch(device)
    with watch("make networks"):
        models = make(device, dtype, options.small)
    watch.guarded("text encoder", lambda: embed_nothing(models.text, device))
    result["parameters"] = models.parameters()
    result["start"] = watch.stages
    del models.text  # used once, when a model is loaded
    free()
    show("start", watch.stages)
    runs = result["runs"] = {}
    for kind in options.models:
        run = runs[kind] = {}
        with capped(device, options.gigabytes):
            run["first"] = run_ours(scene, models, kind, device, steps)
            run["ours"] = run_ours(scene, models, kind, device, steps)
            run["whole"] = run_whole(scene, models, kind, device, steps, False)
        getattr(models, kind)._graphed.forget()
        show(f"{kind}: ours, first call", run["first"])
        show(f"{kind}: ours", run["ours"] | run["whole"])
        save()
    for kind in options.models:
        run = runs[kind]
        models.delight._graphed.forget()
        free()
        views_at_once = getattr(models, kind).views_at_once
        shared = [*models.delight.networks, *getattr(models, kind).networks]
        with plain.plain_networks(shared):
            run["plain"] = run_plain(scene, models, kind, device, steps)
        getattr(models, kind).views_at_once = views_at_once
        models.delight.use_graphs = models.delight.keeps_text = True
        run["ratios"] = ratios(run["ours"], run["plain"])
        show(f"{kind}: plain", run["plain"])
        print(f"  ratios: {run['ratios']}")
        save()
    free()
    result["materials"] = time_materials(scene, device)
    show("metallic and roughness", result["materials"])
    save()
    if options.variants:
        result["variants"] = time_variants(models, device)
        save()
    for kind in options.models:  # last: networks leave the device here
        with capped(device, options.low_gigabytes):
            runs[kind]["low memory"] = run_whole(scene, models, kind, device, steps, True)
        show(f"{kind}: little memory", runs[kind]["low memory"])
        save()
    result["seconds"] = round(time.perf_counter() - start, 1)
    print(f"{result['seconds']} s in all")
    save()


if __name__ == "__main__":
    main()
