# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.reduce_faces` keeps what a mesh carries: each test is a trap for one kind of it."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import positions, select  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left")

FACES = 600
MOVED = 0.03  # how far a seam or border may move; edges are 0.2 long by then


@pytest.fixture
def ball(scene):
    """A ball of quads with rings of edges in the planes x = 0, y = 0 and z = 0."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32, calc_uvs=False)
    bpy.context.object.name = bpy.context.object.data.name = "Ball"
    bpy.ops.object.shade_smooth()
    return bpy.context.object


@pytest.fixture
def reduce(module):
    """Runs the operator; the reports of its job."""

    def run(**settings):
        settings = {"face_count": FACES, "method": "FAST"} | settings
        assert bpy.ops.hunyuan3d.reduce_faces(**settings) == {"FINISHED"}
        return module("job_timer").queue.last.reports

    return run


def of_corners(mesh) -> np.ndarray:
    """(corners,) the vertex of each."""
    return read(mesh.loops, "vertex_index", 1, np.int32)


def at_corners(obj) -> np.ndarray:
    return positions(obj)[of_corners(obj.data)]


def centers(mesh) -> np.ndarray:
    return read(mesh.polygons, "center", 3)


def read(collection, name: str, width: int, dtype=np.float32) -> np.ndarray:
    values = np.empty(len(collection) * width, dtype)
    collection.foreach_get(name, values)
    return values if width == 1 else values.reshape(-1, width)


def face_of_corners(mesh) -> np.ndarray:
    return np.repeat(np.arange(len(mesh.polygons)), read(mesh.polygons, "loop_total", 1, np.int32))


def add(mesh, name, data_type, domain, prop, values) -> None:
    mesh.attributes.new(name, data_type, domain)
    mesh.attributes[name].data.foreach_set(prop, np.ascontiguousarray(values).ravel())


def worst(reports) -> set[str]:
    return {level for level, _ in reports}


# --- UV maps --------------------------------------------------------------------------------------


def charted(obj, axis: int) -> np.ndarray:
    """(corners, 2) a map in two charts, cut where the coordinate `axis` is zero."""
    side = centers(obj.data)[:, axis][face_of_corners(obj.data)] > 0
    flat = 0.2 * np.delete(at_corners(obj), axis, axis=1) + 0.25
    return (flat + np.float32([0.5, 0]) * side[:, None]).astype(np.float32)


@pytest.mark.parametrize("method", ["FAST", "QUALITY", "PREVIEW"])
def test_two_uv_maps_with_different_seams(ball, reduce, method):
    axes = {"First": 0, "Second": 2}
    for name, axis in axes.items():
        add(ball.data, name, "FLOAT2", "CORNER", "vector", charted(ball, axis))
    ball.data.uv_layers["Second"].active = True
    ball.data.uv_layers["First"].active_render = True
    assert worst(reduce(method=method)) == {"INFO"}
    assert [layer.name for layer in ball.data.uv_layers] == list(axes)
    assert ball.data.uv_layers.active.name == "Second"
    assert ball.data.uv_layers["First"].active_render
    for name, axis in axes.items():
        uv = read(ball.data.attributes[name].data, "vector", 2)
        chart = (uv[:, 0] > 0.5).reshape(-1, 3)
        assert (chart == chart[:, :1]).all(), "no triangle lies in two charts"
        reach = at_corners(ball)[:, axis].reshape(-1, 3) * np.where(chart, 1, -1)
        assert reach.min() > -MOVED, "none reaches over its seam"
        assert abs(uv - charted(ball, axis)).max() < 0.02
    assert len(ball.data.edges) == len(ball.data.polygons) * 3 // 2, "closed in spite of seams"


def test_pinned_corners(ball, reduce):
    mesh = ball.data
    add(mesh, "UVMap", "FLOAT2", "CORNER", "vector", charted(ball, 0))
    pinned = at_corners(ball)[:, 2] > 0
    add(mesh, ".pn.UVMap", "BOOLEAN", "CORNER", "value", pinned)
    reduce()
    kept = read(ball.data.attributes[".pn.UVMap"].data, "value", 1, np.bool_)
    clear = abs(at_corners(ball)[:, 2]) > 0.2
    np.testing.assert_array_equal(kept[clear], (at_corners(ball)[:, 2] > 0)[clear])


# --- colours --------------------------------------------------------------------------------------


def painted(places: np.ndarray) -> np.ndarray:
    return np.column_stack([0.5 + 0.4 * places, np.full(len(places), 0.75)]).astype(np.float32)


@pytest.mark.parametrize("data_type", ["BYTE_COLOR", "FLOAT_COLOR"])
@pytest.mark.parametrize("domain", ["POINT", "CORNER"])
def test_colors(ball, reduce, data_type, domain):
    mesh = ball.data
    prop = "color_srgb" if data_type == "BYTE_COLOR" else "color"
    places = positions(ball) if domain == "POINT" else at_corners(ball)
    add(mesh, "Plain", data_type, domain, prop, np.full((len(places), 4), 0.2, np.float32))
    add(mesh, "Paint", data_type, domain, prop, painted(places))
    mesh.color_attributes.active_color_name = "Paint"
    mesh.color_attributes.default_color_name = "Plain"
    assert worst(reduce()) == {"INFO"}
    colors = ball.data.color_attributes
    assert [(c.name, c.data_type, c.domain) for c in colors] == [
        (name, data_type, domain) for name in ("Plain", "Paint")
    ]
    assert (colors.active_color_name, colors.default_color_name) == ("Paint", "Plain")
    kept = read(colors["Paint"].data, prop, 4)
    places = positions(ball) if domain == "POINT" else at_corners(ball)
    assert abs(kept - painted(places)).max() < 0.02
    np.testing.assert_allclose(read(colors["Plain"].data, prop, 4), 0.2, atol=1e-6)


# --- materials, shading, marks --------------------------------------------------------------------


def test_materials_meet_where_they_met(ball, reduce):
    materials = [bpy.data.materials.new(name) for name in ("left", "none", "right")]
    for material in materials:
        ball.data.materials.append(material)
    index = np.where(centers(ball.data)[:, 0] > 0, 2, 0).astype(np.int32)
    ball.data.polygons.foreach_set("material_index", index)
    reduce()
    assert list(ball.data.materials) == materials
    index = read(ball.data.polygons, "material_index", 1, np.int32)
    np.testing.assert_array_equal(index, np.where(centers(ball.data)[:, 0] > 0, 2, 0))
    reach = at_corners(ball)[:, 0].reshape(-1, 3) * np.where(index > 0, 1, -1)[:, None]
    assert reach.min() > -MOVED, "no triangle lies in two materials"


def test_flat_and_smooth_faces(ball, reduce):
    ball.data.polygons.foreach_set("use_smooth", centers(ball.data)[:, 1] > 0)
    reduce()
    smooth = read(ball.data.polygons, "use_smooth", 1, np.bool_)
    np.testing.assert_array_equal(smooth, centers(ball.data)[:, 1] > 0)


def marked_length(obj, prop: str, axis: int) -> float:
    """Length of the marked edges, all of which lie where the coordinate `axis` is zero."""
    ends = positions(obj)[read(obj.data.edges, "vertices", 2, np.int32)]
    ends = ends[read(obj.data.edges, prop, 1, np.bool_)]
    assert abs(ends[..., axis]).max() < MOVED
    return np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).sum()


def test_sharp_and_seam_edges_are_two_things(ball, reduce):
    ends = positions(ball)[read(ball.data.edges, "vertices", 2, np.int32)]
    for prop, axis in (("use_edge_sharp", 2), ("use_seam", 0)):
        ball.data.edges.foreach_set(prop, (abs(ends[..., axis]) < 1e-5).all(axis=1))
    reduce()
    for prop, axis in (("use_edge_sharp", 2), ("use_seam", 0)):
        assert abs(marked_length(ball, prop, axis) - 2 * np.pi) < 0.1, prop


def test_creases_and_bevel_weights(ball, reduce):
    ends = positions(ball)[read(ball.data.edges, "vertices", 2, np.int32)]
    ring = (abs(ends[..., 2]) < 1e-5).all(axis=1)
    add(ball.data, "crease_edge", "FLOAT", "EDGE", "value", np.float32(0.5) * ring)
    reduce()
    creases = read(ball.data.attributes["crease_edge"].data, "value", 1)
    assert set(np.unique(creases)) == {0.0, 0.5}
    ends = positions(ball)[read(ball.data.edges, "vertices", 2, np.int32)]
    np.testing.assert_array_equal(creases > 0, (abs(ends[..., 2]) < MOVED).all(axis=1))


def test_all_edges_sharp(ball, reduce):
    ball.data.edges.foreach_set("use_edge_sharp", np.ones(len(ball.data.edges), np.bool_))
    assert worst(reduce()) == {"INFO"}
    assert read(ball.data.edges, "use_edge_sharp", 1, np.bool_).all()


def test_marks_on_most_edges_are_named(ball, reduce):
    marks = np.random.default_rng(0).random(len(ball.data.edges)) < 0.7
    add(ball.data, "rope", "BOOLEAN", "EDGE", "value", marks)
    assert (
        "WARNING",
        "'Ball' does not keep attribute 'rope', which lies on most edges",
    ) in reduce()
    assert "rope" not in ball.data.attributes


def leaning(places: np.ndarray) -> np.ndarray:
    """(N, 3) directions that differ from a ball's normals, and jump where x is zero."""
    directions = places + np.where(places[:, :1] > 0, 0.6, -0.6) * np.float32([[0, 0, 1]])
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def test_custom_normals(ball, reduce):
    side = np.sign(centers(ball.data)[:, :1])[face_of_corners(ball.data)]
    places = at_corners(ball) + 1e-4 * np.float32([[1, 0, 0]]) * side
    ball.data.normals_split_custom_set(leaning(places))
    assert worst(reduce(face_count=1200)) == {"INFO"}
    assert ball.data.has_custom_normals
    side = np.sign(centers(ball.data)[:, :1])[face_of_corners(ball.data)]
    wanted = leaning(at_corners(ball) + 0.02 * np.float32([[1, 0, 0]]) * side)
    dots = (read(ball.data.corner_normals, "vector", 3) * wanted).sum(axis=1)
    assert np.degrees(np.arccos(dots.min())) < 12 and np.degrees(np.arccos(dots.mean())) < 3


def test_custom_normals_of_flat_shading(ball, reduce):
    mesh = ball.data
    mesh.normals_split_custom_set(read(mesh.polygons, "normal", 3)[face_of_corners(mesh)])
    reports = reduce()
    assert any("is shaded flat instead" in text for _, text in reports)
    assert not read(ball.data.polygons, "use_smooth", 1, np.bool_).any()


# --- vertex groups --------------------------------------------------------------------------------


def weights_of(obj) -> np.ndarray:
    """(V, groups), the slow way, which needs nothing of what is tested."""
    weights = np.zeros((len(obj.data.vertices), len(obj.vertex_groups)))
    for vertex in obj.data.vertices:
        for one in vertex.groups:
            weights[vertex.index, one.group] = one.weight
    return weights


def test_weights_add_up_to_one(ball, reduce):
    ramp = np.clip(0.5 + positions(ball)[:, 2], 0, 1)
    for name in ("upper", "unused", "lower"):
        ball.vertex_groups.new(name=name)
    for i, weight in enumerate(ramp.tolist()):
        ball.vertex_groups["upper"].add([i], weight, "REPLACE")
        ball.vertex_groups["lower"].add([i], 1 - weight, "REPLACE")
    ball.vertex_groups["lower"].lock_weight = True
    ball.vertex_groups.active_index = 2
    ball.modifiers.new("Push", "DISPLACE").vertex_group = "lower"
    assert worst(reduce()) == {"INFO"}
    groups = ball.vertex_groups
    assert [(g.name, g.lock_weight) for g in groups] == [
        ("upper", False),
        ("unused", False),
        ("lower", True),
    ]
    assert groups.active_index == 2 and ball.modifiers["Push"].vertex_group == "lower"
    weights = weights_of(ball)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert not weights[:, 1].any()
    ramp = np.clip(0.5 + positions(ball)[:, 2], 0, 1)
    np.testing.assert_allclose(weights[:, 0], ramp, atol=0.03)
    assert not [a.name for a in ball.data.attributes if "hy3d" in a.name]


def test_nothing_of_the_reading_stays(ball, reduce):
    ball.vertex_groups.new(name="all").add(range(len(ball.data.vertices)), 0.5, "ADD")
    before = {kind: len(getattr(bpy.data, kind)) for kind in ("scenes", "node_groups", "objects")}
    reduce()
    after = {kind: len(getattr(bpy.data, kind)) for kind in before}
    assert after == before
    np.testing.assert_allclose(weights_of(ball), 0.5)


# --- custom attributes ----------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["POINT", "CORNER", "FACE"])
def test_custom_attributes(ball, reduce, domain):
    def places():
        mesh = ball.data
        return {
            "POINT": lambda: positions(ball),
            "CORNER": lambda: at_corners(ball),
            "FACE": lambda: centers(mesh),
        }[domain]()

    z = places()[:, 2]
    side = (z > 0).astype(np.int32)
    ids = np.where(z > 0, 2_000_000_011, -7).astype(np.int32)
    add(ball.data, "height", "FLOAT", domain, "value", z)
    add(ball.data, "place", "FLOAT_VECTOR", domain, "vector", places())
    add(ball.data, "number", "INT", domain, "value", ids)
    add(ball.data, "small", "INT8", domain, "value", (side * 100).astype(np.int8))
    add(ball.data, "pair", "INT32_2D", domain, "value", np.column_stack([side, 1 - side]))
    add(ball.data, "up", "BOOLEAN", domain, "value", z > 0)
    turned = np.where(z[:, None] > 0, np.float32([1, 0, 0, 0]), np.float32([0, 1, 0, 0]))
    add(ball.data, "turn", "QUATERNION", domain, "value", turned)
    assert worst(reduce()) == {"INFO"}
    data = {a.name: a.data for a in ball.data.attributes if a.domain == domain}
    near = 0.16 if domain == "FACE" else 0.03  # a face takes the value of one before
    after = places()
    assert abs(read(data["height"], "value", 1) - after[:, 2]).max() < near
    assert abs(read(data["place"], "vector", 3) - after).max() < near
    clear = abs(after[:, 2]) > 0.2
    up = read(data["up"], "value", 1, np.bool_)
    np.testing.assert_array_equal(up[clear], (after[:, 2] > 0)[clear])
    if domain == "FACE":  # labels of faces meet where they met, so none is doubtful
        np.testing.assert_array_equal(up, after[:, 2] > 0)
    up = up[clear]
    ids = read(data["number"], "value", 1, np.int32)[clear]
    np.testing.assert_array_equal(ids, np.where(up, 2_000_000_011, -7))
    small = read(data["small"], "value", 1, np.int8)[clear]
    np.testing.assert_array_equal(small, np.where(up, 100, 0))
    pair = read(data["pair"], "value", 2, np.int32)[clear]
    np.testing.assert_array_equal(pair, np.column_stack([up, ~up]))
    turned = read(data["turn"], "value", 4)[clear]
    np.testing.assert_array_equal(turned, np.column_stack([up, ~up, 0 * up, 0 * up]))


def test_what_cannot_be_kept_is_named(ball, reduce):
    ball.data.attributes.new("label", "STRING", "FACE")
    ball.data.vertices.add(2)
    ball.data.edges.add(1)
    ball.data.edges[-1].vertices = (len(ball.data.vertices) - 2, len(ball.data.vertices) - 1)
    reports = reduce()
    sentence = "'Ball' does not keep attribute 'label' (string), 1 edges without a face"
    assert ("WARNING", sentence) in reports
    assert "label" not in ball.data.attributes


def test_sculpt_mask_and_face_sets(ball, reduce):
    mask = (0.5 + 0.5 * positions(ball)[:, 0]).astype(np.float32)
    add(ball.data, ".sculpt_mask", "FLOAT", "POINT", "value", mask)
    sets = np.where(centers(ball.data)[:, 2] > 0, 1, 5).astype(np.int32)
    add(ball.data, ".sculpt_face_set", "INT", "FACE", "value", sets)
    reduce()
    kept = read(ball.data.attributes[".sculpt_face_set"].data, "value", 1, np.int32)
    np.testing.assert_array_equal(kept, np.where(centers(ball.data)[:, 2] > 0, 1, 5))
    mask = read(ball.data.attributes[".sculpt_mask"].data, "value", 1)
    assert abs(mask - (0.5 + 0.5 * positions(ball)[:, 0])).max() < 0.02


def test_one_undo_step_brings_all_of_it_back(ball, reduce):
    add(ball.data, "UVMap", "FLOAT2", "CORNER", "vector", charted(ball, 0))
    ball.vertex_groups.new(name="all").add(range(len(ball.data.vertices)), 0.5, "ADD")
    uv = read(ball.data.attributes["UVMap"].data, "vector", 2)
    select(ball)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.hunyuan3d.reduce_faces("EXEC_DEFAULT", True, face_count=FACES)
    bpy.ops.ed.undo()
    mesh = bpy.data.objects["Ball"].data
    np.testing.assert_array_equal(read(mesh.attributes["UVMap"].data, "vector", 2), uv)
    np.testing.assert_allclose(weights_of(bpy.data.objects["Ball"]), 0.5)
    bpy.ops.ed.redo()
    assert len(bpy.data.objects["Ball"].data.polygons) <= FACES
    assert "UVMap" in bpy.data.objects["Ball"].data.uv_layers
