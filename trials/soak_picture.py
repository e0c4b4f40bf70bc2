# SPDX-License-Identifier: Apache-2.0
"""The soak as a picture: memory, descriptors and threads, blocks and files, seconds a job."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trials.soak import Sample


def draw(samples: "list[Sample]", seconds: list[float], picture: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    jobs = [one.jobs for one in samples]
    each = jobs[0]  # jobs a mixture
    panels: tuple[tuple[str, dict[str, list[float]]], ...] = (
        ("resident memory of the worker, MB", {"": [one.resident_mb for one in samples]}),
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
            {"": [sum(seconds[i : i + each]) / each for i in range(0, len(seconds), each)]},
        ),
    )
    figure, axes = plt.subplots(2, 2, figsize=(9, 5), sharex=True)
    for axis, (title, lines) in zip(axes.flat, panels, strict=True):
        for label, values in lines.items():
            axis.plot(jobs, values, label=label, linewidth=1.2)
        axis.set_title(title, fontsize=10)
        axis.set_ylim(bottom=0)
        axis.margins(y=0.15)
        axis.grid(True, linewidth=0.3)
        if len(lines) > 1:
            axis.legend(fontsize=8, frameon=False)
    figure.supxlabel("jobs", fontsize=10)
    figure.tight_layout()
    figure.savefig(picture, dpi=80)
    plt.close(figure)
    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(16, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)
