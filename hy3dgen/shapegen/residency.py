# SPDX-License-Identifier: Apache-2.0
"""Keeps a shape model's weights and work within a limit of device memory.

What is where is decided by `memory_plan`, moved by `moving_weights`; this module knows the
networks: what their units are and about how much their stages work with. Every estimate of a
stage's work was compared with a GPU's count, see `tests/gpu/test_memory_limits.py`.
"""

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
from torch import nn

from ..errors import InvalidSettingError
from ..gpu.copies import DeviceCopies
from ..memory import available_bytes
from .devices import free_cached_memory, memory_within, usable_memory
from .log import logger
from .memory_plan import Needs, Plan, least_without_moving_steps, plan_memory
from .models.conditioner import ImageEncoder
from .models.denoisers.hunyuan3ddit import Hunyuan3DDiT, Modulation
from .moving_weights import Chain, Unit
from .shared_room import Guest, SharedRoom

_LIBRARIES = 112 << 20  # workspaces of products and attention, which stay
_SMALL = 64 << 20  # whatever else a stage needs for a moment
# Tensors of the tokens' size that a stage holds at a time, and recorded calls for good, without
# and with two halves of guidance.
_ENCODER_TENSORS, _STEP_TENSORS, _RECORDED_TENSORS, _RECORDED_GUIDED = 20, 44, 28, 36
_DECODED_BYTES = 5.5  # a point of a full grid
_DECODER_CALL, _NARROW_CALL = 384 << 20, 240 << 20  # that one call of the geometry decoder holds
# What is kept to without a limit, the first of them with which the room holds that part of the
# encoder, and where the device reads main memory fast: then it takes little time.
USUAL_LIMITS, _LEAST_SHARE = (3e9, 6e9), 0.2
_FAST_READING = 40e9  # bytes a second
_SPARE_MEMORY = 2  # times what takes turns must be free of main memory, as pinned memory stays
_USUALLY_FILLED = 0.98


class Residency:
    """The networks' weights where a plan wants them, until `remove`.

    Parameters
    ----------
    conditioner, model, vae : in host memory, or where they were
    limit : bytes of the device
    copies : a double for tests
    plan : None: the one for the limit
    """

    def __init__(
        self,
        conditioner: nn.Module,
        model: nn.Module,
        vae: nn.Module,
        device: torch.device,
        limit: float | None,
        copies: Any = None,
        plan: Plan | None = None,
    ) -> None:
        networks = (conditioner, model, vae)
        once, steps = units_of(*networks)
        self.device, self.limit = device, limit  # of bytes; None: the usual plan
        if plan is None:
            plan = plan_memory(needs_of(conditioner, model, vae, once, steps), limit)
        self.plan = plan
        turns = once if plan.room else []
        moving = [unit for units in turns for unit in units]
        moving += [steps[number] for number in (*plan.visiting, *plan.passing)]
        free_cached_memory(device)
        _move_others(networks, moving, device)
        self._conditioner, self._model, self._vae = networks
        if moving:
            copies = copies or DeviceCopies(device)
        self._guests: list[Guest] = []
        if turns:
            room = SharedRoom(copies, plan.room)
            self._guests = [Guest(units, room) for units in turns]
        self._steps = None
        if plan.visiting or plan.passing:
            self._steps = Chain(steps, plan.visiting, plan.passing, copies)
        self._times: tuple[Any, Any] | None = None  # a schedule, and what it gave
        self._bring(self._conditioner)

    @property
    def moves(self) -> bool:
        """Whether any weights come and go."""
        return self.plan.moves

    @property
    def records(self) -> bool:
        """Whether weights keep their places, and calls of networks can be recorded."""
        return self.plan.recorded

    def before(self, network: nn.Module) -> Callable[[], object] | None:
        """What has to be done before a recorded call of a network."""
        if network is self._model:  # its modulations were asked before
            return None
        guests = [guest for guest in self._guests if guest.belongs_to(network)]
        return (lambda: [guest.arrive() for guest in guests]) if guests else None

    @property
    def reads_fast(self) -> bool:
        """Whether the device reads main memory fast enough to move weights without need."""
        return self._guests[0].bytes_per_second() > _FAST_READING

    def time_values(self, schedule: Any, *arguments: Any) -> Any:
        """The denoiser's `time_values`; of the last schedule they are known, if its weights are."""
        modulations = [guest for guest in self._guests if isinstance(guest.first, Modulation)]
        if not modulations:
            return self._model.time_values(*arguments)
        others = [part for part in self._model.children() if not isinstance(part, nn.ModuleList)]
        weights = [weight for part in others for weight in part.parameters()]
        weights += [weight for guest in modulations for weight in guest.parameters()]
        state = [(w.data_ptr(), 0 if w.is_inference() else w._version) for w in weights]
        key = schedule, arguments[-1], state
        if self._times is None or self._times[0] != key:
            self._times = key, self._model.time_values(*arguments)
        return self._times[1]

    def use(self, network: nn.Module) -> None:
        """Begin to bring what the stage of a network needs; what only others need goes."""
        if network is self._model:
            self._bring(self._vae)  # the denoiser leaves time for it
        if self._steps is None:
            return
        if network is self._model:
            free_cached_memory(self.device)
            self._steps.begin()
        else:
            self._steps.end()

    def rest(self) -> None:
        """Take back all that only visits the device; begin to bring what the next picture needs."""
        if self._steps is not None:
            self._steps.end()
            free_cached_memory(self.device)
        for guest in self._guests:
            guest.settle()
        self._bring(self._conditioner)

    def _bring(self, network: nn.Module) -> None:
        """The first of its chains."""
        for guest in self._guests:
            if guest.belongs_to(network):
                guest.bring()
                return

    def remove(self) -> None:
        """Stop watching; weights that moved are in host memory then."""
        for mover in (*self._guests, *([] if self._steps is None else [self._steps])):
            mover.remove()
        self._guests, self._steps = [], None


def usual_plan(conditioner: nn.Module, model: nn.Module, vae: nn.Module) -> Plan | None:
    """What moves without a limit on a device that reads main memory fast; None: nothing."""
    networks = conditioner, model, vae
    needs = needs_of(*networks, *units_of(*networks))
    if available_bytes() < _SPARE_MEMORY * sum(map(sum, needs.once)):
        return None
    for limit in USUAL_LIMITS:
        try:
            plan = plan_memory(needs, limit, _USUALLY_FILLED)
        except InvalidSettingError:
            continue
        if not plan.moves:
            return None
        if plan.recorded and plan.room >= _LEAST_SHARE * max(map(sum, needs.once)):
            return plan
    return None


def fits(networks: tuple[nn.Module, nn.Module, nn.Module], limit: float) -> bool:
    """Whether all weights of conditioner, model and VAE can stay within `limit` bytes."""
    return not plan_memory(needs_of(*networks, *units_of(*networks)), limit).moves


def least_limit(conditioner: nn.Module, model: nn.Module, vae: nn.Module) -> int:
    """The smallest limit with which the denoiser's blocks stay on the device."""
    networks = conditioner, model, vae
    return least_without_moving_steps(needs_of(*networks, *units_of(*networks)))


def units_of(
    conditioner: nn.Module, model: nn.Module, vae: nn.Module
) -> tuple[list[list[Unit]], list[Unit]]:
    """Chains of units that a picture needs once, and the chain of every denoising step.

    Modulations depend on times alone and are asked once for all of them; they are a chain apart.
    """
    modulations = [module for module in model.modules() if isinstance(module, Modulation)]
    blocks = [block for blocks in _block_lists(model) for block in blocks]
    steps = [Unit(block, modulations) for block in blocks]
    decoder = vae.get_submodule("transformer")
    rest = (
        [] if getattr(vae, "encoder", None) is None else _block_lists(vae.get_submodule("encoder"))
    )
    lists = [*_block_lists(decoder), modulations, *_block_lists(conditioner), *rest]
    return [[Unit(block) for block in blocks] for blocks in lists if len(blocks)], steps


def _block_lists(network: nn.Module) -> list[nn.ModuleList]:
    """The outermost lists of a network's blocks, in their order."""
    if isinstance(network, nn.ModuleList):
        return [network]
    return [found for child in network.children() for found in _block_lists(child)]


def needs_of(
    conditioner: nn.Module,
    model: nn.Module,
    vae: Any,
    once: list[list[Unit]],
    steps: list[Unit],
    octree_resolution: int = 384,
) -> Needs:
    """What a picture needs of a device, as these networks are made."""
    weights = sum(
        value.numel() * value.element_size()
        for network in (conditioner, model, vae)
        for value in (*network.parameters(), *network.buffers())
    )
    moveable = sum(unit.size for units in (*once, steps) for unit in units)
    item = next(model.parameters()).element_size()
    encoders = [part for part in conditioner.modules() if isinstance(part, ImageEncoder)]
    tokens = sum(encoder.num_patches for encoder in encoders)
    widest = max((encoder.model.config.hidden_size for encoder in encoders), default=0)
    latents = vae.latent_shape[0]
    first = (
        model.latent_in if isinstance(model, Hunyuan3DDiT) else model.get_submodule("x_embedder")
    )
    row = (latents + tokens) * first.out_features * item
    recorded = 0
    if isinstance(model, Hunyuan3DDiT):
        recorded = _RECORDED_TENSORS if model.guidance_embed else _RECORDED_GUIDED
    call = _DECODER_CALL if vae.geo_decoder.enable_ln_post else _NARROW_CALL
    return Needs(
        fixed=max(weights - moveable, 0) + _LIBRARIES,
        once=tuple(tuple(unit.size for unit in units) for units in once),
        steps=tuple(unit.size for unit in steps),
        condition=_ENCODER_TENSORS * tokens * widest * item + _SMALL,
        denoise=_STEP_TENSORS * row + _SMALL,
        decode=int(_DECODED_BYTES * (octree_resolution + 1) ** 3) + call,
        recordings=recorded * row,
    )


def _move_others(networks: tuple[nn.Module, ...], moving: list[Unit], device: torch.device) -> None:
    """Bring to the device what always stays there."""
    names = set().union(*(unit.names() for unit in moving)) if moving else set()
    with torch.inference_mode(False):
        for owner in (module for network in networks for module in network.modules()):
            for name, value in owner._parameters.items():
                if value is not None and (id(owner), name) not in names:
                    moved = value.detach().to(device)
                    owner._parameters[name] = nn.Parameter(moved, requires_grad=False)
            for name, buffer in owner._buffers.items():
                if buffer is not None and (id(owner), name) not in names:
                    owner._buffers[name] = buffer.to(device)


def within_limit(method: Callable[..., Any]) -> Callable[..., Any]:
    """A pipeline's method that keeps to its limit, and after which no weights are visiting."""

    @wraps(method)
    def limited(pipeline: Any, *arguments: Any, **options: Any) -> Any:
        with memory_within(pipeline.device, pipeline.max_memory):
            try:
                return method(pipeline, *arguments, **options)
            finally:
                pipeline.maybe_free_model_hooks()

    return limited


def default_limit(device: torch.device) -> float | None:
    """What a CUDA device can still give, less a little for others; None elsewhere."""
    return 0.95 * usable_memory(device) if device.type == "cuda" else None


def needed_limit(
    networks: Sequence[Any], device: torch.device, max_memory: float | None
) -> float | None:
    """`max_memory`, or without it None where all weights fit, else what is free."""
    if max_memory is not None:
        return max_memory
    free = default_limit(device)
    model, vae, conditioner = networks
    if free is None or fits((conditioner, model, vae), free):
        return None
    logger.info("The device has %.1f GB free; weights come when they are needed.", free / 1e9)
    return free


def host_first(networks: Sequence[Any], max_memory: float | None) -> tuple[str, ...]:
    """Which of model, vae and conditioner are to be read into host memory first."""
    model, vae, conditioner = networks
    if max_memory is None:
        moves = usual_plan(conditioner, model, vae) is not None
        return ("vae", "conditioner") if moves else ()
    return () if max_memory == math.inf else ("model", "vae", "conditioner")
