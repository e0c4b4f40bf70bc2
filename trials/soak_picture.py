# SPDX-License-Identifier: Apache-2.0
"""The soak as a picture: memory, descriptors and threads, blocks and files, seconds a job."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trials.soak_figures import Soak


def draw(found: "Soak", picture: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    samples = found.samples
    jobs = [one.jobs for one in samples]
    each = jobs[0]  # jobs a mixture
    seconds = {"wall": found.seconds, "processor": found.cpu_seconds}
    panels: tuple[tuple[str, dict[str, list[float]]], ...] = (
        (
            "memory of the worker, MB",
            {
                "resident": [one.resident_mb for one in samples],
                "of it its own": [one.own_mb for one in samples],
            },
        ),
        (
            "descriptors and threads",
            {
                "descriptors": [one.descriptors for one in samples],
                "threads": [one.threads for one in samples],
                "client's descriptors": [one.own_descriptors for one in samples],
                "client's threads": [one.own_threads for one in samples],
            },
        ),
        (
            "left between jobs",
            {
                "shared blocks": [one.blocks for one in samples],
                "temporary files": [one.temporary_files for one in samples],
            },
        ),
        (
            "seconds a job",
            {
                name: [sum(each_job[i : i + each]) / each for i in range(0, len(each_job), each)]
                for name, each_job in seconds.items()
            },
        ),
    )
    figure, axes = plt.subplots(2, 2, figsize=(9, 5), sharex=True)
    for axis, (title, lines) in zip(axes.flat, panels, strict=True):
        for number, (label, values) in enumerate(lines.items()):
            # Equal lines lie on each other: the later one is dashed and lets the first be seen.
            axis.plot(jobs, values, label=label, linewidth=1.4, linestyle=("-", "--")[number % 2])
        axis.set_title(title, fontsize=10)
        axis.set_ylim(0, 1.4 * max(map(max, lines.values())) or 1)
        axis.grid(True, linewidth=0.3)
        if len(lines) > 1:
            axis.legend(fontsize=8, frameon=False, ncols=2, loc="upper right")
    figure.supxlabel("jobs", fontsize=10)
    figure.tight_layout()
    figure.savefig(picture, dpi=80)
    plt.close(figure)
    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)
