# SPDX-License-Identifier: Apache-2.0
"""Checks a task's parameters against a table, in sentences for the person who set them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hy3dgen.errors import InvalidSettingError


@dataclass(frozen=True)
class Parameter:
    """What a parameter may be. `None` always stands for `default`.

    Parameters
    ----------
    kind : int, float, str or bool
    low, high : range of a number, longest text
    choices : the only texts allowed, if any
    required : it must be there and not be None
    """

    kind: type
    low: float = 0
    high: float = math.inf
    choices: tuple[str, ...] = ()
    default: Any = None
    required: bool = False

    def check(self, name: str, value: Any) -> Any:
        if value is None:
            if self.required:
                raise InvalidSettingError(f"{name} is missing; it is {self._wanted()}")
            return self.default
        if not self._fits(value):
            raise InvalidSettingError(f"{name} is {_short(value)}; it must be {self._wanted()}")
        return self.kind(value)

    def _fits(self, value: Any) -> bool:
        if self.kind is str:
            fits = isinstance(value, str) and len(value) <= self.high
            return fits and (not self.choices or value in self.choices)
        if self.kind is bool:
            return isinstance(value, bool)
        kinds = (int,) if self.kind is int else (int, float)
        return type(value) in kinds and self.low <= value <= self.high

    def _wanted(self) -> str:
        if self.choices:
            return " or ".join(f"'{choice}'" for choice in self.choices)
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return "a text" if self.high == math.inf else f"a text of up to {self.high:g} letters"
        return f"{'a whole' if self.kind is int else 'a'} number from {self.low} to {self.high}"


def check_parameters(params: Mapping[str, Any], table: Mapping[str, Parameter]) -> dict[str, Any]:
    """Every name of `table` with its checked value or default. InvalidSettingError otherwise."""
    _refuse_unknown("setting", params, table)
    return {name: row.check(name, params.get(name)) for name, row in table.items()}


def check_arrays(arrays: Mapping[str, Any], required: Iterable[str], optional=()) -> None:
    """InvalidSettingError unless `arrays` has the required names and no unknown ones."""
    required = tuple(required)
    _refuse_unknown("array", arrays, (*required, *optional))
    missing = [name for name in required if name not in arrays]
    if missing:
        raise InvalidSettingError(f"the array '{missing[0]}' is missing; send it with the request")


def _refuse_unknown(what: str, found: Iterable[str], known: Iterable[str]) -> None:
    known = tuple(known)
    unknown = [name for name in found if name not in known]
    if unknown:
        possible = ", ".join(known) or "none"
        raise InvalidSettingError(f"there is no {what} '{unknown[0][:64]}'; possible: {possible}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
