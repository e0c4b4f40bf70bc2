# SPDX-License-Identifier: Apache-2.0
"""Loads the networks of a checkpoint folder, each built by hand and filled strictly."""

import logging
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import CheckpointMismatchError
from ...model_folders import weight_files
from ...weights import load_strictly, read_weights
from .autoencoder import Autoencoder, with_new_names
from .clip_text import TextEncoder, empty_prompt
from .paint_unet import PaintUNet
from .settings import autoencoder_settings, read_json, text_encoder_settings, unet_settings
from .unet import UNet

logger = logging.getLogger(__name__)

State = dict[str, Tensor]


def load_paint_unet(folder: Path, device: torch.device, dtype: torch.dtype) -> PaintUNet:
    settings = unet_settings(read_json(folder / "config.json"), str(folder / "config.json"))
    return _fill(lambda: PaintUNet(settings), folder, device, dtype)


def load_unet(folder: Path, device: torch.device, dtype: torch.dtype) -> UNet:
    settings = unet_settings(read_json(folder / "config.json"), str(folder / "config.json"))
    return _fill(lambda: UNet(settings), folder, device, dtype)


def load_autoencoder(folder: Path, device: torch.device, dtype: torch.dtype) -> Autoencoder:
    config = read_json(folder / "config.json")
    settings = autoencoder_settings(config, str(folder / "config.json"))
    return _fill(lambda: Autoencoder(settings), folder, device, dtype, with_new_names)


@torch.inference_mode()
def embed_nothing(folder: Path, device: torch.device, dtype: torch.dtype) -> Tensor:
    """`(1, T, D)`: what the text encoder of a model gives for the empty text."""
    config = read_json(folder / "text_encoder" / "config.json")
    settings = text_encoder_settings(config, str(folder / "text_encoder" / "config.json"))
    encoder = _fill(
        lambda: TextEncoder(settings), folder / "text_encoder", device, dtype, _without_numbering
    )
    return encoder(empty_prompt(folder / "tokenizer", settings.tokens).to(device))


def _without_numbering(state: State) -> State:
    """Older files hold the numbers 0, 1, 2, … of the places as well."""
    return {name: value for name, value in state.items() if not name.endswith(".position_ids")}


def arranged(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with its weights lying as convolutions and products on a GPU want them."""
    if device.type != "cuda":
        return network
    if isinstance(network, PaintUNet | UNet):
        network.arrange()
    return network.to(memory_format=torch.channels_last)


def _fill(
    make: Callable[[], nn.Module],
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    prepare: Callable[[State], State] = lambda state: state,
):
    """The network with the first of the folder's weight files that fits it."""
    files = weight_files(folder)
    for number, path in enumerate(files):
        with torch.device("meta"):
            network = make()
        try:
            load_strictly(network, prepare(read_weights(path)), str(path), dtype, device)
        except CheckpointMismatchError as error:
            if number == len(files) - 1:
                raise
            logger.warning("%s; trying %s.", error, files[number + 1].name)
            continue
        return arranged(network.eval().requires_grad_(False), device)
    raise AssertionError("there is at least one file")
