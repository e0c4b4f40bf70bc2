# SPDX-License-Identifier: Apache-2.0
"""Each compiled kernel gives what the plain functions give; the largest difference is printed."""

import hashlib

import pytest
import torch

from hy3dgen.gpu import fused_reduce, mesh_kernels, reduce
from hy3dgen.gpu import refit as plain_refit
from hy3dgen.gpu.collapse import Surface
from hy3dgen.gpu.nvrtc import Compiler, CudaKernels, KernelsUnavailableError
from hy3dgen.gpu.quadrics import LENGTH_COST, MAX_REACH, RIDGE, price_edges
from hy3dgen.mesh import TriangleMesh
from tests.mesh.known_meshes import sphere

devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


@pytest.fixture
def kernels(request, device):
    if device == "cpu":
        return request.getfixturevalue("host_kernels")
    return mesh_kernels.mesh_kernels(torch.device("cuda"))


def open_ball(device: str) -> Surface:
    """With a border, and bumps."""
    ball = sphere(17)
    middles = ball.vertices[ball.faces].mean(axis=1)
    mesh = TriangleMesh(ball.vertices, ball.faces[middles[:, 2] < 0.6])
    places = torch.from_numpy(mesh.vertices)
    places = places * (1 + 0.05 * torch.sin(20 * places[:, :1]))
    return reduce._first_surface(places.to(device), torch.from_numpy(mesh.faces).to(device).long())


def difference(what: str, got: torch.Tensor, want: torch.Tensor) -> float:
    largest = float((got.double() - want.double()).abs().max())
    scale = float(want.double().abs().max())
    print(f"{what}: largest difference {largest:.2e} of {scale:.2e}")
    return largest / scale


@devices
def test_lists_of_corners(kernels, device):
    surface = open_ball(device)
    around = fused_reduce.corners_around(kernels, surface.faces.int(), len(surface.positions))
    assert torch.equal(around.corners, surface.corners.int())
    assert torch.equal(around.starts, surface.starts.int())
    assert torch.equal(around.valences, surface.valences.int())


@devices
def test_first_kinds_and_quadrics(kernels, device):
    surface = open_ball(device)
    faces = surface.faces.int()
    around = fused_reduce.corners_around(kernels, faces, len(surface.positions))
    kinds, quadrics = fused_reduce.first_quadrics(
        kernels, surface.positions, faces, around, reduce._BORDER_WEIGHT
    )
    assert torch.equal(kinds, surface.kinds) and (kinds == 1).sum() > 10
    assert difference("quadrics", quadrics, surface.quadrics) < 1e-5


@devices
def test_prices(kernels, device):
    surface = open_ball(device)
    faces = surface.faces.int()
    around = fused_reduce.corners_around(kernels, faces, len(surface.positions))
    costs = torch.empty(faces.numel(), device=device)
    histogram = torch.zeros(fused_reduce.BINS, dtype=torch.int32, device=device)
    kernels.launch(
        "price", len(costs), len(costs), faces, *around, surface.positions, surface.quadrics,
        surface.kinds, RIDGE, LENGTH_COST, MAX_REACH, costs, histogram,
    )  # fmt: skip
    priced = torch.isfinite(costs)
    u, v = surface.faces.reshape(-1)[priced], surface.faces.roll(-1, 1).reshape(-1)[priced]
    want, _at = price_edges(surface.positions, surface.quadrics, surface.kinds, u, v)
    assert priced.sum() == len(reduce._edges(surface)[0]) == histogram.sum()
    assert difference("prices", costs[priced], want) < 1e-4


@devices
def test_closest_faces(kernels, device):
    surface = open_ball(device)
    faces = surface.faces.int()
    around = fused_reduce.corners_around(kernels, faces, len(surface.positions))
    middles, normals, _areas, home = plain_refit.take_samples(
        surface.positions, surface.faces, 2000
    )
    samples = middles + 0.02 * torch.randn_like(middles)
    face, shares = plain_refit.closest_faces(surface, samples, normals, home)
    normal = torch.empty(len(faces), 3, device=device)
    kernels.launch("face_normals", len(faces), len(faces), faces, surface.positions, normal)
    got = torch.empty(len(samples), dtype=torch.int32, device=device)
    got_shares = torch.empty_like(samples)
    kernels.launch(
        "closest_face", len(samples), len(samples), samples, normals, home.int(), faces, *around,
        surface.positions, normal, plain_refit.HOPS, plain_refit.MIN_AGREEMENT, got, got_shares,
    )  # fmt: skip
    # Where two faces are as near, either may be named; the point is the same.
    there = face >= 0
    assert torch.equal(got >= 0, there) and there.sum() > 1000

    def points(faces_: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        corners = surface.positions[surface.faces[faces_[there].long()]]
        return (corners * weights[there][..., None]).sum(dim=1)

    assert difference("closest points", points(got, got_shares), points(face, shares)) < 1e-4


@devices
def test_moves_of_the_refit(kernels, device):
    surface = open_ball(device)
    middles, normals, areas, home = plain_refit.take_samples(surface.positions, surface.faces, 4000)
    samples = middles + 0.01 * normals
    want = plain_refit.refit(surface, samples, normals, areas, home).positions
    got = fused_reduce.refit(
        kernels, surface.positions, surface.kinds, surface.faces.int(), samples, normals, areas,
        home.int(),
    )  # fmt: skip
    assert difference("moved vertices", want, surface.positions) > 5e-3
    assert difference("refit", got, want) < 1e-3


def test_without_a_gpu_there_are_none():
    assert mesh_kernels.mesh_kernels(torch.device("cpu")) is None


@pytest.mark.gpu
def test_what_does_not_compile_is_told(tmp_path, monkeypatch):
    (tmp_path / "broken.cu").write_text('extern "C" __global__ void broken( {')
    (tmp_path / "vectors.cuh").write_text("")
    monkeypatch.setattr("hy3dgen.gpu.nvrtc.SOURCES", tmp_path)
    with pytest.raises(KernelsUnavailableError, match="could not compile broken"):
        CudaKernels(["broken"], torch.device("cuda"))


@pytest.mark.gpu
def test_compiled_kernels_are_kept_for_the_next_process(tmp_path, monkeypatch):
    monkeypatch.setenv("HY3DGEN_DATA", str(tmp_path / "data"))
    device, compiled = torch.device("cuda", 0), []
    compile_now = Compiler.compiled
    monkeypatch.setattr(Compiler, "compiled", lambda self: compiled.append(0) or compile_now(self))

    def corners() -> torch.Tensor:
        faces = torch.tensor([[0, 1, 2]], dtype=torch.int32, device=device)
        return fused_reduce.corners_around(CudaKernels(["corners"], device), faces, 3).valences

    for _ in range(2):
        assert corners().tolist() == [1, 1, 1]
    assert len(compiled) == 1
    (entry,) = (tmp_path / "data" / "compiled").glob("*.cubin")
    code = b"no code of any GPU"
    entry.write_bytes(hashlib.sha256(code).digest() + code)
    assert corners().tolist() == [1, 1, 1]
    assert len(compiled) == 2, "what the driver refuses is compiled again"
