# SPDX-License-Identifier: Apache-2.0
"""Units come and go, and what is computed with them stays the same to the last bit."""

import pytest
import torch
from moving_copies import Early, Late
from torch import nn

from hy3dgen.shapegen.moving_weights import Chain, Unit

doubles = pytest.mark.parametrize("double", [Early, Late])


class Row(nn.Module):
    def __init__(self, count=6):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(nn.Linear(8, 8 + 8 * (i % 2)) for i in range(count))
        self.blocks.requires_grad_(False)
        self.blocks[1].register_buffer("shift", torch.arange(3))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)[..., :8].relu()
        return x


X = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def called(network):
    return network(X)


@doubles
@pytest.mark.parametrize(
    ("visiting", "passing"),
    [
        ((), range(6)), (range(6), ()), ((0, 3, 4), (1, 2, 5)), ((), (2,)), ((5,), (0, 1)),
        ((), (1, 4)),
    ],
)  # fmt: skip
def test_results_are_the_same(double, visiting, passing):
    row = Row()
    want = called(row)
    units = [Unit(block) for block in row.blocks]
    copies = double()
    chain = Chain(units, visiting, passing, copies)
    for _ in range(3):
        assert torch.equal(called(row), want)
        assert chain.in_use
    held = sum(units[n].size for n in visiting)
    held += min(2, len(passing)) * max((units[n].size for n in passing), default=0)
    assert copies.peak == held and copies.held == held
    chain.remove()
    assert copies.held == 0 and torch.equal(called(row), want)
    assert copies.held == 0 and torch.equal(row.blocks[1].shift, torch.arange(3))


@doubles
def test_an_order_that_nobody_expected(double):
    row = Row()
    want = [called(block) for block in row.blocks]
    chain = Chain([Unit(block) for block in row.blocks], (), range(6), double())
    for number in (3, 3, 0, 5, 1, 0, 2):
        assert torch.equal(called(row.blocks[number]), want[number])
    chain.end()
    chain.begin()
    chain.end()  # with copies on their way
    assert torch.equal(called(row.blocks[2]), want[2])


def test_passing_units_are_copied_once_a_pass():
    row, copies = Row(), Early()
    units = [Unit(block) for block in row.blocks]
    chain = Chain(units, (), range(6), copies)
    called(row)
    # The first one of the next pass is on its way.
    assert copies.copied == sum(unit.size for unit in (*units, units[0])) and chain.in_use


def test_what_belongs_to_another_unit_stays_out():
    outer = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    assert Unit(outer, [outer[1]]).size == Unit(outer[0]).size
    assert Unit(outer).names() == Unit(outer[0]).names() | Unit(outer[1]).names()
