# SPDX-License-Identifier: Apache-2.0
"""Tiny wheels that are called like the packages of the worker's environment; no network."""

import re
import zipfile
from pathlib import Path

TORCH = """
__version__ = "2.13.0"
class cuda:
    is_available = staticmethod(lambda: False)
class backends:
    class mps:
        is_available = staticmethod(lambda: False)
"""
LIBRARIES = {
    "safetensors": "safetensors",
    "pyyaml": "yaml",
    "pillow": "PIL",
    "opencv_python_headless": "cv2",
    "scikit_image": "skimage",
    "huggingface_hub": "huggingface_hub",
}


def write_wheel(folder, name, module, code="", version="2.13.0"):
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{module}/__init__.py", code)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def write_packages(folder):
    """Wheels of PyTorch and of every library that a worker needs, all of one version."""
    folder.mkdir(parents=True, exist_ok=True)
    write_wheel(folder, "torch", "torch", TORCH)
    for name, module in LIBRARIES.items():
        write_wheel(folder, name, module)
    return folder


def write_required(folder):
    """Wheels that fit requirements/worker.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = Path(__file__).parents[2] / "requirements" / "worker.txt"
    for line in listed.read_text().splitlines():
        if found := re.match(r"([\w-]+)[=>]=([\d.]+)", line):
            name = found[1].replace("-", "_")
            code = TORCH if name == "torch" else ""
            write_wheel(folder, name, LIBRARIES.get(name, name), code, found[2])
    return folder
