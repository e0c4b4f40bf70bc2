# SPDX-License-Identifier: Apache-2.0
"""Writes the trained networks as a published-style model folder."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn

from .architecture import CONFIG

PARTS = ("model", "vae", "conditioner")


def export_folder(folder: Path, parts: Mapping[str, nn.Module], scale_factor: float) -> Path:
    """`config.yaml` and `model.fp16.safetensors` in `folder`, as the pipeline's loader reads them.

    `config.json` says the same for Pythons without a YAML reader.

    `parts` has the networks `model`, `vae` and `conditioner`; `scale_factor` brings the VAE's
    latents to unit variance.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.deepcopy(CONFIG)
    config["vae"]["params"]["scale_factor"] = scale_factor
    text = yaml.safe_dump(config, sort_keys=False)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    text = json.dumps(config, indent=1) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    weights = {
        f"{part}.{key}": value.detach().half().cpu().contiguous()
        for part in PARTS
        for key, value in parts[part].state_dict().items()
    }
    save_file(weights, folder / "model.fp16.safetensors", metadata={"format": "pt"})
    return folder


def read_folder(folder: Path, parts: Mapping[str, nn.Module]) -> float:
    """Loads an exported folder's weights into `parts` for going on; returns the scale factor."""
    weights = load_file(folder / "model.fp16.safetensors")
    for part, module in parts.items():
        prefix = f"{part}."
        module.load_state_dict(
            {k[len(prefix) :]: v.float() for k, v in weights.items() if k.startswith(prefix)}
        )
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    return float(config["vae"]["params"]["scale_factor"])


def save_parts(folder: Path, parts: Mapping[str, nn.Module]) -> None:
    """One float16 file per network, each small enough to copy from a machine with file limits."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, module in parts.items():
        weights = {k: v.detach().half().cpu().contiguous() for k, v in module.state_dict().items()}
        save_file(weights, folder / f"{part}.safetensors")


def load_parts(folder: Path, parts: Mapping[str, nn.Module]) -> None:
    """Reads what `save_parts` wrote."""
    for part, module in parts.items():
        weights = load_file(folder / f"{part}.safetensors")
        module.load_state_dict({k: v.float() for k, v in weights.items()})


def latent_scale(means: torch.Tensor) -> float:
    """The factor that brings latents to unit variance over all their values."""
    return float(1.0 / means.float().std())
