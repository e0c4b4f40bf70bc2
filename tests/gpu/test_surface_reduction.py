# SPDX-License-Identifier: Apache-2.0
"""Statements about the geometry that parallel reduction gives, on every device at hand."""

import numpy as np
import pytest
import torch

from hy3dgen.errors import Cancelled, InvalidSettingError
from hy3dgen.gpu import reduce
from hy3dgen.gpu.collapse import FIXED, USUAL, Surface, judge, nearest_rank
from hy3dgen.gpu.quadrics import moved as moved_quadrics
from hy3dgen.gpu.quadrics import plane_quadrics
from hy3dgen.gpu.reduce import reduce_faces, reduce_surface
from hy3dgen.mesh import TriangleMesh
from hy3dgen.mesh import reduce_faces as reduce_on_processor
from tests.mesh.known_meshes import cube, euler_number, grid, joined, moved, sphere, torus

# "kernels": those for CUDA, compiled for the processor.
devices = pytest.mark.parametrize(
    "device", ["cpu", "kernels", pytest.param("cuda", marks=pytest.mark.gpu)]
)


@pytest.fixture(autouse=True)
def kernels(request, monkeypatch):
    if getattr(request.node, "callspec", None) is None:
        return
    if request.node.callspec.params.get("device") == "kernels":
        compiled = request.getfixturevalue("host_kernels")
        monkeypatch.setattr(reduce, "mesh_kernels", lambda _device: compiled)


def reduced(mesh: TriangleMesh, target: int, device: str = "cpu") -> TriangleMesh:
    device = "cpu" if device == "kernels" else device
    vertices, faces = reduce_surface(
        torch.from_numpy(mesh.vertices).to(device), torch.from_numpy(mesh.faces).to(device), target
    )
    return TriangleMesh(vertices.cpu().numpy(), faces.cpu().numpy())


def ripples(points: np.ndarray) -> np.ndarray:
    x, y, z = points.T
    return points * (1 + 0.05 * np.sin(9 * x) * np.sin(11 * y + 1) * np.sin(7 * z + 2))[:, None]


# ---- shape ----


@devices
def test_closed_stays_closed_and_full(device):
    result = reduced(sphere(), 1000, device)
    assert len(result.faces) in (999, 1000)
    assert result.is_watertight and euler_number(result) == 2
    assert result.volume == pytest.approx(4 / 3 * np.pi, rel=0.01)
    assert np.abs(np.linalg.norm(result.vertices, axis=1) - 1).max() < 0.01


@devices
def test_no_face_looks_inwards(device):
    result = reduced(sphere(), 400, device)
    centres = result.vertices[result.faces].mean(axis=1)
    assert (np.einsum("ij,ij->i", result.face_normals, centres) > 0.9).all()


@devices
def test_handle_stays(device):
    result = reduced(torus(), 300, device)
    assert len(result.faces) == 300
    assert result.is_watertight and euler_number(result) == 0


@devices
def test_error_is_at_most_1_2_times_that_of_the_best_method_on_the_processor(device):
    from benchmarks.surface_distance import surface_error

    ball = sphere(65)
    source = TriangleMesh(ripples(ball.vertices), ball.faces)
    ours = surface_error(source, reduced(source, 2500, device), 20_000)
    best = surface_error(source, reduce_on_processor(source, 2500, "quality"), 20_000)
    assert ours["mean"] < 1.2 * best["mean"]


@devices
def test_cube_of_many_faces_becomes_the_exact_cube(device):
    box = moved(cube(9), (-3.0, 0.1, 7.0), 2.0)
    result = reduced(box, 12, device)
    assert len(result.faces) == 12 and len(result.vertices) == 8
    low, high = box.bounds
    gaps = np.minimum(np.abs(result.vertices - low), np.abs(result.vertices - high))
    assert gaps.max() < 1e-5 and result.is_watertight


@devices
def test_flat_square_becomes_two_faces(device):
    result = reduced(grid(20), 2, device)
    assert len(result.faces) == 2 and result.area == pytest.approx(1, abs=1e-5)


@devices
def test_border_keeps_its_course(device):
    ball = sphere()
    centres = ball.vertices[ball.faces].mean(axis=1)
    open_ball = TriangleMesh(ball.vertices, ball.faces[centres[:, 2] < 0.5])
    rim_before = open_ball.vertices[np.unique(open_ball.boundary_edges)]
    result = reduced(open_ball, 500, device)
    rim = result.vertices[np.unique(result.boundary_edges)]
    assert len(result.faces) in (499, 500)
    assert euler_number(result) == 1  # a disc: one border, no holes torn
    gaps = np.linalg.norm(rim[:, None] - rim_before[None], axis=2).min(axis=1)
    assert gaps.max() < 0.03  # the rim's edges are 0.04 long


@devices
def test_hole_of_three_edges_stays(device):
    ball = sphere(9)
    result = reduced(TriangleMesh(ball.vertices, ball.faces[1:]), 40, device)
    assert len(result.boundary_edges) == 3


@devices
def test_tetrahedra_stay_two_parts(device):
    balls = joined(sphere(5), moved(sphere(5), (5, 0, 0)))
    result = reduced(balls, 1, device)  # fewer than a closed surface can have
    assert len(result.faces) == 8 and result.is_watertight and euler_number(result) == 4


@devices
def test_book_with_three_pages_keeps_its_spine(device):
    page = grid(5)
    turned = [page.vertices, page.vertices * [-1, 1, 1], page.vertices[:, [2, 1, 0]]]
    faces = [page.faces, page.faces[:, ::-1], page.faces]
    book = joined(*(TriangleMesh(v, f) for v, f in zip(turned, faces, strict=True)))
    vertices, index = np.unique(book.vertices, axis=0, return_inverse=True)
    book = TriangleMesh(vertices, index.reshape(-1)[book.faces])
    spine = vertices[(vertices[:, 0] == 0) & (vertices[:, 2] == 0)]
    result = reduced(book, 6, device)
    for point in spine:
        assert np.linalg.norm(result.vertices - point, axis=1).min() < 1e-6


# ---- behaviour ----


@devices
def test_twice_the_same(device):
    one, two = (reduced(torus(96, 48), 800, device) for _ in range(2))
    assert np.array_equal(one.faces, two.faces) and np.array_equal(one.vertices, two.vertices)


@devices
def test_length_unit_does_not_matter(device):
    ball = sphere(17)
    large = reduced(moved(ball, scale=1024.0), 500, device)
    small = reduced(ball, 500, device)
    assert np.array_equal(large.faces, small.faces)
    assert np.allclose(large.vertices, 1024 * small.vertices, atol=1e-2)


def test_input_stays_as_it_is():
    ball = sphere(9)
    vertices, faces = torch.from_numpy(ball.vertices.copy()), torch.from_numpy(ball.faces.copy())
    reduce_surface(vertices, faces, 100)
    assert np.array_equal(vertices, ball.vertices) and np.array_equal(faces, ball.faces)


def test_small_enough_comes_back_as_it_is():
    ball = sphere(9)
    vertices, faces = torch.from_numpy(ball.vertices), torch.from_numpy(ball.faces)
    assert reduce_surface(vertices, faces, len(ball.faces)) == (vertices, faces)


def test_progress_rises_to_one_and_can_stop_the_work():
    ball = sphere(17)
    arrays = torch.from_numpy(ball.vertices), torch.from_numpy(ball.faces)
    seen = []
    reduce_surface(*arrays, 300, seen.append)
    assert seen == sorted(seen) and seen[-1] == 1

    def stop(fraction):
        raise Cancelled

    with pytest.raises(Cancelled):
        reduce_surface(*arrays, 300, stop)


@pytest.mark.parametrize("target", [0, -1, 2.5, True, None])
def test_bad_target_is_told(target):
    ball = sphere(5)
    with pytest.raises(InvalidSettingError, match="target_faces"):
        reduce_surface(torch.from_numpy(ball.vertices), torch.from_numpy(ball.faces), target)


def test_processor_has_its_own_twin():
    ball = sphere(17)
    ours, theirs = reduce_faces(ball, 300, device="cpu"), reduce_on_processor(ball, 300)
    assert np.array_equal(ours.vertices, theirs.vertices)
    assert np.array_equal(ours.faces, theirs.faces)


# ---- parts ----


def test_moving_a_quadrics_origin_keeps_its_values():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(5, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offset = torch.from_numpy(rng.normal(size=(5, 3)))
    quadrics = moved_quadrics(plane_quadrics(torch.from_numpy(normals), torch.ones(5)), offset)
    # Told from `offset`, the constant is the squared distance from there to the plane.
    distance = (torch.from_numpy(normals) * offset).sum(dim=1)
    assert torch.allclose(quadrics[:, 9], distance**2)


def test_winners_do_not_touch_each_other():
    ball = sphere(17)
    faces = torch.from_numpy(ball.faces).long()
    places = torch.from_numpy(ball.vertices)
    kinds = torch.zeros(len(places), dtype=torch.uint8)
    kinds[faces[0]] = FIXED
    surface = Surface.of(places, torch.ones(len(places), 10), kinds, faces)
    a, b = faces.reshape(-1), faces.roll(-1, dims=1).reshape(-1)
    u, v = a[a < b], b[a < b]
    rank = torch.randperm(len(u), generator=torch.Generator().manual_seed(0))
    least = nearest_rank(u, v, rank, len(places))
    at = 0.5 * (places[u] + places[v])
    verdict = judge(surface, u, v, at, rank, least, USUAL)
    first = ~verdict.conflict & (least[u] == rank) & (least[v] == rank)
    assert first.sum() > 20
    neighbours = [{int(x)} for x in range(len(places))]
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        neighbours[x].add(y)
    seen: set[int] = set()
    for x, y in zip(u[first].tolist(), v[first].tolist(), strict=True):
        assert not (neighbours[x] | neighbours[y]) & seen
        seen |= {x, y}
    held = (kinds[u] == FIXED) | (kinds[v] == FIXED)
    assert not verdict.allowed[held].any()
