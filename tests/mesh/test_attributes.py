# SPDX-License-Identifier: Apache-2.0
"""What a mesh carries by vertex, corner, face and edge is in its place after a reduction."""

import numpy as np
import pytest
from known_meshes import cube, euler_number, grid, joined, soup, sphere, torus

from benchmarks.textured_render import psnr, render, textured
from benchmarks.textured_shapes import (
    atlas_uv,
    baked,
    bumpy_sphere,
    cut_into_charts,
    globe_uv,
    smooth_normals,
)
from hy3dgen.errors import Cancelled, InvalidMeshError, InvalidSettingError
from hy3dgen.mesh import Attribute, TriangleMesh, reduce_with_attributes
from hy3dgen.mesh.attribute_reduce import reduce_with_correspondence

METHODS = ["fast", "quality", "preview"]


def corners(mesh):
    """(3F, 3) the place of every corner."""
    return mesh.vertices[mesh.faces].reshape(-1, 3)


def middles(mesh):
    return mesh.vertices[mesh.faces].mean(axis=1)


def edges_of(mesh):
    """(3F, 2) the vertices of the edge that leaves from each corner."""
    return np.stack([mesh.faces, np.roll(mesh.faces, -1, axis=1)], axis=-1).reshape(-1, 2)


def marked_length(mesh, marks):
    """Length of the marked edges; each is told by both its faces."""
    a, b = mesh.vertices[edges_of(mesh)[marks.astype(bool)]].transpose(1, 0, 2)
    return np.linalg.norm(a - b, axis=1).sum() / 2


@pytest.mark.parametrize("method", METHODS)
def test_linear_values_on_a_plane_stay_exact(method):
    mesh = grid(33)
    plane = np.float32([[1, 2], [3, -1], [0, 0]])
    attributes = [
        Attribute("by corner", "corner", corners(mesh) @ plane),
        Attribute("by vertex", "vertex", mesh.vertices @ plane),
        Attribute("double", "vertex", (mesh.vertices @ plane)[:, 0].astype(np.float64)),
    ]
    reduced, (by_corner, by_vertex, double), _ = reduce_with_attributes(
        mesh, attributes, 60, method
    )
    assert len(reduced.faces) <= 60
    np.testing.assert_allclose(by_corner.values, corners(reduced) @ plane, atol=1e-5)
    np.testing.assert_allclose(by_vertex.values, reduced.vertices @ plane, atol=1e-5)
    assert (by_corner.values.dtype, double.values.dtype) == (np.float32, np.float64)
    assert double.values.shape == (len(reduced.vertices),)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("charts", [4, 40])
def test_no_face_crosses_a_seam_and_the_surface_stays_closed(method, charts):
    mesh = bumpy_sphere(32)
    chart = cut_into_charts(mesh, charts)
    uv = Attribute("UV", "corner", atlas_uv(mesh, chart))
    reduced, found = reduce_with_correspondence(mesh, [uv], 800, method)
    assert len(reduced.faces) <= 800
    assert reduced.is_watertight and euler_number(reduced) == 2
    sides = chart[found.wedge_faces][found.corners]
    assert (sides == chart[found.faces][:, None]).all()
    assert len(np.unique(sides)) == charts, "no chart is lost"
    assert (found.wedge_weights >= 0).all()
    np.testing.assert_allclose(found.wedge_weights.sum(axis=1), 1, atol=1e-6)


def test_seam_where_a_chart_meets_itself():
    mesh = bumpy_sphere(32)
    uv = Attribute("UV", "corner", globe_uv(mesh))
    reduced, (kept,), _ = reduce_with_attributes(mesh, [uv], 500)
    u, v = np.moveaxis(kept.values.reshape(-1, 3, 2), -1, 0)
    poles = (v.min(axis=1) < 0.1) | (v.max(axis=1) > 0.9)
    assert np.ptp(u, axis=1)[~poles].max() < 0.3, "no face reaches around the globe"
    exact = globe_uv(reduced).reshape(-1, 3, 2)
    off = np.abs((u - exact[..., 0] + 0.5) % 1 - 0.5)[~poles]
    assert off.max() < 0.03 and np.abs(v - exact[..., 1]).max() < 0.03


@pytest.mark.parametrize("method", METHODS)
def test_material_border_stays_straight_and_every_face_on_its_side(method):
    mesh = grid(33)
    material = (middles(mesh)[:, 0] > 0.5).astype(np.int32) * 7
    colour = np.uint8(255 * mesh.vertices[:, [0, 1, 0]])
    reduced, (kept, blended), _ = reduce_with_attributes(
        mesh,
        [
            Attribute("material", "face", material),
            Attribute("colour", "vertex", colour, blend=True),
        ],
        40,
        method,
    )
    np.testing.assert_array_equal(kept.values, (middles(reduced)[:, 0] > 0.5) * 7)
    x = reduced.vertices[reduced.faces][..., 0]
    assert not ((x.min(axis=1) < 0.499) & (x.max(axis=1) > 0.501)).any()
    assert blended.values.dtype == np.uint8
    np.testing.assert_allclose(blended.values[:, 0] / 255, reduced.vertices[:, 0], atol=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_marked_edges_keep_their_course_and_their_sort(method):
    mesh = grid(33)
    a, b = mesh.vertices[edges_of(mesh)].transpose(1, 0, 2)
    on_line = (a[:, 1] == 0.5) & (b[:, 1] == 0.5)
    middle = (a[:, 0] + b[:, 0]) / 2
    sharp = on_line & (middle > 0.25) & (middle < 0.625)
    crease = np.where(on_line & (middle > 0.625) & (middle < 0.75), np.float32(0.5), 0)
    reduced, (kept, creases), _ = reduce_with_attributes(
        mesh, [Attribute("sharp", "edge", sharp), Attribute("crease", "edge", crease)], 30, method
    )
    assert len(reduced.faces) <= 30
    assert kept.values.dtype == bool and set(np.unique(creases.values)) == {0, 0.5}
    a, b = reduced.vertices[edges_of(reduced)].transpose(1, 0, 2)
    marked = kept.values | (creases.values > 0)
    np.testing.assert_array_equal(a[marked][:, 1], 0.5)
    np.testing.assert_array_equal(b[marked][:, 1], 0.5)
    for values, low, high in ((kept.values, 0.25, 0.625), (creases.values > 0, 0.625, 0.75)):
        assert marked_length(reduced, values) == pytest.approx(high - low, abs=1e-6)
        assert min(a[values][:, 0].min(), b[values][:, 0].min()) == pytest.approx(low)
        assert max(a[values][:, 0].max(), b[values][:, 0].max()) == pytest.approx(high)


def test_both_faces_of_an_edge_agree_on_its_mark():
    mesh = sphere(17)
    chart = cut_into_charts(mesh, 12)
    reduced, found = reduce_with_correspondence(mesh, [Attribute("part", "face", chart)], 300)
    marks = {}
    for (u, v), source in zip(edges_of(reduced), found.edges.reshape(-1), strict=True):
        marks.setdefault((min(u, v), max(u, v)), set()).add(source >= 0)
    assert all(len(told) == 1 for told in marks.values())
    label = chart[found.faces]
    side = {}
    for face, row in enumerate(reduced.faces):
        for u, v in zip(row, np.roll(row, -1), strict=True):
            side.setdefault((min(u, v), max(u, v)), []).append(label[face])
    borders = {edge for edge, labels in side.items() if labels[0] != labels[1]}
    assert borders == {edge for edge, told in marks.items() if told == {True}}


def test_split_normals_of_a_cube_stay_along_the_axes():
    box = cube(9)
    flat = np.repeat(box.face_normals, 3, axis=0).astype(np.float32)
    normal = Attribute("normal", "corner", flat, unit_length=True)
    reduced, (kept,), _ = reduce_with_attributes(box, [normal], 12)
    assert len(reduced.faces) == 12 and reduced.is_watertight
    np.testing.assert_allclose(kept.values, np.repeat(reduced.face_normals, 3, axis=0), atol=1e-6)


def test_smooth_normals_have_length_one_and_look_outwards():
    mesh = sphere(25)
    reduced, (kept,), _ = reduce_with_attributes(mesh, [smooth_normals(mesh)], 300)
    np.testing.assert_allclose(np.linalg.norm(kept.values, axis=1), 1, atol=1e-5)
    outward = corners(reduced) / np.linalg.norm(corners(reduced), axis=1, keepdims=True)
    assert np.einsum("ij,ij->i", kept.values, outward).min() > 0.99


def test_weights_stay_a_partition():
    mesh = torus()
    angle = np.arctan2(mesh.vertices[:, 1], mesh.vertices[:, 0])
    first = np.float32(np.cos(angle) ** 2)
    weights = np.stack([first, 1 - first, np.zeros_like(first)], 1)
    _, (kept,), _ = reduce_with_attributes(mesh, [Attribute("bones", "vertex", weights)], 200)
    assert kept.values.min() >= 0
    np.testing.assert_allclose(kept.values.sum(axis=1), 1, atol=1e-5)


def test_positions_as_a_value_follow_the_vertices():
    """So does a shape key."""
    mesh = torus(96, 48)
    bent = mesh.vertices + np.float32([0, 0, 1]) * mesh.vertices[:, :1] ** 2
    reduced, (kept,), _ = reduce_with_attributes(mesh, [Attribute("key", "vertex", bent)], 1500)
    expected = reduced.vertices + np.float32([0, 0, 1]) * reduced.vertices[:, :1] ** 2
    assert np.abs(kept.values - expected).max() < 0.02


def test_numbers_that_are_names_are_not_blended():
    mesh = sphere(17)
    names = np.where(mesh.vertices[:, 2] > 0, 10, 20).astype(np.int64)
    flags = mesh.vertices[:, 0] > 0
    _, (kept, told), _ = reduce_with_attributes(
        mesh, [Attribute("name", "vertex", names), Attribute("flag", "vertex", flags)], 200
    )
    assert set(np.unique(kept.values)) == {10, 20} and kept.values.dtype == np.int64
    assert told.values.dtype == bool


def test_values_that_jump_everywhere_do_not_stand_in_the_way():
    mesh = sphere(17)
    rng = np.random.default_rng(0)
    noise = Attribute("noise", "corner", rng.random((3 * len(mesh.faces), 2), np.float32))
    part = Attribute("part", "face", cut_into_charts(mesh, 6))
    every = Attribute("number", "face", np.arange(len(mesh.faces)))
    reduced, found = reduce_with_correspondence(mesh, [noise, part, every], 300)
    assert len(reduced.faces) == 300
    assert found.scattered == ("noise", "number")
    sides = part.values[found.wedge_faces][found.corners]
    assert (sides == part.values[found.faces][:, None]).all(), "the other one's borders are kept"


def test_open_seams_are_joined_and_remembered():
    mesh = sphere(17)
    chart = cut_into_charts(mesh, 8)
    split = soup(mesh)  # every face by itself, as files without shared vertices have them
    uv = Attribute("UV", "corner", atlas_uv(mesh, chart))
    reduced, found = reduce_with_correspondence(split, [uv], 300)
    assert reduced.is_watertight and found.scattered == ()
    sides = chart[found.wedge_faces][found.corners]
    assert (sides == chart[found.faces][:, None]).all()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_result_is_the_same_for_any_number_of_threads(threads):
    mesh = bumpy_sphere(64)
    uv = Attribute("UV", "corner", atlas_uv(mesh, cut_into_charts(mesh, 50)))
    expected, (values,), _ = reduce_with_attributes(mesh, [uv], 2000, threads=3)
    reduced, (kept,), _ = reduce_with_attributes(mesh, [uv], 2000, threads=threads)
    assert reduced.vertices.tobytes() == expected.vertices.tobytes()
    assert kept.values.tobytes() == values.values.tobytes()


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_unit_of_length_does_not_matter(factor):
    mesh = bumpy_sphere(24)
    uv = Attribute("UV", "corner", atlas_uv(mesh, cut_into_charts(mesh, 10)))
    other = TriangleMesh(mesh.vertices * np.float32(factor), mesh.faces)
    _, (expected,), _ = reduce_with_attributes(mesh, [uv], 600)
    _, (kept,), _ = reduce_with_attributes(other, [uv], 600)
    assert len(kept.values) == len(expected.values)
    assert np.median(np.abs(np.sort(kept.values, 0) - np.sort(expected.values, 0))) < 2e-3


def test_strange_surfaces_keep_their_values():
    sheets = [
        TriangleMesh(grid(9).vertices @ turn, grid(9).faces)
        for turn in (np.eye(3), np.diag([1, -1, 1]), [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    ]
    book = joined(*sheets)  # three sheets that meet in one edge
    strip_faces, strip = [], []
    for i in range(40):
        a = 2 * np.pi * i / 40
        for s in (-0.3, 0.3):
            out = 1 + s * np.cos(a / 2)
            strip.append([out * np.cos(a), out * np.sin(a), s * np.sin(a / 2)])
        b = (2 * i + 2, 2 * i + 3) if i < 39 else (1, 0)
        strip_faces += [[2 * i, b[0], 2 * i + 1], [2 * i + 1, b[0], b[1]]]
    moebius = TriangleMesh(np.array(strip), np.array(strip_faces))
    for mesh in (book, moebius):
        values = np.linspace(0, 1, 3 * len(mesh.faces), dtype=np.float32)
        place = Attribute("place", "corner", corners(mesh))
        attributes = [place, Attribute("any", "corner", values), Attribute("v", "edge", values > 2)]
        reduced, (kept, *_), _ = reduce_with_attributes(mesh, attributes, len(mesh.faces) // 2)
        assert np.abs(kept.values - corners(reduced)).max() < 0.2


def test_faces_dropped_on_the_way_do_not_shift_the_values():
    mesh = grid(17)
    extra = np.array([[0, 0, 1], *mesh.faces[:5], [7, 7, 7]])
    rows = np.random.default_rng(1).permutation(len(mesh.faces) + len(extra))
    mixed = TriangleMesh(mesh.vertices, np.concatenate([extra, mesh.faces])[rows])
    place = Attribute("place", "corner", corners(mixed))
    label = Attribute("half", "face", (middles(mixed)[:, 1] > 0.5).astype(np.int32))
    reduced, (kept, half), _ = reduce_with_attributes(mixed, [place, label], 60)
    np.testing.assert_allclose(kept.values, corners(reduced), atol=1e-5)
    np.testing.assert_array_equal(half.values, middles(reduced)[:, 1] > 0.5)


def test_faces_without_area_have_values_too():
    """They have no closest point; what comes from them must still come from some face."""
    mesh = bumpy_sphere(12)
    vertices = mesh.vertices.copy()
    a, b, c = mesh.faces[::7].T
    vertices[b] = vertices[c] = vertices[a]
    shape = TriangleMesh(vertices, mesh.faces)
    place = Attribute("place", "corner", vertices[mesh.faces].reshape(-1, 3))
    _, found = reduce_with_correspondence(shape, [place], len(mesh.faces) - 20)
    for numbers in (found.faces, found.wedge_faces):
        assert numbers.min() >= 0 and numbers.max() < len(mesh.faces)


def test_few_enough_faces_give_the_same_objects():
    mesh = cube(3)
    uv = Attribute("UV", "corner", np.zeros((3 * len(mesh.faces), 2)))
    reduced, kept, _ = reduce_with_attributes(mesh, [uv], len(mesh.faces))
    assert reduced is mesh and kept[0] is uv


def test_input_is_not_changed_and_cancel_ends_it():
    mesh = bumpy_sphere(64)
    uv = Attribute("UV", "corner", globe_uv(mesh))
    before = mesh.vertices.copy(), mesh.faces.copy(), uv.values.copy()

    def stop(fraction):
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        reduce_with_attributes(mesh, [uv], 100, progress=stop)
    told = []
    reduce_with_attributes(mesh, [uv], 100, progress=told.append)
    assert told == sorted(told) and told[-1] == 1
    for array, copy in zip((mesh.vertices, mesh.faces, uv.values), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: [Attribute("a", "loop", np.zeros(3))], "one of 'vertex', 'corner'"),
        (lambda: [Attribute("a", "face", np.array(["x"]))], "rows of numbers or bools"),
        (lambda: [Attribute("a", "face", np.float32(3))], "rows of numbers or bools"),
        (lambda: [Attribute("a", "vertex", np.zeros(3), parts=True)], "give it by corner"),
        (lambda: [Attribute("a", "face", np.zeros(5))], "has 5 rows, but F = "),
        (lambda: [Attribute("a", "corner", np.zeros((5, 2)))], "has 5 rows, but 3F = "),
        (lambda: 2 * [Attribute("a", "vertex", np.zeros(98))], "two attributes named 'a'"),
    ],
)
def test_bad_attributes_are_refused_in_words(make, words):
    mesh = cube(5)
    assert len(mesh.vertices) == 98
    with pytest.raises(InvalidMeshError, match=words):
        reduce_with_attributes(mesh, make(), 20)
    with pytest.raises(InvalidSettingError, match="target_faces"):
        reduce_with_attributes(mesh, [], 0)


@pytest.mark.parametrize("method", ["fast", "quality"])
@pytest.mark.parametrize("atlas", [False, True])
def test_textured_render_at_a_tenth_of_the_faces(method, atlas):
    mesh = bumpy_sphere(100)
    values = atlas_uv(mesh, cut_into_charts(mesh, 100)) if atlas else globe_uv(mesh)
    texture = baked(mesh, values, 512)
    attributes = [Attribute("UV", "corner", values), smooth_normals(mesh)]
    reduced, (uv, normal), _ = reduce_with_attributes(
        mesh, attributes, len(mesh.faces) // 10, method
    )
    for turn in (0.3, 3.2):
        before = render(mesh, textured(texture, values), turn, 256, attributes[1].values)
        after = render(reduced, textured(texture, uv.values), turn, 256, normal.values)
        unlit = [
            render(mesh, textured(texture, values), turn, 256),
            render(reduced, textured(texture, uv.values), turn, 256),
        ]
        assert psnr(*unlit) > 30
        assert psnr(before, after) > 25, "bumps of a few faces are lost, whatever the texture"
