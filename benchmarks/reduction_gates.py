# SPDX-License-Identifier: Apache-2.0
"""What the face reduction is to reach beside pymeshlab's defaults, and whether it does.

A row is a dict as benchmarks/reduction.py stores it; its errors and times are divided by those of
pymeshlab's row of the same run.
"""

from dataclasses import dataclass

# Ratios to pymeshlab: time, mean error, p99.9.
TIME = {
    "fast, 1 thread": 0.10,
    "fast, 2 threads": 0.06,
    "quality, 2 threads": 0.35,
    "preview, 2 threads": 0.03,
}
MEAN = {"fast": 0.95, "quality": 0.75, "preview": 1.6}
MEAN_HARD = MEAN | {"quality": 0.65}
TAIL = {"fast": 1.0, "quality": 0.85, "preview": 2.0}


# The engine's name in a row that tells how far the mesh without its noise is from the mesh.
WITHOUT_NOISE = "the shape without its noise"


@dataclass(frozen=True)
class Gate:
    """One figure beside its limit."""

    shape: str
    faces: int
    engine: str
    what: str
    value: float
    limit: float

    @property
    def met(self) -> bool:
        return self.value <= self.limit


def time_ratio(row: dict, peer: dict) -> float:
    """To pymeshlab's CPU seconds: it has one thread, so they are its time on an idle machine."""
    own = row["cpu_seconds"] if row["engine"].endswith("1 thread") else row["seconds"]
    return own / min(peer["cpu_seconds"], peer["seconds"])


def gates_of(row: dict, peer: dict) -> list[Gate]:
    """The gates of one of our rows."""
    engine, shape = row["engine"], row["shape"]
    method = engine.partition(",")[0]
    mean = MEAN_HARD if shape.startswith("hard") else MEAN
    found: list[tuple[str, float, float]] = []
    if engine in TIME:
        found.append(("time", time_ratio(row, peer), TIME[engine]))
    found += [
        ("mean", row["mean"] / peer["mean"], mean[method]),
        ("p99.9", row["p99.9"] / peer["p99.9"], TAIL[method]),
        ("non-manifold edges", row["non_manifold_edges"], row["non_manifold_edges_before"]),
    ]
    if method != "preview":
        found += [
            ("faces off target", abs(row["faces"] - row["target"]), 1),
            ("flipped faces", row["flipped_faces"], 0),
            ("parts lost", row["parts_before"] - row["parts"], 0),
        ]
        if row["border_loops_before"]:
            found += [
                ("border loops lost", row["border_loops_before"] - row["border_loops"], 0),
                ("distance of borders", row["border_distance"], peer["border_distance"]),
            ]
    return [Gate(shape, row["from"], engine, *entry) for entry in found]


def judge(rows: list[dict]) -> list[Gate]:
    """The gates of all of our rows."""
    peers = {(row["shape"], row["from"]): row for row in rows if row["engine"] == "pymeshlab"}
    gates: list[Gate] = []
    for row in rows:
        peer = peers.get((row["shape"], row["from"]))
        if peer and row["engine"].partition(",")[0] in MEAN:
            gates += gates_of(row, peer)
    return gates


def table(rows: list[dict]) -> str:
    """Markdown, a line a mesh: time / mean / p99.9 of each engine of ours; bold: not reached.

    The last column has mean / p99.9 of the same mesh without its noise.
    """
    engines = [name for name in dict.fromkeys(row["engine"] for row in rows) if name in TIME]
    heads = ["mesh", "faces", *engines, "without noise"]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    errors_of = {(row["shape"], row["from"], row["engine"]): row for row in rows}
    gates = judge(rows)
    for shape, count in dict.fromkeys((gate.shape, gate.faces) for gate in gates):
        cells = []
        for engine in engines:
            own = [g for g in gates if (g.shape, g.faces, g.engine) == (shape, count, engine)]
            ratios = [g for g in own if g.what in ("time", "mean", "p99.9")]
            text = [f"{g.value:.3f}" if g.met else f"**{g.value:.3f}**" for g in ratios]
            cells.append(" / ".join(text))
        clean, peer = (errors_of.get((shape, count, e)) for e in (WITHOUT_NOISE, "pymeshlab"))
        cells.append(
            " / ".join(f"{clean[key] / peer[key]:.3f}" for key in ("mean", "p99.9"))
            if clean
            else ""
        )
        lines.append(f"| {shape} | {count:,} | " + " | ".join(cells) + " |")
    others = [g for g in gates if g.what not in ("time", "mean", "p99.9")]
    missed = [g for g in others if not g.met]
    lines += ["", f"Counts: {len(others) - len(missed)} of {len(others)} met."]
    for gate in missed:
        lines.append(
            f"- {gate.shape}, {gate.faces:,}, {gate.engine}: {gate.what} {gate.value:g}, "
            f"wanted {gate.limit:g}"
        )
    errors = [g for g in gates if g.what in ("time", "mean", "p99.9")]
    lines.append(f"Ratios: {sum(g.met for g in errors)} of {len(errors)} met.")
    return "\n".join(lines)
