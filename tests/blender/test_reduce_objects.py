# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.reduce_faces` and what hangs on objects: shape keys, duplicates, animation."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import add_sphere, positions, select  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left")


def reports(module) -> list[str]:
    return [text for _, text in module("job_timer").queue.last.reports]


def key_positions(block) -> np.ndarray:
    values = np.empty(3 * len(block.data), np.float32)
    block.data.foreach_get("co", values)
    return values.reshape(-1, 3)


# --- shape keys -----------------------------------------------------------------------------------


@pytest.fixture
def keyed(scene):
    """A sphere with a tall key, driven by the frame, and a wide one on top of it, animated."""
    sphere = add_sphere()
    sphere.vertex_groups.new(name="part").add(range(100), 1.0, "ADD")
    at = positions(sphere)
    sphere.shape_key_add(name="Basis", from_mix=False)
    for name, stretch in (("Tall", (1, 1, 2)), ('Wi"de', (3, 1, 2))):
        block = sphere.shape_key_add(name=name, from_mix=False)
        block.data.foreach_set("co", (at * np.float32(stretch)).ravel())
    blocks = sphere.data.shape_keys.key_blocks
    tall, wide = blocks["Tall"], blocks['Wi"de']
    wide.relative_key = tall
    wide.slider_max, wide.slider_min = 3.0, 2.0  # each is kept below the other
    wide.value, wide.mute, wide.vertex_group = 2.5, True, "part"
    wide.keyframe_insert("value", frame=1)
    tall.driver_add("value").driver.expression = "0.25 * frame"
    sphere.active_shape_key_index = 2
    return sphere


@pytest.mark.parametrize("method", ["FAST", "QUALITY"])
def test_shape_keys_move_as_before(keyed, method):
    keys = keyed.data.shape_keys
    bpy.ops.hunyuan3d.reduce_faces(face_count=500, method=method)
    assert keyed.data.shape_keys == keys and list(keys.key_blocks.keys()) == [
        "Basis",
        "Tall",
        'Wi"de',
    ]
    at = positions(keyed)
    np.testing.assert_allclose(key_positions(keys.key_blocks["Basis"]), at, atol=1e-6)
    for name, stretch in (("Tall", (1, 1, 2)), ('Wi"de', (3, 1, 2))):
        moved = key_positions(keys.key_blocks[name])
        np.testing.assert_allclose(moved, at * np.float32(stretch), atol=0.06)


def test_drivers_and_animation_of_shape_keys_survive(keyed):
    keys = keyed.data.shape_keys
    action = keys.animation_data.action
    bpy.ops.hunyuan3d.reduce_faces(face_count=500)
    paths = [curve.data_path for curve in keys.animation_data.drivers]
    assert paths == ['key_blocks["Tall"].value']
    assert keys.animation_data.action == action
    wide = keys.key_blocks['Wi"de']
    assert (wide.slider_min, wide.slider_max, wide.mute) == (2.0, 3.0, True)
    assert (wide.relative_key.name, wide.vertex_group) == ("Tall", "part")
    assert keyed.active_shape_key_index == 2
    wide.value = 3.0
    bpy.context.scene.frame_set(2)
    assert abs(keys.key_blocks["Tall"].value - 0.5) < 1e-5, "the driver drives"
    bpy.context.scene.frame_set(1)
    assert wide.value == 2.5, "the animation runs"
    evaluated = keyed.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    top = max(vertex.co.z for vertex in evaluated.vertices)
    assert abs(top - 1.25) < 0.03, "the key shows"


# --- objects --------------------------------------------------------------------------------------


def test_linked_duplicates_are_reduced_once(scene, module):
    sphere = add_sphere()
    twins = [bpy.data.objects.new(name, sphere.data) for name in ("Second", "Third")]
    for twin in twins:
        scene.collection.objects.link(twin)
    select(sphere, twins[0])
    mesh = sphere.data
    bpy.ops.hunyuan3d.reduce_faces(face_count=200)
    assert {obj.data for obj in (sphere, *twins)} == {mesh} and len(mesh.polygons) == 200
    assert list(bpy.data.meshes) == [mesh]
    assert reports(module) == [
        "The mesh 'Sphere' is shared: all its 3 objects changed",
        "'Sphere': 5,120 to 200 faces",
    ]


def test_many_objects_with_other_attributes_each(scene):
    spheres = [add_sphere(name, 4) for name in ("A", "B", "C")]
    spheres[0].data.attributes.new("one", "FLOAT", "POINT")
    spheres[1].vertex_groups.new(name="two").add(range(50), 1.0, "ADD")
    select(*spheres)
    bpy.ops.hunyuan3d.reduce_faces(use_ratio=True, ratio=0.25)
    assert [len(sphere.data.polygons) for sphere in spheres] == [320] * 3
    assert "one" in spheres[0].data.attributes and "one" not in spheres[1].data.attributes
    assert [list(sphere.vertex_groups.keys()) for sphere in spheres] == [[], ["two"], []]


def test_nothing_of_the_object_changes(scene):
    parent = add_sphere("Parent", 2)
    sphere = add_sphere("Egg")
    sphere.parent, sphere.matrix_parent_inverse = parent, parent.matrix_world.inverted()
    sphere.scale = (-1, 1, 1)
    sphere.location = (1, 2, 3)
    sphere.keyframe_insert("location", frame=1)
    sphere.driver_add("rotation_euler", 2).driver.expression = "frame"
    sphere.constraints.new("LIMIT_SCALE")
    sphere.modifiers.new("Bevel", "BEVEL").width = 0.25
    sphere["note"] = "mine"
    sphere.data["fact"] = 3
    sphere.data.keyframe_insert('["fact"]', frame=1)
    bpy.context.view_layer.update()
    action, mesh, matrix = sphere.animation_data.action, sphere.data, sphere.matrix_world.copy()
    select(sphere)
    bpy.ops.hunyuan3d.reduce_faces(face_count=300)
    assert bpy.context.object == sphere and sphere.data == mesh
    assert (sphere.name, mesh.name, sphere["note"], mesh["fact"]) == ("Egg", "Egg", "mine", 3)
    assert sphere.parent == parent and sphere.matrix_world == matrix
    assert sphere.animation_data.action == action
    assert [curve.data_path for curve in sphere.animation_data.drivers] == ["rotation_euler"]
    assert mesh.animation_data.action is not None
    assert [constraint.type for constraint in sphere.constraints] == ["LIMIT_SCALE"]
    assert sphere.modifiers["Bevel"].width == 0.25
    normals, centers = (np.empty(3 * len(mesh.polygons), np.float32) for _ in range(2))
    mesh.polygons.foreach_get("normal", normals)
    mesh.polygons.foreach_get("center", centers)
    assert ((normals * centers).reshape(-1, 3).sum(axis=1) > 0).all(), "outwards in its own space"


def test_hair_keeps_its_groups(scene):
    """Particle systems know groups by number, and would lose them with a group of theirs."""
    sphere = add_sphere()
    for name in ("length", "density"):
        sphere.vertex_groups.new(name=name).add(range(400), 0.5, "ADD")
    sphere.modifiers.new("Hair", "PARTICLE_SYSTEM")
    hair = sphere.particle_systems[0]
    hair.vertex_group_density, hair.vertex_group_length = "density", "length"
    bpy.ops.hunyuan3d.reduce_faces(face_count=300)
    hair = sphere.particle_systems[0]
    assert (hair.vertex_group_density, hair.vertex_group_length) == ("density", "length")
    outside = [v for v in sphere.data.vertices if not v.groups]
    assert 50 < len(outside) < len(sphere.data.vertices), "a weight of zero is no membership"


def test_the_original_is_kept_beside_and_hidden(scene):
    sphere = add_sphere("Egg")
    sphere.location = (1, 2, 3)
    sphere.data.attributes.new("one", "FLOAT", "POINT")
    mesh = sphere.data
    bpy.ops.hunyuan3d.reduce_faces(face_count=300, keep_original=True)
    original = bpy.data.objects["Egg (original)"]
    assert len(original.data.polygons) == 5120 and len(mesh.polygons) == 300
    assert sphere.data == mesh and original.data.name == "Egg (original)"
    assert "one" in original.data.attributes
    assert original.location == sphere.location
    assert original.hide_get() and original.hide_render and not original.select_get()
    assert not sphere.hide_get() and bpy.context.object == sphere and sphere.select_get()
    assert original.users_collection == sphere.users_collection


def test_a_count_that_was_not_reached_is_told(scene, module):
    bpy.ops.mesh.primitive_torus_add()
    select(bpy.context.object)
    bpy.ops.hunyuan3d.reduce_faces(face_count=4)
    reached = len(bpy.context.object.data.polygons)
    assert reached > 4
    assert f"'Torus' has {reached} faces, not the 4 asked for" in reports(module)[0]


def test_modifiers_that_must_be_bound_again_are_named(scene, module):
    sphere = add_sphere()
    hook = sphere.modifiers.new("Grip", "HOOK")
    hook.vertex_indices_set([1, 2, 3])
    bpy.ops.hunyuan3d.reduce_faces(face_count=300)
    assert (
        "the modifier 'Grip' knows vertices by their numbers; bind it again" in reports(module)[0]
    )
    assert list(sphere.modifiers) == [hook]


def test_painting_meanwhile_is_not_overwritten(scene, module):
    """An edit of values alone counts as an edit: the result goes into a new object."""
    sphere = add_sphere()
    sphere.data.attributes.new("wear", "FLOAT", "POINT")
    snapshot = module("scene_read").snapshot(sphere)
    sphere.data.attributes["wear"].data[7].value = 1.0
    triangle = np.eye(3, dtype=np.float32), np.int32([[0, 1, 2]])
    kept = module("scene_write").replace_geometry(bpy.context, snapshot, *triangle, {})
    assert not kept and len(sphere.data.polygons) == 5120
    assert len(bpy.context.object.data.polygons) == 1 and bpy.context.object != sphere
