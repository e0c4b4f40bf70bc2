# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays become objects: axes, place, selection, shading."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import add_sphere, positions, select  # noqa: E402

# A wedge 1 wide (x), 2 high (y) and 3 deep (z), off the origin; its tip is at the front (+z).
WEDGE = np.float32([[5, 5, 5], [6, 5, 5], [5, 7, 5], [6, 7, 5], [5.5, 6, 8]])
FACES = np.int32([[0, 2, 1], [1, 2, 3], [0, 1, 4], [1, 3, 4], [3, 2, 4], [2, 0, 4]])


@pytest.fixture
def add(scene, module):
    return lambda name="wedge": _add(module, name, WEDGE, FACES)


def _add(module, name, vertices, faces):
    """The object that the generator returns after its last step."""
    place = module("placing").at_cursor(bpy.context)
    steps = module("generation").add_object(name, vertices, faces, lambda: place)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_upright_at_the_cursor_on_its_base_looking_at_minus_y(add):
    bpy.context.scene.cursor.location = (10, 20, 30)
    wedge = add()
    assert tuple(wedge.location) == (10, 20, 30)
    points = positions(wedge)
    np.testing.assert_allclose(points.min(axis=0), (-0.5, -1.5, 0), atol=1e-6)
    np.testing.assert_allclose(points.max(axis=0), (0.5, 1.5, 2), atol=1e-6)
    np.testing.assert_allclose(points[4], (0, -1.5, 1), atol=1e-6)


def test_faces_look_outwards(add):
    mesh = add().data
    center = positions(bpy.context.object).mean(axis=0)
    for polygon in mesh.polygons:
        assert np.dot(polygon.normal, np.array(polygon.center) - center) > 0


def test_given_arrays_stay_as_they_were(scene, module):
    vertices, faces = WEDGE.copy(), FACES.copy()
    _add(module, "wedge", vertices, faces)
    assert vertices.tobytes() == WEDGE.tobytes() and faces.tobytes() == FACES.tobytes()


def test_alone_selected_and_active(add):
    other = add_sphere()
    wedge = add()
    assert bpy.context.selected_objects == [wedge]
    assert bpy.context.object == wedge and not other.select_get()


def test_named_after_the_picture_also_the_second_time(add):
    assert [add("mug").name, add("mug").name] == ["mug", "mug.001"]


def test_smooth_with_sharp_edges(add):
    mesh = add().data
    assert all(polygon.use_smooth for polygon in mesh.polygons)
    assert any(edge.use_edge_sharp for edge in mesh.edges)


def test_edit_mode_of_another_object_is_left(add):
    other = add_sphere()
    bpy.ops.object.mode_set(mode="EDIT")
    wedge = add()
    assert other.mode == wedge.mode == "OBJECT"
    assert bpy.context.object == wedge


def test_hidden_active_collection_is_not_used(add):
    hidden = bpy.data.collections.new("Hidden")
    bpy.context.scene.collection.children.link(hidden)
    layer = bpy.context.view_layer.layer_collection.children["Hidden"]
    bpy.context.view_layer.active_layer_collection = layer
    layer.exclude = True
    wedge = add()
    assert wedge.select_get() and wedge.name in bpy.context.scene.collection.objects


def test_active_collection_is_used(add):
    group = bpy.data.collections.new("Group")
    bpy.context.scene.collection.children.link(group)
    layer = bpy.context.view_layer.layer_collection.children["Group"]
    bpy.context.view_layer.active_layer_collection = layer
    wedge = add()
    assert list(group.objects) == [wedge]


def test_replacing_keeps_other_users_of_the_name(scene, module):
    """An object that took the name of a removed one is not taken for it."""
    first = add_sphere("Ball")
    before = module("scene_read").snapshot(first)
    bpy.data.objects.remove(first)
    impostor = add_sphere("Ball")
    select(impostor)
    kept = module("scene_write").replace_geometry(bpy.context, before, WEDGE, FACES, {})
    assert not kept
    assert len(impostor.data.polygons) == 5120


def test_edges_numbered_in_parts_are_the_same(add, module, monkeypatch):
    whole = _edges(add("whole").data)
    monkeypatch.setattr(module("geometry"), "_AT_ONCE", 5)
    parts = _edges(add("parts").data)
    assert np.array_equal(whole[0], parts[0]) and np.array_equal(whole[1], parts[1])


def _edges(mesh):
    corners, ends = np.empty(len(mesh.loops), np.int32), np.empty(2 * len(mesh.edges), np.int32)
    mesh.loops.foreach_get("edge_index", corners)
    mesh.edges.foreach_get("vertices", ends)
    return corners, ends
