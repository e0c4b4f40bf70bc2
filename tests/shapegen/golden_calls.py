# SPDX-License-Identifier: Apache-2.0
"""Runs the calls of a recorded case and checks what they give; knows kinds of calls, no names.

What a class gives by default differs from the recordings where those are known to be wrong; such
classes are asked for the recorded behaviour with `compatibility=True`. Cases that load a model are
run by `golden_models.py`.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from golden import Case, record_submodules, resolve
from torch import nn

from hy3dgen.errors import Hy3DError
from hy3dgen.shapegen.models.autoencoders import (
    HierarchicalVolumeDecoding,
    MCSurfaceExtractor,
    VanillaVolumeDecoder,
)
from hy3dgen.shapegen.models.autoencoders.attention_blocks import ResidualCrossAttentionBlock
from hy3dgen.shapegen.models.autoencoders.volume_decoders import FlashVDMVolumeDecoding
from hy3dgen.shapegen.pipelines import export_to_trimesh
from hy3dgen.shapegen.schedulers import ConsistencyFlowMatchEulerDiscreteScheduler

Call = dict[str, Any]
DECODERS = (VanillaVolumeDecoder, HierarchicalVolumeDecoding, FlashVDMVolumeDecoding)


def run_thing(case: Case) -> None:
    """Run all calls of a case that builds one object, or none, from recorded parameters."""
    thing = _build(case) if case.spec["cls"] else None
    for attribute, want in case.spec.get("attrs", {}).items():
        got = getattr(thing, attribute)
        assert (list(got) if isinstance(want, list) else got) == want
    for call in case.calls:
        _runner(call, thing)(case, thing, call)


def _build(case: Case) -> Any:
    if resolve(case.spec["cls"]) is MCSurfaceExtractor:
        return MCSurfaceExtractor(compatibility=True)
    return case.build()


def _runner(call: Call, thing: Any) -> Callable[[Case, Any, Call], None]:
    method = call["method"]
    owner = method.removesuffix(".__call__").rsplit(".", 1)[-1]
    if owner in [decoder.__name__ for decoder in DECODERS]:
        return run_volume_decoder
    if owner == MCSurfaceExtractor.__name__ or isinstance(thing, MCSurfaceExtractor):
        return run_export if method == "export_to_trimesh" else run_extraction
    if "export_to_trimesh" in method:
        return run_export
    if method == "unconditional_embedding":
        return run_unconditional_embedding
    if hasattr(thing, "set_timesteps"):
        return run_scheduler
    if hasattr(thing, "recenter"):
        return run_image_processor
    return run_call


# --- any call -------------------------------------------------------------------------------------


def run_call(case: Case, thing: Any, call: Call) -> None:
    """A method of the object under test, or a function with a full name."""
    method = call["method"]
    seen: dict[str, Any] = {}
    if method.startswith("hy3dgen."):
        run = resolve(method)
    elif method in ("attributes", "__init__"):
        run = None
    else:
        run, seen = _method(thing, method, call)
    if "topk" in call:
        thing.topk = call["topk"]
    if "rng_seed" in call:
        torch.manual_seed(call["rng_seed"])
        np.random.seed(call["rng_seed"])  # noqa: NPY002, some recordings used it
    result = None
    if run is not None:
        with torch.inference_mode():
            result = run(**case.values(call["kwargs"], thing))
    if "topk" in call:
        assert thing.topk is False  # it counts for one call
    for place, tensor in call["outputs"].items():
        if place.isidentifier() and not place.startswith("return"):
            case.check(getattr(thing, place), tensor)  # of an attribute with its bare name
        elif place.startswith("attr:"):
            case.check(getattr(thing, place.removeprefix("attr:")), tensor)
        elif place.startswith("hook:"):
            _check_hook(case, seen, place, tensor)
        elif place.startswith("return"):
            case.check(_at(result, place), tensor)
        elif place.startswith("gate "):
            _check_gate(case, thing, call, place, tensor)
        else:
            raise ValueError(f"{case.name}: the place {place!r} is not understood")
    for attribute, want in call.get("attrs", {}).items():
        got = len(thing) if attribute == "len" else getattr(thing, attribute)
        assert got == pytest.approx(want, abs=1e-9), attribute
    if "result" in call:
        _check_mesh_result(result, call["result"])


def _method(thing: Any, method: str, call: Call) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The method, and what will hold the outputs of the submodules that the call names."""
    owner_name, _, name = method.rpartition(".")
    if not isinstance(thing, nn.Module):
        return getattr(thing, name), {}
    owner = thing.get_submodule(owner_name)
    hooks = [_hook(place)[0] for place in call["outputs"] if place.startswith("hook:")]
    # The geometry decoder runs this block in two halves, so that its own hook does not fire.
    hooks = [
        hook
        for hook in hooks
        if not (
            isinstance(thing.get_submodule(hook), ResidualCrossAttentionBlock)
            and "geo_decoder" in hook
        )
    ]
    # Through __call__ rather than forward, so that hooks run.
    return owner if name == "forward" else getattr(owner, name), record_submodules(thing, hooks)


def _hook(place: str) -> tuple[str, int | None]:
    """`hook:blocks.0[1] (comment)` -> the submodule's name and the index into its outputs."""
    name = place.removeprefix("hook:").split(" ")[0]
    match = re.fullmatch(r"(.+)\[(\d+)\]", name)
    return (match[1], int(match[2])) if match else (name, None)


def _check_hook(case: Case, seen: dict[str, Any], place: str, tensor: str) -> None:
    name, index = _hook(place)
    if name in seen:
        case.check(seen[name] if index is None else seen[name][index], tensor)


def _check_gate(case: Case, thing: Any, call: Call, place: str, tensor: str) -> None:
    (tokens,) = case.values(call["kwargs"]).values()
    shares = (tokens.flatten(0, -2) @ thing.gate.weight.T).softmax(dim=-1)
    weights, experts = shares.topk(case[tensor].shape[-1], dim=-1)
    experts, order = experts.sort(dim=-1)
    got = experts if "indices" in place else weights.gather(-1, order)
    case.check(got.detach().view(case[tensor].shape), tensor)


def _at(result: Any, place: str) -> Any:
    """`return[0].name['key'] (comment)` applied to a result; numpy becomes what torch can hold."""
    for key, name in re.findall(r"\[([^\]]+)\]|\.(\w+)", place.split(" ")[0]):
        result = getattr(result, name) if name else result[key_of(key)]
    return result.astype(np.float32) if getattr(result, "dtype", None) == np.float64 else result


def key_of(text: str) -> int | str:
    return text.strip("'\"") if text[0] in "'\"" else int(text)


def _check_mesh_result(got: Any, want: dict[str, Any]) -> None:
    """Counts and properties of a mesh, where "approx" means within 3 percent."""
    kind = want["type"]
    assert f"{type(got).__module__.split('.')[0]}.{type(got).__name__}" == kind
    if kind.startswith("pymeshlab"):
        mesh = got.current_mesh()
        # Faces that use equal positions are dropped as well; the recording kept them.
        assert mesh.face_number() <= len(want["faces"])
        assert mesh.vertex_number() <= want["n_vertices"]
        return
    assert len(got.faces) == want["n_faces"]
    assert len(got.vertices) == want.get("n_vertices", len(got.vertices))
    assert got.is_watertight == want.get("watertight", got.is_watertight)
    assert got.body_count == want.get("components", got.body_count)
    if "volume_approx" in want:
        assert got.volume == pytest.approx(want["volume_approx"], rel=0.03)


# --- special kinds --------------------------------------------------------------------------------


def run_unconditional_embedding(case: Case, thing: Any, call: Call) -> None:
    want = call["result"]
    if isinstance(want, str):
        assert want.startswith("raises")
        with pytest.raises(Hy3DError) as caught:
            thing.unconditional_embedding(**call["kwargs"])
        assert want == "raises TypeError" and isinstance(caught.value, TypeError)
        return
    empty, shape = thing.unconditional_embedding(**call["kwargs"]), want["shape"]
    if not isinstance(empty, dict):
        empty, shape = {"main": empty}, {"main": shape}
    assert {name: list(zeros.shape) for name, zeros in empty.items()} == shape
    assert not any(zeros.any() for zeros in empty.values())


def run_scheduler(case: Case, thing: Any, call: Call) -> None:
    if "timesteps[0]" in str(call["kwargs"].get("timestep")):
        steps = int(re.search(r"(?:N|num_inference_steps)=(\d+)", call["after"])[1])
        _restart(thing, steps, case)
    if call["method"] == "scale_noise" and thing.step_index == len(thing.timesteps):
        _restart(thing, len(thing.timesteps), case)
    run_call(case, thing, call)


def _restart(scheduler: Any, steps: int, case: Case) -> None:
    """Set the schedule that the recorded steps ran on: the pipeline's own, from 0 to 1."""
    if isinstance(scheduler, ConsistencyFlowMatchEulerDiscreteScheduler):
        scheduler.set_timesteps(steps)
    elif scheduler.config.use_dynamic_shifting:
        mu = next(call["kwargs"]["mu"] for call in case.calls if "mu" in call["kwargs"])
        scheduler.set_timesteps(steps, mu=mu)
    else:
        scheduler.set_timesteps(sigmas=np.linspace(0, 1, steps))


def run_image_processor(case: Case, thing: Any, call: Call) -> None:
    arguments = case.values(call["kwargs"])
    result = thing(**arguments)
    got = {f"return['{part}']": value for part, value in result.items()}
    if "effective_border_ratio" in call:
        from hy3dgen.pictures import load_picture

        pixels = load_picture(arguments["image"])
        rgb, mask = thing.recenter(pixels, call["effective_border_ratio"])
        got |= {"recenter() rgb uint8": rgb, "recenter() mask uint8": mask}
    for place, tensor in call["outputs"].items():
        check_pixels(torch.as_tensor(got[place]), case[tensor])
    if "view_idxs" in call:
        assert list(result["view_idxs"]) == call["view_idxs"]


def check_pixels(got: torch.Tensor, want: torch.Tensor) -> None:
    """Equal, or where another OpenCV build rounds otherwise, by two steps on one pixel in 100."""
    assert got.shape == want.shape
    steps = (got.float() - want.float()).abs()
    if got.is_floating_point():
        steps = steps * 127.5
    steps = steps.round()
    assert steps.max() <= 2
    assert (steps > 0).float().mean() <= 0.01


def run_volume_decoder(case: Case, thing: Any, call: Call) -> None:
    tensor = call["outputs"].get("return")
    if tensor is None or "bug" in tensor:  # what the original cannot do, or does wrong
        return
    cls = resolve(call["method"].removesuffix(".__call__"))
    options = dict(call.get("decoder_init", {}))
    if "compatibility" in inspect.signature(cls).parameters:
        options["compatibility"] = True
    before = thing.geo_decoder.cross_attention_processor
    with torch.inference_mode():
        case.check(cls(**options)(**case.values(call["kwargs"], thing)), tensor)
    assert thing.geo_decoder.cross_attention_processor is before


def run_extraction(case: Case, thing: Any, call: Call) -> None:
    extract = MCSurfaceExtractor(compatibility=True)
    arguments = case.values(call["kwargs"])
    result = call.get("result")
    if isinstance(result, str):
        assert "None" in result
        with pytest.raises(Hy3DError):
            extract(**arguments)
        return
    meshes = extract(**arguments)
    if result is not None:
        assert len(meshes[0].mesh_v) == result["raw_vertices_finite"]
        exported = export_to_trimesh(meshes)[0]
        found = {"trimesh_vertices": len(exported.vertices), "trimesh_faces": len(exported.faces)}
        assert found == {name: result[name] for name in found}
    for place, name in call["outputs"].items():
        if ".mesh_v" in place:
            i = int(re.match(r"return\[(\d+)\]", place)[1])
            check_mesh(case, meshes[i], name, call["outputs"][f"return[{i}].mesh_f"])


def check_mesh(case: Case, got: Any, vertices: str, faces: str) -> None:
    """The recorded mesh but for its NaN vertices and the faces at them."""
    want_v, want_f = case[vertices].numpy(), case[faces].numpy()
    finite = np.isfinite(want_v).all(axis=1)
    numbers = np.cumsum(finite) - 1
    assert np.array_equal(got.mesh_f, numbers[want_f[finite[want_f].all(axis=1)]])
    assert np.abs(got.mesh_v - want_v[finite]).max() <= 1e-5


def run_export(case: Case, thing: Any, call: Call) -> None:
    result = export_to_trimesh(**case.values(call["kwargs"]))
    for place, tensor in call["outputs"].items():
        got = _at(result, place)
        if case[tensor].is_floating_point():
            case.check(got, tensor, 1e-5)
        else:
            assert np.array_equal(got, case[tensor].numpy())
    mesh = result[0]
    if exported := case.spec.get("exported_mesh"):
        assert mesh.volume == pytest.approx(exported["signed_volume"], abs=1e-5)
        assert mesh.is_watertight == exported["watertight"]
    if want := call.get("result"):
        check_shape(mesh, want, 1e-4)
        assert (len(mesh.vertices), len(mesh.faces)) == (want["n_vertices"], want["n_faces"])


def check_shape(mesh: Any, want: dict[str, Any], tolerance: float) -> None:
    size = np.ptp(want["bounds"], axis=0).max()
    assert np.abs(mesh.bounds - want["bounds"]).max() <= tolerance * size
    assert mesh.area == pytest.approx(want["area"], rel=tolerance)
