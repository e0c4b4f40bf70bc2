# SPDX-License-Identifier: Apache-2.0
"""Finding, reading and loading models: what fits is loaded, what does not is named."""

import itertools
import json
import os
import pickle
import shutil
import struct
import sys
from pathlib import Path

import pytest
import torch
import yaml
from golden import FOLDER
from safetensors.torch import load_file, save_file

from hy3dgen.errors import (
    CheckpointError,
    CheckpointMismatchError,
    CheckpointNotFoundError,
    InvalidSettingError,
    MissingDependencyError,
)
from hy3dgen.mapped_weights import read_header
from hy3dgen.shapegen import Hunyuan3DDiTFlowMatchingPipeline as Pipeline
from hy3dgen.shapegen.models import ShapeVAE
from hy3dgen.shapegen.settings import instantiate_from_config, resolve_target
from hy3dgen.weights import (
    ModelFiles,
    load_strictly,
    locate,
    read_config,
    read_weights,
    split_parts,
)

VAE_FOLDER = FOLDER / "vae_checkpoint"
VAE_NAME = "hunyuan3d-vae-v2-0-turbo"


@pytest.fixture
def vae_folder(tmp_path):
    return shutil.copytree(VAE_FOLDER / VAE_NAME, tmp_path / VAE_NAME)


@pytest.fixture
def model_folder(tmp_path):
    return shutil.copytree(FOLDER / "e2e_flow_cfg" / "hunyuan3d-dit-v2-0", tmp_path / "model")


def load_pipeline(folder):
    return Pipeline.from_pretrained(folder, device="cpu", variant=None, subfolder=None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks in /proc")
def test_a_file_of_many_tensors_takes_no_descriptor_for_each(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({f"t{i}": torch.full((5,), float(i)) for i in range(300)}, path)
    before = len(os.listdir("/proc/self/fd"))
    state = read_weights(path)
    assert len(os.listdir("/proc/self/fd")) == before
    assert all((state[f"t{i}"] == i).all() for i in range(300))
    state["t7"] += 1  # a copy of ours
    assert (load_file(path)["t7"] == 7).all()

    def mappings():
        return Path("/proc/self/maps").read_text().count(str(path))

    assert mappings() >= 1
    kept = state["t3"].view(torch.int32)
    del state
    assert mappings() == 1 and kept.view(torch.float32)[0] == 3
    del kept
    assert mappings() == 0, "what nobody uses is not mapped"


def change_weights(folder, change):
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")


def test_a_vae_of_a_decoder_only_file_has_no_encoder(vae_folder):
    vae = ShapeVAE.from_pretrained(vae_folder, "cpu", variant=None, subfolder=None)
    assert vae.encoder is None and not vae.training


def test_keywords_win_over_the_vae_config(vae_folder):
    vae = ShapeVAE.from_pretrained(vae_folder, "cpu", variant=None, subfolder=None, num_latents=99)
    assert vae.latent_shape == (99, 8)


class TestLocate:
    def test_absolute_relative_and_cache_folders(self, vae_folder, monkeypatch, tmp_path):
        want = ModelFiles(vae_folder / "config.yaml", vae_folder / "model.fp16.safetensors")
        assert locate(tmp_path, VAE_NAME) == want
        assert locate(str(vae_folder), None) == want
        monkeypatch.chdir(tmp_path)
        assert locate(".", VAE_NAME) == want
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path.parent))
        assert locate(tmp_path.name, VAE_NAME) == want

    def test_a_folder_with_a_config_will_do_for_the_default_subfolder_only(self, vae_folder):
        assert locate(vae_folder, "x", default_subfolder="x").config.parent == vae_folder
        with pytest.raises(CheckpointNotFoundError, match="no model folder at"):
            locate(vae_folder, "y", default_subfolder="x")

    def test_other_formats_and_names_stand_in(self, vae_folder):
        def found(**options):
            return locate(vae_folder, None, **options).weights.name

        assert found() == "model.fp16.safetensors"
        assert found(variant=None, use_safetensors=False) == "model.ckpt"
        assert found(use_safetensors=False) == "model.fp16.safetensors"
        (vae_folder / "model.fp16.safetensors").unlink()
        assert found() == "model.safetensors"
        (vae_folder / "model.safetensors").unlink()
        assert found() == "model.ckpt"
        (vae_folder / "model.ckpt").unlink()
        with pytest.raises(CheckpointNotFoundError, match=r"holds config\.yaml, but none of"):
            found()
        (vae_folder / "config.yaml").unlink()
        with pytest.raises(CheckpointNotFoundError, match=r"has no config\.yaml"):
            found()

    def test_a_missing_model_never_reaches_for_the_network_when_told_not_to(self, tmp_path):
        with pytest.raises(CheckpointNotFoundError, match="no model folder"):
            locate(tmp_path / "nothing", "x")
        with pytest.raises((CheckpointNotFoundError, MissingDependencyError), match="nobody/none"):
            locate("nobody/none", "x", local_files_only=True)


class TestHub:
    """The hub's cache as it lies on a disk after a download; nothing here reaches the network."""

    @pytest.fixture
    def cache(self, tmp_path, monkeypatch):
        hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
        monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path / "none"))
        repository = tmp_path / "hub" / "models--someone--something"
        snapshot = repository / "snapshots" / ("0" * 40)
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text("0" * 40)
        shutil.copytree(VAE_FOLDER / VAE_NAME, snapshot / VAE_NAME)
        return snapshot

    def test_a_downloaded_repository_is_found_without_the_network(self, cache):
        files = locate("someone/something", VAE_NAME, local_files_only=True)
        assert files.weights == cache / VAE_NAME / "model.fp16.safetensors"

    def test_another_format_stands_in(self, cache):
        for path in (cache / VAE_NAME).glob("*.safetensors"):
            path.unlink()
        files = locate("someone/something", VAE_NAME, local_files_only=True)
        assert files.weights == cache / VAE_NAME / "model.ckpt"

    def test_what_is_missing_is_told(self, cache):
        with pytest.raises(CheckpointNotFoundError, match="has no weights in other"):
            locate("someone/something", "other", local_files_only=True)
        with pytest.raises(CheckpointNotFoundError, match="downloads were not allowed"):
            locate("someone/else", VAE_NAME, local_files_only=True)


class TestDamagedFiles:
    @pytest.mark.parametrize("kept", [0, 5, 8, 1000, 20000, -1])
    def test_cut_off_safetensors(self, model_folder, kept):
        path = model_folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(CheckpointError, match=r"model\.safetensors .*again"):
            load_pipeline(model_folder)

    @pytest.mark.parametrize("name", ["x" * 300, "/" + "x" * 300, "a\0b"])
    def test_names_that_no_disk_takes(self, name):
        with pytest.raises(CheckpointNotFoundError, match="no model folder"):
            load_pipeline(name)
        with pytest.raises(CheckpointNotFoundError, match="no weight file"):
            read_weights(name)

    def test_other_content_is_no_safetensors(self, tmp_path):
        path = tmp_path / "model.safetensors"
        header = json.dumps({"a": {"dtype": "F32"}}).encode()
        for content in (
            b"<html>" * 40,
            struct.pack("<Q", 50) + b"x" * 50,
            struct.pack("<Q", len(header)) + header,
            struct.pack("<Q", 2) + b"[]",
            struct.pack("<Q", 100_000) + b"[" * 100_000,
        ):
            path.write_bytes(content)
            with pytest.raises(CheckpointError, match="again"):
                read_header(path)

    def test_bytes_after_the_end(self, model_folder):
        path = model_folder / "model.safetensors"
        path.write_bytes(path.read_bytes() + b"tail")
        with pytest.raises(CheckpointError, match="longer than its header says"):
            load_pipeline(model_folder)

    def test_ckpt_cut_off(self, vae_folder):
        path = vae_folder / "model.ckpt"
        path.write_bytes(path.read_bytes()[:-2000])
        with pytest.raises(CheckpointError, match="damaged"):
            read_weights(path)

    def test_a_ckpt_that_would_run_code_is_not_loaded(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return (os.mkdir, (str(tmp_path / "trapped"),))

        path = tmp_path / "model.ckpt"
        torch.save({"model": Trap()}, path)
        with pytest.raises(CheckpointError, match="not loaded for safety"):
            read_weights(path)
        path.write_bytes(pickle.dumps({"model": Trap()}, protocol=2))
        with pytest.raises(CheckpointError):
            read_weights(path)
        assert not (tmp_path / "trapped").exists()

    def test_a_ckpt_of_dicts_gives_the_same_pipeline(self, model_folder):
        want = load_pipeline(model_folder).model.state_dict()
        state = load_file(model_folder / "model.safetensors")
        torch.save(
            split_parts(state, ["model", "vae", "conditioner"], ""), model_folder / "model.ckpt"
        )
        (model_folder / "model.safetensors").unlink()
        got = load_pipeline(model_folder).model.state_dict()
        assert all(torch.equal(got[name], want[name]) for name in want)


class TestStrictness:
    def test_missing_and_unexpected_weights_are_listed(self, model_folder):
        def change(state):
            state["model.extra.weight"] = torch.zeros(1)
            for name in [key for key in state if key.startswith("model.single_blocks.1.")]:
                del state[name]

        change_weights(model_folder, change)
        with pytest.raises(CheckpointMismatchError) as error:
            load_pipeline(model_folder)
        message = str(error.value)
        assert "8 weights are missing (single_blocks.1." in message and "and 4 more" in message
        assert "1 are unexpected (extra.weight)" in message
        assert len(error.value.missing) == 8 and error.value.unexpected == ("extra.weight",)
        assert all(name.startswith("single_blocks.1.") for name in error.value.missing)

    def test_another_shape_is_told_with_both_shapes(self, model_folder):
        def change(state):
            state["model.latent_in.bias"] = torch.zeros(7)

        change_weights(model_folder, change)
        with pytest.raises(CheckpointMismatchError, match=r"latent_in\.bias is \(7,\) instead of"):
            load_pipeline(model_folder)

    def test_an_encoder_may_be_absent_as_a_whole_but_not_in_part(self, model_folder):
        assert load_pipeline(model_folder).vae.encoder is None

        def change(state):
            state["vae.encoder.input_proj.bias"] = torch.zeros(32)

        change_weights(model_folder, change)
        with pytest.raises(CheckpointMismatchError, match=r"\(vae\) .* weights are missing"):
            load_pipeline(model_folder)

    @pytest.mark.parametrize("part", ["model", "vae"])
    def test_a_part_without_weights_is_named(self, model_folder, part):
        change_weights(model_folder, lambda state: _drop(state, part))
        others = ", ".join(sorted({"model", "vae", "conditioner"} - {part}))
        with pytest.raises(CheckpointMismatchError, match="holds weights for") as problem:
            load_pipeline(model_folder)
        assert all(name in str(problem.value) for name in others.split(", "))

    def test_a_conditioner_without_weights_keeps_those_it_is_made_with(self, model_folder, caplog):
        change_weights(model_folder, lambda state: _drop(state, "conditioner"))
        with caplog.at_level("WARNING", logger="hy3dgen.shapgen"):
            pipeline = load_pipeline(model_folder)
        assert "holds no weights for the conditioner" in caplog.text
        weights = list(pipeline.conditioner.parameters())
        assert all(value.device.type == "cpu" and value.isfinite().all() for value in weights)
        tokens = pipeline.encode_cond(torch.zeros(1, 3, 28, 28), {}, False)["main"]
        assert tokens.isfinite().all()

    def test_weights_are_converted_and_the_module_takes_them_as_they_are(self):
        module = torch.nn.Linear(3, 2, device="meta")
        weight = torch.randn(2, 3).half()
        load_strictly(module, {"weight": weight, "bias": torch.zeros(2).half()}, "", torch.float32)
        assert torch.equal(module.weight, weight.float())
        assert module.weight.device.type == "cpu"


class TestConfig:
    def change(self, folder, change):
        config = yaml.safe_load((folder / "config.yaml").read_text())
        change(config)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))

    def test_an_unknown_target_lists_the_known_ones(self, model_folder):
        self.change(model_folder, lambda config: config["model"].update(target="os.system"))
        with pytest.raises(CheckpointMismatchError, match=r"'os\.system'.*Hunyuan3DDiT, "):
            load_pipeline(model_folder)

    def test_wrong_params_are_named(self, model_folder):
        self.change(model_folder, lambda config: config["vae"]["params"].update(depht=3))
        with pytest.raises(CheckpointMismatchError, match=r"ShapeVAE.*'depht'"):
            load_pipeline(model_folder)

    def test_a_missing_section_is_named(self, model_folder):
        self.change(model_folder, lambda config: config.pop("scheduler"))
        with pytest.raises(CheckpointMismatchError, match="lacks scheduler"):
            load_pipeline(model_folder)

    def test_other_text_is_no_config(self, tmp_path):
        path = tmp_path / "config.yaml"
        deep = b"a: " + b"[" * 3000
        no_day = b"model: 2001-02-30"
        for content in (
            b"a: [",
            b"\xff\xfe\x00",
            b"!!python/object/apply:os.getcwd []",
            deep,
            no_day,
        ):
            path.write_bytes(content)
            with pytest.raises(CheckpointError, match="not readable YAML"):
                read_config(path, ["model"])
        path.write_bytes(b"")
        with pytest.raises(CheckpointMismatchError, match="has nothing, but lacks model"):
            read_config(path, ["model"])

    def test_deep_brackets_are_refused_before_they_are_read(self, tmp_path, monkeypatch):
        """The reader itself would give up too, after a second."""
        monkeypatch.setattr("yaml.safe_load", lambda text: pytest.fail("it was read"))
        path = tmp_path / "config.yaml"
        path.write_text("model: " + "[" * 500 + "]" * 500)
        with pytest.raises(CheckpointError, match="brackets lie more than 100 deep"):
            read_config(path, ["model"])

    def test_a_config_of_megabytes_is_not_read(self, tmp_path):
        path = tmp_path / "config.yaml"
        path.write_bytes(b"model: " + b"x" * 1_000_000)
        with pytest.raises(CheckpointError, match="1,000,007 bytes, more than"):
            read_config(path, ["model"])

    def test_refusals_of_bombs_are_short(self, tmp_path):
        names = "abcdefghi"
        lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
        for before, name in itertools.pairwise(names):
            lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
        lines += ["model: *i", f"{'k' * 900}: 1", "5: 3"]
        path = tmp_path / "config.yaml"
        path.write_text("\n".join(lines))
        with pytest.raises(CheckpointMismatchError, match="lacks vae") as raised:
            read_config(path, ["model", "vae"])
        assert len(str(raised.value)) < 1000
        section = read_config(path, ["model"])["model"]
        for config in (section, {"target": section}, {"target": ["os.system"]}):
            with pytest.raises(CheckpointMismatchError) as raised:
                instantiate_from_config(config)
            assert len(str(raised.value)) < 1000

    @pytest.mark.parametrize("size", ["many", [], 1e400])
    def test_params_that_do_not_fit_are_refused_in_a_sentence(self, size):
        target = "hy3dgen.shapegen.preprocessors.ImageProcessorV2"
        with pytest.raises((CheckpointMismatchError, InvalidSettingError), match=r"size|fit"):
            instantiate_from_config({"target": target, "params": {"size": size}})

    def test_both_package_names_lead_to_the_same_class(self):
        names = ["hy3dgen.shapegen.models.ShapeVAE", "hy3dshape.models.autoencoders.ShapeVAE"]
        assert {resolve_target(name) for name in names} == {ShapeVAE}

    def test_params_win_over_keywords(self):
        config = {
            "target": "hy3dshape.preprocessors.ImageProcessorV2",
            "params": {"size": 28},
        }
        processor = instantiate_from_config(config, size=14, border_ratio=0.3)
        assert (processor.size, processor.border_ratio) == (28, 0.3)
        with pytest.raises(CheckpointMismatchError, match="without a target"):
            instantiate_from_config({"params": {}})


def _drop(state, part):
    for name in [key for key in state if key.startswith(f"{part}.")]:
        del state[name]


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("form", ["safetensors", "ckpt"])
def test_weights_stored_in_eight_bits_are_widened(vae_folder, kind, form):
    """PyTorch computes nothing in them; what is in the file is what is used."""
    narrow = {k: v.to(kind) for k, v in load_file(vae_folder / "model.safetensors").items()}
    for old in [*vae_folder.glob("model*.safetensors"), *vae_folder.glob("model*.ckpt")]:
        old.unlink()
    if form == "ckpt":
        torch.save(narrow, vae_folder / "model.ckpt")
    else:
        save_file(narrow, vae_folder / "model.safetensors")
    vae = ShapeVAE.from_pretrained(vae_folder, subfolder=None, variant=None, device="cpu")
    for name, value in vae.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, narrow[name].float())
    assert vae.decode(torch.zeros(1, *vae.latent_shape)).isfinite().all()
