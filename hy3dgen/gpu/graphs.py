# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs of a network that is called again and again with tensors of the same shapes.

A call of a small network keeps a GPU waiting for its next kernel; a recorded one is handed over
whole. The first call with new shapes runs as always, the second is recorded, replayed and compared
with what the network gives without; from the third on it is replayed. Where anything about that
fails, or a result differs, those shapes run as always, and the log says why.
"""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

logger = logging.getLogger(__name__)

_MOST = 4  # recordings that are kept; each holds the network's activations
# Part of the largest value by which a replayed call may differ; it should not at all.
_TOLERANCE = 1e-3

Record = Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]]


@dataclass
class _Recording:
    inputs: list[Tensor]
    replay: Callable[[], None]
    output: Tensor


class GraphedNetwork:
    """Calls `network` by recordings where that works; other attributes are the network's.

    Parameters
    ----------
    network : its arguments must be tensors, numbers, strings, or lists, tuples and dicts of them;
        what is not a tensor must decide everything that is not a computation on tensors
    record : `record(function)` gives a function that repeats what `function` did and the tensor
        where that leaves its result
    before : called before every replay
    """

    def __init__(
        self,
        network: nn.Module,
        record: Record | None = None,
        before: Callable[[], object] | None = None,
    ) -> None:
        self.network = network
        self._record = record or record_cuda_graph
        self._before = before
        self._seen: set[Any] = set()
        self._recordings: dict[Any, _Recording | None] = {}  # None: this one does not work

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def __call__(self, *arguments: Any, **options: Any) -> Tensor:
        leaves, structure = pytree.tree_flatten((arguments, options))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        key = self._key(leaves, structure)
        if key in self._recordings:
            recording = self._recordings[key]
            return (
                self.network(*arguments, **options)
                if recording is None
                else self._run(recording, tensors)
            )
        if key not in self._seen:
            self._seen.add(key)
            return self.network(*arguments, **options)
        return self._first_recorded(key, leaves, structure, tensors)

    def _run(self, recording: _Recording, tensors: list[Tensor]) -> Tensor:
        if self._before is not None:
            self._before()
        with torch.no_grad():
            torch._foreach_copy_(recording.inputs, tensors)
            recording.replay()
            return recording.output.clone()

    def forget(self) -> None:
        """Give the memory of all recordings back."""
        self._recordings.clear()
        self._seen.clear()

    def _key(self, leaves: list[Any], structure: Any) -> Any:
        shapes = tuple(
            (leaf.shape, leaf.dtype, leaf.device) if isinstance(leaf, Tensor) else leaf
            for leaf in leaves
        )
        # Weights that were moved or exchanged lie elsewhere.
        weights = tuple(parameter.data_ptr() for parameter in (*_ends(self.network.parameters()),))
        return shapes, structure, weights

    def _first_recorded(
        self, key: Any, leaves: list[Any], structure: Any, tensors: list[Tensor]
    ) -> Tensor:
        arguments, options = pytree.tree_unflatten(leaves, structure)
        want = self.network(*arguments, **options)
        while len(self._recordings) >= _MOST:
            self._recordings.pop(next(iter(self._recordings)))
        self._recordings[key] = None
        try:
            with torch.inference_mode(False):
                # Ordinary tensors, which can be written to from anywhere.
                fixed = [
                    torch.empty_like(t, memory_format=torch.contiguous_format) for t in tensors
                ]
            with torch.no_grad():
                torch._foreach_copy_(fixed, [t.detach() for t in tensors])
            remaining = iter(fixed)
            filled = [next(remaining) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
            arguments, options = pytree.tree_unflatten(filled, structure)
            recording = _Recording(
                fixed, *self._record(lambda: self.network(*arguments, **options))
            )
            got = self._run(recording, tensors)
            error = float((got.float() - want.float()).abs().max())
            if not error <= _TOLERANCE * float(want.float().abs().max()):
                raise RuntimeError(f"the replayed result differs by {error:.3g}")
            self._recordings[key] = recording
        except RuntimeError as reason:
            logger.warning("A network is called without CUDA graphs: %s", reason)
        return want


class Recordings:
    """Networks of one device that are called one after the other, by recordings that share memory.

    A recording's result is copied out at once, so the next one may overwrite all that it held.
    """

    def __init__(self) -> None:
        self._networks: dict[nn.Module, GraphedNetwork] = {}
        self._record: Record | None = None

    def of(self, network: nn.Module, before: Callable[[], object] | None = None) -> GraphedNetwork:
        """The network by recordings; the same object at every call."""
        if self._record is None:
            pool = torch.cuda.graph_pool_handle()
            self._record = functools.partial(record_cuda_graph, pool=pool)
        if network not in self._networks:
            self._networks[network] = GraphedNetwork(network, self._record, before)
        return self._networks[network]

    def __deepcopy__(self, memo: dict[int, Any]) -> "Recordings":
        return Recordings()


def record_cuda_graph(
    function: Callable[[], Tensor], pool: Any = None
) -> tuple[Callable[[], None], Tensor]:
    """A CUDA graph of `function`, which must have run once before; `pool` has memory for it."""
    graph = torch.cuda.CUDAGraph()
    side = _side_stream(torch.cuda.current_device())
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side), torch.no_grad():
        function()  # libraries make their workspaces for a stream when it is first used
    torch.cuda.current_stream().wait_stream(side)
    recording = torch.cuda.graph(graph, pool, side, capture_error_mode="thread_local")
    with torch.no_grad(), recording:
        output = function()
    return graph.replay, output


@functools.cache
def _side_stream(_device: int) -> torch.cuda.Stream:
    """One for all recordings: libraries keep a workspace for every stream that they have seen."""
    return torch.cuda.Stream()


def _ends(items: Any) -> list[Any]:
    kept = list(items)
    return kept[:1] + kept[-1:]
