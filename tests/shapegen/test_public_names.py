# SPDX-License-Identifier: Apache-2.0
"""Every name that published scripts import is there, also under the package's name of 2.1."""

import subprocess
import sys
from importlib import import_module

import pytest

from hy3dgen.errors import CheckpointMismatchError
from hy3dgen.shapegen.settings import resolve_target

NAMES = {
    "": "Hunyuan3DDiTPipeline Hunyuan3DDiTFlowMatchingPipeline FaceReducer FloaterRemover "
    "DegenerateFaceRemover MeshSimplifier ImageProcessorV2 IMAGE_PROCESSORS DEFAULT_IMAGEPROCESSOR",
    "models": "ShapeVAE DualImageEncoder SingleImageEncoder DinoImageEncoder CLIPImageEncoder "
    "Hunyuan3DDiT",
    "models.autoencoders": "CrossAttentionDecoder FlashVDMCrossAttentionProcessor "
    "CrossAttentionProcessor FlashVDMTopMCrossAttentionProcessor ShapeVAE VectsetVAE "
    "SurfaceExtractors MCSurfaceExtractor DMCSurfaceExtractor Latent2MeshOutput "
    "HierarchicalVolumeDecoding FlashVDMVolumeDecoding VanillaVolumeDecoder",
    "models.autoencoders.attention_blocks": "CrossAttentionDecoder FourierEmbedder fps",
    "models.autoencoders.attention_processors": "CrossAttentionProcessor "
    "FlashVDMCrossAttentionProcessor FlashVDMTopMCrossAttentionProcessor",
    "models.autoencoders.model": "ShapeVAE DiagonalGaussianDistribution",
    "models.autoencoders.surface_extractors": "SurfaceExtractors Latent2MeshOutput",
    "models.autoencoders.volume_decoders": "FlashVDMVolumeDecoding HierarchicalVolumeDecoding "
    "VanillaVolumeDecoder generate_dense_grid_points extract_near_surface_volume_fn",
    "models.conditioner": "ImageEncoder DinoImageEncoder DinoImageEncoderMV CLIPImageEncoder "
    "DualImageEncoder SingleImageEncoder build_image_encoder get_1d_sincos_pos_embed_from_grid",
    "models.denoisers": "Hunyuan3DDiT",
    "models.denoisers.hunyuan3ddit": "Hunyuan3DDiT timestep_embedding",
    "models.denoisers.hunyuandit": "HunYuanDiTPlain Timesteps Attention CrossAttention",
    "models.denoisers.moe_layers": "MoEGate MoEBlock",
    "pipelines": "Hunyuan3DDiTPipeline Hunyuan3DDiTFlowMatchingPipeline export_to_trimesh "
    "instantiate_from_config retrieve_timesteps",
    "postprocessors": "FaceReducer FloaterRemover DegenerateFaceRemover MeshSimplifier",
    "preprocessors": "ImageProcessorV2 MVImageProcessorV2 array_to_tensor",
    "schedulers": "FlowMatchEulerDiscreteScheduler ConsistencyFlowMatchEulerDiscreteScheduler",
    "surface_loaders": "SurfaceLoader SharpEdgeSurfaceLoader sharp_sample_pointcloud",
    "utils": "logger get_logger synchronize_timer smart_load_model",
}


@pytest.mark.parametrize("place", NAMES)
def test_names_are_there_and_the_same_under_both_packages(place):
    module = import_module(f"hy3dgen.shapegen.{place}".rstrip("."))
    other = import_module(f"hy3dshape.{place}".rstrip("."))
    for name in NAMES[place].split():
        assert getattr(other, name) is getattr(module, name)
    if place:
        assert other is module
        assert module.__spec__.name == module.__name__ == f"hy3dgen.shapegen.{place}"


def test_the_other_name_works_first_and_alone():
    """In a fresh process, where nothing is loaded under the real name yet."""
    script = (
        "import hy3dshape.models.autoencoders as a; from hy3dshape.rembg import BackgroundRemover;"
        "from hy3dshape.models.denoisers.hunyuandit import HunYuanDiTPlain; import hy3dshape;"
        "from hy3dshape import Hunyuan3DDiTFlowMatchingPipeline as P;"
        "assert a.ShapeVAE is hy3dshape.models.ShapeVAE; assert P.__module__[:7] == 'hy3dgen';"
        "import hy3dgen.rembg; assert hy3dgen.rembg.BackgroundRemover is BackgroundRemover"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_modules_that_are_not_there_say_so():
    with pytest.raises(ModuleNotFoundError):
        import_module("hy3dshape.no_such_module")
    with pytest.raises(ImportError):
        exec("from hy3dshape import NoSuchName")


def test_targets_of_published_configs_resolve():
    for prefix in ("hy3dgen.shapegen", "hy3dshape"):
        for place, names in (
            ("models.autoencoders", ["ShapeVAE"]),
            ("models", ["ShapeVAE", "SingleImageEncoder", "DualImageEncoder", "Hunyuan3DDiT"]),
            ("models.conditioner", ["SingleImageEncoder"]),
            ("models.denoisers.hunyuandit", ["HunYuanDiTPlain"]),
            ("models.denoisers.hunyuan3ddit", ["Hunyuan3DDiT"]),
            ("schedulers", NAMES["schedulers"].split()),
            ("preprocessors", ["ImageProcessorV2", "MVImageProcessorV2"]),
            ("pipelines", ["Hunyuan3DDiTFlowMatchingPipeline"]),
        ):
            for name in names:
                assert resolve_target(f"{prefix}.{place}.{name}").__name__ == name
    with pytest.raises(CheckpointMismatchError, match=r"'os\.system'"):
        resolve_target("os.system")


def test_the_timer_logs_only_when_asked(monkeypatch, caplog):
    from hy3dgen.shapegen.utils import logger, synchronize_timer

    @synchronize_timer("a step")
    def step():
        return 3

    with caplog.at_level("INFO", logger=logger.name):
        monkeypatch.delenv("HY3DGEN_DEBUG", raising=False)
        assert step() == 3
        assert caplog.text == ""
        monkeypatch.setenv("HY3DGEN_DEBUG", "1")
        assert step() == 3
        assert "a step took" in caplog.text


def test_a_model_is_located(tmp_path):
    from hy3dgen.shapegen.utils import smart_load_model

    folder = tmp_path / "any" / "hunyuan3d-dit-v2-0"
    folder.mkdir(parents=True)
    for name in ("config.yaml", "model.fp16.safetensors"):
        (folder / name).touch()
    found = smart_load_model(str(tmp_path / "any"), "hunyuan3d-dit-v2-0")
    assert found == (str(folder / "config.yaml"), str(folder / "model.fp16.safetensors"))
