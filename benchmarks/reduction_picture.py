# SPDX-License-Identifier: Apache-2.0
"""The face reduction benchmark as a picture: time against mean error, log-log, a panel a mesh."""

from pathlib import Path

INK = "#333333"
OWN, PEERS = "#c8102e", "#7a7a7a"


def draw(rows: list[dict], picture: Path) -> None:
    """Wall time; an engine's one-thread run stands for it, where there is one."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    meshes = list(dict.fromkeys((row["shape"], row["from"]) for row in rows))
    width = min(4, len(meshes))
    height = -(-len(meshes) // width)
    figure, axes = plt.subplots(height, width, figsize=(4 * width, 3.2 * height), squeeze=False)
    for axis, (shape, count) in zip(axes.flat, meshes, strict=False):
        axis.set(xscale="log", yscale="log")
        axis.set_title(f"{shape}, {count:,} faces", fontsize=9, color=INK)
        axis.tick_params(labelsize=7, which="both")
        axis.grid(True, which="both", linewidth=0.3, alpha=0.5)
        axis.margins(0.22, 0.15)
        own = {}
        for row in rows:
            if (row["shape"], row["from"]) != (shape, count):
                continue
            method, _, threads = row["engine"].partition(", ")
            if threads:
                own.setdefault(method, []).append(row)
                continue
            _mark(axis, row, _short(row["engine"]), PEERS)
        for method, runs in own.items():  # the run with two threads, if there is one
            _mark(axis, min(runs, key=lambda row: row["seconds"]), method, OWN)
    for axis in axes.flat[len(meshes) :]:
        axis.remove()
    for axis in axes[-1]:
        axis.set_xlabel("wall seconds", fontsize=8)
    for axis in axes[:, 0]:
        axis.set_ylabel("mean error, 1e-4 of diagonal", fontsize=8)
    figure.suptitle(
        "Ours (red) beside the others; further to the lower left is better", fontsize=10
    )
    figure.tight_layout()
    figure.savefig(picture, dpi=75)
    _quantise(picture)


def _mark(axis, row: dict, name: str, colour: str) -> None:
    at = (row["seconds"], row["mean"])
    axis.scatter(*at, c=colour, s=18, zorder=3)
    axis.annotate(name, at, (4, 3), textcoords="offset points", fontsize=7, color=colour)


def _short(engine: str) -> str:
    return engine.replace("fast_simplification", "fast-simpl.").replace(" at 1000 units", " ×1000")


def _quantise(picture: Path) -> None:
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(32, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)
