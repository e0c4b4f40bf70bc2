# SPDX-License-Identifier: Apache-2.0
"""Chains take turns in one room, and what is computed with them stays the same to the last bit."""

import pytest
import torch
from moving_copies import Early, Late
from torch import nn

from hy3dgen.shapegen.moving_weights import Unit
from hy3dgen.shapegen.shared_room import Guest, SharedRoom

doubles = pytest.mark.parametrize("double", [Early, Late])
X = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))


class Row(nn.Module):
    def __init__(self, count, wide, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.blocks = nn.ModuleList(nn.Linear(8, 8 + wide * (i % 2)) for i in range(count))
        self.blocks.requires_grad_(False)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)[..., :8].relu()
        return x


@torch.inference_mode()
def called(network):
    return network(X)


def units_of(row):
    return [Unit(block) for block in row.blocks]


def largest(row):
    return max(unit.size for unit in units_of(row))


@doubles
@pytest.mark.parametrize("places", [2, 3, 5, 6, 9])
def test_results_are_the_same_in_any_order_of_turns(double, places):
    rows = Row(6, 8, 0), Row(4, 40, 1)
    want = [called(row) for row in rows]
    copies = double()
    room = SharedRoom(copies, max(places * largest(rows[0]), 2 * largest(rows[1])))
    guests = [Guest(units_of(row), room) for row in rows]
    for number, brought in ((0, 0), (1, 1), (1, 0), (0, 1), (0, 0), (0, 1), (1, 1)):
        guests[brought].bring()
        assert torch.equal(called(rows[number]), want[number])
    assert copies.held == len(room.bytes)
    for guest in guests:
        guest.remove()
    for row, one in zip(rows, want, strict=True):
        assert torch.equal(called(row), one)
    assert room.guests == []


def test_what_lies_there_is_not_copied_again():
    row, other, copies = Row(6, 0, 0), Row(2, 0, 1), Early()
    size = largest(row)
    room = SharedRoom(copies, 8 * size)
    guest, second = (Guest(units_of(one), room) for one in (row, other))
    for _ in range(2):
        guest.bring()
        called(row)
    assert copies.copied == 6 * size
    second.bring()  # takes the places of two
    guest.bring()
    assert copies.copied == 10 * size


def test_a_pass_copies_what_is_missing_and_no_more():
    row, copies = Row(6, 0, 0), Early()
    size = largest(row)
    guest = Guest(units_of(row), SharedRoom(copies, 4 * size))
    for before, after in ((4, 6), (8, 10)):  # two of the first four give way to the last two
        guest.bring()
        assert copies.copied == before * size
        called(row)
        assert copies.copied == after * size


class Recorder(Early):
    """Notes the copies of a call rather than doing them."""

    recording = False

    def begin(self, target, source):
        if self.recording:
            self.noted.append((target, source))
        else:
            super().begin(target, source)

    def is_recording(self):
        return self.recording


def test_a_recorded_call_has_the_later_copies_and_finds_the_first_ones():
    row, copies = Row(6, 0, 0), Recorder()
    size = largest(row)
    room = SharedRoom(copies, 4 * size)
    guest = Guest(units_of(row), room)

    def lies(place):
        weight = row.blocks[0].weight
        start = place * size
        stop = start + weight.numel() * weight.element_size()
        return room.bytes[start:stop].view(weight.dtype).view(weight.shape)

    called(row)
    copies.noted, copies.recording = [], True
    called(row)
    copies.recording = False
    assert len(copies.noted) == 2
    for _ in range(2):
        guest.arrive()
        for place in range(4):
            assert torch.equal(lies(place), row.blocks[place].weight)
        for target, source in copies.noted:  # as a replay does
            target.copy_(source)
        for place in range(2):
            assert torch.equal(lies(place), row.blocks[place + 4].weight)


def test_whoever_looks_at_weights_finds_them_also_after_an_error():
    row, copies = Row(6, 0, 0), Early()
    want = {name: value.clone() for name, value in row.state_dict().items()}
    guest = Guest(units_of(row), SharedRoom(copies, 2 * largest(row)))
    called(row)
    hook = row.blocks[3].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        called(row)
    hook.remove()
    guest.settle()
    state = row.state_dict()
    assert all(torch.equal(state[name], value) for name, value in want.items())
    assert torch.equal(called(row), Row(6, 0, 0)(X))


@pytest.mark.parametrize("assign", [False, True])
def test_other_weights_are_taken_up(assign):
    row, other, copies = Row(6, 0, 0), Row(6, 0, 7), Late()
    guest = Guest(units_of(row), SharedRoom(copies, 4 * largest(row)))
    called(row)
    guest.bring()
    row.load_state_dict(other.state_dict(), assign=assign)
    assert torch.equal(called(row), called(other))
    guest.bring()
    row.load_state_dict(Row(6, 0, 8).state_dict(), assign=assign)
    guest.arrive()
    assert guest._lying == [4, 5, 2, 3], "as a recording leaves it"
    assert all(unit.lies_in(home) for unit, home in zip(guest._units, guest._homes, strict=True))
    assert torch.equal(row.blocks[5].weight, Row(6, 0, 8).blocks[5].weight)
