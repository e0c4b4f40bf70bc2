# SPDX-License-Identifier: Apache-2.0
"""Where things lie that all Blenders of a user share. Looks at nothing, makes nothing."""

import os
import sys
from pathlib import Path

_NAME = "hunyuan3d-blender"


def data_folder() -> Path:
    """The user's folder for what this project keeps; `$HY3DGEN_DATA` overrides it.

    Not Blender's folder for extensions: that one is per Blender version, and an environment of
    several gigabytes must not be made anew for each.
    """
    if chosen := os.environ.get("HY3DGEN_DATA"):
        return Path(os.path.expanduser(chosen))
    if os.name == "nt":
        root = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        root = "~/Library/Application Support"
    else:
        root = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(os.path.expanduser(root), _NAME)


def compiled_folder() -> Path:
    """Where compiled kernels are kept: a folder that may go at any time, see `compiled_code`."""
    if chosen := os.environ.get("HY3DGEN_DATA"):
        return Path(os.path.expanduser(chosen), "compiled")
    if os.name == "nt":
        root = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        root = "~/Library/Caches"
    else:
        root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(root), _NAME, "compiled")


def models_folder() -> Path:
    """Where models are kept as `owner/name/subfolder`, as for the published Hunyuan3D-2 code."""
    return Path(os.path.expanduser(os.environ.get("HY3DGEN_MODELS") or "~/.cache/hy3dgen"))


def hub_cache_folder() -> Path:
    """The cache of huggingface_hub, which other programs fill too; its own rules, in its order."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if chosen := os.environ.get(name):
            return Path(os.path.expanduser(chosen))
    if home := os.environ.get("HF_HOME"):
        return Path(os.path.expanduser(home), "hub")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(cache), "huggingface", "hub")
