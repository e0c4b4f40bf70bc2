# SPDX-License-Identifier: Apache-2.0
"""The published models that can be fetched, and which of them lie on this machine.

Facts only: what is not known for certain is None and is not shown. Sizes are those of the weight
file that is fetched: seen in listings for 2.0, 2mini, 2mini-turbo, 2mv and 2.1, for the others
counted from the parameters, which gives the seen sizes exactly. Memory: the publisher's figures; of
texture models what was measured here, see docs/textures.md.

Models for shapes are `MODELS`, those for textures `TEXTURE_MODELS`.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hy3dgen.errors import SetupError
from hy3dgen.install import disk
from hy3dgen.install.places import data_folder, hub_cache_folder, models_folder

CONFIG_NAME = "config.yaml"
WEIGHT_NAMES = (
    *("model.fp16.safetensors", "model.fp16.ckpt"),
    *("model.safetensors", "model.ckpt"),
)
"""What a model's weights may be called, best first."""
RECORD = "hunyuan3d-download.json"
UNFINISHED_PREFIX = ".unfinished-"


@dataclass(frozen=True)
class Licence:
    """A licence that must be accepted before a download. `points` are for people, one line each."""

    key: str
    name: str
    short: str
    address: str
    points: tuple[str, ...]


_POINTS = (
    "It excludes the European Union, the United Kingdom and South Korea.",
    "Neither the model nor what it makes may be used to improve other AI models.",
    "Very large services need a licence of their own; some uses are forbidden.",
)
LICENCES = {
    licence.key: licence
    for licence in (
        Licence(
            "tencent-hunyuan3d-2.0",
            "Tencent Hunyuan 3D 2.0 Community License",
            "Tencent 2.0",
            "https://huggingface.co/tencent/Hunyuan3D-2/blob/main/LICENSE",
            _POINTS,
        ),
        Licence(
            "tencent-hunyuan3d-2.1",
            "Tencent Hunyuan 3D 2.1 Community License",
            "Tencent 2.1",
            "https://huggingface.co/tencent/Hunyuan3D-2.1/blob/main/LICENSE",
            _POINTS,
        ),
    )
}


@dataclass(frozen=True)
class KnownModel:
    """A model on the hub; `download` and `memory` (of a graphics card) in bytes.

    Parameters
    ----------
    files : what must be there, below `subfolder`; of each entry one name, best first
    needs : subfolders of the same repository that it cannot do without
    """

    name: str
    repository: str
    subfolder: str
    licence: Licence
    download: int
    memory: int | None
    about: str
    files: tuple[tuple[str, ...], ...] = ((CONFIG_NAME,), WEIGHT_NAMES)
    needs: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.repository}/{self.subfolder}"

    def is_in(self, folder: Path) -> bool:
        """Whether all of it is in `folder`."""
        return all(any((folder / name).is_file() for name in names) for names in self.files)


def _known(
    name: str, repository: str, subfolder: str, download: int, about: str, memory: int | None = None
) -> KnownModel:
    licence = "tencent-hunyuan3d-2.1" if repository.endswith("2.1") else "tencent-hunyuan3d-2.0"
    repository, subfolder = f"tencent/{repository}", f"hunyuan3d-dit-v2-{subfolder}"
    return KnownModel(name, repository, subfolder, LICENCES[licence], download, memory, about)


_PLAIN = "50 steps, the model as first published"
_FAST = "50 steps of half the work each"
_TURBO = "5 steps, the fastest"
_VIEWS = "several views of one object; "
MODELS = (
    _known("2mini Turbo", "Hunyuan3D-2mini", "mini-turbo", 3_822_584_202, f"small; {_TURBO}"),
    _known("2mini Fast", "Hunyuan3D-2mini", "mini-fast", 3_822_600_000, f"small; {_FAST}"),
    _known("2mini", "Hunyuan3D-2mini", "mini", 3_819_958_234, f"small; {_PLAIN}"),
    _known("2.0 Turbo", "Hunyuan3D-2", "0-turbo", 4_930_800_000, _TURBO),
    _known("2.0 Fast", "Hunyuan3D-2", "0-fast", 4_930_800_000, _FAST),
    _known("2.0", "Hunyuan3D-2", "0", 4_928_151_562, _PLAIN),
    _known("2mv Turbo", "Hunyuan3D-2mv", "mv-turbo", 4_930_800_000, _VIEWS + _TURBO),
    _known("2mv Fast", "Hunyuan3D-2mv", "mv-fast", 4_930_800_000, _VIEWS + _FAST),
    _known("2mv", "Hunyuan3D-2mv", "mv", 4_928_151_562, _VIEWS + _PLAIN),
    _known("2.1", "Hunyuan3D-2.1", "1", 7_366_389_768, _PLAIN, memory=10_000_000_000),
)


def _component(name: str, weights: str = "diffusion_pytorch_model") -> tuple[tuple[str, ...], ...]:
    # Both formats are published; of the paint models' autoencoders only the older one for turbo.
    older = "pytorch_model.bin" if weights == "model" else f"{weights}.bin"
    return ((f"{name}/config.json",), (f"{name}/{weights}.safetensors", f"{name}/{older}"))


_SCHEDULER = ("scheduler/scheduler_config.json",)
_PAINT = (*_component("unet"), *_component("vae"), _SCHEDULER)
_DELIGHT = (
    *(*_component("unet"), *_component("vae"), *_component("text_encoder", "model"), _SCHEDULER),
    *(("tokenizer/vocab.json",), ("tokenizer/special_tokens_map.json",)),
)
DELIGHT_FOLDER = "hunyuan3d-delight-v2-0"


def _texture(
    name: str, subfolder: str, download: int, memory: int | None, about: str, **parts: tuple
) -> KnownModel:
    licence = LICENCES["tencent-hunyuan3d-2.0"]
    return KnownModel(
        name, "tencent/Hunyuan3D-2", subfolder, licence, download, memory, about, **parts
    )


# Downloads of these are estimates: the network from its parameters in half precision, the rest from
# what others tell. The hub says it exactly before anything is fetched.
TEXTURE_MODELS = (
    _texture(
        *("2.0 Paint Turbo", "hunyuan3d-paint-v2-0-turbo", 4_000_000_000, 7_100_000_000),
        "paints six views in 10 steps; comes with 2.0 Delight",
        files=_PAINT,
        needs=(DELIGHT_FOLDER,),
    ),
    _texture(
        *("2.0 Paint", "hunyuan3d-paint-v2-0", 4_000_000_000, 7_100_000_000),
        "paints six views in 30 guided steps; comes with 2.0 Delight",
        files=_PAINT,
        needs=(DELIGHT_FOLDER,),
    ),
    _texture(
        *("2.0 Delight", DELIGHT_FOLDER, 2_600_000_000, None),
        "takes light and shadow out of the picture before painting",
        files=_DELIGHT,
    ),
)
ALL_MODELS = MODELS + TEXTURE_MODELS


def needed_by(model: KnownModel) -> list[KnownModel]:
    """The models that `model` cannot do without."""
    wanted = [(model.repository, subfolder) for subfolder in model.needs]
    return [other for other in ALL_MODELS if (other.repository, other.subfolder) in wanted]


def find_known(model: str, subfolder: str | None = None) -> KnownModel:
    """The known model called `model`: its key, its name, or its repository with `subfolder`."""
    for known in ALL_MODELS:
        if model in (known.key, known.name) or (model, subfolder) == (
            known.repository,
            known.subfolder,
        ):
            return known
    raise SetupError(
        f"there is no known model '{model[:80]}'; known are {', '.join(m.key for m in ALL_MODELS)}"
    )


def known_as(name: str, among: Sequence[KnownModel] = MODELS) -> list[KnownModel]:
    """The known models that `name` can mean, best first: a key, a name, or a whole repository."""
    exact = [known for known in among if name in (known.key, known.name)]
    inside = [known for known in among if known.repository == name]
    return exact or sorted(inside, key=lambda known: len(known.subfolder))  # the plain one first


# --- what is on disk ------------------------------------------------------------------------------


@dataclass(frozen=True)
class OnDisk:
    """Where a model lies. `folder` None: nowhere; `unfinished`: bytes of a download so far."""

    folder: Path | None
    size: int = 0
    in_hub_cache: bool = False
    unfinished: int = 0


def look_up(model: KnownModel, models: Path | None = None) -> OnDisk:
    """Whether `model` is on this machine: in the models folder, then in the hub's cache."""
    models = models_folder() if models is None else models
    folder = models / model.repository / model.subfolder
    if model.is_in(folder):
        return OnDisk(folder, _size(folder))
    with contextlib.suppress(OSError):
        for snapshot in sorted(_snapshots(model.repository).iterdir()):
            if model.is_in(snapshot / model.subfolder):
                return OnDisk(snapshot / model.subfolder, _size(snapshot / model.subfolder), True)
    return OnDisk(None, unfinished=disk.size_of(unfinished_folder(model, models)))


def is_in_hub_cache(repository: str) -> bool:
    """Whether something of `repository`, known or not, lies in the hub's cache."""
    return any((_snapshots(repository)).glob(f"**/{CONFIG_NAME}"))


def _snapshots(repository: str) -> Path:
    return hub_cache_folder() / f"models--{repository.replace('/', '--')}" / "snapshots"


def unfinished_folder(model: KnownModel, models: Path) -> Path:
    """Where a download lies until all of it is there and checked."""
    return models / model.repository / f"{UNFINISHED_PREFIX}{model.subfolder}"


def weight_file(folder: Path) -> Path | None:
    """The weights that would be loaded from a model folder."""
    return next((p for name in WEIGHT_NAMES if (p := folder / name).is_file()), None)


def is_model_folder(folder: Path) -> bool:
    return (folder / CONFIG_NAME).is_file() and weight_file(folder) is not None


def check_model_folder(folder: Path) -> Path:
    """`folder`, or the one folder in it that is a model; SetupError says what is missing."""
    if not os.path.isdir(folder):
        what = "is a file" if os.path.exists(folder) else "does not exist"
        raise SetupError(f"the model folder {folder} {what}; choose the folder of a model")
    if is_model_folder(folder):
        return folder
    inside = [entry for entry in sorted(folder.iterdir()) if is_model_folder(entry)]
    if len(inside) == 1:
        return inside[0]
    if inside:
        names = ", ".join(entry.name for entry in inside[:6])
        raise SetupError(f"the folder {folder} holds several models; choose one of {names}")
    if (folder / CONFIG_NAME).is_file():
        raise SetupError(
            f"the model folder {folder} has a {CONFIG_NAME} but no weights; copy one of "
            f"{', '.join(WEIGHT_NAMES)} there"
        )
    if (weights := weight_file(folder)) is not None:
        raise SetupError(
            f"the model folder {folder} has {weights.name} but no {CONFIG_NAME}; copy the one that "
            "was published with it there"
        )
    raise SetupError(
        f"the folder {folder} is not a model: it has neither {CONFIG_NAME} nor weights; choose the "
        "folder that holds them"
    )


def remove(model: KnownModel, models: Path | None = None) -> int:
    """Delete every copy of `model` in the models folder and the hub's cache; the bytes freed."""
    models = models_folder() if models is None else models
    unfinished = unfinished_folder(model, models)
    freed = disk.size_of(unfinished)
    disk.remove_tree(unfinished)
    while (found := look_up(model, models)).folder is not None:
        freed += found.size
        for path in sorted(found.folder.rglob("*"), reverse=True):  # what is in a folder first
            try:
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                    continue
                # In the hub's cache a file is a link to where its bytes are.
                if found.in_hub_cache and path.is_symlink():
                    path.resolve().unlink(missing_ok=True)
                path.unlink()
            except OSError as error:
                raise SetupError(
                    f"{path} could not be removed ({error.strerror or error}); close what uses "
                    "the model and try again"
                ) from error
        with contextlib.suppress(OSError):
            found.folder.rmdir()
    return freed


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                total += path.stat().st_size  # through links: the cache's files are links
    return total


# --- licences -------------------------------------------------------------------------------------


def accepted(licence: Licence) -> bool:
    """Whether this user has accepted `licence` on this machine before."""
    return licence.key in disk.read_json(_licences_file())


def accept(licence: Licence) -> None:
    """Note that the user has read and accepted `licence`."""
    path = _licences_file()
    disk.make_folder(path.parent)
    disk.write_json(path, {**disk.read_json(path), licence.key: licence.address})


def _licences_file() -> Path:
    return data_folder() / "accepted-licences.json"
