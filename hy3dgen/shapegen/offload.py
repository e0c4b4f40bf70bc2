# SPDX-License-Identifier: Apache-2.0
"""Keeps networks in host memory and moves each to the device only while it is used."""

from collections.abc import Sequence

import torch
from torch import nn


class Offload:
    """At most one of the networks is on `device`: the one that was called last."""

    moves = True
    records = False  # as weights do not keep their places

    def __init__(self, networks: Sequence[nn.Module], device: torch.device) -> None:
        self.networks = list(networks)
        self.device = device
        self.current: nn.Module | None = None
        self._hooks = [
            network.register_forward_pre_hook(lambda network, _inputs: self.use(network))
            for network in self.networks
        ]
        self.rest()

    def use(self, network: nn.Module) -> None:
        """Bring a network to the device, and the one that was there back."""
        if network is self.current:
            return
        if self.current is not None:
            self.current.to("cpu")
        network.to(self.device)
        self.current = network

    def before(self, network: nn.Module) -> None:
        """Recorded calls, of which there are none, would need nothing."""

    def rest(self) -> None:
        """Bring all networks to host memory."""
        for network in self.networks:
            network.to("cpu")
        self.current = None

    def remove(self) -> None:
        """Stop watching; the networks stay where they are."""
        for hook in self._hooks:
            hook.remove()
