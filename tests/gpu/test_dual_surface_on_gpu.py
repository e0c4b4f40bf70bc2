# SPDX-License-Identifier: Apache-2.0
"""Dual marching cubes on a GPU give the same mesh as on the CPU, and the same one twice."""

import numpy as np
import pytest
import torch

from hy3dgen.gpu.sparse_grid import SparseGrid
from hy3dgen.shapegen.models.autoencoders.dual_surface import extract_dual_surface


@pytest.mark.gpu
@pytest.mark.parametrize("form", ["full", "sparse", "with unknown points"])
def test_the_mesh_is_that_of_the_cpu(form):
    field = torch.from_numpy(np.random.default_rng(0).standard_normal((24,) * 3)).float()
    if form == "with unknown points":
        field[8:12, 3:9, 5:20] = torch.nan

    def made(device):
        grid = field.to(device)
        if form == "sparse":
            values = grid.reshape(-1)
            grid = SparseGrid(len(field), torch.arange(len(values), device=device), values)
        vertices, faces = extract_dual_surface(grid, 0.1)
        assert vertices.device.type == device
        return vertices.cpu(), faces.cpu()

    (want, want_faces), (got, faces), (again, again_faces) = made("cpu"), made("cuda"), made("cuda")
    assert torch.equal(faces, want_faces) and torch.allclose(got, want, atol=1e-5)
    assert torch.equal(got, again) and torch.equal(faces, again_faces)
