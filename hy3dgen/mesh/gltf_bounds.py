# SPDX-License-Identifier: Apache-2.0
"""What a glTF file would become in memory, told from its description before anything is made.

A few hundred bytes can describe gigabytes: values without bytes behind them, which count as zeros,
and one mesh that stands in a thousand places, which is copied for each.
"""

import json
from pathlib import Path
from typing import Any

from ..errors import InvalidMeshError

_LONGEST = 16_000_000  # bytes of the description; Python's objects take some 30 times as many
_MOST_VALUES = 30_000_000  # of accessors without bytes, and of positions and corners of all places


def check_gltf(path: Path) -> None:
    """InvalidMeshError if `path` describes more than it should; damage is left to the reader."""
    with path.open("rb") as file:
        start = file.read(20)
        if start[:4] == b"glTF":
            size = int.from_bytes(start[12:16], "little")
        elif path.suffix.lower() == ".gltf":
            size = path.stat().st_size
            file.seek(0)
        else:
            return
        if size > _LONGEST:
            raise InvalidMeshError(
                f"The mesh file {path} has a description of {size:,} bytes, and {_LONGEST:,} are "
                "read; export it with fewer objects."
            )
        text = file.read(size)
    try:
        values = _values(json.loads(text))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return
    # A file without copies has a byte at least for each.
    if values > max(_MOST_VALUES, path.stat().st_size):
        raise InvalidMeshError(
            f"The mesh file {path} describes {values:,} values, more than the {_MOST_VALUES:,} "
            "that are read; export it with fewer faces or copies."
        )


def _values(tree: dict[str, Any]) -> int:
    """Numbers that no bytes stand for, and positions and corners of every mesh in every place."""
    accessors = tree.get("accessors", [])
    empty = sum(
        _count(accessor) * 16 for accessor in accessors if accessor.get("bufferView") is None
    )
    meshes = []
    for mesh in tree.get("meshes", []):
        used = 0
        for primitive in mesh["primitives"]:
            for number in (primitive["attributes"].get("POSITION"), primitive.get("indices")):
                used += 0 if number is None else _count(accessors[number])
        meshes.append(used)
    places = [node["mesh"] for node in tree.get("nodes", []) if "mesh" in node]
    return empty + sum(meshes[number] for number in places)


def _count(accessor: dict[str, Any]) -> int:
    return max(int(accessor.get("count", 0)), 0)
