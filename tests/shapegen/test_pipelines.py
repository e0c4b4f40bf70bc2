# SPDX-License-Identifier: Apache-2.0
"""What a caller of the whole pipeline can count on; recorded runs are in `test_goldens.py`."""

import numpy as np
import pytest
import torch
from golden import FOLDER, Case, largest_error
from PIL import Image

from hy3dgen.errors import Cancelled, InvalidImageError, InvalidSettingError
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline as Pipeline
from hy3dgen.shapegen.models.autoencoders import (
    CoarseToFineVolumeDecoder,
    FlashVDMVolumeDecoding,
    HierarchicalVolumeDecoding,
    VanillaVolumeDecoder,
)
from hy3dgen.shapegen.models.autoencoders.decoder_choice import pick_volume_decoder
from hy3dgen.shapegen.models.autoencoders.surface_extractors import MCSurfaceExtractor
from hy3dgen.shapegen.pipelines import export_to_trimesh
from hy3dgen.weights import fitting_subfolder


def load(case):
    folder = FOLDER / case.spec["checkpoint"]["folder"]
    return Pipeline.from_pretrained(
        folder.parent, device="cpu", dtype=torch.float32, variant=None, subfolder=folder.name
    )


@pytest.fixture(scope="module")
def pipeline():
    return load(Case("e2e_flow_cfg"))


@pytest.fixture(scope="module")
def start():
    """Recorded noise that is known to end in a field with a surface."""
    return Case("e2e_flow_cfg")["in.initial_latents"]


@pytest.fixture
def picture():
    return FOLDER / "images" / "e2e_flow_cfg_0.png"


def test_the_default_subfolder_of_a_2_1_model_is_its_own():
    folder = FOLDER / Case("e2e_v21_cfg").spec["checkpoint"]["folder"]
    pipe = Pipeline.from_pretrained(folder.parent, device="cpu", variant=None)
    assert type(pipe.model).__name__ == "HunYuanDiTPlain"
    assert fitting_subfolder("tencent/Hunyuan3D-2.1", "a", "a", "b") == "b"
    assert fitting_subfolder("tencent/Hunyuan3D-2.1", "c", "a", "b") == "c"
    assert fitting_subfolder("tencent/Hunyuan3D-2", "a", "a", "b") == "a"


FAST = dict(num_inference_steps=3, octree_resolution=12)


def test_the_same_seed_gives_the_same_latents(pipeline, picture):
    def run(seed):
        generator = torch.Generator().manual_seed(seed)
        return pipeline(picture, generator=generator, output_type="latent", **FAST)

    assert torch.equal(run(1), run(1))
    assert not torch.allclose(run(1), run(2))


def test_each_row_of_a_batch_has_its_own_generator(pipeline, picture):
    def generators(*seeds):
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    both = pipeline([picture] * 2, generator=generators(1, 2), output_type="latent", **FAST)
    second = pipeline([picture], generator=generators(2), output_type="latent", **FAST)
    assert torch.allclose(both[1:], second, atol=1e-5)
    with pytest.raises(InvalidSettingError, match="1 generators were given for 2 pictures"):
        pipeline([picture] * 2, generator=generators(1), **FAST)


def test_a_picture_may_come_as_path_pil_image_or_array(pipeline, picture):
    latents = torch.zeros(1, *pipeline.vae.latent_shape)
    image = Image.open(picture)
    array = np.asarray(image.convert("RGBA"))
    results = [
        pipeline(form, latents=latents, output_type="latent", **FAST)
        for form in (picture, str(picture), image, array, [picture], (picture,))
    ]
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_guidance_of_one_needs_no_unconditional_half(pipeline, picture):
    latents = torch.randn(1, *pipeline.vae.latent_shape)
    options = dict(latents=latents, output_type="latent", **FAST)
    rows = []
    hook = pipeline.model.register_forward_hook(lambda _, inputs, out: rows.append(len(out)))
    at_one = pipeline(picture, guidance_scale=1.0, **options)
    nearly_one = pipeline(picture, guidance_scale=1.0 + 1e-6, **options)
    off = pipeline(picture, guidance_scale=-1.0, **options)
    hook.remove()
    # Two steps each; the third changes nothing. With guidance there are two halves a step.
    assert rows == [1, 1, 2, 2, 1, 1]
    assert torch.allclose(at_one, nearly_one, atol=1e-4)
    assert torch.equal(at_one, off)


@pytest.mark.parametrize("name", ["e2e_fast_guidance", "e2e_turbo_flashvdm", "e2e_v21_cfg"])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float16, 0.01), (torch.bfloat16, 0.05)])
def test_lower_precisions_stay_close_to_the_recorded_latents(name, dtype, allowed):
    """Times and guidance scales are multiplied by 1000 before their sine is taken."""
    case = Case(name)
    pipe = load(case)
    pipe.to(dtype=dtype)
    (call,) = [c for c in case.calls if c["kwargs"].get("output_type") == "latent"]
    got = pipe(**case.values(call["kwargs"]), latents=case["in.initial_latents"])
    assert got.dtype == dtype
    assert largest_error(got.float(), case["out.final_latents"]) < allowed


def test_progress_names_the_stages_in_order(pipeline, picture, start):
    seen = []
    pipeline(
        picture, latents=start, progress=lambda *event: seen.append(event), num_chunks=500, **FAST
    )
    assert list(dict.fromkeys(stage for stage, _, _ in seen)) == [
        "condition", "denoise", "decode", "extract",
    ]  # fmt: skip
    assert [event for event in seen if event[0] == "denoise"] == [
        ("denoise", 0, 2), ("denoise", 1, 2), ("denoise", 2, 2),
    ]  # fmt: skip
    for stage in ("condition", "denoise", "decode", "extract"):
        steps = [event for event in seen if event[0] == stage]
        assert steps[-1][1] == steps[-1][2]


@pytest.mark.parametrize("stage", ["condition", "denoise", "decode", "extract"])
def test_an_exception_from_progress_ends_the_call(pipeline, picture, start, stage):
    def stop(name, step, total):
        if name == stage and step > 0:
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        pipeline(picture, latents=start, progress=stop, **FAST)
    assert pipeline(picture, latents=start, **FAST)[0].volume != 0  # and leaves the pipeline usable


def test_coarse_to_fine_is_chosen_for_fine_grids_only(pipeline):
    def pick(name, resolution, extractor=pipeline.vae.surface_extractor, **options):
        own = pipeline.vae.volume_decoder
        return type(pick_volume_decoder(own, extractor, resolution, name, **options))

    assert pick(None, 63) is VanillaVolumeDecoder
    assert pick(None, 64) is CoarseToFineVolumeDecoder
    assert pick("dense", 256) is VanillaVolumeDecoder
    assert pick(None, 256, compatibility=True) is VanillaVolumeDecoder
    assert pick("coarse_to_fine", 256, compatibility=True) is HierarchicalVolumeDecoding
    pipeline.vae.volume_decoder = HierarchicalVolumeDecoding()
    try:
        assert pick(None, 256) is HierarchicalVolumeDecoding
    finally:
        pipeline.vae.volume_decoder = VanillaVolumeDecoder()


def test_grids_are_sparse_only_for_who_can_take_them():
    own, plain = VanillaVolumeDecoder(), MCSurfaceExtractor()
    flash = FlashVDMVolumeDecoding("merge")
    for chosen, name in ((own, None), (own, "flashvdm"), (flash, None)):
        assert pick_volume_decoder(chosen, plain, 512, name).sparse_from == 384
        for other in (MCSurfaceExtractor(compatibility=True), lambda grids, **_: grids):
            assert pick_volume_decoder(chosen, other, 512, name).sparse_from is None
    assert pick_volume_decoder(flash, plain, 512).topk_mode == "merge"
    old = pick_volume_decoder(flash, plain, 512, compatibility=True)
    assert (old.topk_mode, old.compatibility, old.sparse_from) == ("merge", True, None)
    assert flash.sparse_from is None and not flash.compatibility


def test_latents_become_meshes_coarse_to_fine_too(pipeline, start, monkeypatch):
    """As in scripts that encode a mesh and decode it again."""
    options = dict(octree_resolution=64, bounds=1.01, mc_level=0.0, num_chunks=20000,
                   output_type="trimesh", mc_algo="mc", enable_pbar=True)  # fmt: skip
    grids = []
    call = CoarseToFineVolumeDecoder.__call__
    monkeypatch.setattr(
        CoarseToFineVolumeDecoder, "__call__",
        lambda *values, **options: (grids.append(call(*values, **options)), grids[-1])[1],
    )  # fmt: skip
    with torch.inference_mode(False):  # scripts that take no care of gradients
        tokens = pipeline.vae.decode(start.clone().requires_grad_())
        assert tokens.requires_grad
        (mesh,) = pipeline.vae.latents2mesh(tokens, **options)
        (old,) = pipeline.vae.latents2mesh(tokens, compatibility=True, **options)
    assert len(grids) == 1 and not grids[0].requires_grad
    # The surface of random weights meets the box: at its end, or by the old division short of it.
    assert mesh.mesh_v.max() == pytest.approx(1.01)
    assert old.mesh_v.max() == pytest.approx(64 / 65 * 2.02 - 1.01)


def test_a_chosen_extractor_holds_for_one_call_only(pipeline, picture, start):
    before = pipeline.vae.surface_extractor
    pipeline(picture, latents=start, mc_algo="mc", **FAST)
    assert pipeline.vae.surface_extractor is before
    plain = pipeline(picture, latents=start, **FAST)[0]
    dual = pipeline(picture, latents=start, mc_algo="dmc", **FAST)[0]
    assert pipeline.vae.surface_extractor is before
    assert dual.is_watertight and not plain.is_watertight  # random weights' surface meets the box
    assert np.abs(dual.bounds - plain.bounds).max() < 2.02 / 12
    pipeline.set_surface_extractor("dmc")
    try:
        assert np.array_equal(pipeline(picture, latents=start, **FAST)[0].faces, dual.faces)
        (old,) = pipeline(picture, latents=start, compatibility=True, **FAST)
        assert np.allclose(old.bounds.sum(axis=0), 0, atol=1e-6) and old.extents.max() <= 1.01
    finally:
        pipeline.set_surface_extractor("mc")
    with pytest.raises(InvalidSettingError, match="mc_algo is 'flexi'; choose from mc, dmc"):
        pipeline(picture, mc_algo="flexi", **FAST)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(num_inference_steps=0), "num_inference_steps is 0; choose from 1 to 1000"),
        (dict(num_inference_steps=2.5), "num_inference_steps is 2.5; give a whole number"),
        (dict(octree_resolution=3), "octree_resolution is 3; choose from 4"),
        (dict(guidance_scale=float("nan")), "guidance_scale is nan"),
        (dict(guidance_scale="5"), "guidance_scale is '5'; give a finite number"),
        (dict(image=torch.zeros(40, 40, 3)), r"shape \(40, 40, 3\), but \(B, 3, H, W\)"),
        (dict(image={"front": "a.png"}), r"views were given \(front\).* takes one picture"),
        (dict(box_v=0), "bounds"),
        (dict(output_type=None), "output_type is None; choose from trimesh"),
        (dict(volume_decoder="flash"), "'flash'; choose from dense"),
        (dict(latents=torch.zeros(1, 2, 3)), r"shape \(1, 2, 3\), but \(1, 20, 8\) is wanted"),
        (dict(image=None), "no picture was given"),
        (dict(image=[]), "no picture was given"),
    ],
)
def test_wrong_settings_are_named(pipeline, picture, options, message):
    with pytest.raises((InvalidSettingError, InvalidImageError), match=message):
        pipeline(**({"image": picture} | FAST | options))


def test_an_unknown_argument_is_told_and_has_no_effect(pipeline, picture, start):
    options = dict(latents=start, output_type="latent", **FAST)
    want = pipeline(picture, **options)
    with pytest.warns(UserWarning, match="num_inference_step is .* was num_inference_steps meant"):
        got = pipeline(picture, num_inference_step=9, **options)
    assert torch.equal(got, want)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_asking_for_a_gpu_that_is_not_there_says_so():
    folder = FOLDER / Case("e2e_flow_cfg").spec["checkpoint"]["folder"]
    with pytest.raises(InvalidSettingError, match="sees no CUDA GPU; use device='cpu'"):
        Pipeline.from_pretrained(folder, device="cuda", subfolder=None, variant=None)
    pipe = Pipeline.from_pretrained(folder, subfolder=None, variant=None)
    assert (pipe.device.type, pipe.dtype) == ("cpu", torch.float32)


def test_networks_are_in_eval_mode_and_frozen(pipeline):
    for network in (pipeline.model, pipeline.vae, pipeline.conditioner):
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())


def test_exporting_twice_gives_the_same(pipeline, picture, start):
    mesh = pipeline(picture, latents=start, output_type="mesh", **FAST)[0]
    assert np.array_equal(export_to_trimesh(mesh).faces, export_to_trimesh(mesh).faces)


def test_a_prepared_tensor_gives_what_its_picture_gives(pipeline, picture, start):
    """As 2.1's scripts pass them; neither is prepared again."""
    prepared = pipeline.prepare_image(picture)
    options = dict(latents=start, output_type="latent", **FAST)
    want = pipeline(picture, **options)
    assert torch.equal(pipeline(prepared["image"], mask=prepared["mask"], **options), want)
    assert torch.equal(pipeline(prepared["image"], **options), want)


@pytest.mark.parametrize("kind", ["trimesh", "mesh", "latent"])
def test_a_batch_gives_one_result_a_picture(pipeline, picture, start, kind):
    other = FOLDER / "images" / "image_v2_1_hole.png"
    latents = torch.cat([start, start.flip(1)])
    options = dict(output_type=kind, **FAST)
    both = pipeline([picture, Image.open(other)], latents=latents, **options)
    alone = [
        pipeline(image, latents=row, **options)[0]
        for image, row in zip((picture, other), latents.split(1), strict=True)
    ]
    assert len(both) == 2
    for got, want in zip(both, alone, strict=True):
        if kind == "latent":
            assert torch.allclose(got, want, atol=1e-5)
        else:
            places = [m.vertices if kind == "trimesh" else m.mesh_v for m in (got, want)]
            assert np.allclose(*[p.mean(axis=0) for p in places], atol=1e-3)
            assert len(places[0]) == pytest.approx(len(places[1]), rel=0.01)


def test_the_box_may_be_given_in_any_form(pipeline, picture, start):
    options = dict(latents=start, output_type="mesh", **FAST)
    forms = [1, 1.0, np.float32(1), [-1, -1, -1, 1, 1, 1], (-1.0,) * 3 + (1.0,) * 3,
             np.array([-1, -1, -1, 1, 1, 1])]  # fmt: skip
    places = [pipeline(picture, box_v=form, **options)[0].mesh_v for form in forms]
    assert all(np.array_equal(places[0], other) for other in places[1:])
    (part,) = pipeline(picture, box_v=[-1, -1, -1, 1, 1, 0], **options)
    assert part.mesh_v[:, 2].max() == 0


@pytest.mark.parametrize("every", [1, 2, 3])
def test_the_callback_comes_every_so_many_steps(pipeline, picture, start, every):
    seen = []
    final = pipeline(
        picture, latents=start, output_type="latent", num_inference_steps=5, callback_steps=every,
        callback=lambda step, timestep, outputs: seen.append((step, outputs.prev_sample)),
    )  # fmt: skip
    assert [step for step, _ in seen] == list(range(0, 5, every))
    if every in (1, 2):
        assert torch.equal(seen[-1][1], final)


@pytest.mark.parametrize("chunk", [1, 17, 2197, 10**9])
def test_any_chunk_gives_the_same_mesh(pipeline, picture, start, chunk):
    want = pipeline(picture, latents=start, output_type="mesh", **FAST)[0]
    options = dict(num_inference_steps=3, octree_resolution=12, enable_pbar=False)
    got = pipeline(picture, latents=start, output_type="mesh", num_chunks=chunk, **options)[0]
    assert np.array_equal(got.mesh_f, want.mesh_f)
    assert np.allclose(got.mesh_v, want.mesh_v, atol=1e-4)


@pytest.mark.parametrize("decoder", ["dense", "coarse_to_fine", "flashvdm"])
def test_a_call_goes_on_with_smaller_chunks_where_memory_is_short(
    pipeline, picture, start, decoder, monkeypatch, caplog
):
    """With an allocator that has room for so many points at a time, of whatever call."""
    options = dict(latents=start, output_type="mesh", num_inference_steps=2, octree_resolution=24,
                   volume_decoder=decoder, num_chunks=10_000)  # fmt: skip
    want = pipeline(picture, **options)[0]
    query, refused = pipeline.vae.geo_decoder.query, []

    def capped(projected, points, *others):
        if points.shape[0] * points.shape[1] > 700:
            refused.append(points.shape)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.")
        return query(projected, points, *others)

    monkeypatch.setattr(pipeline.vae.geo_decoder, "query", capped)
    with caplog.at_level("INFO", logger="hy3dgen.shapgen"):
        got = pipeline(picture, **options)[0]
    assert refused
    lines = [line for line in caplog.messages if "not enough memory" in line]
    assert len(lines) == 1 and "going on with fewer" in lines[0]
    assert np.array_equal(got.mesh_f, want.mesh_f)
    assert np.allclose(got.mesh_v, want.mesh_v, atol=1e-4)
