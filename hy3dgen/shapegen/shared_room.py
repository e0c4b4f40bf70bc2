# SPDX-License-Identifier: Apache-2.0
"""Weights that a picture needs once, in turns in one piece of device memory.

A chain is a row of units used one after the other, such as the blocks of a transformer. Its units
always come to the same places of the room, so calls of its network can be recorded with the copies
in them; to whoever looks at them otherwise they are those in host memory. As many as there are
places come beforehand, each of the others once the one in its place was used; so copies run beside
what the device computes. Values are those they had, to the last bit. Knows nothing about which
network it is.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from .moving_weights import Unit, ordinary_tensors


class SharedRoom:
    """Bytes of the device, and the chains that take turns in them."""

    def __init__(self, copies: Any, size: int) -> None:
        self.copies = copies
        with ordinary_tensors():
            self.bytes: Tensor = copies.device_room(size)
        self.guests: list[Guest] = []


class Guest:
    """A chain that lies in a room while it is its turn, and in host memory for good.

    Parameters
    ----------
    units : the room has space for two of the largest, if there are two
    """

    def __init__(self, units: Sequence[Unit], room: SharedRoom) -> None:
        self._room, self._copies = room, room.copies
        self._units = list(units)
        self._step = max(unit.size for unit in units)
        self._places = min(len(room.bytes) // self._step, len(units))
        self._modules = {id(unit.module) for unit in units}
        self._homes: list[Tensor] = []
        with ordinary_tensors():
            for unit in units:
                home = self._copies.host_room(unit.size)
                unit.pack(home)
                self._homes.append(home)
        self._arrived: list[Any] = [None] * len(units)
        self._inside: int | None = None  # the unit that is computed with
        self._lying = [-1] * self._places  # the unit in each place, or on its way there
        self._versions = [-1] * len(units)  # of host memory, when it was copied
        self._hooks = []
        for number, unit in enumerate(units):
            before = unit.module.register_forward_pre_hook(lambda *_, n=number: self._enter(n))
            after = unit.module.register_forward_hook(lambda *_, n=number: self._leave(n))
            self._hooks += [before, after]
        room.guests.append(self)

    @property
    def first(self) -> nn.Module:
        """The module that is called first."""
        return self._units[0].module

    def parameters(self) -> Iterator[nn.Parameter]:
        """All weights, in host memory."""
        for unit in self._units:
            yield from unit.module.parameters()

    def belongs_to(self, network: nn.Module) -> bool:
        """Whether the chain's modules are those of a network."""
        return any(id(module) in self._modules for module in network.modules())

    def bring(self) -> None:
        """Begin to bring those of the first units that are not there; it is this chain's turn."""
        for number in range(self._places):
            self._copy(number)

    def arrive(self) -> None:
        """Before a recorded call: what is computed from now on comes after these copies."""
        self._take_up()
        self.bring()
        for done in self._arrived[: self._places]:
            self._copies.wait(done)
        for number in range(self._places, len(self._units)):  # the recording has these copies
            self._lying[number % self._places] = number

    def _take_up(self) -> None:
        """Keep weights that somebody exchanged for others."""
        with ordinary_tensors():
            for unit, home in zip(self._units, self._homes, strict=True):
                if not unit.lies_in(home):
                    unit.pack(home)

    def bytes_per_second(self) -> float:
        """How fast the first units come; they are there afterwards."""
        self._lying = [-1] * self._places
        self._copies.finish()
        start = time.perf_counter()
        self.bring()
        self._copies.finish()
        return sum(map(len, self._homes[: self._places])) / (time.perf_counter() - start)

    def settle(self) -> None:
        """After an error in a unit: its weights are those in host memory again."""
        if self._inside is not None:
            self._lie_in(self._inside, self._homes[self._inside])
            self._inside = None

    def remove(self) -> None:
        """Stop watching; the weights are in host memory."""
        for hook in self._hooks:
            hook.remove()
        self._copies.finish()
        self.settle()
        self._room.guests.remove(self)

    def _lie_in(self, number: int, room: Tensor) -> None:
        with ordinary_tensors():
            self._units[number].lie_in(room)

    def _part(self, number: int) -> Tensor:
        start = number % self._places * self._step
        return self._room.bytes[start : start + self._units[number].size]

    def _copy(self, number: int) -> None:
        place = number % self._places
        if self._lying[place] == number and self._versions[number] == self._homes[number]._version:
            return
        start = place * self._step
        for other in self._room.guests:
            if other is not self:
                other._lose(start, start + self._step)
        self._lying[place] = number
        self._begin(number)

    def _begin(self, number: int) -> None:
        self._versions[number] = self._homes[number]._version
        self._arrived[number] = self._copies.begin(self._part(number), self._homes[number])

    def _lose(self, start: int, stop: int) -> None:
        """Another chain's unit comes to these bytes."""
        for place in range(start // self._step, min(-(-stop // self._step), self._places)):
            self._lying[place] = -1

    def _enter(self, number: int) -> None:
        recording = self._copies.is_recording()
        if number == 0 and not recording:
            self.settle()
            self._take_up()
            self.bring()
        if not recording:
            self._copy(number)  # where the order is another one
        if number >= self._places or not recording:  # a recording begins when the first are there
            self._copies.wait(self._arrived[number])
        self.settle()
        self._inside = number
        self._lie_in(number, self._part(number))

    def _leave(self, number: int) -> None:
        self.settle()
        following = number + self._places
        if following >= len(self._units):
            return
        if self._copies.is_recording():  # what lies where is not changed by that
            self._begin(following)
        else:
            self._copy(following)
