# SPDX-License-Identifier: Apache-2.0
"""Weights that live in host memory and are on the device while they are needed.

A chain is a row of units that are used one after the other, such as the blocks of a transformer. Of
those that do not stay on the device some visit it for as long as the chain is in use, and the
others pass through two slots: while one computes, the next one is copied. Units always come to the
values they had, so results are the same to the last bit. Knows nothing about which network it is.
Chains of which only one is in use at a time take turns in a `shared_room`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .memory_plan import SLOTS

_ALIGNED = 256  # bytes; where a GPU's own allocator would begin a tensor


class _Placed(NamedTuple):
    """A tensor of a unit, and where it lies among the unit's bytes."""

    owner: nn.Module
    name: str
    start: int
    shape: torch.Size
    dtype: torch.dtype


class Unit:
    """Weights that come and go together.

    Parameters
    ----------
    module : its call needs the unit
    left_out : modules inside whose weights belong to other units
    """

    def __init__(self, module: nn.Module, left_out: Iterable[nn.Module] = ()) -> None:
        self.module = module
        skipped = {id(part) for other in left_out for part in other.modules()}
        self._placed: list[_Placed] = []
        self.size = 0
        for owner in module.modules():
            if id(owner) in skipped:
                continue
            for name, value in (*owner._parameters.items(), *owner._buffers.items()):
                if value is None:
                    continue
                self._placed.append(_Placed(owner, name, self.size, value.shape, value.dtype))
                size = value.numel() * value.element_size()
                self.size += -(-size // _ALIGNED) * _ALIGNED

    def pack(self, room: Tensor) -> None:
        """Copy the values into bytes, and let the weights lie there."""
        for owner, name, start, shape, dtype in self._placed:
            _part(room, start, shape, dtype).copy_(getattr(owner, name))
        self.lie_in(room)

    def lie_in(self, room: Tensor) -> None:
        """Make the weights parts of these bytes, whatever those hold."""
        for owner, name, start, shape, dtype in self._placed:
            part = _part(room, start, shape, dtype)
            if name in owner._parameters:
                # A new one, as the old one may come from inference mode.
                owner._parameters[name] = nn.Parameter(part, requires_grad=False)
            else:
                owner._buffers[name] = part

    def lies_in(self, room: Tensor) -> bool:
        """Whether the weights are still these bytes, and none was exchanged for another."""
        first = room.data_ptr()
        return all(
            owner._parameters.get(name, owner._buffers.get(name)).data_ptr() == first + start
            for owner, name, start, _shape, _dtype in self._placed
        )

    def names(self) -> set[tuple[int, str]]:
        """Each tensor as its owner's id and its name there."""
        return {(id(placed.owner), placed.name) for placed in self._placed}


def _part(room: Tensor, start: int, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    stop = start + shape.numel() * dtype.itemsize
    return room[start:stop].view(dtype).view(shape)


class Chain:
    """Units that are used in their order, over and over until `end`.

    Parameters
    ----------
    units : all of them; those that stay on the device are there already
    visiting, passing : numbers of those that are there while the chain is in use, and of those that
        pass through slots
    copies : see `gpu.copies`
    """

    def __init__(
        self,
        units: Sequence[Unit],
        visiting: Iterable[int],
        passing: Iterable[int],
        copies: Any,
    ) -> None:
        self.copies = copies
        self._visiting = [units[number] for number in visiting]
        self._passing = [units[number] for number in passing]
        self._homes: dict[int, Tensor] = {}
        with ordinary_tensors():
            for unit in (*self._visiting, *self._passing):
                home = self._homes[id(unit)] = copies.host_room(unit.size)
                unit.pack(home)
        self._slots: list[Tensor] = []
        self._loaded: list[tuple[int, Any]] = []  # of each slot: which unit, and its copy
        self._arriving: dict[int, tuple[Tensor, Any]] = {}  # of visiting units that nobody awaited
        self.in_use = False
        self._hooks = []
        for unit in self._visiting:
            hook = unit.module.register_forward_pre_hook(lambda *_, unit=unit: self._visit(unit))
            self._hooks.append(hook)
        for place, unit in enumerate(self._passing):
            hook = unit.module.register_forward_pre_hook(lambda *_, place=place: self._pass(place))
            self._hooks.append(hook)

    def begin(self) -> None:
        """Start to bring what the chain needs."""
        if self.in_use:
            return
        self.in_use = True
        with ordinary_tensors():
            count = min(SLOTS, len(self._passing))
            largest = max((unit.size for unit in self._passing), default=0)
            self._slots = [self.copies.device_room(largest) for _ in range(count)]
            self._loaded = [(-1, None)] * count
            for place, unit in enumerate(self._passing):
                unit.lie_in(self._slots[place % count])
            for place in range(count):
                self._load(place)
            for unit in self._visiting:
                room = self.copies.device_room(unit.size)
                done = self.copies.begin(room, self._homes[id(unit)])
                unit.lie_in(room)
                self._arriving[id(unit)] = room, done

    def end(self) -> None:
        """Let go of the device's memory."""
        if not self.in_use:
            return
        self.in_use = False
        # Memory that copies still write to must not be given to others.
        for _place, done in self._loaded:
            if done is not None:
                self.copies.wait(done)
        for _room, done in self._arriving.values():
            self.copies.wait(done)
        self._arriving.clear()
        with ordinary_tensors():
            for unit in (*self._visiting, *self._passing):
                unit.lie_in(self._homes[id(unit)])
        self._slots, self._loaded = [], []

    def remove(self) -> None:
        """Stop watching; the weights then are in host memory."""
        self.end()
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _visit(self, unit: Unit) -> None:
        self.begin()
        arriving = self._arriving.pop(id(unit), None)
        if arriving is not None:
            self.copies.wait(arriving[1])

    def _pass(self, place: int) -> None:
        self.begin()
        slot = place % len(self._slots)
        if self._loaded[slot][0] != place:  # not the one that was expected
            self._load(place)
        self.copies.wait(self._loaded[slot][1])
        following = (place + 1) % len(self._passing)
        if following % len(self._slots) != slot:
            self._load(following)

    def _load(self, place: int) -> None:
        slot = place % len(self._slots)
        if self._loaded[slot][0] == place:
            return
        unit = self._passing[place]
        room = self._slots[slot][: unit.size]
        self._loaded[slot] = place, self.copies.begin(room, self._homes[id(unit)])


def ordinary_tensors() -> Any:
    """Weights are no inference tensors, wherever they are moved."""
    return torch.inference_mode(False)
