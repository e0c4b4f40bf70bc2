# SPDX-License-Identifier: Apache-2.0
"""Recorded calls: what is recorded when, what is replayed, and what happens where it fails.

Recording itself needs a GPU; here a recorder that repeats a function stands for it.
"""

import pytest
import torch
from torch import nn

from hy3dgen.gpu.graphs import GraphedNetwork
from hy3dgen.shapegen.models.denoisers.hunyuan3ddit import Hunyuan3DDiT


class Recorder:
    def __init__(self, wrong=0.0, failing=False):
        self.recorded = self.replayed = 0
        self.wrong, self.failing = wrong, failing

    def __call__(self, function):
        if self.failing:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.recorded += 1
        output = function()

        def replay():
            self.replayed += 1
            output.copy_(function() + self.wrong)

        return replay, output


def small_network():
    torch.manual_seed(0)
    network = Hunyuan3DDiT(8, 12, 32, 2.0, 2, 1, 1, axes_dim=[16]).eval().requires_grad_(False)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network


def inputs(seed, rows=1, tokens=5):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 6, 8, generator=generator)
    return x, torch.rand(rows, generator=generator), {
        "main": torch.randn(rows, tokens, 12, generator=generator)
    }  # fmt: skip


@torch.inference_mode()
def calls(network, graphed, seeds, **shape):
    """Every call's result equals the network's own."""
    for seed in seeds:
        x, t, contexts = inputs(seed, **shape)
        values = network.time_values(t[:1])
        arguments = {"time_values": values.at(0), "condition_repeats": 3}
        want = network(x, t, contexts, **arguments)
        assert torch.equal(graphed(x, t, contexts, **arguments), want)


def test_third_call_is_replayed_with_its_own_inputs():
    network, recorder = small_network(), Recorder()
    graphed = GraphedNetwork(network, recorder)
    calls(network, graphed, [0, 1, 2, 3])
    assert (recorder.recorded, recorder.replayed) == (1, 3)
    assert graphed.guidance_embed is False


def test_something_can_be_done_before_every_replay():
    network, recorder, done = small_network(), Recorder(), []
    graphed = GraphedNetwork(network, recorder, before=lambda: done.append(recorder.replayed))
    calls(network, graphed, [0, 1, 2, 3])
    assert done == [0, 1, 2]


def test_other_shapes_and_moved_weights_are_recorded_anew():
    network, recorder = small_network(), Recorder()
    graphed = GraphedNetwork(network, recorder)
    calls(network, graphed, range(3))
    calls(network, graphed, range(3), tokens=1)
    assert recorder.recorded == 2
    for parameter in network.parameters():
        parameter.data = parameter.data.clone() * 1.5
    calls(network, graphed, range(3))
    assert recorder.recorded == 3


@pytest.mark.parametrize("recorder", [Recorder(failing=True), Recorder(wrong=0.5)])
def test_what_fails_or_differs_runs_as_always(recorder, caplog):
    network = small_network()
    calls(network, GraphedNetwork(network, recorder), range(4))
    assert len(caplog.records) == 1 and "without CUDA graphs" in caplog.text


def test_old_recordings_make_room():
    network, recorder = small_network(), Recorder()
    graphed = GraphedNetwork(network, recorder)
    for tokens in range(1, 8):
        calls(network, graphed, range(3), tokens=tokens)
    assert len(graphed._recordings) == 4
    graphed.forget()
    assert not graphed._recordings


@pytest.mark.gpu
def test_cuda_graph_gives_what_the_network_gives():
    network = small_network().cuda()
    graphed = GraphedNetwork(network)
    largest = 0.0
    with torch.inference_mode():
        for seed in range(4):
            x, t, contexts = inputs(seed)
            x, t, contexts = x.cuda(), t.cuda(), {"main": contexts["main"].cuda()}
            values = network.time_values(t[:1]).at(0)
            want = network(x, t, contexts, time_values=values)
            got = graphed(x, t, contexts, time_values=values)
            largest = max(largest, float((got - want).abs().max()))
    assert all(recording is not None for recording in graphed._recordings.values())
    print(f"largest difference {largest:.2e}")
    assert largest < 1e-5
