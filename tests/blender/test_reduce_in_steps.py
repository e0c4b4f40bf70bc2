# SPDX-License-Identifier: GPL-3.0-or-later
"""Reducing beside an artist's own work: read and written in steps, with anything in between."""

import time

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import add_sphere, fingerprint, positions, select  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def begin(scene, module):
    """A job for what is selected, as a click begins it."""

    def begin(**settings):
        wish = module("reduction").Wish(**{"face_count": 600, "method": "fast"} | settings)
        objects = list(bpy.context.selected_objects)
        job = module("reduction").make_job(bpy.context, objects, wish, at_once=False)
        module("job_timer").start(job)
        return job

    return begin


@pytest.fixture
def go_on(module):
    """One step after the other, until `until()` or the job's end."""

    def go_on(job, until=lambda: False):
        queue = module("job_timer").queue
        deadline = time.monotonic() + 60
        while not until() and not job.ended:
            assert time.monotonic() < deadline, job.state
            queue.pump()
            if job.state.name == "READING":
                queue.read(job, 0.0)
            elif job.state.name in ("READY", "WRITING"):
                queue.complete(job, 0.0)
            else:
                time.sleep(0.005)
        return job.reports

    return go_on


def laden(name: str = "Ball") -> bpy.types.Object:
    """A ball of quads with something of each kind."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=48)
    ball = bpy.context.object
    ball.name = ball.data.name = name
    mesh = ball.data
    bpy.ops.object.shade_smooth()
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    at = positions(ball)
    side = at[:, 0] > 0
    for key, data_type, domain, prop, values in (
        ("Byte", "BYTE_COLOR", "CORNER", "color_srgb", np.c_[0.5 + 0.5 * at, side][corners]),
        ("Float", "FLOAT_COLOR", "POINT", "color", np.c_[at, side]),
        ("wear", "FLOAT", "POINT", "value", at[:, 2]),
        ("turn", "QUATERNION", "POINT", "value", np.c_[at, side]),
    ):
        mesh.attributes.new(key, data_type, domain)
        values = np.ascontiguousarray(values, np.float32)
        mesh.attributes[key].data.foreach_set(prop, values.ravel())
    for material in ("Red", "Blue"):
        mesh.materials.append(bpy.data.materials.get(material) or bpy.data.materials.new(material))
    for polygon in mesh.polygons:
        polygon.material_index = int(polygon.center.y > 0)
    for edge in mesh.edges:
        edge.use_seam = all(abs(at[v, 2]) < 1e-5 for v in edge.vertices)
    for group in ("upper", "unused", "lower"):
        ball.vertex_groups.new(name=group)
    for i, height in enumerate(at[:, 2].tolist()):
        ball.vertex_groups["upper" if height > 0 else "lower"].add([i], abs(height), "REPLACE")
    leaning = at[corners] + np.where(at[corners][:, :1] > 0, 0.6, -0.6) * np.float32([[0, 0, 1]])
    mesh.normals_split_custom_set(leaning / np.linalg.norm(leaning, axis=1, keepdims=True))
    for stretch in (1, 2):
        block = ball.shape_key_add(name=f"Key {stretch}", from_mix=False)
        block.points.foreach_set("co", (at * np.float32([1, 1, stretch])).ravel())
    select(ball)
    return ball


def content(obj) -> dict[str, object]:
    """Everything that lies on a mesh, value by value."""
    mesh = obj.data
    found: dict[str, object] = {}
    for name, attribute in mesh.attributes.items():
        data = attribute.data
        prop = {"BYTE_COLOR": "color_srgb", "FLOAT_COLOR": "color", "FLOAT2": "vector",
                "FLOAT_VECTOR": "vector"}.get(attribute.data_type, "value")  # fmt: skip
        found[name] = attribute.domain, [np.array(getattr(one, prop)).tolist() for one in data]
    groups = [[(g.group, g.weight) for g in vertex.groups] for vertex in mesh.vertices]
    normals = np.empty(3 * len(mesh.loops), np.float32)
    mesh.corner_normals.foreach_get("vector", normals)
    keys = mesh.shape_keys.key_blocks if mesh.shape_keys else ()
    return found | {
        "groups": groups,
        "names of groups": obj.vertex_groups.keys(),
        "normals": np.round(normals, 3).tolist(),
        "keys": [(key.name, [tuple(point.co) for point in key.data]) for key in keys],
        "materials": list(mesh.materials),
        "active": (mesh.uv_layers.active.name, mesh.color_attributes.active_color_name),
    }


@pytest.mark.parametrize("corners", [4500, 300])
def test_the_result_is_that_of_a_script(scene, begin, go_on, module, monkeypatch, corners):
    monkeypatch.setattr(module("custom_normals"), "_AT_ONCE", 10**9)
    script = laden("Script")
    click = script.copy()
    click.data = script.data.copy()
    scene.collection.objects.link(click)
    select(script)
    assert bpy.ops.hunyuan3d.reduce_faces(face_count=600, method="FAST") == {"FINISHED"}
    monkeypatch.setattr(module("custom_normals"), "_AT_ONCE", corners)
    select(click)
    assert {level for level, _ in go_on(begin())} == {"INFO"}
    one, other = content(script), content(click)
    assert list(one) == list(other)
    for name in one:
        assert one[name] == other[name], name


def test_byte_colors_are_those_that_blender_tells(scene, module):
    ball = laden()
    raw_arrays = module("raw_arrays")
    data = ball.data.attributes["Byte"].data
    slow = np.empty(4 * len(data), np.float32)
    data.foreach_get("color_srgb", slow)
    fast = raw_arrays.read_byte_colors(data, np.empty((len(data), 4), np.uint8))
    assert fast.dtype == np.uint8, "read from memory"
    np.testing.assert_array_equal(raw_arrays.from_bytes(fast).ravel(), slow)
    values = np.random.default_rng(0).random((len(data), 4), np.float32) * 1.2 - 0.1
    data.foreach_set("color_srgb", values.ravel())
    data.foreach_get("color_srgb", slow)
    raw_arrays.write_byte_colors(data, raw_arrays.to_bytes(values))
    again = np.empty_like(slow)
    data.foreach_get("color_srgb", again)
    np.testing.assert_array_equal(again, slow)


def test_polygons_are_those_that_blender_tells(scene, module, monkeypatch):
    bpy.ops.mesh.primitive_cylinder_add(vertices=32)
    mesh = bpy.context.object.data
    raw_arrays = module("raw_arrays")
    mesh.calc_loop_triangles()

    def read() -> list[np.ndarray]:
        starts, loops = (
            np.empty(count, np.int32)
            for count in (len(mesh.polygons), 3 * len(mesh.loop_triangles))
        )
        raw_arrays.read_starts(mesh, starts)
        raw_arrays.read_triangle_loops(mesh, loops)
        return [starts, loops]

    fast = read()
    monkeypatch.setattr(raw_arrays, "_view", lambda *_: None)
    for one, other in zip(fast, read(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_hangs_on_the_mesh_stays(scene, begin, go_on, module):
    ball = laden()
    mesh, keys = ball.data, ball.data.shape_keys
    twin = bpy.data.objects.new("Twin", mesh)
    scene.collection.objects.link(twin)
    mesh["fact"], mesh.use_fake_user = 3, True
    mesh.keyframe_insert('["fact"]', frame=1)
    action = mesh.animation_data.action
    keys.key_blocks["Key 2"].driver_add("value").driver.expression = "0.25 * frame"
    curve = twin.driver_add("location", 0)
    variable = curve.driver.variables.new()
    curve.driver.expression, variable.name = "var", "var"
    variable.targets[0].id_type, variable.targets[0].id = "KEY", keys
    variable.targets[0].data_path = 'key_blocks["Key 2"].value'
    key_name, scene["shown"] = keys.name, mesh
    before = {kind: len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "shape_keys")}
    reports = go_on(begin())
    assert ("INFO", "The mesh 'Ball' is shared: all its 2 objects changed") in reports
    mesh = ball.data
    assert len(mesh.polygons) <= 600 and mesh == twin.data == scene["shown"]
    assert (mesh.name, mesh["fact"], mesh.use_fake_user) == ("Ball", 3, True)
    assert mesh.animation_data.action == action and mesh.shape_keys.name == key_name
    bpy.context.scene.frame_set(2)
    assert abs(twin.location.x - 0.5) < 1e-5, "the driver reads the new keys"
    assert before == {kind: len(getattr(bpy.data, kind)) for kind in before}


def test_materials_chosen_meanwhile_are_kept(scene, begin, go_on):
    ball = laden()
    job = begin()
    go_on(job, lambda: job.state.name == "WRITING")
    green = bpy.data.materials.new("Green")
    ball.data.materials[0] = green
    go_on(job)
    assert len(ball.data.polygons) <= 600 and ball.data.materials[0] == green


def test_the_original_is_kept(scene, begin, go_on):
    ball = laden()
    faces = len(ball.data.polygons)
    go_on(begin(keep_original=True))
    original = bpy.data.objects["Ball (original)"]
    assert len(original.data.polygons) == faces and len(ball.data.polygons) <= 600
    assert original.data.shape_keys and ball.data.name == "Ball"


def test_a_click_takes_the_mesh_as_it_was_then(scene, begin, go_on):
    sphere = add_sphere()
    before = positions(sphere)
    job = begin()
    assert job.state.name == "READING" and "vertices" not in job.parts[0].arrays
    sphere.data.vertices.foreach_set("co", (2 * before).ravel())
    go_on(job, lambda: job.state.name != "READING")
    read = job.parts[0].arrays["vertices"]
    np.testing.assert_array_equal(read, before[:, [0, 2, 1]] * np.float32([1, 1, -1]))
    reports = go_on(job)
    assert reports[0][0] == "WARNING", "it was edited, so it stays as it is"
    np.testing.assert_array_equal(positions(sphere), 2 * before)
    assert len(bpy.context.object.data.polygons) == 600 and bpy.context.object != sphere


@pytest.mark.parametrize("where", ["READING", "WRITING"])
def test_cancel_in_the_middle(scene, begin, go_on, module, where):
    laden()
    before = fingerprint()
    job = begin()
    go_on(job, lambda: job.state.name == where)
    for _ in range(5):
        queue = module("job_timer").queue
        queue.read(job, 0.0) if where == "READING" else queue.complete(job, 0.0)
    assert job.state.name == where
    queue.cancel(job)
    assert job.state.name == "CANCELLED" and fingerprint() == before


@pytest.mark.parametrize("where", ["READING", "WRITING"])
def test_undo_in_the_middle(scene, begin, go_on, module, where):
    """It begins again with the mesh that is there then; nothing of the first try comes back."""
    laden()
    bpy.ops.ed.undo_push(message="ball")
    bpy.ops.object.camera_add()
    bpy.ops.ed.undo_push(message="camera")
    select(bpy.data.objects["Ball"])
    job = begin()
    go_on(job, lambda: job.state.name == where)
    queue = module("job_timer").queue
    for _ in range(4):
        queue.read(job, 0.0) if where == "READING" else queue.complete(job, 0.0)
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.ed.undo_push(message="cube")
    assert job.state.name == where
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    assert [obj.name for obj in bpy.data.objects] == ["Ball"]
    go_on(job)
    assert job.state.name == "DONE", job.reports
    assert [obj.name for obj in bpy.data.objects] == ["Ball"]
    assert [mesh.name for mesh in bpy.data.meshes] == ["Ball"]
    assert len(bpy.data.objects["Ball"].data.polygons) <= 600
    bpy.ops.ed.undo_push(message="reduced")
    for _ in range(2):
        bpy.ops.ed.undo()
        bpy.ops.ed.redo()
    assert [mesh.name for mesh in bpy.data.meshes] == ["Ball"]


def test_a_mesh_that_is_removed_while_it_is_read(scene, begin, go_on):
    sphere = add_sphere()
    bpy.ops.object.camera_add()
    select(sphere)
    job = begin()
    bpy.data.meshes.remove(sphere.data)
    assert go_on(job) == [
        ("ERROR", "'Sphere' was removed while it was read; select a mesh and start again")
    ]
    assert [obj.name for obj in bpy.data.objects] == ["Camera"]


def test_a_mesh_that_was_reduced_while_it_is_read(scene, begin, go_on, module):
    """Read anew after an undo that made it small enough."""
    add_sphere(subdivisions=3)
    bpy.ops.ed.undo_push(message="small")
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.ed.undo_push(message="fine")
    select(bpy.data.objects["Sphere"])
    job = begin()
    bpy.ops.ed.undo()
    go_on(job)
    assert job.state.name == "FAILED"
    assert "has 320 triangles, not more than the 600 asked for" in job.reports[0][1]


def test_clean_up_of_unused_data_in_the_middle(scene, begin, go_on):
    ball = laden()
    for where in ("READING", "WRITING"):
        job = begin(face_count=900 if where == "READING" else 600)
        go_on(job, lambda job=job, where=where: job.state.name == where)
        bpy.ops.outliner.orphans_purge(do_recursive=True)
        go_on(job)
        assert job.state.name == "DONE", job.reports
    assert len(ball.data.polygons) <= 600 and len(bpy.data.meshes) == 1


def test_edits_while_it_is_written(scene, begin, go_on):
    ball = laden()
    faces = len(ball.data.polygons)
    job = begin()
    go_on(job, lambda: job.state.name == "WRITING")
    ball.data.attributes["wear"].data[7].value = 5.0
    reports = go_on(job)
    assert reports[0][0] == "WARNING" and len(ball.data.polygons) == faces
    assert ball.data.attributes["wear"].data[7].value == 5.0
    assert bpy.context.object != ball and len(bpy.context.object.data.polygons) <= 600


def test_painted_weights_are_an_edit_too(scene, begin, go_on):
    ball = laden()
    job = begin()
    go_on(job, lambda: job.state.name == "RUNNING")
    ball.vertex_groups["unused"].add([3], 0.5, "REPLACE")
    go_on(job)
    assert ball.vertex_groups["unused"].weight(3) == 0.5 and bpy.context.object != ball


@pytest.mark.parametrize("where", ["READING", "WRITING"])
def test_the_extension_is_switched_off_in_the_middle(scene, begin, go_on, extension, where):
    laden()
    before = fingerprint()
    job = begin()
    go_on(job, lambda: job.state.name == where)
    try:
        bpy.ops.preferences.addon_disable(module=extension.__name__)
        assert job.state.name == "CANCELLED" and fingerprint() == before
    finally:
        bpy.ops.preferences.addon_enable(module=extension.__name__)


@pytest.mark.parametrize("where", ["READING", "WRITING"])
def test_a_file_is_loaded_in_the_middle(scene, begin, go_on, where):
    """What was read already comes into the new file; what was not ends in a sentence."""
    laden()
    job = begin()
    go_on(job, lambda: job.state.name == where)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    reports = go_on(job)
    if where == "READING":
        assert "'Ball' was removed while it was read" in reports[0][1]
        assert not bpy.data.objects and not bpy.data.meshes
    else:
        assert reports[0][0] == "WARNING" and [o.name for o in bpy.data.objects] == ["Ball"]
        assert len(bpy.data.objects["Ball"].data.polygons) <= 600 and len(bpy.data.meshes) == 1
