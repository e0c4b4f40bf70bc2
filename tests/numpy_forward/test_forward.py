# SPDX-License-Identifier: Apache-2.0
"""The numpy forward of the bundled model equals the torch one, stage by stage."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import hy3dgen
from hy3dgen.errors import CheckpointError, CheckpointMismatchError, CheckpointNotFoundError
from hy3dgen.numpy_forward.autoencoder import GeometryDecoder, decode_tokens
from hy3dgen.numpy_forward.checkpoint import part, read_config, read_safetensors
from hy3dgen.numpy_forward.denoiser import Denoiser, denoise, draw_noise
from hy3dgen.numpy_forward.dinov2 import ImageEncoder
from hy3dgen.numpy_forward.layers import gelu
from hy3dgen.numpy_forward.picture import resize_area, resize_cubic, square_picture
from hy3dgen.numpy_forward.pipeline import NumpyPipeline, _reaching
from hy3dgen.numpy_forward.products import einsum_product, product
from hy3dgen.numpy_forward.surface import extract_surface
from hy3dgen.numpy_forward.volume import BOUND, decode_grid

FOLDER = Path(hy3dgen.__file__).parent / "assets" / "tiny"
WEIGHTS = FOLDER / "model.fp16.safetensors"
PICTURE = Path(__file__).parents[2] / "examples" / "pictures" / "car.png"

torch = pytest.importorskip("torch")
for library in ("yaml", "safetensors", "cv2", "PIL", "skimage"):
    pytest.importorskip(library)


def ignore(*_):
    pass


@pytest.fixture(scope="module")
def pipeline():
    from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline

    return Hunyuan3DDiTFlowMatchingPipeline.from_pretrained(
        FOLDER, subfolder=None, device="cpu", dtype=torch.float32
    )


@pytest.fixture(scope="module")
def weights():
    return read_safetensors(WEIGHTS)


@pytest.fixture(scope="module")
def config():
    return read_config(FOLDER)


@pytest.fixture(scope="module")
def cut_out():
    from hy3dgen.rembg import BackgroundRemover

    return np.asarray(BackgroundRemover()(PICTURE))


@pytest.fixture(scope="module")
def latents(pipeline, cut_out):
    """Those of the torch pipeline."""
    return pipeline(
        image=cut_out,
        num_inference_steps=6,
        guidance_scale=2.0,
        generator=torch.Generator().manual_seed(11),
        output_type="latent",
    ).clone()


def close(ours, theirs, tolerance=1e-4):
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape and ours.dtype == np.float32
    assert np.abs(ours - theirs).max() <= tolerance


def test_the_config_and_the_defaults_say_the_same_as_their_yaml():
    import yaml

    assert read_config(FOLDER) == yaml.safe_load((FOLDER / "config.yaml").read_text())


def test_a_config_of_brackets_alone_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="not readable"):
        read_config(tmp_path)


def test_all_weights_are_read(weights):
    from safetensors.torch import load_file

    theirs = load_file(WEIGHTS)
    assert set(weights) == set(theirs)
    for name, value in theirs.items():
        np.testing.assert_array_equal(weights[name], value.float().numpy())


def test_gelu():
    x = np.linspace(-9, 9, 10_001, dtype=np.float32)
    theirs = torch.nn.functional.gelu(torch.from_numpy(x.copy()))
    close(gelu(x.copy()), theirs, 1e-6)


@pytest.mark.parametrize("shapes", [((9,), (9, 4)), ((6, 9), (9, 4)), ((2, 6, 9), (2, 9, 4))])
def test_products_without_blas(shapes):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    close(einsum_product(a, b), a @ b, 1e-5)
    close(product(a, b), a @ b, 1e-5)


def test_the_image_encoder(pipeline, weights, config, cut_out):
    picture = square_picture(cut_out, 112, 0.15)
    ours = ImageEncoder(part(weights, "conditioner"), config["conditioner"])(picture)
    image = torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        close(ours, pipeline.conditioner(image=image)["main"][0])


@pytest.mark.parametrize("time", [0.0, 0.37, 0.9])
def test_the_denoiser(pipeline, weights, config, time):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 64, 16, generator=generator)
    condition = torch.randn(1, 65, 192, generator=generator)
    ours = Denoiser(part(weights, "model"), config["model"])
    with torch.inference_mode():
        theirs = pipeline.model(x, torch.tensor([time]), {"main": condition})[0]
    close(ours(x[0].numpy(), time, condition[0].numpy()), theirs)


@pytest.mark.parametrize("seed", [0, 7, 2**31 + 5, 2**33 + 1])
def test_a_seed_gives_the_noise_of_torch(seed):
    theirs = torch.randn((64, 16), generator=torch.Generator().manual_seed(seed))
    close(draw_noise((64, 16), seed), theirs, 2e-6)


@pytest.mark.parametrize("guidance_scale", [1.0, 2.0])
def test_sampling(pipeline, weights, config, cut_out, guidance_scale):
    theirs = pipeline(
        image=cut_out,
        num_inference_steps=6,
        guidance_scale=guidance_scale,
        generator=torch.Generator().manual_seed(11),
        output_type="latent",
    )
    encode = ImageEncoder(part(weights, "conditioner"), config["conditioner"])
    image = pipeline.image_processor(cut_out, to_tensor=False)["image"]
    steps = []
    with ThreadPoolExecutor(2) as pool:
        ours = denoise(
            Denoiser(part(weights, "model"), config["model"]),
            draw_noise((64, 16), 11),
            encode(image),
            6,
            guidance_scale,
            pool,
            lambda step, total: steps.append((step, total)),
        )
    close(ours, theirs[0])
    assert steps == [(i, 5) for i in range(6)]


@pytest.mark.parametrize("resolution", [20, 128, 131])
def test_the_field(pipeline, weights, config, latents, resolution):
    """The same points are asked and answered alike, coarse to fine from 64 on."""
    from hy3dgen.shapegen.models.autoencoders.coarse_to_fine import CoarseToFineVolumeDecoder

    with torch.inference_mode():
        tokens = pipeline.vae(latents / pipeline.vae.scale_factor)
        theirs = CoarseToFineVolumeDecoder()(
            tokens, pipeline.vae.geo_decoder, octree_resolution=resolution
        )[0].numpy()
    vae, section = part(weights, "vae"), config["vae"]
    ours = decode_tokens(latents[0].numpy(), vae, section)
    close(ours, tokens[0])
    looked = []
    with ThreadPoolExecutor(1) as pool:  # numpy's library has its own threads in this process
        grid = decode_grid(
            GeometryDecoder(ours, vae, section), resolution, pool, ignore,
            lambda *first: looked.append(first),
        )  # fmt: skip
    assert grid.shape == theirs.shape
    assert np.isnan(grid).any() == bool(looked) == (resolution != 20)
    np.testing.assert_array_equal(np.isnan(grid), np.isnan(theirs))
    close(np.nan_to_num(grid), np.nan_to_num(theirs))
    if resolution != 20:
        _same_surface(grid, theirs)
        (first,) = looked
        ends = [extract_surface(grid, BOUND)[0], _reaching(*first)[0]]
        low, high = ([getattr(places, end)(axis=0) for places in ends] for end in ("min", "max"))
        assert np.abs(np.subtract(*low)).max() < BOUND / 64
        assert np.abs(np.subtract(*high)).max() < BOUND / 64


def _same_surface(grid, theirs):
    """Ours and scikit-image's, by the distance of vertices to the nearest ones, in cells."""
    from hy3dgen.shapegen.models.autoencoders.surface_extractors import MCSurfaceExtractor

    vertices, faces = extract_surface(grid, BOUND)
    (other,) = MCSurfaceExtractor()(torch.from_numpy(theirs)[None])
    cell = 2 * BOUND / (len(grid) - 1)
    assert len(vertices) == pytest.approx(len(other.mesh_v), rel=0.01)
    sample = vertices[:: max(1, len(vertices) // 500)]
    far = np.linalg.norm(sample[:, None] - other.mesh_v[None], axis=2).min(axis=1)
    assert np.quantile(far, 0.98) < 2e-3 * cell and far.max() < 0.8 * cell
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, uses = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    assert (uses == 2).all(), "the shape is closed"


def test_picture_to_mesh_in_a_python_without_any_other_library(tmp_path, cut_out):
    """And nothing of the rest of hy3dgen drags one in."""
    np.save(tmp_path / "picture.npy", cut_out)
    code = """
import os, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"
for name in ("torch", "cv2", "PIL", "skimage", "yaml", "safetensors", "scipy", "trimesh"):
    sys.modules[name] = None
import numpy
from hy3dgen.numpy_forward.pipeline import NumpyPipeline
vertices, faces = NumpyPipeline(sys.argv[1])(
    numpy.load(sys.argv[2]), 1, 4, 2.0, 32, lambda *_: None
)
print(len(vertices), len(faces), abs(vertices).max() <= 1.01)
"""
    command = [sys.executable, "-c", code, str(FOLDER), str(tmp_path / "picture.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    vertices, faces, inside = done.stdout.split()
    assert int(faces) > 500 and int(vertices) > 250 and inside == "True"


# --- pictures -------------------------------------------------------------------------------------


def noise_picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4)).astype(np.uint8)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((90, 70), (45, 35)),
        ((101, 67), (40, 13)),
        ((50, 40), (50, 40)),
        ((30, 20), (77, 51)),  # grows
        ((64, 64), (300, 11)),  # grows one way and shrinks the other
    ],
)
def test_area_is_opencvs(old, new):
    import cv2

    picture = noise_picture(*old)
    theirs = cv2.resize(picture, new[::-1], interpolation=cv2.INTER_AREA)
    ours = resize_area(picture, *new)
    assert np.abs(ours.astype(int) - theirs).max() <= 2


@pytest.mark.parametrize("side", [40, 112, 300, 517])
def test_cubic_is_opencvs(side):
    import cv2

    picture = noise_picture(side, side)[..., :3]
    theirs = cv2.resize(picture, (112, 112), interpolation=cv2.INTER_CUBIC)
    assert np.abs(resize_cubic(picture, 112, 112).astype(int) - theirs).max() <= 2


@pytest.mark.parametrize("shape", [(300, 200), (97, 331), (40, 40)])
def test_the_square_picture_is_that_of_the_image_processor(shape):
    from hy3dgen.shapegen.preprocessors import ImageProcessorV2

    picture = noise_picture(*shape)
    height, width = shape
    picture[: height // 5, :, 3] = 0
    picture[:, -width // 4 :, 3] = 0
    theirs = ImageProcessorV2(112, 0.15)(picture, to_tensor=False)["image"]
    assert np.abs(square_picture(picture, 112, 0.15).astype(int) - theirs).max() <= 2


@pytest.mark.parametrize("corner", [(0, 0), (1, 9), (9, 1)])
def test_nothing_to_see_gets_a_sentence(corner):
    from hy3dgen.errors import InvalidImageError

    picture = np.zeros((64, 64, 4), np.uint8)
    picture[: corner[0], : corner[1]] = 255
    with pytest.raises(InvalidImageError, match="choose"):
        square_picture(picture, 112, 0.15)


# --- broken files ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(FOLDER, tmp_path / "model"))


def test_broken_weights_get_a_sentence(folder):
    path = folder / WEIGHTS.name
    whole = path.read_bytes()
    for content in (b"", whole[:5], whole[: len(whole) // 2], whole + b"x", b"\xff" * 500):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="again"):
            NumpyPipeline(folder)
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    name = next(iter(header.keys() - {"__metadata__"}))
    for change in ({"dtype": "BF16"}, {"shape": [3, 5]}, {"shape": [-1]}, {"shape": "many"}):
        raw = json.dumps({**header, name: {**header[name], **change}}).encode()
        path.write_bytes(len(raw).to_bytes(8, "little") + raw + whole[8 + length :])
        with pytest.raises(CheckpointError, match=name):
            NumpyPipeline(folder)


def test_broken_configs_get_a_sentence(folder):
    path = folder / "config.json"
    for content, kind in (("{", CheckpointError), ("[]", CheckpointMismatchError)):
        path.write_text(content)
        with pytest.raises(kind):
            NumpyPipeline(folder)
    path.write_text("{}")
    with pytest.raises(CheckpointMismatchError, match="conditioner"):
        NumpyPipeline(folder)
    path.unlink()
    with pytest.raises(CheckpointNotFoundError):
        NumpyPipeline(folder)
