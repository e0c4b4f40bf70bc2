# SPDX-License-Identifier: Apache-2.0
"""The face reduction benchmark as a picture: time against mean error, log-log, a panel a mesh."""

from pathlib import Path

# engine -> (colour, marker); ours are red
LOOKS = {
    "fast, 1 thread": ("#c8102e", "o"),
    "quality, 2 threads": ("#c8102e", "*"),
    "preview, 1 thread": ("#c8102e", "v"),
    "pymeshlab": ("#1f4e9c", "s"),
    "VTK": ("#2c8c4a", "D"),
    "Blender Decimate": ("#e07b00", "P"),
    "open3d": ("#6a3d9a", "h"),
    "fast_simplification": ("#777777", "<"),
    "fast_simplification at 1000 units": ("#777777", ">"),
    "meshoptimizer": ("#111111", "X"),
}


def draw(rows: list[dict], picture: Path) -> None:
    """CPU seconds, as the machine may have been busy."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter

    meshes = list(dict.fromkeys((row["shape"], row["from"]) for row in rows))
    panels = len(meshes) + 1  # and the legend's
    width = min(4, panels)
    height = -(-panels // width)
    figure, axes = plt.subplots(height, width, figsize=(3.4 * width, 2.9 * height), squeeze=False)
    handles: dict[str, object] = {}
    for axis, (shape, count) in zip(axes.flat, meshes, strict=False):
        axis.set(xscale="log", yscale="log")
        axis.set_title(f"{shape}, {count:,} faces", fontsize=10)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_locator(LogLocator(subs=(1, 2, 5)))
            side.set_major_formatter("{x:g}")
            side.set_minor_formatter(NullFormatter())
        axis.tick_params(labelsize=8)
        axis.grid(True, linewidth=0.3)
        axis.margins(0.1)
        for row in rows:
            look = LOOKS.get(row["engine"])
            if (row["shape"], row["from"]) != (shape, count) or look is None:
                continue
            handles[row["engine"]] = axis.scatter(
                row["cpu_seconds"], row["mean"], c=look[0], marker=look[1], s=60, zorder=3
            )
    for axis in axes.flat[len(meshes) :]:
        axis.axis("off")
    named = {name: handles[name] for name in LOOKS if name in handles}
    ours = ("fast,", "quality,", "preview,")
    labels = [("ours, " if name.startswith(ours) else "") + name for name in named]
    axes.flat[len(meshes)].legend(named.values(), labels, loc="center", fontsize=9, frameon=False)
    figure.supxlabel("CPU seconds", fontsize=10)
    figure.supylabel("mean error, 1e-4 of the diagonal", fontsize=10)
    figure.tight_layout()
    figure.savefig(picture, dpi=80)
    plt.close(figure)
    quantise(picture)


def quantise(picture: Path) -> None:
    """Few colours, few bytes."""
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(32, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)
