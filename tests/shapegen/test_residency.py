# SPDX-License-Identifier: Apache-2.0
"""Whole pictures within limits of device memory: the same results, and no more on the device."""

import bisect
import gc
import math

import numpy as np
import pytest
import torch
from moving_copies import Early, Late

from benchmarks import random_models
from hy3dgen.errors import InvalidSettingError
from hy3dgen.shapegen import residency
from hy3dgen.shapegen.memory_plan import plan_memory
from hy3dgen.shapegen.residency import Residency, least_limit, needs_of, units_of
from hy3dgen.shapegen.settings import instantiate_from_config

CPU = torch.device("cpu")
SETTINGS = {"num_inference_steps": 4, "octree_resolution": 64, "output_type": "mesh"}
MODELS = ["2.0", "2.0-turbo", "2.1"]
_pipelines = {}


@pytest.fixture
def pipeline(request, monkeypatch):
    """A small one of the published kind, with some blocks, and weights that reach its results."""
    if request.param not in _pipelines:
        config = random_models.config

        def deeper(name, dry):
            sections = config(name, dry)
            params = sections["model"]["params"]
            params |= {"depth": 7} if name == "2.1" else {"depth": 4, "depth_single_blocks": 6}
            return sections

        monkeypatch.setattr(random_models, "config", deeper)
        made = random_models.random_pipeline(request.param, CPU, torch.float32, dry=True)
        generator = torch.Generator().manual_seed(5)
        for weight in made.model.parameters():
            weight.normal_(0, 0.2, generator=generator)
        _pipelines[request.param] = made
    yield _pipelines[request.param]
    _pipelines[request.param].to(CPU)


def networks(pipeline):
    return pipeline.conditioner, pipeline.model, pipeline.vae


def picture():
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    disc = 255 * (x * x + y * y < 0.6)
    return np.dstack([(x + 1) * 100, (y + 1) * 100, 0 * x + 90, disc]).astype(np.uint8)


def made(pipeline, **settings):
    generator = torch.Generator().manual_seed(0)
    return pipeline(picture(), generator=generator, **{**SETTINGS, **settings})


def limits(pipeline):
    """Bytes with which something passes once; blocks visit; blocks pass at every step."""
    needs = needs_of(*networks(pipeline), *units_of(*networks(pipeline)))
    least = least_limit(*networks(pipeline))
    smallest = bisect.bisect_left(range(least), True, key=lambda limit: _is_enough(needs, limit))
    return {"once": least + 1, "visiting": least - 2, "passing": smallest}


def _is_enough(needs, limit):
    try:
        plan_memory(needs, limit)
    except InvalidSettingError:
        return False
    return True


@pytest.fixture(autouse=True)
def little_work(monkeypatch):
    """What stages of small networks work with must not be more than their weights."""
    for name in ("_LIBRARIES", "_SMALL"):
        monkeypatch.setattr(residency, name, 0)
    monkeypatch.setattr(residency, "_DECODED_BYTES", 0.005)
    for name in ("_DECODER_CALL", "_NARROW_CALL"):
        monkeypatch.setattr(residency, name, 0)
    monkeypatch.setattr(residency, "_ENCODER_TENSORS", 0)
    monkeypatch.setattr(residency, "_STEP_TENSORS", 0)
    for name in ("_RECORDED_TENSORS", "_RECORDED_GUIDED"):
        monkeypatch.setattr(residency, name, 0)


@pytest.mark.parametrize("pipeline", MODELS, indirect=True)
@pytest.mark.parametrize("kind", ["once", "visiting", "passing"])
@pytest.mark.parametrize("double", [Early, Late])
def test_results_are_those_without_a_limit(pipeline, kind, double):
    want = made(pipeline, output_type="latent")
    (want_mesh,) = made(pipeline)
    limit, copies = limits(pipeline)[kind], double()
    pipeline.max_memory = limit
    pipeline._offload = Residency(*networks(pipeline), CPU, limit, copies)
    plan = pipeline._offload.plan
    assert bool(plan.visiting) is (kind == "visiting") and bool(plan.passing) is (kind == "passing")
    assert torch.equal(made(pipeline, output_type="latent"), want)
    (mesh,) = made(pipeline)
    assert np.array_equal(mesh.mesh_v, want_mesh.mesh_v)
    assert np.array_equal(mesh.mesh_f, want_mesh.mesh_f)
    stays = sum(p.numel() * 4 for network in networks(pipeline) for p in network.parameters())
    stays -= sum(unit.size for unit in moving(pipeline))
    assert stays + copies.peak <= limit and copies.held == plan.room
    pipeline.max_memory = None
    pipeline.to(CPU)
    gc.collect()
    assert copies.held == 0 and torch.equal(made(pipeline, output_type="latent"), want)


@pytest.mark.parametrize("pipeline", ["2.0"], indirect=True)
def test_an_error_leaves_nothing_on_the_device(pipeline):
    limit, copies = limits(pipeline)["visiting"], Late()
    pipeline._offload = Residency(*networks(pipeline), CPU, limit, copies)
    room = pipeline._offload.plan.room

    def stop(step, _timestep, _outputs):
        assert copies.held > room
        raise InterruptedError

    with pytest.raises(InterruptedError):
        made(pipeline, callback=stop)
    assert copies.held == room


@pytest.mark.parametrize("pipeline", ["2.0"], indirect=True)
def test_two_devices_and_moving_weights_exclude_each_other(pipeline):
    pipeline._offload = Residency(*networks(pipeline), CPU, limits(pipeline)["once"], Early())
    with pytest.raises(InvalidSettingError, match=r"set_max_memory\(None\)"):
        pipeline.spread_over("cpu")


@pytest.mark.parametrize("pipeline", ["2.0"], indirect=True)
def test_a_limit_counts_for_the_best_settings(pipeline):
    for refused in (0, -1):
        with pytest.raises(InvalidSettingError, match="give bytes"):
            pipeline.set_max_memory(refused)
    pipeline.set_max_memory(1 << 20)
    with pytest.raises(InvalidSettingError, match=r"but 0\.0 GiB may be used"):
        pipeline.get_optimal_settings()
    pipeline.enable_low_memory()
    assert pipeline.max_memory == least_limit(*networks(pipeline))
    pipeline.enable_low_memory(False)
    assert pipeline.max_memory is None


def test_a_model_that_fits_has_no_limit(monkeypatch):
    sections = random_models.config("2.0")
    with torch.device("meta"):
        parts = [
            instantiate_from_config(sections[name]).half()
            for name in ("model", "vae", "conditioner")
        ]
    free = {"free": 24e9}
    monkeypatch.setattr(residency, "default_limit", lambda _device: free["free"])
    assert residency.needed_limit(parts, CPU, None) is None
    assert residency.needed_limit(parts, CPU, 5e9) == 5e9
    free["free"] = 4e9
    assert residency.needed_limit(parts, CPU, None) == 4e9


@pytest.mark.parametrize("pipeline", ["2.0", "2.0-turbo"], indirect=True)
def test_modulations_come_once_for_a_schedule(pipeline):
    limit, copies = limits(pipeline)["once"], Early()
    want = [made(pipeline, output_type="latent", num_inference_steps=n) for n in (4, 4, 5)]
    pipeline.max_memory = limit
    pipeline._offload = Residency(*networks(pipeline), CPU, limit, copies)
    asked = []
    ask = pipeline.model.time_values
    pipeline.model.time_values = lambda *args: asked.append(0) or ask(*args)
    try:
        for number, steps in enumerate((4, 4, 5)):
            got = made(pipeline, output_type="latent", num_inference_steps=steps)
            assert torch.equal(got, want[number])
        assert len(asked) == 2
        with torch.no_grad():
            next(iter(pipeline._offload._guests[1].parameters())).mul_(2)
        assert not torch.equal(made(pipeline, output_type="latent"), want[0])
        assert len(asked) == 3
        with torch.no_grad():
            next(iter(pipeline._offload._guests[1].parameters())).mul_(0.5)
    finally:
        del pipeline.model.time_values
        pipeline.max_memory = None


def true_sizes(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(residency, "available_bytes", lambda: 64e9)


def test_nothing_takes_turns_where_main_memory_is_short(monkeypatch):
    true_sizes(monkeypatch)
    monkeypatch.setattr(residency, "available_bytes", lambda: 5e9)
    assert residency.usual_plan(*published("2mini")) is None


def published(name):
    """A model's networks in its published size and half precision, without memory."""
    sections = random_models.config(name)
    with torch.device("meta"):
        networks = [
            instantiate_from_config(sections[part]).half()
            for part in ("conditioner", "model", "vae")
        ]
    networks[2].drop_encoder()
    return networks


@pytest.mark.parametrize("name", ["2mini", "2mini-fast", "2mini-turbo"])
def test_the_smallest_models_take_turns_without_a_limit(name, monkeypatch):
    true_sizes(monkeypatch)
    conditioner, model, vae = published(name)
    plan = residency.usual_plan(conditioner, model, vae)
    assert plan.recorded and plan.peak <= 3e9
    once, _steps = units_of(conditioner, model, vae)
    encoder = max(once, key=lambda units: sum(unit.size for unit in units))
    assert type(encoder[0].module).__name__ == "Layer"
    assert 2 * encoder[0].size <= plan.room < sum(unit.size for unit in encoder)
    order = model, vae, conditioner
    assert residency.host_first(order, None) == ("vae", "conditioner")
    assert residency.host_first(order, 3e9) == ("model", "vae", "conditioner")
    assert residency.host_first(order, math.inf) == ()


def test_a_larger_one_takes_turns_within_6_gigabytes(monkeypatch):
    true_sizes(monkeypatch)
    networks = published("2.0")
    plan = residency.usual_plan(*networks)
    assert plan.recorded and 3e9 < plan.peak <= 6e9
    assert plan.room == max(sum(unit.size for unit in units) for units in units_of(*networks)[0])


@pytest.mark.parametrize("name", ["2.0-turbo", "2.1"])
def test_what_fits_6_gigabytes_stays_and_so_does_what_never_would(name, monkeypatch):
    true_sizes(monkeypatch)
    assert residency.usual_plan(*published(name)) is None


@pytest.mark.parametrize("pipeline", ["2.0"], indirect=True)
def test_only_networks_whose_weights_take_turns_wait_before_recorded_calls(pipeline):
    pipeline._offload = Residency(*networks(pipeline), CPU, limits(pipeline)["once"], Early())
    offload = pipeline._offload
    assert offload.before(pipeline.model) is None
    assert offload.before(pipeline.vae) and offload.before(
        pipeline.conditioner.main_image_encoder.model
    )


def moving(pipeline):
    residency = pipeline._offload
    steps = residency._steps
    units = [] if steps is None else [*steps._visiting, *steps._passing]
    return [*units, *(unit for guest in residency._guests for unit in guest._units)]
