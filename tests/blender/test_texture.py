# SPDX-License-Identifier: GPL-3.0-or-later
"""`hunyuan3d.texture`: what a painted object carries, and what it keeps."""

import importlib
import time

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="runs inside real Blender")

from scenes import add_sphere, fingerprint, positions, save_picture, select  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def picture(scene, tmp_path):
    """A disc, red above and blue below, on a transparent ground."""
    y, x = np.mgrid[:96, :96] / 95 * 2 - 1
    pixels = np.zeros((96, 96, 4))
    pixels[..., 0], pixels[..., 2] = y < 0, y >= 0
    pixels[..., 3] = x**2 + y**2 < 0.9
    return str(save_picture(tmp_path / "disc.png", pixels))


def colours_at_faces(obj):
    """(F, 3) the texture's colour in the middle of each polygon, through UVs and material."""
    material = obj.data.materials[0]
    shader = material.node_tree.nodes["Principled BSDF"]
    node = shader.inputs["Base Color"].links[0].from_node
    uv_name = node.inputs["Vector"].links[0].from_node.uv_map
    width, height = node.image.size
    pixels = np.empty(width * height * 4, np.float32)
    node.image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(height, width, 4)
    uvs = np.empty(2 * len(obj.data.loops), np.float32)
    obj.data.uv_layers[uv_name].uv.foreach_get("vector", uvs)
    uvs = uvs.reshape(-1, 2)
    middles = np.array(
        [uvs[p.loop_start : p.loop_start + p.loop_total].mean(axis=0) for p in obj.data.polygons]
    )
    column, row = (middles * [width - 1, height - 1]).round().astype(int).T
    return pixels[row, column, :3]


def heights(obj):
    return np.array([polygon.center[2] for polygon in obj.data.polygons])


def check_halves(obj, least=0.3):
    found, z = colours_at_faces(obj), heights(obj)
    redder = found[:, 0] - found[:, 2]
    assert (redder[z > 0.5] > least).all(), "also where the picture does not show it"
    assert (redder[z < -0.5] < -least).all()


def test_a_ball_is_painted_all_around_and_keeps_what_is_its_own(picture):
    sphere = add_sphere("Egg", subdivisions=4)
    sphere.location, sphere.scale = (1, 2, 3), (2, 2, 2)
    sphere.modifiers.new("Bevel", "BEVEL")
    group = sphere.vertex_groups.new(name="top")
    group.add([0, 1], 1.0, "ADD")
    before = positions(sphere).tobytes()
    assert bpy.ops.hunyuan3d.texture(filepath=picture, texture_size="512") == {"FINISHED"}
    check_halves(sphere)
    assert positions(sphere).tobytes() == before
    assert (sphere.name, tuple(sphere.location), tuple(sphere.scale)) == (
        *("Egg", (1, 2, 3)),
        (2, 2, 2),
    )
    assert [modifier.name for modifier in sphere.modifiers] == ["Bevel"]
    assert sphere.vertex_groups["top"].weight(0) == 1.0
    material = sphere.data.materials[0]
    assert material.node_tree.nodes["Principled BSDF"].inputs["Metallic"].default_value == 0
    (image,) = (i for i in bpy.data.images if i.size[0] == 512)
    assert image.packed_file and image.colorspace_settings.name == "sRGB"
    assert not sphere.data.validate()


@pytest.mark.parametrize("large", ["COPY", "ALL"])
def test_a_large_mesh_is_painted_as_a_reduced_one(picture, module, monkeypatch, large):
    painting = module("painting")
    monkeypatch.setattr(painting, "LARGE_MESH", 1000)
    monkeypatch.setattr(painting, "REDUCED_FACES", 600)
    sphere = add_sphere("Egg", subdivisions=4)
    sphere.location, sphere.scale = (1, 2, 3), (2, 2, 2)
    select(sphere)
    before, names = positions(sphere).tobytes(), set(bpy.data.objects.keys())
    bpy.ops.hunyuan3d.texture(filepath=picture, texture_size="512", large=large)
    assert positions(sphere).tobytes() == before
    added = [obj for obj in bpy.data.objects if obj.name not in names]
    if large == "ALL":
        assert not added
        check_halves(sphere, 0)
        return
    (copy,) = added
    assert len(copy.data.polygons) == 600 and copy.name == "Egg (painted)"
    check_halves(copy, 0)  # large faces run from one colour to the other
    assert not sphere.data.materials and sphere.hide_get() and sphere.hide_render
    assert bpy.context.object == copy and copy.select_get()
    bpy.context.view_layer.update()
    assert copy.matrix_world == sphere.matrix_world


def test_polygons_stay_whole(picture):
    bpy.ops.mesh.primitive_uv_sphere_add(segments=24, ring_count=16, calc_uvs=False)
    ball = bpy.context.object
    assert bpy.ops.hunyuan3d.texture(filepath=picture, texture_size="512") == {"FINISHED"}
    assert len(ball.data.polygons) == 24 * 16
    check_halves(ball)
    uvs = np.empty(2 * len(ball.data.loops), np.float32)
    ball.data.uv_layers[0].uv.foreach_get("vector", uvs)
    uvs = uvs.reshape(-1, 2)
    for polygon in ball.data.polygons:
        size = np.ptp(uvs[list(polygon.loop_indices)], axis=0).max()
        assert size < 0.15, "no polygon is torn over the texture"


def test_own_uvs_are_kept_and_a_second_texture_replaces_the_first(picture):
    bpy.ops.mesh.primitive_uv_sphere_add()
    ball = bpy.context.object
    before = np.empty(2 * len(ball.data.loops), np.float32)
    ball.data.uv_layers[0].uv.foreach_get("vector", before)
    for _ in range(2):
        assert bpy.ops.hunyuan3d.texture(filepath=picture, texture_size="512") == {"FINISHED"}
        assert len(ball.data.materials) == 1
    after = np.empty_like(before)
    ball.data.uv_layers[0].uv.foreach_get("vector", after)
    assert np.array_equal(before, after) and len(ball.data.uv_layers) == 1
    assert len(bpy.data.materials) == 1
    assert len([image for image in bpy.data.images if image.size[0] == 512]) == 1
    assert bpy.ops.hunyuan3d.texture(filepath=picture, uvs="NEW") == {"FINISHED"}
    assert [layer.name for layer in ball.data.uv_layers] == ["UVMap", "Hunyuan3D"]
    check_halves(ball)


def test_one_undo_step_for_several_meshes(picture):
    first, second = add_sphere("First", 3), add_sphere("Second", 3)
    select(first, second)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.hunyuan3d.texture("EXEC_DEFAULT", True, filepath=picture, texture_size="512")
    assert all(len(bpy.data.objects[name].data.materials) == 1 for name in ("First", "Second"))
    bpy.ops.ed.undo()
    for name in ("First", "Second"):
        data = bpy.data.objects[name].data
        assert not data.materials and not data.uv_layers


def test_a_file_beside_the_blend_file(picture, tmp_path):
    add_sphere("Egg/Plant", 3)
    with pytest.raises(RuntimeError, match="not been saved yet"):
        bpy.ops.hunyuan3d.texture(filepath=picture, storage="FILE")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    for expected in ("Egg_Plant_colour.png", "Egg_Plant_colour_2.png"):
        bpy.ops.hunyuan3d.texture(filepath=picture, storage="FILE", texture_size="512")
        assert (tmp_path / expected).is_file()
    (image,) = (i for i in bpy.data.images if i.size[0] == 512)
    assert image.filepath == "//Egg_Plant_colour_2.png" and not image.packed_file


def test_shared_mesh_and_other_materials(picture):
    first = add_sphere("First", 3)
    second = first.copy()
    bpy.context.collection.objects.link(second)
    first.data.materials.append(bpy.data.materials.new("clay"))
    select(first, second)
    assert bpy.ops.hunyuan3d.texture(filepath=picture, texture_size="512") == {"FINISHED"}
    assert first.data == second.data
    assert [slot.name for slot in second.material_slots] == [first.data.materials[0].name]


@pytest.mark.parametrize(
    ("prepare", "settings", "message"),
    [
        (lambda obj: None, {"filepath": ""}, "no picture is chosen"),
        (lambda obj: None, {"filepath": "/nowhere.png"}, "does not exist"),
        (lambda obj: None, {"model": "/nowhere"}, "model folder /nowhere does not exist"),
        (lambda obj: None, {"uvs": "KEEP"}, "no UV map to keep"),
        (lambda obj: obj.data.clear_geometry(), {}, "has no faces"),
        (lambda obj: _uvs_outside(obj), {}, "outside the texture's square"),
    ],
    ids=["no picture", "missing picture", "missing model", "no UVs", "no faces", "UVs outside"],
)
def test_bad_input_changes_nothing(picture, prepare, settings, message):
    prepare(add_sphere("Egg", 3))
    before = fingerprint()
    with pytest.raises(RuntimeError, match=f"(?i){message}"):
        bpy.ops.hunyuan3d.texture(**{"filepath": picture, **settings})
    assert fingerprint() == before


def _uvs_outside(obj):
    layer = obj.data.uv_layers.new()
    layer.uv.foreach_set("vector", np.full(2 * len(obj.data.loops), 3.5, np.float32))


def test_a_transparent_picture_is_told(scene, tmp_path):
    add_sphere("Egg", 3)
    empty = save_picture(tmp_path / "empty.png", np.zeros((64, 64, 4)))
    before = fingerprint()
    with pytest.raises(RuntimeError, match=r"(?i)transparent|no object"):
        bpy.ops.hunyuan3d.texture(filepath=str(empty))
    assert fingerprint() == before


def test_a_job_shows_what_the_worker_sees_and_can_be_done_again(picture, module):
    queue, thumbnails = module("job_timer").queue, module("thumbnails")
    ball, other = add_sphere("Ball", 3), add_sphere("Other", 3)
    select(ball)
    painting = module("painting")
    job = queue.add(painting.make_job(bpy.context, [ball], painting.Wish(picture)))
    while not job.ended:
        queue.pump()
        thumbnails.update_views([*queue.jobs, *queue.ended])
        if job.state.name == "READY":
            assert len(thumbnails.icons_of_views(job)) == 1  # the cut-out picture
            queue.complete(job)
    assert job.state.name == "DONE" and job.picture == picture
    shown = thumbnails._previews[thumbnails._views[job.number][0]]
    width, height = shown.image_size
    pixels = np.array(shown.image_pixels, np.int32).view(np.uint8).reshape(height, width, 4)
    assert tuple(pixels[3 * height // 4, width // 2]) == (255, 0, 0, 255)  # rows from below
    assert tuple(pixels[height // 4, width // 2]) == (0, 0, 255, 255)
    select(other)
    again = queue.retry(job)
    module("thumbnails").update_views([*queue.jobs, *queue.ended])
    assert not thumbnails.icons_of_views(job)
    assert again.title == job.title and [part.name for part in again.parts] == ["Ball"]
    queue.cancel(again)
    bpy.data.objects.remove(ball)
    with pytest.raises(Exception, match="are gone"):
        job.again()


def test_the_cache_is_told_and_cleared(picture, module):
    queue = module("job_timer").queue
    add_sphere("Ball", 3)
    assert not bpy.ops.hunyuan3d.clear_cache.poll()
    bpy.ops.hunyuan3d.texture(filepath=picture, texture_size="512")
    wait(lambda: queue.cached_bytes() > 0, queue)
    assert bpy.ops.hunyuan3d.clear_cache() == {"FINISHED"}
    wait(lambda: queue.cached_bytes() == 0, queue)


def wait(done, queue):
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        queue.pump()
        time.sleep(0.02)


@pytest.mark.parametrize("beside", [False, True])
def test_metal_and_roughness_come_from_one_image(extension, scene, tmp_path, beside):
    texture_write = importlib.import_module(f"{extension.__name__}.texture_write")
    cube = add_sphere("Coin", subdivisions=2)
    loops = np.arange(len(cube.data.loops))
    surface = np.zeros((64, 64, 3), np.uint8)
    surface[..., 1], surface[..., 2] = 50, 200
    colour = np.full((64, 64, 3), 90, np.uint8)
    folder = tmp_path if beside else None
    texture_write.put_on(cube, colour, loops, np.zeros((len(loops), 2)), folder, surface)
    (material,) = cube.data.materials
    shader = next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    metallic, roughness = (shader.inputs[n].links[0] for n in ("Metallic", "Roughness"))
    assert (metallic.from_socket.name, roughness.from_socket.name) == ("Blue", "Green")
    image = metallic.from_node.inputs["Color"].links[0].from_node.image
    assert image.colorspace_settings.name == "Non-Color"
    assert bool(image.packed_file) is not beside
    assert np.allclose(image.pixels[:4], [0, 50 / 255, 200 / 255, 1], atol=0.003)
    base = shader.inputs["Base Color"].links[0].from_node.image
    assert base.colorspace_settings.name == "sRGB" and bool(base.packed_file) is not beside

    # Painted again without them, neither the material nor its images are left.
    texture_write.put_on(cube, colour, loops, None)
    assert [i.name for i in bpy.data.images if i.name.startswith("Coin metal")] == []
    shader = next(n for n in cube.data.materials[0].node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    assert not shader.inputs["Metallic"].is_linked
    assert shader.inputs["Metallic"].default_value == 0


def test_models_by_name_and_by_folder(scene, module, data):
    models = importlib.import_module("hy3dgen.install.models")
    painting, kept = module("painting"), module("model_source").kept_folder(bpy.context)
    turbo, base, delight = models.TEXTURE_MODELS
    with pytest.raises(Exception, match="Paint Turbo is not on this machine; download it"):
        painting._model(bpy.context, "2.0 Paint Turbo")
    for model in (turbo, base, delight):
        for names in model.files:
            path = kept / model.repository / model.subfolder / names[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    root = str(kept / turbo.repository)
    assert painting._model(bpy.context, "2.0 Paint") == {
        "model": root, "subfolder": "hunyuan3d-paint-v2-0",
    }  # fmt: skip
    inside = str(kept / turbo.repository / turbo.subfolder)
    assert painting._model(bpy.context, inside) == {"model": root, "subfolder": turbo.subfolder}
    assert painting._model(bpy.context, root) == {"model": root}


def test_the_gpu_memory_limit_goes_with_the_request(scene, picture, preferences, module, tmp_path):
    painting = module("painting")
    ball = add_sphere("Ball", 3)

    def sent(model=""):
        wish = painting.Wish(picture, model=model)
        return painting.make_job(bpy.context, [ball], wish).parts[0].params.get("max_memory")

    preferences.gpu_memory = 8.0
    try:
        assert sent(str(tmp_path)) == 8e9
        assert sent() is None, "nothing for a GPU to do"
    finally:
        preferences.gpu_memory = 0.0
    assert sent(str(tmp_path)) is None
