# SPDX-License-Identifier: Apache-2.0
"""The committed GPU figures as one picture.

    python -m benchmarks.performance_picture docs/images/performance.png

Reads `results/real-time.json` and `results/step-saving.json`.
"""

import json
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
STAGES = {
    "condition": "#1f4e9c", "denoise": "#c8102e", "decode": "#e07b00", "extract": "#2c8c4a",
    "reduce": "#777777",
}  # fmt: skip
WAYS = {
    "all steps": ("#111111", "s"), "fewer steps": ("#1f4e9c", "o"), "stop early": ("#c8102e", "^"),
    "reuse velocities": ("#e07b00", "v"), "both": ("#2c8c4a", "D"),
}  # fmt: skip


def draw(timed: dict[str, Any], saving: dict[str, Any], picture: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 3.8), gridspec_kw={"width_ratios": (1.6, 1)}
    )
    names = list(timed["rows"])
    for place, name in enumerate(reversed(names)):
        row = timed["rows"][name]
        start = 0.0
        stages = row["ours"]["stages"]
        whole, told = row["ours"]["seconds"], sum(stages.values())
        for stage, seconds in stages.items():
            # Stages are timed one by one, with waits in between; drawn as shares of the whole.
            width = seconds / told * whole / row["goal"]
            left.barh(place, width, left=start, color=STAGES[stage], height=0.6)
            start += width
        text = f"{1e3 * whole:,.0f} ms"
        if "ratio" in row:
            text += f", {row['ratio']:.{0 if row['ratio'] >= 10 else 1}f}x a plain run"
        left.text(max(start, 1) + 0.02, place, text, va="center", fontsize=8)
    left.axvline(1, color="black", lw=1.5)
    left.set_yticks(range(len(names)), list(reversed(names)), fontsize=9)
    left.set_xlim(0, 1.65)
    left.set_xlabel(f"time from picture to mesh over the goal, {timed['device']}", fontsize=9)
    stages_of = [row["ours"]["stages"] for row in timed["rows"].values()]
    used = [stage for stage in STAGES if any(stage in stages for stages in stages_of)]
    handles = [plt.Rectangle((0, 0), 1, 1, color=STAGES[stage]) for stage in used]
    left.legend(handles, used, fontsize=8, ncols=len(used), loc="lower center",
                bbox_to_anchor=(0.5, 1.0), frameon=False)  # fmt: skip

    for way, (colour, marker) in WAYS.items():
        rows = [row for row in saving["rows"] if row["way"] == way]
        rows.sort(key=lambda row: row["seconds"])
        right.plot(
            [row["seconds"] for row in rows], [row["iou_with_truth"] for row in rows],
            marker=marker, color=colour, label=way, lw=1, ms=5,
        )  # fmt: skip
    right.set_xlabel(f"seconds of denoising, small model, {saving['device']}", fontsize=9)
    right.set_ylabel(f"IoU with the true shape, {saving['shapes']} shapes", fontsize=9)
    right.grid(alpha=0.3)
    right.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(picture, dpi=90)


def main() -> None:
    timed, saving = (
        json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("real-time", "step-saving")
    )
    draw(timed, saving, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
