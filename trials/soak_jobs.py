# SPDX-License-Identifier: Apache-2.0
"""The jobs of a soak: fifty of all kinds, the same mixture each time, and what each must come to.

Knows nothing of what is measured between them.
"""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from hy3dgen.errors import Cancelled, TaskFailedError
from hy3dgen.mesh.files import FORMATS
from hy3dgen.worker.client import WorkerClient
from hy3dgen.worker.protocol import Preview, Progress

SMALL = {"num_inference_steps": 2, "octree_resolution": 24, "guidance_scale": 5.0}

Job = Callable[[WorkerClient], str]
"""Does one job and returns what became of it; raises what nobody expected."""


def jobs_of_a_cycle(picture: np.ndarray, hashes: dict[str, set[str]]) -> Iterator[tuple[str, Job]]:
    """Fifty jobs, the same mixture each time, with new seeds where the result is not compared."""
    meshes = [bumpy_sphere(rows) for rows in (12, 30, 60)]
    generate = {"seed": 1, "face_count": 500, **SMALL}
    for number in range(10):
        params = {**generate, "seed": 1 if number % 5 == 0 else None}
        key = "generate" if number % 5 == 0 else None
        yield "generate", _compared("generate", params, {"image": picture}, hashes, key)
    for number in range(15):
        vertices, faces = meshes[number % 3]
        method = ("fast", "quality", "preview")[number // 3 % 3]
        arrays = {"vertices": vertices, "faces": faces}
        params = {"face_count": len(faces) // 4, "method": method}
        yield "reduce", _compared("reduce", params, arrays, hashes, f"{method} {len(faces)}")
    for vertices, faces in meshes:
        arrays = {"vertices": vertices, "faces": faces}
        yield "clean", _compared("clean", {}, arrays, hashes, f"clean {len(faces)}")
    for ending in FORMATS:
        arrays = {"vertices": meshes[1][0], "faces": meshes[1][1]}
        yield "export", _compared("export", {"ending": ending}, arrays, hashes, f"export {ending}")
    for task, params, arrays in faulty_requests(*meshes[0], picture):
        yield "faulty", _refused(task, params, arrays)
    for _ in range(5):
        yield "cancel", _cancelled({**generate, "num_inference_steps": 50}, {"image": picture})
    for _ in range(3):
        yield "status", _compared("status", {}, {}, hashes, None)


def bumpy_sphere(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """A closed sphere with waves: (V, 3) float32 and (4 * rows * (rows - 1), 3) int32."""
    columns = 2 * rows
    polar = np.pi * np.arange(1, rows) / rows
    around = 2 * np.pi * np.arange(columns) / columns
    radius = 1 + 0.1 * np.sin(5 * polar)[:, None] * np.cos(4 * around)
    ring = np.stack(
        [
            radius * np.sin(polar)[:, None] * np.cos(around),
            radius * np.sin(polar)[:, None] * np.sin(around),
            radius * np.cos(polar)[:, None],
        ],
        -1,
    )
    vertices = np.concatenate([ring.reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]]).astype(np.float32)
    at = np.arange((rows - 1) * columns).reshape(rows - 1, columns)
    right = np.roll(at, -1, axis=1)
    north, south = len(vertices) - 2, len(vertices) - 1
    upper = np.stack([at[:-1], at[1:], right[1:]], -1).reshape(-1, 3)
    lower = np.stack([at[:-1], right[1:], right[:-1]], -1).reshape(-1, 3)
    top = np.stack([np.full(columns, north), at[0], right[0]], -1)
    bottom = np.stack([np.full(columns, south), right[-1], at[-1]], -1)
    return vertices, np.concatenate([upper, lower, top, bottom]).astype(np.int32)


def faulty_requests(
    vertices: np.ndarray, faces: np.ndarray, picture: np.ndarray
) -> list[tuple[str, dict, dict[str, np.ndarray]]]:
    """Ten requests that must be refused in a sentence."""
    holed = vertices.copy()
    holed[3] = np.nan
    wild = faces.copy()
    wild[5, 1] = len(vertices)
    nothing = np.zeros((64, 64, 4), np.uint8)
    mesh = {"vertices": vertices, "faces": faces}
    return [
        ("reduce", {"face_count": 100}, {**mesh, "vertices": holed}),
        ("reduce", {"face_count": 100}, {**mesh, "faces": wild}),
        ("reduce", {"face_count": 100}, {**mesh, "faces": faces[:0]}),
        ("reduce", {"face_count": 0}, mesh),
        ("reduce", {"face_count": 100, "method": "magic"}, mesh),
        ("reduce", {"face_count": 100}, {"vertices": vertices}),
        ("generate", SMALL, {"image": nothing}),
        ("generate", {**SMALL, "model": "/nowhere/at/all"}, {"image": picture}),
        ("generate", {**SMALL, "octree_resolution": 10**9}, {"image": picture}),
        ("generate", {**SMALL, "picture": "/nowhere.png"}, {}),
    ]


def _compared(
    task: str,
    params: dict,
    arrays: dict[str, np.ndarray],
    hashes: dict[str, set[str]],
    key: str | None,
) -> Job:
    def job(worker: WorkerClient) -> str:
        result = worker.run(task, params, arrays)
        if key is not None:
            digest = hashlib.sha256()
            for name in sorted(result.arrays):
                digest.update(result.arrays[name].tobytes())
            hashes.setdefault(key, set()).add(digest.hexdigest()[:16])
        return "done"

    return job


def _refused(task: str, params: dict, arrays: dict[str, np.ndarray]) -> Job:
    def job(worker: WorkerClient) -> str:
        try:
            worker.run(task, params, arrays)
        except TaskFailedError as error:
            if len(str(error)) < 20 or "Traceback" in str(error):
                raise AssertionError(f"no sentence: {error}") from error
            return "refused"
        raise AssertionError(f"{task} {params} was not refused")

    return job


def _cancelled(params: dict, arrays: dict[str, np.ndarray]) -> Job:
    class StopError(Exception):
        pass

    def stop(event: Progress | Preview) -> None:
        if isinstance(event, Progress) and event.step > 0:
            raise StopError

    def job(worker: WorkerClient) -> str:
        try:
            worker.run("generate", params, arrays, on_event=stop)
        except (StopError, Cancelled):
            return "cancelled"
        raise AssertionError("it went on although it was cancelled")

    return job


def read_picture() -> np.ndarray:
    """A drawn object with alpha, (128, 128, 4) uint8: a disk with a bar."""
    row, column = np.mgrid[0:128, 0:128] - 64.0
    inside = (np.hypot(row, column) < 40) | ((abs(row) < 12) & (abs(column) < 56))
    picture = np.zeros((128, 128, 4), np.uint8)
    picture[inside] = (200, 90, 40, 255)
    return picture
