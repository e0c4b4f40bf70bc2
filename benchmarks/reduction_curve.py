# SPDX-License-Identifier: Apache-2.0
"""Time and peak memory of the fast reduction from 40,000 to 8 million faces.

    python -m benchmarks.reduction_curve                  some minutes, 4 GB for the largest mesh
    python -m benchmarks.reduction_curve --picture        the picture from the stored results

Each size is reduced to 40,000 faces (the smallest to half), on one thread and on two, in a process
of its own. Peak memory is what the process had beyond the mesh before it began.
"""

import argparse
import json
from pathlib import Path

from benchmarks.machine import processor_name
from benchmarks.reduction import store
from benchmarks.reduction_engines import run
from benchmarks.reduction_picture import quantise
from benchmarks.reduction_shapes import SHAPES, extract

RESULTS = Path(__file__).resolve().parent / "results" / "reduction-curve.json"
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "reduction-curve.png"
SIZES = [40_000, 80_000, 200_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000]
LOOKS = {"fast, 1 thread": ("#c8102e", "o"), "fast, 2 threads": ("#1f4e9c", "s")}
MOST_BYTES = 150  # a face, at the most


def measure(shape: str, size: int, target: int, repeat: int) -> list[dict]:
    """A row for each engine of LOOKS; prints them."""
    mesh = extract(shape, size)
    count = len(mesh.faces)
    rows = []
    for engine in LOOKS:
        outcome = run(engine, mesh, min(target, count // 2), repeat)
        if isinstance(outcome, str):
            raise SystemExit(f"{engine}, {count:,} faces: {outcome}")
        result, report = outcome
        report.pop("sha256")
        row = {"shape": shape, "engine": engine, "from": count, "faces": len(result.faces)}
        rows.append(row | report)
        print(
            f"{count:10,} {engine:16} {report['cpu_seconds']:8.3f} s CPU "
            f"{report['seconds']:8.3f} s wall {1e6 * report['cpu_seconds'] / count:6.2f} us a face "
            f"{report['peak_bytes_per_face']} bytes a face",
            flush=True,
        )
    return rows


def draw(rows: list[dict], picture: Path) -> None:
    """Seconds and bytes over the number of faces."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (time, memory) = plt.subplots(1, 2, figsize=(7.2, 2.9))
    for engine, (colour, marker) in LOOKS.items():
        own = [row for row in rows if row["engine"] == engine]
        faces = [row["from"] for row in own]
        time.plot(faces, [row["cpu_seconds"] for row in own], color=colour, marker=marker, ms=4,
                  lw=1.2, label=engine)  # fmt: skip
        memory.plot(faces, [row["peak_bytes_per_face"] for row in own], color=colour, marker=marker,
                    ms=4, lw=1.2, label=engine)  # fmt: skip
    last = max(rows, key=lambda row: row["from"])
    ends = [min(row["from"] for row in rows), last["from"]]
    per_face = last["cpu_seconds"] / last["from"]
    time.plot(ends, [per_face * end for end in ends], color="#999999", lw=0.8, ls="--",
              label="in proportion", zorder=0)  # fmt: skip
    memory.axhline(MOST_BYTES, color="#999999", lw=0.8, ls="--", label="the limit", zorder=0)
    time.set(xscale="log", yscale="log", xlabel="faces", ylabel="CPU seconds")
    memory.set(xscale="log", ylim=(0, 1.15 * MOST_BYTES), xlabel="faces",
               ylabel="peak bytes a face")  # fmt: skip
    for axis in (time, memory):
        axis.grid(True, linewidth=0.3)
        axis.tick_params(labelsize=8)
        axis.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(picture, dpi=90)
    plt.close(figure)
    quantise(picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", default="organic", choices=list(SHAPES))
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--target", type=int, default=40_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--picture", action="store_true", help="draw --json, no more")
    options = parser.parse_args()
    if not options.picture:
        report: dict = {"cpu": processor_name(), "rows": []}
        for size in options.sizes:
            report["rows"] += measure(options.shape, size, options.target, options.repeat)
            store(report, options.json)
    draw(json.loads(options.json.read_text())["rows"], PICTURE)


if __name__ == "__main__":
    main()
