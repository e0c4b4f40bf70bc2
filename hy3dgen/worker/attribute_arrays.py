# SPDX-License-Identifier: Apache-2.0
"""Attributes of a mesh as arrays of a message, under names from a fixed scheme, and back.

An array is called `domain_value_number` or `domain_value_parts_number`, such as
`corner_blend_parts_0` for a UV map: its domain, whether values are blended, the nearest or of unit
length, and whether it parts the surface (`hy3dgen.mesh.Attribute`). Names that an artist gave never
travel: the sender remembers them. Attributes of one kind that part nothing, such as a hundred
vertex groups, travel as columns of one array, and bools as bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hy3dgen.errors import InvalidMeshError, InvalidSettingError
from hy3dgen.mesh.attributes import DOMAINS, Attribute
from hy3dgen.worker.protocol import DTYPES, MAX_ARRAYS

MESH_ARRAYS = ("vertices", "faces")
_NAME = re.compile(rf"({'|'.join(DOMAINS)})_(blend|nearest|unit)(_parts)?_[0-9]{{1,2}}")


@dataclass(frozen=True)
class Packed:
    """Arrays to send, and where in them each attribute lies."""

    arrays: dict[str, np.ndarray]
    places: tuple[tuple[Attribute, str, slice], ...]

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> list[Attribute]:
        """The attributes with the values that came back, in the order in which they were given."""
        found = []
        for attribute, name, columns in self.places:
            shape = attribute.values.shape[1:]
            values = arrays[name][:, columns].astype(attribute.values.dtype)
            found.append(attribute.with_values(values.reshape(len(values), *shape)))
        return found

    def names_of(self, arrays: Sequence[str]) -> list[str]:
        """Names of the attributes that lie in these arrays."""
        return [attribute.name for attribute, name, _ in self.places if name in arrays]


def pack(attributes: Sequence[Attribute]) -> Packed:
    """InvalidSettingError if there are more than a message holds, or of a number type it cannot."""
    columns: dict[str, list[np.ndarray]] = {}
    shared: dict[tuple[str, str], str] = {}
    places = []
    for attribute in attributes:
        values = np.ascontiguousarray(attribute.values.reshape(len(attribute.values), -1))
        if values.dtype == bool:
            values = values.view(np.uint8)
        if values.dtype.name not in DTYPES:
            raise InvalidSettingError(
                f"attribute {attribute.name!r} is of {values.dtype}; possible are bool, "
                f"{', '.join(DTYPES)}."
            )
        kind = _kind(attribute)
        key = (kind, values.dtype.name)
        name = None if attribute.parts else shared.get(key)
        if name is None:
            name = f"{kind}_{len(columns)}"
            columns[name] = []
        if not attribute.parts:
            shared[key] = name
        start = sum(part.shape[1] for part in columns[name])
        columns[name].append(values)
        places.append((attribute, name, slice(start, start + values.shape[1])))
    if len(columns) > MAX_ARRAYS - len(MESH_ARRAYS):
        raise InvalidSettingError(
            f"the mesh has {len(columns)} UV maps, colours, materials and other attributes that "
            f"are kept apart, but {MAX_ARRAYS - len(MESH_ARRAYS)} at most can be; remove some."
        )
    arrays = {
        name: parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        for name, parts in columns.items()
    }
    return Packed(arrays, tuple(places))


def attributes_in(arrays: Mapping[str, np.ndarray]) -> list[Attribute]:
    """What came with `vertices` and `faces`. InvalidSettingError for a name of no known kind."""
    found = []
    for name, values in arrays.items():
        if name in MESH_ARRAYS:
            continue
        match = _NAME.fullmatch(name)
        if match is None:
            raise InvalidSettingError(
                f"there is no array '{name[:64]}'; possible are {', '.join(MESH_ARRAYS)} and "
                "attributes such as 'corner_blend_parts_0'"
            )
        domain, value, parts = match.groups()
        if values.ndim != 2:
            raise InvalidMeshError(f"array '{name}' has {values.ndim} axes, but rows are wanted")
        if value == "unit" and values.shape[1] != 3:
            raise InvalidMeshError(
                f"array '{name}' has rows of {values.shape[1]}, but directions have 3 numbers"
            )
        found.append(
            Attribute(name, domain, values, value != "nearest", value == "unit", parts is not None)
        )
    return found


def _kind(attribute: Attribute) -> str:
    value = "nearest" if not attribute.blend else "unit" if attribute.unit_length else "blend"
    return f"{attribute.domain}_{value}{'_parts' if attribute.parts else ''}"
