# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever can go wrong is said in the artist's language.

`error_sites` finds what the extension and hy3dgen can say. Each sentence must be translated to its
last word, or stand below among those that only code gets to read.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("bpy", reason="runs inside real Blender")

import german_samples
from error_sites import VALUE, sites
from ui_strings import sentences_of, sources

ROOT = Path(__file__).parents[2]
_ARGUMENTS = "arguments of functions that neither the panel nor a worker's task passes on"
_CHANNEL = "a damaged message; stands within a sentence that is translated"
_PYMESHLAB = "a method for scripts, which the panel does not offer"
FOR_CODE = {
    "hunyuan3d_blender/api.py": "for scripts, which may look for these words",
    "hy3dgen/gpu/nvrtc.py": "kept for the log, when another way is taken",
    "hy3dgen/install/pip_run.py::_Output.take": "a part of a stage's name, no error",
    "hy3dgen/mesh/batch.py": _ARGUMENTS,
    "hy3dgen/mesh/cleanup.py::remove_floaters": _ARGUMENTS,
    "hy3dgen/mesh/cleanup.py::weld": _ARGUMENTS,
    "hy3dgen/mesh/convert.py": _ARGUMENTS,
    "hy3dgen/mesh/files.py": "the command line reads and writes mesh files, Blender does not",
    "hy3dgen/mesh/file_pictures.py": "of a mesh file, as above",
    "hy3dgen/mesh/gltf_bounds.py": "of a mesh file, as above",
    "hy3dgen/mesh/holes.py": _ARGUMENTS,
    "hy3dgen/mesh/parallel.py": _ARGUMENTS,
    "hy3dgen/mesh/pymeshlab_engine.py": _PYMESHLAB,
    "hy3dgen/mesh/pymeshlab_exchange.py": _PYMESHLAB,
    "hy3dgen/mesh/reduce.py::check_settings": _ARGUMENTS,
    "hy3dgen/mesh/trimesh_changes.py": _ARGUMENTS,
    "hy3dgen/pictures.py::_from_array": _ARGUMENTS,
    "hy3dgen/pictures.py::_to_bytes": _ARGUMENTS,
    "hy3dgen/pictures.py::load_picture": _ARGUMENTS,
    "hy3dgen/shapegen/devices.py": _ARGUMENTS,
    "hy3dgen/shapegen/mesh_holders.py": _ARGUMENTS,
    "hy3dgen/shapegen/models/autoencoders/flash_vdm.py": _ARGUMENTS,
    "hy3dgen/shapegen/models/autoencoders/fused_query.py": "kept for the log",
    "hy3dgen/shapegen/models/autoencoders/model.py::ShapeVAE.encode_posterior": _ARGUMENTS,
    "hy3dgen/shapegen/models/autoencoders/point_encoder.py": _ARGUMENTS,
    "hy3dgen/shapegen/models/autoencoders/surface_extractors.py::make_surface_extractor": (
        _ARGUMENTS
    ),
    "hy3dgen/shapegen/models/autoencoders/vectset.py::VectsetVAE.from_single_file": _ARGUMENTS,
    "hy3dgen/shapegen/models/autoencoders/volume_grids.py": _ARGUMENTS,
    "hy3dgen/shapegen/models/conditioner.py::DinoImageEncoderMV.unconditional_embedding": (
        _ARGUMENTS
    ),
    "hy3dgen/shapegen/models/denoisers/hunyuan3ddit.py::Hunyuan3DDiT.time_values": _ARGUMENTS,
    "hy3dgen/shapegen/pipeline_placing.py": _ARGUMENTS,
    "hy3dgen/shapegen/pipeline_steps.py": _ARGUMENTS,
    "hy3dgen/shapegen/postprocessors.py": _ARGUMENTS,
    "hy3dgen/shapegen/quantised.py": _ARGUMENTS,
    "hy3dgen/shapegen/sampling.py": _ARGUMENTS,
    "hy3dgen/shapegen/schedulers.py::_EulerScheduler": _ARGUMENTS,
    "hy3dgen/shapegen/schedulers.py::FlowMatchEulerDiscreteScheduler": _ARGUMENTS,
    "hy3dgen/shapegen/step_saving.py": _ARGUMENTS,
    "hy3dgen/texgen/charts.py": _ARGUMENTS,
    "hy3dgen/texgen/config.py": _ARGUMENTS,
    "hy3dgen/texgen/hunyuanpaint/paint_unet.py": _ARGUMENTS,
    "hy3dgen/texgen/hunyuanpaint/pipeline.py": _ARGUMENTS,
    "hy3dgen/texgen/material_bake.py": _ARGUMENTS,
    "hy3dgen/texgen/mesh_render.py": _ARGUMENTS,
    "hy3dgen/texgen/published_methods.py": _ARGUMENTS,
    "hy3dgen/texgen/rasterizer.py::rasterize": _ARGUMENTS,
    "hy3dgen/texgen/reference_image.py::references_of": _ARGUMENTS,
    "hy3dgen/texgen/uv_overlap.py": "kept for the log; Blender has words of its own",
    "hy3dgen/worker/client.py::WorkerClient._submit": _ARGUMENTS,
    "hy3dgen/worker/client.py::WorkerClient._take": _CHANNEL,
    "hy3dgen/worker/client.py::WorkerClient.start": _ARGUMENTS,
    "hy3dgen/worker/json_lines.py": _CHANNEL,
    "hy3dgen/worker/protocol.py": _CHANNEL,
    "hy3dgen/worker/pymeshlab_reduce.py": _PYMESHLAB,
    "hy3dgen/worker/server.py::Server._join": _CHANNEL,
    "hy3dgen/worker/shared_arrays.py::SharedArrays._path": _CHANNEL,
    "hy3dgen/worker/shared_arrays.py::SharedArrays._read_array": _CHANNEL,
    "hy3dgen/worker/shared_arrays.py::SharedArrays.join": _CHANNEL,
    "hy3dgen/worker/stages.py": _ARGUMENTS,
    "hy3dgen/worker/tasks.py::reduce": _PYMESHLAB,
}
# Single sentences of functions that say others as well.
FOR_CODE_TOO = {
    "give num_inference_steps or sigmas to set_timesteps.",
    f"output_type is {VALUE}; choose from {VALUE}.",
    f"this model takes at least {VALUE} s on this device, but max_seconds is {VALUE}; allow more, "
    "or choose a faster model.",
}
# The same in every language.
_NAMES = re.compile(
    r"config\.yaml|\b[GM]B\b|\.onnx\b|\bOutOfMemoryError\b|\bhf download\b|\bPyTorch\b"
)


@pytest.fixture(scope="module")
def said():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "hunyuan3d_blender").rglob("*.py")
    ]
    return sites(ROOT, ["hy3dgen.worker.tasks", "hy3dgen.worker.client", *modules])


@pytest.fixture
def words(module):
    """The table, what it recognises, and stages that have words of their own."""
    found = module("error_words")
    stages = module("progress_text").STAGES
    return SimpleNamespace(table=found.GERMAN, patterns=found._patterns(), stages=stages)


def untranslated(words, text: str, used: set[str]) -> list[str]:
    """The parts of a sentence without a translation; adds the templates that it takes to `used`."""
    if text in words.table or text in words.stages:
        used.add(text)
        return []
    if not any(map(str.isalpha, _NAMES.sub("", text))):
        return []
    for template, pattern in words.patterns:
        if found := pattern.fullmatch(text.rstrip(".")):
            used.add(template)
            values = found.groupdict().values()
            return [part for value in values for part in untranslated(words, value, used)]
    return [text]


def for_code(place: str) -> str | None:
    """The entry of FOR_CODE that covers a place."""
    ends = range(len(place.partition("::")[0]), len(place) + 1)
    return next((place[:end] for end in ends if place[:end] in FOR_CODE), None)


def test_every_error_has_its_german_words(words, said):
    assert len(said) > 400
    lacking = {
        (site.place, site.text): parts
        for site in said
        if for_code(site.place) is None
        and site.text not in FOR_CODE_TOO
        and (parts := untranslated(words, site.text, set()))
    }
    assert lacking == {}


def test_what_is_for_code_is_still_there(words, said):
    used = {for_code(site.place) for site in said if untranslated(words, site.text, set())}
    assert FOR_CODE.keys() - used == set()
    assert FOR_CODE_TOO - {site.text for site in said} == set()


def test_every_translated_error_is_said_somewhere(words, said):
    used: set[str] = set()
    for site in said:
        untranslated(words, site.text, used)
    shapes = set()
    for folder in ("hunyuan3d_blender", "hy3dgen"):
        for source in sources(ROOT / folder).values():
            shapes |= sentences_of(source)
    unsaid = {text for text in words.table if re.sub(r"\{\w+\}", "{}", text) not in shapes}
    assert unsaid - used == set()


def test_a_new_sentence_is_noticed(words, tmp_path):
    """In an error, in a part of one, from a function, behind a name."""
    package = tmp_path / "hy3dgen"
    package.mkdir()
    (package / "errors.py").write_text("class Hy3DError(Exception): ...\nclass Bad(Hy3DError): ...")
    (package / "lazy.py").write_text('TABLE = {"thing": ".other"}\n')
    (package / "other.py").write_text(
        "from hy3dgen.errors import Bad\n"
        "ADVICE = 'do that'\n"
        "def why(n):\n"
        "    return 'few' if n < 3 else f'{n} are many'\n"
        "class Thing:\n"
        "    def act(self, n):\n"
        "        reason = 'it rains'\n"
        "        raise Bad(f'{n} things: {why(n)}; ' + ADVICE)\n"
    )
    (package / "never.py").write_text("from hy3dgen.errors import Bad\nraise Bad('not reached')\n")
    assert {(site.place, site.text) for site in sites(tmp_path, ["hy3dgen.lazy"])} == {
        ("hy3dgen/other.py::Thing.act", "it rains"),
        ("hy3dgen/other.py::Thing.act", f"{VALUE} things: few; do that"),
        ("hy3dgen/other.py::Thing.act", f"{VALUE} things: {VALUE} are many; do that"),
    }
    assert untranslated(words, f"{VALUE} things: few; do that", set())


def test_real_errors_of_files_and_set_up_are_read_in_german(module, monkeypatch, tmp_path):
    from hy3dgen.errors import Hy3DError
    from hy3dgen.install.environment import Environment
    from hy3dgen.install.models import check_model_folder
    from hy3dgen.install.python_check import check_python
    from hy3dgen.mapped_weights import read_header
    from hy3dgen.mesh import TriangleMesh
    from hy3dgen.model_defaults import read_defaults

    words = module("error_words")
    monkeypatch.setattr(words, "pgettext_iface", lambda text: words.GERMAN.get(text, text))
    words._translated.cache_clear()
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"\x02\0\0\0\0\0\0\0{}of something else")
    (tmp_path / "defaults.json").write_text('{"num_inference_steps": "many"}')
    cases = (
        (read_header, weights, german_samples.WEIGHTS),
        (read_defaults, tmp_path, german_samples.DEFAULTS),
        (check_model_folder, tmp_path / "none", german_samples.FOLDER),
        (check_python, tmp_path / "none", german_samples.PYTHON),
        (lambda _: TriangleMesh([[0, 0, float("inf")]], [[0, 0, 0]]), 0, german_samples.MESH),
        (lambda folder: Environment(folder).remove(print), tmp_path, german_samples.ENVIRONMENT),
    )
    for act, what, german in cases:
        with pytest.raises(Hy3DError) as caught:
            act(what)
        assert german in words.shown(str(caught.value)), str(caught.value)
    words._translated.cache_clear()
