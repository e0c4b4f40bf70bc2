# SPDX-License-Identifier: Apache-2.0
"""Reads recorded reference results and compares with them; `golden_calls.py` runs their calls.

One case is `<case>.json` (what to build and call) and `<case>.safetensors` (parameters `param.*`,
inputs `in.*`, results `out.*`), which may be packed (`.gz`). They were recorded in float32 on a CPU
from networks with small random weights. The environment variable HY3DGEN_GOLDENS names folders with
further cases.
"""

import ast
import gzip
import json
import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, load_file
from torch import Tensor, nn

FOLDER = Path(__file__).parents[1] / "goldens" / "shapegen"
_TENSORS = (".safetensors", ".safetensors.gz")

# Relative to the largest magnitude, about five times the float32 noise seen between two
# implementations; see `largest_error`. The first group that a case's name starts with counts.
TOLERANCES = {
    "fourier": 5e-6,
    "embeddings": 5e-6,
    "dit": 1e-5,
    "plain": 1e-5,
    "proc": 1e-5,
    "diagonal": 1e-5,
    "vae_encode": 1e-5,
    "vae": 2e-5,
    "volume": 2e-5,
    "cond": 3e-5,
    "fps": 0.0,
    "image": 0.0,
    "sched": 1e-6,
    "surface": 1e-6,
    "e2e": 1e-4,
    "": 1e-5,
}


def all_cases() -> dict[str, Path]:
    """The JSON file of every case, those of HY3DGEN_GOLDENS included; there a name may return."""
    folders = [FOLDER, *map(Path, filter(None, os.environ.get("HY3DGEN_GOLDENS", "").split(":")))]
    cases = {}
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"HY3DGEN_GOLDENS names {folder}, but there is no such folder")
        prefix = "" if folder == FOLDER else f"{folder.name}/"
        for path in sorted(folder.glob("*.json")):
            if any(path.with_suffix(ending).is_file() for ending in _TENSORS):
                cases[prefix + path.stem] = path
    return cases


class Case:
    """One recorded case, of the tree by its name or of anywhere by its JSON file."""

    def __init__(self, place: str | Path) -> None:
        path = place if isinstance(place, Path) else FOLDER / f"{place}.json"
        self.name, self.folder = path.stem, path.parent
        self.spec = json.loads(path.read_text(encoding="utf-8"))
        whole, packed = (path.with_suffix(ending) for ending in _TENSORS)
        if whole.is_file():
            self.tensors = load_file(whole)
        else:
            self.tensors = load(gzip.decompress(packed.read_bytes()))
        self.tolerance = next(
            tolerance for group, tolerance in TOLERANCES.items() if self.name.startswith(group)
        )

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    @property
    def calls(self) -> list[dict[str, Any]]:
        return self.spec["calls"]

    @property
    def checkpoint(self) -> Path:
        """The folder of the model that the case loads."""
        return self.folder / self.spec["checkpoint"]["folder"]

    def build(self) -> Any:
        """The object under test with its recorded parameters, loaded strictly."""
        init = self.values(self.spec.get("init") or {})
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

    def values(self, value: Any, thing: Any = None) -> Any:
        """`value` with references to tensors and pictures, and descriptions, made real.

        `thing` is the object under test, which some descriptions refer to.
        """
        if isinstance(value, str):
            return self._described(value, thing)
        if isinstance(value, list):
            if value and isinstance(value[0], str) and value[0].startswith(("trimesh.", "pymesh")):
                return _mesh(value[0], *(self.values(item).numpy() for item in value[1:]))
            return [self.values(item, thing) for item in value]
        if not isinstance(value, dict):
            return value
        if "$tensor" in value:
            return self.tensors[value["$tensor"]]
        if "$ordered" in value:
            return {key: self.values(item) for key, item in value["$ordered"]}
        if "$png" in value:
            path = self.folder / value["$png"]
            if value["as"] == "path":
                return str(path)
            from PIL import Image

            return Image.open(path)
        return {key: self.values(item, thing) for key, item in value.items()}

    def _described(self, text: str, thing: Any) -> Any:
        """What a text of a call stands for, or the text itself."""
        if match := re.match(r"numpy\.linspace\((\S+), (\S+), (\d+)\)", text):
            return np.linspace(float(match[1]), float(match[2]), int(match[3]))
        if match := re.fullmatch(r"timesteps\[(.+)\]", text):
            return thing.timesteps[ast.literal_eval(match[1])]
        if text == "vae.geo_decoder":
            return thing.geo_decoder
        if match := re.fullmatch(r"\[Latent2MeshOutput\((\S+), (\S+)\)\]", text):
            holder = resolve("hy3dgen.shapegen.models.autoencoders.Latent2MeshOutput")
            return [holder(self[match[1]].numpy(), self[match[2]].numpy())]
        match = re.match(r"((?:in|out)\.\w+(?:\.\w+)*)(\[[^\]]+\])?(.*)", text)
        if match is None or match[1] not in self.tensors:
            return text
        tensor = self.tensors[match[1]]
        if match[2]:
            tensor = tensor[_index(match[2])]
        change = match[3].strip()
        if not change:
            return tensor
        if found := re.fullmatch(r"with (\[.+\]) set to (-?[\d.]+)", change):
            tensor = tensor.clone()
            tensor[_index(found[1])] = float(found[2])
            return tensor
        if found := re.fullmatch(r"with NaN where \|x\| > ([\d.]+)", change):
            return torch.where(tensor.abs() > float(found[1]), torch.nan, tensor)
        if found := re.match(r"\* ([\d.]+) - ([\d.]+)", change):
            return tensor * float(found[1]) - float(found[2])
        raise ValueError(f"{self.name}: {text!r} is not understood")

    def check(self, got: Any, name: str, tolerance: float | None = None) -> None:
        """Assert that `got` equals the recorded tensor, NaN in the same places."""
        error = largest_error(torch.as_tensor(got), self.tensors[name])
        limit = self.tolerance if tolerance is None else tolerance
        assert error <= limit, f"{self.name} {name}: error {error:.2e}, allowed {limit:.0e}"


def _index(text: str) -> tuple[Any, ...]:
    """The index that `[:, :, :3]` or `[0]` writes."""
    parts = [part.strip() for part in text.strip("[]").split(",")]
    return tuple(
        slice(*(int(end) if end else None for end in part.split(":"))) if ":" in part else int(part)
        for part in parts
    )


def _mesh(kind: str, vertices: np.ndarray, faces: np.ndarray) -> Any:
    if kind.startswith("pymeshlab"):
        import pytest

        pymeshlab = pytest.importorskip("pymeshlab")
        mesh_set = pymeshlab.MeshSet()
        mesh_set.add_mesh(pymeshlab.Mesh(vertices, faces))
        return mesh_set
    import trimesh

    return trimesh.Trimesh(vertices, faces, process=False)


def largest_error(got: Tensor, want: Tensor) -> float:
    """Largest difference relative to the largest recorded magnitude (at least 1)."""
    assert got.shape == want.shape, f"shape {tuple(got.shape)}, want {tuple(want.shape)}"
    assert torch.equal(got.isnan(), want.isnan()), "NaN in other places"
    got, want = got.double().nan_to_num(), want.double().nan_to_num()
    scale = max(1.0, want.abs().max().item())
    return (got - want).abs().max().item() / scale


def resolve(dotted: str) -> Any:
    """The class or function of a dotted name that a case was recorded with.

    Outer names may be classes: `module.Class.method`, `module.Class().method`.
    """
    module, _, rest = dotted.partition("(")
    names = module.split(".")
    for cut in range(len(names) - 1, 0, -1):
        try:
            found = import_module(".".join(names[:cut]))
        except ModuleNotFoundError:
            continue
        break
    for name in names[cut:]:
        found = getattr(found, name)
    if rest:  # `Class(key=value).method`
        call = ast.parse(f"_({rest}", mode="eval").body
        assert isinstance(call, ast.Attribute) and isinstance(call.value, ast.Call)
        options = {word.arg: ast.literal_eval(word.value) for word in call.value.keywords}
        found = getattr(found(**options), call.attr)
    return found


def record_submodules(module: nn.Module, names: list[str]) -> dict[str, Any]:
    """A dict that fills with the outputs of the named submodules while `module` runs."""
    seen: dict[str, Any] = {}
    for name in names:
        module.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: seen.__setitem__(name, output)
        )
    return seen
