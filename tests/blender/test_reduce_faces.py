# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.reduce_faces` on good input: what changes and what does not."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import add_sphere, positions, select  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.parametrize("method", ["FAST", "QUALITY"])
def test_count_and_shape(scene, method):
    sphere = add_sphere()
    assert len(sphere.data.polygons) == 5120
    assert bpy.ops.hunyuan3d.reduce_faces(face_count=500, method=method) == {"FINISHED"}
    assert 499 <= len(sphere.data.polygons) <= 500
    radii = np.linalg.norm(positions(sphere), axis=1)
    assert abs(radii - 1).max() < 0.02
    assert len(sphere.data.edges) == len(sphere.data.polygons) * 3 // 2, "closed, edges made"
    assert not sphere.data.validate()


def test_object_keeps_what_is_its_own(scene):
    sphere = add_sphere("Egg")
    sphere.location, sphere.rotation_euler, sphere.scale = (1, 2, 3), (0.1, 0.2, 0.3), (1, 1, 2)
    bpy.context.view_layer.update()
    materials = [bpy.data.materials.new(name) for name in ("shell", "yolk")]
    for material in materials:
        sphere.data.materials.append(material)
    sphere.modifiers.new("Bevel", "BEVEL")
    sphere.data["made_by"] = "hand"
    matrix = sphere.matrix_world.copy()
    bpy.ops.hunyuan3d.reduce_faces(face_count=300)
    assert (sphere.name, sphere.data.name, sphere.data["made_by"]) == ("Egg", "Egg", "hand")
    assert sphere.matrix_world == matrix
    assert [slot.material for slot in sphere.material_slots] == materials
    assert [modifier.name for modifier in sphere.modifiers] == ["Bevel"]
    assert len(bpy.data.meshes) == 1, "the old mesh is gone"
    assert sphere.select_get() and bpy.context.object == sphere


def test_lies_where_it_lay_in_all_three_axes(scene):
    box = add_sphere()
    values = positions(box) * np.float32([1, 2, 3]) + np.float32([10, 20, 30])
    box.data.vertices.foreach_set("co", values.ravel())
    bpy.ops.hunyuan3d.reduce_faces(face_count=1000)
    after = positions(box)
    np.testing.assert_allclose(after.min(axis=0), values.min(axis=0), atol=0.05)
    np.testing.assert_allclose(after.max(axis=0), values.max(axis=0), atol=0.05)
    normals = np.empty(3 * len(box.data.polygons), np.float32)
    centers = np.empty_like(normals)
    box.data.polygons.foreach_get("normal", normals)
    box.data.polygons.foreach_get("center", centers)
    outward = (normals.reshape(-1, 3) * (centers.reshape(-1, 3) - [10, 20, 30])).sum(axis=1)
    assert (outward > 0).all(), "faces still look outwards"


def test_one_undo_step_for_several_meshes(scene):
    first, second = add_sphere("First"), add_sphere("Second")
    select(first, second)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.hunyuan3d.reduce_faces("EXEC_DEFAULT", True, face_count=100)
    counts = [len(bpy.data.objects[name].data.polygons) for name in ("First", "Second")]
    assert counts == [100, 100]
    bpy.ops.ed.undo()
    counts = [len(bpy.data.objects[name].data.polygons) for name in ("First", "Second")]
    assert counts == [5120, 5120]
    bpy.ops.ed.redo()
    counts = [len(bpy.data.objects[name].data.polygons) for name in ("First", "Second")]
    assert counts == [100, 100]


def test_mixed_selection_leaves_other_objects_alone(scene):
    sphere = add_sphere()
    bpy.ops.object.camera_add()
    camera = bpy.context.object
    select(sphere, camera)
    assert bpy.ops.hunyuan3d.reduce_faces(face_count=100) == {"FINISHED"}
    assert len(sphere.data.polygons) == 100
    assert camera.type == "CAMERA" and camera.select_get()


def test_mesh_below_the_budget_is_left_alone_beside_a_larger_one(scene):
    large, small = add_sphere("Large"), add_sphere("Small", subdivisions=2)
    before = positions(small).tobytes()
    select(large, small)
    bpy.ops.hunyuan3d.reduce_faces(face_count=200)
    assert len(large.data.polygons) == 200
    assert positions(small).tobytes() == before


def test_quads_and_ngons_count_as_triangles(scene):
    bpy.ops.mesh.primitive_cylinder_add(vertices=64)  # 64 quads and two polygons of 64 corners
    cylinder = bpy.context.object
    assert bpy.ops.hunyuan3d.reduce_faces(face_count=100) == {"FINISHED"}
    assert 98 <= len(cylinder.data.polygons) <= 100
    assert {polygon.loop_total for polygon in cylinder.data.polygons} == {3}


def test_edit_mode_is_left_and_its_edits_are_kept(scene):
    sphere = add_sphere()
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.transform.resize(value=(2, 2, 2))
    bpy.ops.hunyuan3d.reduce_faces(face_count=300)
    assert sphere.mode == "OBJECT"
    assert len(sphere.data.polygons) == 300
    assert abs(np.linalg.norm(positions(sphere), axis=1) - 2).max() < 0.05


@pytest.mark.parametrize("smooth", [True, False])
def test_shading_stays_smooth_or_flat(scene, smooth):
    sphere = add_sphere()
    if smooth:
        bpy.ops.object.shade_smooth()
    else:
        bpy.ops.object.shade_flat()
    bpy.ops.hunyuan3d.reduce_faces(face_count=1000)
    assert {polygon.use_smooth for polygon in sphere.data.polygons} == {smooth}


def test_fast_path_reads_back_what_it_wrote(scene, module):
    rng = np.random.default_rng(0)
    vertices = rng.random((50, 3), np.float32)
    faces = np.sort(rng.permuted(np.tile(np.arange(50, dtype=np.int32), (40, 1)), axis=1)[:, :3])
    mesh = bpy.data.meshes.new("any")
    module("scene_write").fill_mesh(mesh, vertices, faces)
    assert module("scene_read").read_vertices(mesh).tobytes() == vertices.tobytes()
    assert module("mesh_layers").read_triangles(mesh).faces.tobytes() == faces.tobytes()
    bpy.data.meshes.remove(mesh)
