# SPDX-License-Identifier: Apache-2.0
"""How true a texture comes back from six views, and how long each stage outside networks takes.

    python -m benchmarks.texture_bake [--size 2048] [--json FILE] [--sheet FILE.png]

A known colour for every place is seen from the six standard views, baked back, and compared at each
texel: as peak signal-to-noise ratio, for the texels that a view painted and for all that a face
has. "scatter" is how Hunyuan3D-Paint 2.0 bakes, "look-up" how 2.1 does. The sheet shows the texture
from the picture only: a picture, the texture made from it, and the painted mesh from six sides.
"""

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from hy3dgen.mesh import TriangleMesh, reduce_faces
from hy3dgen.mesh.box_unwrap import box_unwrap
from hy3dgen.texgen import back_sampling, bake, cameras, inpaint
from hy3dgen.texgen.mesh_render import MeshRender
from hy3dgen.texgen.render import PreparedMesh, ViewRaster, prepare_mesh, to_bytes
from hy3dgen.texgen.standard_views import bake_views, draw_views

from .machine import processor_name
from .textured_shapes import bumpy_sphere, painted

_BACKGROUND = 245
_PICTURE = Path(__file__).parents[1] / "examples" / "pictures" / "train.png"


def torus(around: int = 192, across: int = 96) -> TriangleMesh:
    """A ring that hides a part of itself from every side."""
    u, v = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    a, b = 2 * np.pi * u / around, 2 * np.pi * v / across
    ring = 0.7 + 0.3 * np.cos(b)
    points = np.stack([ring * np.cos(a), 0.3 * np.sin(b), ring * np.sin(a)], axis=-1)
    here, right = u * across + v, (u + 1) % around * across + v
    up, both = u * across + (v + 1) % across, (u + 1) % around * across + (v + 1) % across
    faces = np.concatenate([np.stack(t, -1) for t in ((here, up, right), (right, up, both))])
    return TriangleMesh(points.reshape(-1, 3), faces.reshape(-1, 3))


class Stopwatch:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now


def psnr(got: np.ndarray, want: np.ndarray) -> float:
    """Decibels, of colours in [0, 1]."""
    error = float(np.mean((got.astype(np.float64) - want) ** 2))
    return round(10 * float(np.log10(1 / max(error, 1e-12))), 2)


def measure(name: str, mesh: TriangleMesh, size: int) -> dict[str, Any]:
    clock = Stopwatch()
    uv_map = box_unwrap(mesh)
    clock.stage("unwrap")
    vertices = mesh.vertices[uv_map.vertices]
    render = MeshRender(default_resolution=size, texture_size=size)
    render.set_mesh(vertices, uv_map.faces, uv_map.uvs)
    views = cameras.STANDARD_VIEWS
    drawn = draw_views(render, [v.elevation for v in views], [v.azimuth for v in views])
    clock.stage("draw views")
    rasters = [render.raster_view(view.elevation, view.azimuth) for view in views]
    pictures = []
    for raster in rasters:
        picture = np.ones((size, size, 3), np.float32)
        picture[raster.visible] = painted(raster.interpolate(raster.mesh.positions)[raster.visible])
        pictures.append(to_bytes(picture))
    clock.stage("paint the truth")
    weights = [view.weight for view in views]
    texture, known = bake_views(drawn.geometries, pictures, weights, size, bake.BAKE_EXPONENT)
    clock.stage("bake")
    mask = known.astype(np.uint8) * np.uint8(255)
    filled = inpaint.fill_rest(*inpaint.fill_along_mesh(texture, mask, *render.get_mesh()))
    clock.stage("fill")
    seconds = dict(clock.seconds)

    texels = back_sampling.texel_table(rasters[0].mesh, size)
    truth = painted(texels.positions)
    rows, columns = texels.places.T
    looked_up, found = bake.merge(
        [
            back_sampling.sample_view(texels, raster, picture, render.bake_unreliable_kernel_size)
            for raster, picture in zip(rasters, pictures, strict=True)
        ],
        weights,
    )
    scattered = known[rows, columns]
    sampled = found[rows, columns]
    return {
        "mesh": name,
        "faces": len(mesh.faces),
        "size": size,
        "seconds": seconds,
        "scatter": {
            "painted share": round(float(scattered.mean()), 4),
            "psnr painted": psnr(texture[rows, columns][scattered], truth[scattered]),
            "psnr all": psnr(filled[rows, columns] / 255.0, truth),
        },
        "look-up": {
            "painted share": round(float(sampled.mean()), 4),
            "psnr painted": psnr(looked_up[rows, columns][sampled], truth[sampled]),
        },
    }


def seen(mesh: PreparedMesh, texture: np.ndarray, view: cameras.View, size: int) -> np.ndarray:
    """(size, size, 3) uint8, the textured mesh without light, at twice the size and shrunk."""
    matrix = cameras.view_matrix(view.elevation, view.azimuth)
    raster = ViewRaster(mesh, matrix, (2 * size, 2 * size))
    at = raster.uvs() * (len(texture) - 1)
    colours = back_sampling.sample_bilinearly(texture, at[..., 0].ravel(), at[..., 1].ravel())
    image = np.full((2 * size, 2 * size, 3), _BACKGROUND / 255, np.float32)
    image[raster.visible] = colours.reshape(image.shape)[raster.visible]
    return to_bytes(image.reshape(size, 2, size, 2, 3).mean(axis=(1, 3)))


def draw_sheet(path: Path, tile: int = 220) -> None:
    """Picture, texture and the painted mesh from six sides, made by the bundled model."""
    from PIL import Image

    from hy3dgen.pictures import load_picture
    from hy3dgen.rembg import BackgroundRemover
    from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline
    from hy3dgen.shapegen.mesh_export import export_to_arrays
    from hy3dgen.texgen.from_picture import paint_from_picture
    from hy3dgen.worker.model_cache import bundled_folder

    picture = BackgroundRemover()(load_picture(_PICTURE))
    pipeline = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        bundled_folder(), subfolder=None, device="cpu"
    )
    (output,) = pipeline(image=picture, octree_resolution=128, output_type="mesh")
    mesh = reduce_faces(TriangleMesh(*export_to_arrays(output)), 20_000, "quality")
    uv_map = box_unwrap(mesh)
    ready = prepare_mesh(mesh.vertices, mesh.faces, uv_map.uvs, uv_map.faces)
    result = paint_from_picture(ready, np.asarray(picture), 1024)
    around = [cameras.View(20, azimuth) for azimuth in (30, -30, 90, 180, 270)]
    around.append(cameras.View(60, 30))
    flat = Image.new("RGB", picture.size, (_BACKGROUND,) * 3)
    flat.paste(picture, mask=picture.getchannel("A"))
    tiles = [np.asarray(flat.resize((tile, tile), Image.Resampling.LANCZOS))]
    small = Image.fromarray(result.colour).resize((tile, tile), Image.Resampling.LANCZOS)
    tiles.append(np.asarray(small))
    tiles += [seen(ready, result.colour, view, tile) for view in around]
    rows = [np.concatenate(tiles[start : start + 4], axis=1) for start in (0, 4)]
    sheet = Image.fromarray(np.concatenate(rows)).quantize(128, dither=Image.Dither.NONE)
    sheet.save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048, help="pixels of views and texture")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    meshes = {"bumpy ball": bumpy_sphere(100), "ring": torus()}
    rows = []
    for name, mesh in meshes.items():
        rows.append(measure(name, mesh, options.size))
        print(json.dumps(rows[-1]), flush=True)
    if options.json:
        device = processor_name()
        result = {"device": device, "python": platform.python_version(), "bakes": rows}
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")
    if options.sheet:
        draw_sheet(options.sheet)


if __name__ == "__main__":
    main()
