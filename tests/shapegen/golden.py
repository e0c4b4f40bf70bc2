# SPDX-License-Identifier: Apache-2.0
"""Reads recorded reference results and compares with them.

One case is `<case>.json` (what to build and call) and `<case>.safetensors` (parameters `param.*`,
inputs `in.*`, results `out.*`). They were recorded in float32 on a CPU from networks with small
random weights.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

FOLDER = Path(__file__).parents[1] / "goldens" / "shapegen"

# Relative to the largest magnitude, about five times the float32 noise seen between two
# implementations; see `largest_error`.
TOLERANCES = {
    "fourier": 5e-6,
    "embeddings": 5e-6,
    "dit": 1e-5,
    "plain": 1e-5,
    "proc": 1e-5,
    "diagonal": 1e-5,
    "vae_encode": 1e-5,
    "vae_decode": 2e-5,
    "vae_checkpoint": 2e-5,
    "volume": 2e-5,
    "cond": 3e-5,
    "fps": 0.0,
    "image": 0.0,
    "sched": 1e-6,
    "surface": 1e-6,
    "mc": 1e-5,
    "e2e": 1e-4,
}


class Case:
    """One recorded case."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.spec = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        self.tensors = load_file(FOLDER / f"{name}.safetensors")
        self.tolerance = next(
            tolerance for group, tolerance in TOLERANCES.items() if name.startswith(group)
        )

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    @property
    def calls(self) -> list[dict[str, Any]]:
        return self.spec["calls"]

    def build(self) -> Any:
        """The object under test with its recorded parameters, loaded strictly."""
        init = self.values(self.spec["init"])
        if "norm_layer" in init:  # a class, recorded by its name
            init["norm_layer"] = resolve(init["norm_layer"])
        thing = resolve(self.spec["cls"])(**init)
        if isinstance(thing, nn.Module):
            parameters = {
                name.removeprefix("param."): value
                for name, value in self.tensors.items()
                if name.startswith("param.")
            }
            if "encoder." in self.spec.get("params_omitted_prefixes", ()):
                thing.drop_encoder()
            thing.load_state_dict(parameters)
            thing.eval()
        return thing

    def values(self, value: Any) -> Any:
        """`value` with every reference to a tensor or picture replaced by the thing itself."""
        if isinstance(value, list):
            return [self.values(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$tensor" in value:
            return self.tensors[value["$tensor"]]
        if "$ordered" in value:
            return {key: self.values(item) for key, item in value["$ordered"]}
        if "$png" in value:
            path = FOLDER / value["$png"]
            if value["as"] == "path":
                return str(path)
            from PIL import Image

            return Image.open(path)
        return {key: self.values(item) for key, item in value.items()}

    def check(self, got: Any, name: str, tolerance: float | None = None) -> None:
        """Assert that `got` equals the recorded tensor, NaN in the same places."""
        error = largest_error(torch.as_tensor(got), self.tensors[name])
        limit = self.tolerance if tolerance is None else tolerance
        assert error <= limit, f"{self.name} {name}: error {error:.2e}, allowed {limit:.0e}"


def largest_error(got: Tensor, want: Tensor) -> float:
    """Largest difference relative to the largest recorded magnitude (at least 1)."""
    assert got.shape == want.shape, f"shape {tuple(got.shape)}, want {tuple(want.shape)}"
    assert torch.equal(got.isnan(), want.isnan()), "NaN in other places"
    got, want = got.double().nan_to_num(), want.double().nan_to_num()
    scale = max(1.0, want.abs().max().item())
    return (got - want).abs().max().item() / scale


def resolve(dotted: str) -> Any:
    """The class or function of a dotted name that a case was recorded with."""
    module, name = dotted.rsplit(".", 1)
    return getattr(import_module(module), name)


def record_submodules(module: nn.Module, names: list[str]) -> dict[str, Any]:
    """A dict that fills with the outputs of the named submodules while `module` runs."""
    seen: dict[str, Any] = {}
    for name in names:
        module.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: seen.__setitem__(name, output)
        )
    return seen


def submodule_outputs(case: Case, call: dict[str, Any]) -> dict[str, tuple[str, int | None]]:
    """`hook:` places of a call: tensor name -> (submodule name, index into a tuple output)."""
    places = {}
    for place, tensor in call["outputs"].items():
        if place.startswith("hook:"):
            name = place.removeprefix("hook:").split(" ")[0]
            index = None
            if name.endswith("]"):
                name, number = name[:-1].split("[")
                index = int(number)
            places[tensor] = (name, index)
    return places
