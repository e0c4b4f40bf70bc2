# SPDX-License-Identifier: Apache-2.0
"""One picture's work spread over two devices: the halves of guidance, and the points of decoding.

Both stand in for the network that they spread, and give what that gives. Copies of weights lie on
the second device; what travels are latents, velocities, points and field values.
"""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..gpu.devices import chosen


def replica(network: nn.Module, device: torch.device) -> Any:
    """The same network on another device."""
    return copy.deepcopy(network).to(device)


class _Times(NamedTuple):
    first: Any
    second: Any

    def at(self, index: int) -> "_Times":
        return _Times(self.first.at(index), self.second.at(index))


class SpreadDenoiser:
    """Conditional calls go to `first`, those of the empty condition to `second`.

    Parameters
    ----------
    first, second : the velocity network and its copy, or recordings of them
    device : of `second`
    """

    takes_empty = False  # each device gets a call of its own

    def __init__(self, first: Any, second: Any, device: torch.device) -> None:
        self.first, self.second, self.device = first, second, device
        self._ahead: tuple[Tensor, tuple[Tensor, Tensor]] | None = None  # latents; they, time there
        self._moved: dict[int, tuple[Tensor, Tensor]] = {}  # conditions, by what they were

    def __getattr__(self, name: str) -> Any:
        return getattr(self.first, name)

    def time_values(self, t: Tensor, guidance: Tensor | None, dtype: torch.dtype) -> _Times:
        there = None if guidance is None else guidance.to(self.device)
        return _Times(
            self.first.time_values(t, guidance, dtype),
            self.second.time_values(t.to(self.device), there, dtype),
        )

    def __call__(
        self,
        x: Tensor,
        t: Tensor,
        contexts: Mapping[str, Tensor],
        *,
        time_values: _Times,
        condition_repeats: int = 1,
    ) -> Tensor:
        if condition_repeats == 1:
            # Before the long call, behind which copies would wait.
            self._ahead = (x, self._sent(x, t))
            return self.first(
                x, t, contexts, time_values=time_values.first, condition_repeats=condition_repeats
            )
        if self._ahead is None or self._ahead[0] is not x:
            self._ahead = (x, self._sent(x, t))
        there = {name: self._there(tokens) for name, tokens in contexts.items()}
        with chosen(self.device):
            velocity = self.second(
                *self._ahead[1], there, time_values=time_values.second,
                condition_repeats=condition_repeats,
            )  # fmt: skip
        return velocity.to(x.device, non_blocking=True)

    def _sent(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        return x.to(self.device, non_blocking=True), t.to(self.device, non_blocking=True)

    def _there(self, tokens: Tensor) -> Tensor:
        """The condition on the second device; the same at every step."""
        known = self._moved.get(id(tokens))
        if known is None or known[0] is not tokens:
            if len(self._moved) > 8:
                self._moved.clear()
            known = self._moved[id(tokens)] = (tokens, tokens.to(self.device))
        return known[1]


class _Projected(NamedTuple):
    """What `geo_decoder.project` gave on both devices; `keys` and `values` are the first's."""

    first: Any
    second: Any

    @property
    def keys(self) -> Tensor:
        return self.first.keys

    @property
    def values(self) -> Tensor:
        return self.first.values


class SpreadDecoder:
    """A geometry decoder that asks its copy for half of the points.

    Parameters
    ----------
    first, second : the decoder and its copy
    device : of `second`
    share : of the points that the copy is asked for
    """

    def __init__(self, first: Any, second: Any, device: torch.device, share: float = 0.5) -> None:
        self.first, self.second, self.device, self.share = first, second, device, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self.first, name)

    def project(self, latents: Tensor) -> _Projected:
        return _Projected(self.first.project(latents), self.second.project(latents.to(self.device)))

    def activation_bytes(self, projected: _Projected) -> int:
        return self.first.activation_bytes(projected.first)

    def query(self, projected: _Projected, queries: Tensor) -> Tensor:
        """Logits `(B, P, 1)` at points `queries (B, P, 3)`."""
        here = queries.shape[1] - int(queries.shape[1] * self.share)
        there = queries[:, here:].to(self.device, non_blocking=True)
        near = self.first.query(projected.first, queries[:, :here])
        if there.shape[1] == 0:
            return near
        far = self.second.query(projected.second, there)
        return torch.cat([near, far.to(near.device, non_blocking=True)], dim=1)
