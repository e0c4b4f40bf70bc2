# SPDX-License-Identifier: Apache-2.0
"""Runs recorded cases, also those that load a whole model."""

import re
from typing import Any

import pytest
import torch
from golden import Case, resolve
from golden_calls import Call, check_pixels, check_shape, key_of, run_thing

from hy3dgen.shapegen.models.autoencoders import MCSurfaceExtractor, VanillaVolumeDecoder
from hy3dgen.shapegen.models.autoencoders.volume_decoders import FlashVDMVolumeDecoding


def run_case(case: Case) -> None:
    """Run all calls of a case; raises AssertionError where a result is not the recorded one."""
    if "checkpoint" not in case.spec:
        run_thing(case)
    elif "VAE" in case.spec["cls"]:
        run_vae_checkpoint(case)
    else:
        run_pipeline(case)


def run_vae_checkpoint(case: Case) -> None:
    cls = resolve(case.spec["cls"])
    folder = case.checkpoint
    checked = 0
    for call in case.calls:
        variant = re.search(r'variant=(None|"\w+")', call["method"])[1].strip('"')
        for use_safetensors in (True, False):
            name = "model" if variant == "None" else f"model.{variant}"
            if not (folder / f"{name}.{'safetensors' if use_safetensors else 'ckpt'}").is_file():
                continue
            vae = cls.from_pretrained(
                folder.parent, device="cpu", dtype=torch.float32, subfolder=folder.name,
                variant=None if variant == "None" else variant, use_safetensors=use_safetensors,
            )  # fmt: skip
            inputs = case.values(call["kwargs"])
            with torch.inference_mode():
                decoded = vae.decode(inputs["latents"])
                logits = vae.geo_decoder(queries=inputs["queries"], latents=decoded)
            case.check(decoded, call["outputs"]["decoded"])
            case.check(logits, call["outputs"]["logits"])
            checked += 1
    assert checked >= len(case.calls)


def run_pipeline(case: Case) -> None:
    """From a picture and given latents to a grid and a mesh."""
    folder = case.checkpoint
    pipe = resolve(case.spec["cls"]).from_pretrained(
        folder.parent, device="cpu", dtype=torch.float32, variant=None, subfolder=folder.name,
        use_safetensors=case.spec["checkpoint"].get("use_safetensors", True),
        local_files_only=True,
    )  # fmt: skip
    start = case["in.initial_latents"]
    prepared: dict[str, Any] = {}
    final = None
    for call in case.calls:
        arguments = case.values(call["kwargs"])
        if call["method"] == "prepare_image":
            prepared = pipe.prepare_image(**arguments)
            for place, tensor in call["outputs"].items():
                check_pixels(prepared[key_of(place.strip("[]"))], case[tensor])
            if "view_idxs" in call:
                assert [list(views) for views in prepared["view_idxs"]] == call["view_idxs"]
        elif call["method"] == "encode_cond":
            extras = {name: value for name, value in prepared.items() if name != "image"}
            with torch.inference_mode():
                tokens = pipe.encode_cond(
                    prepared["image"], extras, call["classifier_free_guidance"], False
                )
            for place, tensor in call["outputs"].items():
                case.check(tokens[key_of(re.match(r"\[([^\]]+)\]", place)[1])], tensor)
        elif arguments["output_type"] == "latent":
            final = _run_latents(case, pipe, arguments, start)
        elif arguments["output_type"] == "mesh":
            _check_grid(case, pipe, call, arguments, final)
        else:
            _check_meshes(pipe, case.calls, call, arguments, start)


def _run_latents(case: Case, pipe: Any, arguments: dict[str, Any], start: Any) -> Any:
    outputs, latents = [], []
    # Guidance runs two halves, in one call or two: conditional rows come first.
    hook = pipe.model.register_forward_hook(lambda _m, _i, output: outputs.append(output))
    final = pipe(
        **arguments,
        latents=start,
        callback=lambda step, timestep, result: latents.append(result.prev_sample),
    )
    hook.remove()
    case.check(final, "out.final_latents")
    assert latents
    for step, value in enumerate(latents):
        case.check(value, f"out.latents_after_step_{step}")
    calls = 1 if pipe.model.guidance_embed or hasattr(pipe.model, "takes_empty") else 2
    # A last step of no length is recorded, and needs no call of the network.
    assert len(latents) - 1 <= len(outputs) / calls <= len(latents)
    for step in range(len(outputs) // calls):
        rows = torch.cat(outputs[calls * step : calls * (step + 1)])
        case.check(rows, f"out.model_output_{step}")
    return final


def _check_grid(case: Case, pipe: Any, call: Call, arguments: dict[str, Any], final: Any) -> None:
    where = dict(
        bounds=arguments["box_v"],
        octree_resolution=arguments["octree_resolution"],
        num_chunks=arguments["num_chunks"],
        mc_level=arguments["mc_level"],
    )
    decoder: Any = VanillaVolumeDecoder()
    if flash := call.get("flashvdm"):
        decoder = FlashVDMVolumeDecoding(flash["topk_mode"], compatibility=True)
        where["min_resolution"] = flash["min_resolution"]
    pipe.vae.volume_decoder = lambda *values, **options: decoder(*values, **(options | where))
    pipe.vae.surface_extractor = MCSurfaceExtractor(compatibility=True)
    with torch.inference_mode():
        tokens = pipe.vae(final / pipe.vae.scale_factor)
        grid = pipe.vae.volume_decoder(tokens, pipe.vae.geo_decoder)
    case.check(grid, "out.grid_logits", tolerance=2e-4)


def _check_meshes(
    pipe: Any, pipe_calls: list[Call], call: Call, arguments: dict[str, Any], start: Any
) -> None:
    if "flashvdm" not in str(pipe_calls):  # those have a coarsest grid that no caller can choose
        pipe.vae.volume_decoder, pipe.vae.surface_extractor = (
            VanillaVolumeDecoder(), MCSurfaceExtractor()
        )  # fmt: skip
        arguments["compatibility"] = True
    meshes = pipe(**arguments, latents=start)
    assert len(meshes) == len(call["result"]) == len(start)
    for mesh, want in zip(meshes, call["result"], strict=True):
        # A value near zero may flip, so meshes of computed grids are compared as shapes.
        check_shape(mesh, want, 1e-3)
        assert len(mesh.vertices) == pytest.approx(want["n_vertices"], rel=0.01)
