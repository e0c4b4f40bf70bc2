# SPDX-License-Identifier: Apache-2.0
"""Notes what the stages of a run take: seconds, a GPU's memory, errors."""

import gc
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


class Watch:
    """Notes seconds and peak bytes of stages, or their errors, under one heading."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stages: dict[str, dict[str, Any]] = {}

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """A stage; what is seen again under one name is added."""
        cuda = self.device.type == "cuda"
        start = self._now()
        if cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        try:
            yield
        finally:
            stage = self.stages.setdefault(name, {"seconds": 0.0})
            stage["seconds"] = round(stage["seconds"] + self._now() - start, 4)
            if cuda:
                peaks = {
                    "peak_mb": torch.cuda.max_memory_allocated(self.device) >> 20,
                    "reserved_mb": torch.cuda.max_memory_reserved(self.device) >> 20,
                }
                for key, value in peaks.items():
                    stage[key] = max(value, stage.get(key, 0))

    def guarded(self, name: str, function: Callable[[], Any], inner: bool = False) -> Any:
        """The function's result, or None with its error noted; `inner` stages note themselves."""
        try:
            if inner:
                return function()
            with self(name):
                return function()
        except Exception as error:
            text = "".join(traceback.format_exception(error)[-3:]).strip()
            self.stages.setdefault(name, {})["error"] = text[-1500:]
            print(f"{name}: {text}")
            return None

    def watch_method(self, owner: Any, name: str, stage: str) -> None:
        """Note a method's calls as a stage from now on."""
        method = getattr(owner, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            with self(stage):
                return method(*arguments, **options)

        object.__setattr__(owner, name, watched)


@contextmanager
def watched_methods(watch: Watch, model: Any) -> Iterator[None]:
    """The stages inside of a paint model's call."""
    watch.watch_method(model, "encode", "encode")
    watch.watch_method(model.unet, "look_at_references", "reference UNet")
    try:
        yield
    finally:
        del model.encode
        object.__delattr__(model.unet, "look_at_references")


def free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def capped(device: torch.device, gigabytes: float) -> Iterator[None]:
    """Torch's allocator gets no more than that."""
    if device.type != "cuda":
        yield
        return
    free()
    index = torch.cuda.current_device() if device.index is None else device.index
    total = torch.cuda.get_device_properties(index).total_memory
    torch.cuda.set_per_process_memory_fraction(min(gigabytes * 1e9 / total, 1.0), index)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, index)
        free()


def show(title: str, stages: dict[str, Any]) -> None:
    print(title)
    for name, figures in stages.items():
        if "error" in figures:
            print(f"  {name:18} failed: {figures['error'].splitlines()[-1]}")
        else:
            memory = f"{figures['peak_mb']:7,} MB" if "peak_mb" in figures else ""
            print(f"  {name:18} {figures['seconds']:9.4f} s {memory}")
