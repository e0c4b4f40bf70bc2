# SPDX-License-Identifier: Apache-2.0
"""What a reduction does to UV maps and weights: ours beside pymeshlab's, error, looks and time.

    python -m benchmarks.attributes                 200,000 faces to a tenth: some three minutes
    python -m benchmarks.attributes --faces 20000   a quick look, nothing stored
    python -m benchmarks.attributes --picture       the picture alone, from 20,000 faces

On a bumpy ball every direction has one place, so the truth is known: a point of the reduced surface
has a UV, that UV has a place on the original, and the two directions should be one. Errors are the
distances between them, in 1e-3 of the radius; for weights, in 1e-3 of their range. At corners it is
the transfer's error alone; elsewhere values run straight, so it also counts how well the faces fit
the values. Each engine runs in a process of its own; times are the least of some repetitions.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from benchmarks.attributes_engines import BARE, PEER, UV_ENGINES, WEIGHT_ENGINES, run
from benchmarks.machine import processor_name
from benchmarks.textured_render import pixels_in_triangles, psnr, render, textured
from benchmarks.textured_shapes import atlas_uv, baked, bumpy_sphere, cut_into_charts, globe_uv
from hy3dgen.mesh import TriangleMesh

RESULTS = Path(__file__).resolve().parent / "results" / "attributes.json"
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "attributes.png"
SAMPLES = 200_000
TEXTURE = 2048  # texels along a side
TURNS = (0.3, 3.2)  # radians, from where pictures are taken
CHARTS = 100
MEASURES = ("cpu_seconds", "at_corners", "mean", "p99.9")
Places = tuple[np.ndarray, np.ndarray]  # on a mesh: faces (N,) and weights (N, 3)


class PlacesOfUVs:
    """Which place of a mesh a UV belongs to; beside the charts, the nearest chart goes on."""

    def __init__(self, mesh: TriangleMesh, uv: np.ndarray) -> None:
        self.mesh = mesh
        self.corners = uv.reshape(-1, 3, 2).astype(np.float64)
        face, x, y, _ = pixels_in_triangles(
            self.corners * TEXTURE - 0.5, 2 * TEXTURE, TEXTURE, slack=0.02
        )
        self.faces = np.full((TEXTURE, 2 * TEXTURE), -1, np.int64)
        self.faces[y, x] = face
        beside = distance_transform_edt(self.faces < 0, return_distances=False, return_indices=True)
        self.faces = self.faces[tuple(beside)]

    def __call__(self, uv: np.ndarray) -> np.ndarray:
        """(N, 3) for (N, 2)."""
        x, y = np.floor(uv * TEXTURE).astype(np.int64).T
        face = self.faces[y.clip(0, TEXTURE - 1), x.clip(0, 2 * TEXTURE - 1)]
        a, b, c = np.moveaxis(self.corners[face], 1, 0)
        across = np.stack([b - a, c - a], axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            area = across[:, 0, 0] * across[:, 1, 1] - across[:, 0, 1] * across[:, 1, 0]
            d = uv - a
            second = (d[:, 0] * across[:, 1, 1] - d[:, 1] * across[:, 0, 1]) / area
            third = (across[:, 0, 0] * d[:, 1] - across[:, 1, 0] * d[:, 0]) / area
        weights = np.stack([1 - second - third, second, third], axis=1)
        weights[~np.isfinite(weights).all(axis=1)] = 1 / 3  # a face without area in the map
        return np.einsum("ni,nij->nj", weights, self.mesh.vertices[self.mesh.faces[face]])


def corners(mesh: TriangleMesh) -> Places:
    """Faces (3F,) and weights (3F, 3) of all corners."""
    return np.repeat(np.arange(len(mesh.faces)), 3), np.tile(np.eye(3), (len(mesh.faces), 1))


def sample(mesh: TriangleMesh) -> Places:
    """Faces (N,) and weights (N, 3) of random points, evenly over the surface."""
    rng = np.random.default_rng(0)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    areas = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    face = rng.choice(len(areas), SAMPLES, p=areas / areas.sum())
    first, second = np.sqrt(rng.random(SAMPLES)), rng.random(SAMPLES)
    return face, np.stack([1 - first, first * (1 - second), first * second], axis=1)


def directions(points: np.ndarray) -> np.ndarray:
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)


def uv_errors(places: PlacesOfUVs, mesh: TriangleMesh, uv: np.ndarray, where: Places) -> np.ndarray:
    """(N,) in 1e-3 of the radius."""
    face, weights = where
    at = np.einsum("ni,nij->nj", weights, mesh.vertices[mesh.faces[face]])
    told = np.einsum("ni,nij->nj", weights, uv.reshape(-1, 3, 2)[face].astype(np.float64))
    return 1e3 * np.linalg.norm(directions(places(told)) - directions(at), axis=1)


def weight_at(points: np.ndarray) -> np.ndarray:
    """(N,) in [0, 1]: how much a place belongs to one of two bones."""
    x, y, z = directions(points.astype(np.float64)).T
    return (0.5 + 0.5 * np.tanh(4 * (x + 0.3 * np.sin(4 * y) + 0.2 * z))).astype(np.float32)


def weight_errors(mesh: TriangleMesh, weights: np.ndarray, where: Places) -> np.ndarray:
    """(N,) in 1e-3."""
    face, shares = where
    at = np.einsum("ni,nij->nj", shares, mesh.vertices[mesh.faces[face]])
    told = np.einsum("ni,ni->n", shares, weights[mesh.faces[face]].astype(np.float64))
    return 1e3 * np.abs(told - weight_at(at))


def crossing_faces(places: PlacesOfUVs, charts: np.ndarray, uv: np.ndarray) -> int:
    """Faces whose corners, moved a little inwards, lie in several charts."""
    corners = uv.reshape(-1, 3, 2).astype(np.float64)
    inwards = 0.9 * corners + 0.1 * corners.mean(axis=1, keepdims=True)
    x, y = np.floor(inwards * TEXTURE).astype(np.int64).reshape(-1, 2).T
    face = places.faces[y.clip(0, TEXTURE - 1), x.clip(0, 2 * TEXTURE - 1)]
    chart = charts[face].reshape(-1, 3)
    return int((chart != chart[:, :1]).any(axis=1).sum())


def summary(mesh: TriangleMesh, errors: Callable[[Places], np.ndarray]) -> dict[str, float]:
    """Of the transfer alone, at the corners, and of what is seen, all over the faces."""
    everywhere = errors(sample(mesh))
    return {
        "at_corners": float(errors(corners(mesh)).mean()),
        "mean": float(everywhere.mean()),
        "p99.9": float(np.quantile(everywhere, 0.999)),
    }


def with_ratios(rows: dict[str, dict]) -> dict[str, dict]:
    """Each row's numbers over the peer's, under `ratio`."""
    for row in rows.values():
        row["ratio"] = {
            key: row[key] / rows[PEER][key] for key in MEASURES if key in row and rows[PEER][key]
        }
    return rows


def compare_uvs(name: str, mesh: TriangleMesh, repeat: int) -> dict[str, dict]:
    charts = cut_into_charts(mesh, CHARTS) if name == "atlas" else np.zeros(len(mesh.faces), int)
    uv = atlas_uv(mesh, charts) if name == "atlas" else globe_uv(mesh)
    places, texture = PlacesOfUVs(mesh, uv), baked(mesh, uv, 1024)
    before = [render(mesh, textured(texture, uv), turn) for turn in TURNS]
    rows: dict[str, dict] = {}
    for engine in UV_ENGINES:
        reduced, kept, times = run(engine, mesh, uv, len(mesh.faces) // 10, repeat)
        rows[engine] = {"faces": len(reduced.faces), **times}
        if engine.startswith(BARE):
            continue
        after = [render(reduced, textured(texture, kept), turn) for turn in TURNS]
        rows[engine] |= summary(reduced, partial(uv_errors, places, reduced, kept))
        rows[engine]["psnr"] = min(psnr(*pair) for pair in zip(before, after, strict=True))
        if name == "atlas":
            rows[engine]["crossing_faces"] = crossing_faces(places, charts, kept)
    return with_ratios(rows)


def compare_weights(mesh: TriangleMesh, repeat: int) -> dict[str, dict]:
    weights = weight_at(mesh.vertices)
    rows: dict[str, dict] = {}
    for engine in WEIGHT_ENGINES:
        reduced, kept, times = run(engine, mesh, weights, len(mesh.faces) // 10, repeat)
        errors = summary(reduced, partial(weight_errors, reduced, kept))
        rows[engine] = {"faces": len(reduced.faces), **times, **errors}
    return with_ratios(rows)


def table(results: dict[str, dict[str, dict]]) -> str:
    """Markdown; ratios are to pymeshlab in the same run."""
    lines = [
        "| carried | engine | CPU seconds | error at corners | mean error | p99.9 error "
        "| PSNR, dB | faces over seams |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for carried, rows in results.items():
        for engine, row in rows.items():
            if engine.startswith(BARE):
                continue
            cells = [f"{row[key]:.2f} ({row['ratio'][key]:.2f}x)" for key in MEASURES]
            looks = f"{row['psnr']:.1f}" if "psnr" in row else ""
            crossing = str(row.get("crossing_faces", ""))
            lines.append(f"| {carried} | {engine} | {' | '.join(cells)} | {looks} | {crossing} |")
    for carried, rows in results.items():
        for method in ("fast", "quality"):
            if BARE + method in rows:
                cost = rows[method]["cpu_seconds"] / rows[BARE + method]["cpu_seconds"]
                lines.append(
                    f"{carried}, {method}: {cost:.2f} times the bare reduction's CPU seconds"
                )
    return "\n".join(lines)


def draw(picture: Path) -> None:
    """Original, ours and pymeshlab's with a checked texture, lit."""
    from PIL import Image, ImageDraw

    mesh = bumpy_sphere(70)
    uv = globe_uv(mesh)
    rows, columns = np.indices((1024, 1024)) // 32
    check = np.where((rows + columns)[..., None] % 2, [0.95, 0.9, 0.8], [0.15, 0.3, 0.5])
    panels = [("original", mesh, uv)]
    for engine, label in (("quality", "ours"), (PEER, "pymeshlab")):
        reduced, kept, _ = run(engine, mesh, uv, len(mesh.faces) // 10, 1)
        panels.append((f"{label}, a tenth", reduced, kept))
    drawn = []
    for label, one, values in panels:
        normals = one.vertex_normals[one.faces].reshape(-1, 3)
        # Seen where the map's two sides meet.
        pixels = render(one, textured(check, values), np.pi / 2 + 0.4, 512, normals)
        panel = Image.fromarray(np.uint8(255 * np.clip(pixels, 0, 1))).resize((256, 256))
        text = f"{label}: {len(one.faces):,} faces"
        ImageDraw.Draw(panel).text((6, 242), text, fill=(0, 0, 0))
        drawn.append(np.asarray(panel))
    image = Image.fromarray(np.concatenate(drawn, axis=1))
    image.quantize(32, dither=Image.Dither.NONE).save(picture, optimize=True)


def rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--faces", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--picture", action="store_true", help="draw the picture and nothing else")
    options = parser.parse_args()
    if options.picture:
        draw(PICTURE)
        return
    mesh = bumpy_sphere(round(np.sqrt(options.faces / 4)))
    results = {
        "UV map of one chart": compare_uvs("globe", mesh, options.repeat),
        f"UV map of {CHARTS} charts": compare_uvs("atlas", mesh, options.repeat),
        "weight": compare_weights(mesh, options.repeat),
    }
    print(table(results))
    if options.faces == parser.get_default("faces"):
        report = {"machine": processor_name(), "faces": len(mesh.faces), "results": results}
        RESULTS.write_text(json.dumps(rounded(report), indent=1) + "\n")


if __name__ == "__main__":
    main()
