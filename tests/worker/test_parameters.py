# SPDX-License-Identifier: Apache-2.0
"""Parameters of tasks, and which model and defaults a request means."""

import os
from importlib.util import find_spec

import pytest

from hy3dgen.errors import CheckpointMismatchError, CheckpointNotFoundError, InvalidSettingError
from hy3dgen.worker.model_cache import Defaults, ModelChoice, choose_model
from hy3dgen.worker.parameters import Parameter, check_arrays, check_parameters

TABLE = {
    "count": Parameter(int, 1, 10, default=3),
    "scale": Parameter(float, 0, 1),
    "method": Parameter(str, choices=("fast", "quality"), default="quality"),
    "name": Parameter(str, high=5),
    "flag": Parameter(bool, default=False),
}


def test_what_is_left_out_or_none_takes_the_default():
    expected = {"count": 3, "scale": None, "method": "quality", "name": None, "flag": False}
    assert check_parameters({}, TABLE) == expected
    assert check_parameters(dict.fromkeys(TABLE), TABLE) == expected


def test_good_values_pass_and_whole_numbers_serve_as_floats():
    values = {"count": 10, "scale": 1, "method": "fast", "name": "abcde", "flag": True}
    checked = check_parameters(values, TABLE)
    assert checked == values and type(checked["scale"]) is float


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"count": 0}, "count is 0; it must be a whole number from 1 to 10"),
        ({"count": 11}, "count is 11; "),
        ({"count": 2.0}, "count is 2.0; "),
        ({"count": True}, "count is True; "),
        ({"count": "3"}, "count is '3'; "),
        ({"scale": float("nan")}, "scale is nan; it must be a number from 0 to 1"),
        ({"method": "best"}, "method is 'best'; it must be 'fast' or 'quality'"),
        ({"name": "abcdef"}, "a text of up to 5 letters"),
        ({"name": ["a"] * 1000}, "name is ['a',"),
        ({"flag": 1}, "flag is 1; it must be true or false"),
        ({"colour": 1}, "there is no setting 'colour'; possible: count, scale"),
    ],
)
def test_bad_values_are_told_in_one_sentence(params, said):
    with pytest.raises(InvalidSettingError) as caught:
        check_parameters(params, TABLE)
    assert said in str(caught.value) and len(str(caught.value)) < 200


def test_required_parameters_and_arrays():
    with pytest.raises(InvalidSettingError, match="count is missing; it is a whole number"):
        check_parameters({}, {"count": Parameter(int, 1, 10, required=True)})
    check_arrays({"vertices": 0, "faces": 0}, ("vertices", "faces"))
    check_arrays({}, (), optional=("image",))
    with pytest.raises(InvalidSettingError, match="'faces' is missing"):
        check_arrays({"vertices": 0}, ("vertices", "faces"))
    with pytest.raises(InvalidSettingError, match="no array 'uvs'; possible: vertices"):
        check_arrays({"uvs": 0}, ("vertices",))


# --- models ---------------------------------------------------------------------------------------


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path / "kept"))
    return tmp_path


def make(folder, defaults=None, config=True):
    folder.mkdir(parents=True, exist_ok=True)
    if config:
        (folder / "config.yaml").write_text("model: {}\n")
    if defaults is not None:
        (folder / "defaults.yaml").write_text(defaults)
    return folder


def test_published_repositories_have_their_documented_defaults(models):
    assert choose_model("tencent/Hunyuan3D-2", None) == ModelChoice(
        "tencent/Hunyuan3D-2", "hunyuan3d-dit-v2-0", Defaults(50, 5.0, 384)
    )
    turbo = choose_model("tencent/Hunyuan3D-2mini", "hunyuan3d-dit-v2-mini-turbo")
    assert turbo.defaults.num_inference_steps == 5
    assert choose_model("tencent/Hunyuan3D-2mini", None).subfolder == "hunyuan3d-dit-v2-mini"


def test_a_folder_can_hold_the_files_itself(models):
    folder = make(models / "mine")
    assert choose_model(str(folder), None) == ModelChoice(str(folder), None, Defaults())


needs_yaml = pytest.mark.skipif(find_spec("yaml") is None, reason="reads a yaml file")


@needs_yaml
def test_a_folder_brings_its_own_defaults(models):
    text = "num_inference_steps: 12\nguidance_scale: 2\noctree_resolution: 128\n"
    folder = make(models / "mine", text)
    assert choose_model(str(folder), None).defaults == Defaults(12, 2.0, 128)
    part = make(models / "outer", "guidance_scale: 3.5\nsubfolder: b\n", config=False)
    make(part / "a")
    make(part / "b", "octree_resolution: 64\n")
    assert choose_model(str(part), None) == ModelChoice(str(part), "b", Defaults(50, 3.5, 64))
    assert choose_model(str(part), "a").defaults == Defaults(50, 3.5, 384)


def test_a_copy_of_a_published_repository_is_recognised(models):
    folder = models / "Hunyuan3D-2"
    for name in ("hunyuan3d-dit-v2-0-turbo", "hunyuan3d-dit-v2-0", "hunyuan3d-vae-v2-0"):
        make(folder / name)
    assert choose_model(str(folder), None).subfolder == "hunyuan3d-dit-v2-0"
    turbo = choose_model(str(folder), "hunyuan3d-dit-v2-0-turbo")
    assert turbo.defaults.num_inference_steps == 5
    inside = choose_model(str(folder / "hunyuan3d-dit-v2-0-turbo"), None)
    assert inside.subfolder is None and inside.defaults.num_inference_steps == 5


@pytest.mark.parametrize("name", ["mine", "hunyuan3d-dit-v2-0", "hunyuan3d-dit-v2-0-turbo"])
@pytest.mark.parametrize(("scheduler", "steps"), [
    ("FlowMatchEulerDiscreteScheduler", 50), ("ConsistencyFlowMatchEulerDiscreteScheduler", 5),
])  # fmt: skip
def test_the_name_of_a_folder_does_not_count(models, name, scheduler, steps):
    folder = make(models / name)
    text = f"scheduler: {{target: hy3dgen.shapegen.schedulers.{scheduler}, params: {{}}}}\n"
    (folder / "config.yaml").write_text(text)
    assert choose_model(str(folder), None).defaults.num_inference_steps == steps
    assert choose_model(str(models), name).defaults.num_inference_steps == steps


@needs_yaml
def test_models_in_the_cache_folder_are_found_by_name(models):
    make(models / "kept" / "tencent" / "Hunyuan3D-2" / "hunyuan3d-dit-v2-0", "guidance_scale: 1\n")
    choice = choose_model("tencent/Hunyuan3D-2", None)
    assert choice.path == str(models / "kept" / "tencent" / "Hunyuan3D-2")
    assert choice.subfolder == "hunyuan3d-dit-v2-0" and choice.defaults.guidance_scale == 1


def test_the_home_folder_can_be_written_as_a_tilde(models, monkeypatch):
    monkeypatch.setenv("HOME", str(models))
    make(models / "mine")
    if os.name != "nt":
        assert choose_model("~/mine", None).path == str(models / "mine")


def test_folders_without_a_model_are_told_in_words(models):
    with pytest.raises(CheckpointNotFoundError, match="choose another folder"):
        choose_model(str(make(models / "empty", config=False)), None)
    several = make(models / "several", config=False)
    make(several / "one")
    make(several / "two")
    with pytest.raises(CheckpointNotFoundError, match="choose the subfolder: one, two"):
        choose_model(str(several), None)


@needs_yaml
@pytest.mark.parametrize(
    "text", ["guidance: 3", "num_inference_steps: many", "- 1", "a: [", "!!python/object:x {}"]
)
def test_defaults_that_cannot_be_used_are_told_in_words(models, text):
    folder = make(models / "mine", text)
    with pytest.raises(CheckpointMismatchError, match=r"defaults\.yaml' cannot be used"):
        choose_model(str(folder), None)
