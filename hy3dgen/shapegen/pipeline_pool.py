# SPDX-License-Identifier: Apache-2.0
"""A queue of pictures, worked off by all GPUs of a machine at once.

Every device has a whole pipeline of its own. Which device makes a picture's mesh does not matter:
its noise comes from its own seed, drawn on the processor.
"""

import os
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import torch

from ..errors import InvalidSettingError
from .pipelines import Hunyuan3DDiTFlowMatchingPipeline

Progress = Callable[[int, int], None]


class PipelinePool:
    """Pipelines of one model on several devices.

    Parameters
    ----------
    pipelines : one a device, of the same weights in the same precision
    """

    def __init__(self, pipelines: Sequence[Any]) -> None:
        if not pipelines:
            raise InvalidSettingError("a pool without pipelines can make nothing; give some.")
        self.pipelines = list(pipelines)

    @classmethod
    def from_pretrained(
        cls,
        model_path: str | os.PathLike[str],
        devices: Sequence[str | torch.device] | None = None,
        **options: Any,
    ) -> "PipelinePool":
        """A pipeline on each of `devices`, by default on all CUDA GPUs.

        `options` go to `Hunyuan3DDiTFlowMatchingPipeline.from_pretrained`.
        """
        if devices is None:
            devices = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
        if not devices:
            raise InvalidSettingError(
                "there is no CUDA GPU here; name devices, or use a pipeline on its own."
            )
        load = Hunyuan3DDiTFlowMatchingPipeline.from_pretrained
        return cls([load(model_path, device=device, **options) for device in devices])

    def __call__(
        self,
        pictures: Sequence[Any],
        seeds: Sequence[int] | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> list[Any]:
        """One result a picture, in their order; see `Hunyuan3DDiTFlowMatchingPipeline`.

        Parameters
        ----------
        seeds : of the noise, one a picture; by default all 0
        progress : `progress(done, total)` after every picture, by one thread at a time; what it
            raises ends the call once the pictures that were begun are done
        settings : arguments of a call, but for `image`, `generator` and `progress`
        """
        seeds = [0] * len(pictures) if seeds is None else list(seeds)
        if len(seeds) != len(pictures):
            raise InvalidSettingError(
                f"{len(seeds)} seeds were given for {len(pictures)} pictures; give one a picture."
            )
        waiting: SimpleQueue[int] = SimpleQueue()
        for number in range(len(pictures)):
            waiting.put(number)
        results: list[Any] = [None] * len(pictures)
        failures: list[BaseException] = []
        turn = threading.Lock()
        done = 0

        def work(pipeline: Any) -> None:
            nonlocal done
            try:
                while not failures:
                    number = waiting.get_nowait()
                    generator = torch.Generator().manual_seed(seeds[number])
                    made = pipeline(pictures[number], generator=generator, **settings)
                    with turn:
                        results[number] = made[0]
                        done += 1
                        if progress is not None:
                            progress(done, len(pictures))
            except Empty:
                return
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(one,)) for one in self.pipelines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return results
