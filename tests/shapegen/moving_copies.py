# SPDX-License-Identifier: Apache-2.0
"""Doubles of `gpu.copies.DeviceCopies` on the processor: the worst that a device's order allows."""

import weakref

import torch


class Copies:
    """Counts the device's bytes; its memory holds garbage until a copy has happened."""

    def __init__(self):
        self.rooms = {}
        self.peak = self.copied = 0

    def host_room(self, size):
        return torch.empty(size, dtype=torch.uint8)

    def finish(self):
        pass

    def is_recording(self):
        return False

    def device_room(self, size):
        room = torch.full((size,), 0xFF, dtype=torch.uint8)  # NaN in any float
        number = id(room.untyped_storage())
        self.rooms[number] = size
        weakref.finalize(room.untyped_storage(), self.rooms.pop, number)
        self.peak = max(self.peak, self.held)
        return room

    @property
    def held(self):
        return sum(self.rooms.values())


class Early(Copies):
    """Copies at once: what is still computed with must not be the target."""

    def begin(self, target, source):
        self.copied += len(target)
        target.copy_(source)

    def wait(self, done):
        pass


class Late(Copies):
    """Copies when it is waited for: who does not wait gets garbage."""

    def begin(self, target, source):
        self.copied += len(target)
        return [(target, source)]

    def wait(self, done):
        while done:
            target, source = done.pop()
            target.copy_(source)
