# SPDX-License-Identifier: Apache-2.0
"""UVs for a mesh that is to be painted: its own, or new ones found within a time."""

import logging
from collections.abc import Callable

import numpy as np

from ..errors import InvalidSettingError
from ..mesh import TriangleMesh
from ..mesh.uv_map import UVMap, from_corners
from ..worker.unwrap import unwrap
from .stage_cache import StageCache, digest
from .uv_overlap import NOTICED, overlapping_share, sentence

logger = logging.getLogger(__name__)


def charts_of(
    mesh: TriangleMesh,
    own_uvs: np.ndarray | None,
    method: str,
    seconds: float,
    cache: StageCache,
    check: Callable[[], None],
) -> UVMap:
    """Charts by `method`: "auto", "xatlas", "box", or "keep" for `own_uvs`, one for each vertex.

    `check` is called now and then; what it raises ends the work.
    """
    if method != "keep":
        return cache.get(
            digest("unwrap", method, mesh.vertices, mesh.faces),
            lambda: unwrap(mesh, method, seconds, lambda fraction: check())[0],
            lambda found: found.uvs.nbytes + found.faces.nbytes + found.vertices.nbytes,
        )
    if own_uvs is None:
        raise InvalidSettingError('the mesh has no UVs to keep; choose unwrap_method="auto"')
    uvs = np.asarray(own_uvs, np.float32)
    from_corners(np.asarray(own_uvs)[mesh.faces.ravel()], mesh.faces)  # raises if they don't do
    share = overlapping_share(np.clip(own_uvs, 0, 1), mesh.faces)
    if share > NOTICED:
        logger.warning(sentence(share))
    return UVMap(uvs, mesh.faces, np.arange(len(mesh.vertices), dtype=np.int32))
