# SPDX-License-Identifier: Apache-2.0
"""Finds a model's files, reads them, and puts weights into networks without leaving anything out.

A model is a folder with `config.yaml` and `model[.variant].safetensors` or `.ckpt`. Knows nothing
about what the networks are: it asks them for their state dict. Needs torch only inside functions.
"""

import io
import os
import pickle  # for the name of the error that torch raises; nothing is unpickled here
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import (
    CheckpointError,
    CheckpointMismatchError,
    CheckpointNotFoundError,
    MissingDependencyError,
)
from .mapped_weights import map_safetensors
from .weight_uploads import Uploads

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

CONFIG_NAME = "config.yaml"
_FORMATS = ("safetensors", "ckpt")
# Bytes. The published ones have two thousand; of brackets alone a hundred thousand take a second to
# read and 30 MB.
_LONGEST_CONFIG = 100_000
_DEEPEST_CONFIG = 100  # brackets within each other
# What the description of a .ckpt's tensors may be: bytes where it is an entry of an archive, pieces
# that are read elsewhere. Published models have a third of it at most; each byte may cost 80 in
# memory, and a microsecond.
_LONGEST_PICKLE = 1_000_000
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class ModelFiles(NamedTuple):
    config: Path
    weights: Path


def locate(
    model_path: str | os.PathLike[str],
    subfolder: str | None,
    *,
    use_safetensors: bool = True,
    variant: str | None = "fp16",
    default_subfolder: str | None = None,
    local_files_only: bool = False,
) -> ModelFiles:
    """The config and weight file of a model.

    Looked for, in this order: the folder itself, absolute or relative; the folder below
    `$HY3DGEN_MODELS` (or `~/.cache/hy3dgen`); a repository on the Hugging Face hub, unless
    `local_files_only`. Where the wanted format or variant is missing, the other format and then the
    file without a variant are taken.

    Parameters
    ----------
    model_path : folder, or `owner/name` of a repository
    subfolder : folder inside; None for the model folder itself
    default_subfolder : if `subfolder` is this one and does not exist, a config.yaml in the model
        folder itself will do

    Raises
    ------
    CheckpointNotFoundError
        The message lists where it was looked for, or which files there are.
    """
    path = Path(os.path.expanduser(os.fspath(model_path)))
    cache = Path(os.path.expanduser(os.environ.get("HY3DGEN_MODELS") or "~/.cache/hy3dgen"))
    roots = [path] if path.is_absolute() else [path.absolute(), cache / path]
    for root in roots:
        for folder in _candidates(root, subfolder, default_subfolder):
            if os.path.isdir(folder):  # takes any text, unlike pathlib
                return _files_in(folder, use_safetensors, variant)
    wanted = ", ".join(str(root / (subfolder or "")) for root in roots)
    if path.is_absolute() or not _REPOSITORY.fullmatch(os.fspath(model_path)):
        raise CheckpointNotFoundError(
            f"there is no model folder at {wanted}; choose a folder that holds {CONFIG_NAME}."
        )
    folder = _from_hub(
        os.fspath(model_path), subfolder, use_safetensors, variant, local_files_only, wanted
    )
    return _files_in(folder, use_safetensors, variant)


def _candidates(root: Path, subfolder: str | None, default: str | None) -> list[Path]:
    folders = [root / subfolder] if subfolder else [root]
    if subfolder and subfolder == default and os.path.isfile(root / CONFIG_NAME):
        folders.append(root)
    return folders


def fitting_subfolder(
    model_path: str | os.PathLike[str], subfolder: str | None, default: str, default_21: str
) -> str | None:
    """`subfolder`, but where it is the `default` and the model is of 2.1, that release's default.

    A model is of 2.1 if its repository is called so, or if its local folder has that subfolder and
    not the default one.
    """
    path = Path(os.path.expanduser(os.fspath(model_path)))
    local = os.path.isdir(path / default_21) and not os.path.isdir(path / default)
    if subfolder == default and (local or path.name == "Hunyuan3D-2.1"):
        return default_21
    return subfolder


def _weight_names(use_safetensors: bool, variant: str | None) -> list[str]:
    formats = _FORMATS if use_safetensors else _FORMATS[::-1]
    infixes = [f".{variant}", ""] if variant else [""]
    return [f"model{infix}.{extension}" for infix in infixes for extension in formats]


def _files_in(folder: Path, use_safetensors: bool, variant: str | None) -> ModelFiles:
    config = folder / CONFIG_NAME
    if not config.is_file():
        raise CheckpointNotFoundError(
            f"{folder} has no {CONFIG_NAME}, so it is not a model folder; choose the folder that "
            "holds it."
        )
    names = _weight_names(use_safetensors, variant)
    for name in names:
        if (folder / name).is_file():
            return ModelFiles(config, folder / name)
    present = ", ".join(sorted(item.name for item in folder.iterdir())[:10])
    raise CheckpointNotFoundError(
        f"{folder} holds {present}, but none of {', '.join(names)}; copy the weight file there."
    )


def _from_hub(
    repository: str,
    subfolder: str | None,
    use_safetensors: bool,
    variant: str | None,
    local_files_only: bool,
    looked_in: str,
) -> Path:
    """Folder of a repository in the hub's cache, downloaded first if allowed."""
    missing = f"there is no model {repository} at {looked_in}"
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingDependencyError(
            f"{missing}, and huggingface_hub, which would download it, is not installed; install "
            "it with pip, or give a local folder."
        ) from error
    prefix = f"{subfolder}/" if subfolder else ""
    # One weight file rather than all formats of the folder: try the best name first.
    for name in _weight_names(use_safetensors, variant):
        patterns = [prefix + CONFIG_NAME, prefix + name]
        try:
            root = Path(
                snapshot_download(
                    repository, allow_patterns=patterns, local_files_only=local_files_only
                )
            )
        except LocalEntryNotFoundError as error:
            reason = "downloads were not allowed" if local_files_only else "the hub is out of reach"
            raise CheckpointNotFoundError(
                f"{missing}, and {reason}; download it, or give a local folder."
            ) from error
        except (HfHubHTTPError, OSError) as error:
            raise CheckpointNotFoundError(
                f"{missing}, and the download failed ({error}); check the name and the connection."
            ) from error
        if (root / prefix / name).is_file():
            return root / prefix
    raise CheckpointNotFoundError(
        f"the repository {repository} has no weights in {subfolder or 'its top folder'}; check the "
        "subfolder's name."
    )


def read_config(path: str | os.PathLike[str], sections: Iterable[str]) -> dict[str, Any]:
    """A `config.yaml` as a dict that has at least these top-level keys."""
    import yaml

    path = Path(path)
    try:
        size = path.stat().st_size
        if size > _LONGEST_CONFIG:
            raise CheckpointError(
                f"{path} has {size:,} bytes, more than the {_LONGEST_CONFIG:,} that a config may "
                "have; use the config.yaml that was published with the model."
            )
        text = path.read_text(encoding="utf-8")
        if _depth(text) > _DEEPEST_CONFIG:  # which the reader gives up as well, after a second
            raise yaml.YAMLError(f"brackets lie more than {_DEEPEST_CONFIG} deep in each other")
        config = yaml.safe_load(text)
    except FileNotFoundError as error:
        raise CheckpointNotFoundError(f"there is no config at {path}; check the path.") from error
    # ValueError: bad UTF-8, and dates that no calendar has; RecursionError: brackets without end.
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{path} is not readable YAML ({reason}); copy it again.") from error
    found = [str(name)[:60] for name in config] if isinstance(config, dict) else []
    missing = sorted(set(sections) - set(found))
    if missing:
        raise CheckpointMismatchError(
            f"{path} has {_some(sorted(found), 10) or 'nothing'}, but lacks "
            f"{', '.join(missing)}; use the config.yaml that was published with the model."
        )
    return config


def _depth(text: str) -> int:
    """How deep brackets lie in each other, at most; those in texts count too."""
    depth = deepest = 0
    for letter in text:
        if letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
    return deepest


def read_weights(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The tensors of a weight file on the CPU: flat, or a dict of dicts from some `.ckpt` files.

    They are mapped into memory: what is read of the file is what is used.
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise CheckpointNotFoundError(f"there is no weight file at {path}; check the path.")
    if path.suffix == ".safetensors":
        return map_safetensors(path)
    if path.suffix in (".ckpt", ".bin"):
        return _read_ckpt(path)
    raise CheckpointError(
        f"{path.name} is none of .safetensors, .ckpt and .bin; give one of those."
    )


def _read_ckpt(path: Path) -> dict[str, Any]:
    import torch

    try:
        if zipfile.is_zipfile(path):
            _check_archive(path)
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        else:  # the old format, which cannot be mapped
            with _BoundedReader(io.FileIO(path)) as file:
                state = torch.load(file, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds Python objects other than weights, or is damaged, and is not loaded for "
            "safety; use a .safetensors file."
        ) from error
    except Exception as error:  # torch's reader raises whatever it stumbles over
        raise CheckpointError(
            f"{path} is damaged or cut off; download or copy it again."
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds no state dict; use the published weight file.")
    return state


def _check_archive(path: Path) -> None:
    """Refuse what would take far more memory than the file has bytes."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise CheckpointError(f"{path} is compressed inside; use a .safetensors file.")
            if entry.filename.endswith(".pkl") and entry.file_size > _LONGEST_PICKLE:
                raise _too_long(path, f"{entry.file_size:,} bytes")


class _BoundedReader(io.BufferedReader):
    """Refuses to be read in more pieces than a description of tensors has.

    Tensors themselves are read from the descriptor.
    """

    _pieces = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._pieces += 1
        if self._pieces > _LONGEST_PICKLE:
            raise _too_long(self.name, f"more than {_LONGEST_PICKLE:,} pieces")
        return super().read(size)


def _too_long(path: Any, found: str) -> CheckpointError:
    return CheckpointError(
        f"{path} describes its tensors in {found}, more than any model needs; use a "
        ".safetensors file."
    )


def split_parts(
    state: Mapping[str, Any], parts: Iterable[str], source: str, optional: Iterable[str] = ()
) -> "dict[str, dict[str, Tensor]]":
    """One flat state dict per part, from a file with `part.key` names or nested dicts.

    Parts that are `optional` may be absent.
    """
    parts = tuple(parts)
    split: dict[str, dict[str, Any]] = {}
    for name, value in state.items():
        if isinstance(value, Mapping):
            split[name] = dict(value)
        else:
            part, _, key = name.partition(".")
            split.setdefault(part, {})[key] = value
    if set(split) | set(optional) != set(parts):
        raise CheckpointMismatchError(
            f"{source} holds weights for {_some(split) or 'nothing'}, but weights for "
            f"{', '.join(sorted(parts))} are wanted; use the file published with this config."
        )
    return split


def read_part(path: str | os.PathLike[str], part: str) -> "dict[str, Tensor]":
    """The weights of one network from a file of its own, of a training run or of a pipeline."""
    state = read_weights(path)
    state = state.get("state_dict", state)
    if isinstance(state.get(part), Mapping):
        return dict(state[part])
    prefix = f"{part}."
    inside = {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}
    return inside or dict(state)


def load_strictly(
    module: "nn.Module",
    state: "dict[str, Tensor]",
    source: str,
    dtype: "torch.dtype | None" = None,
    device: "torch.device | None" = None,
) -> None:
    """Make `state` the weights of `module`, on `device` in `dtype`; names and shapes must all fit.

    The tensors become the parameters themselves, so a module built on the "meta" device costs no
    time and no memory before. They leave `state` one by one as they are converted, so that there is
    never a second copy of all of them.

    Raises
    ------
    CheckpointMismatchError
        One sentence with the first missing and unexpected names and other shapes; all names are
        attributes of the error.
    """
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    reshaped = [
        f"{name} is {found[name]} instead of {wanted[name]}"
        for name in wanted
        if name in found and found[name] != wanted[name]
    ]
    problems = []
    if missing:
        problems.append(f"{len(missing)} weights are missing ({_some(missing)})")
    if unexpected:
        problems.append(f"{len(unexpected)} are unexpected ({_some(unexpected)})")
    if reshaped:
        problems.append(f"{len(reshaped)} have another shape ({_some(reshaped)})")
    if problems:
        error = CheckpointMismatchError(
            f"{source} does not fit the {type(module).__name__} that its config describes: "
            f"{', '.join(problems)}; use the weights and the config.yaml that belong together."
        )
        error.missing, error.unexpected = tuple(missing), tuple(unexpected)
        raise error
    converted = {}
    uploads = Uploads(device) if device is not None and device.type == "cuda" else None
    for name in wanted:
        value = state.pop(name)
        if device is not None:  # as narrow as it is in the file
            value = value.to(device) if uploads is None else uploads(value)
        converted[name] = value.to(dtype) if value.is_floating_point() else value
    module.load_state_dict(converted, strict=True, assign=True)


def _some(names: Iterable[str], limit: int = 4) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
